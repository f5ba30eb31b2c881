"""Prompt files: what is read, and the one line that names the place of a mistake."""

import pytest

from tuneaccord.errors import InputError
from tuneaccord.llm.prompts import Prompt, load_prompts


def load(folder, content):
    path = folder / "p.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_prompts(path)


def test_ids_and_forms(tmp_path):
    content = (
        '\ufeff{"prompt": "one"}\r\n\n{"prompt": "two", "id": "b", "extra": 1}\n'
        '{"prompt": [{"role": "user", "content": "three"}], "id": 7}'
    )
    assert load(tmp_path, content) == (Prompt("p001", "one"), Prompt("b", "two"), Prompt("7", "three"))


def test_other_line_separators_are_part_of_a_text(tmp_path):
    text = "a\u2028b\u2029c\x85d"
    assert load(tmp_path, f'{{"prompt": "{text}"}}\n{{"prompt": "x"}}\n')[0].text == text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is empty. Give one prompt a line"),
        (" \n\n", "is empty"),
        ('{"prompt": "a"}\nhello\n', "line 2 is not JSON: hello."),
        ('{"prompt": "a"\n', "line 1 is not JSON"),
        ('{"text": "a"}\n', "line 1 has no 'prompt'"),
        ("[1]\n", "line 1 has no 'prompt'"),
        ('{"prompt": ""}\n', "line 1: the prompt must be a non-empty text, got ''"),
        ('{"prompt": "  "}\n', "must be a non-empty text"),
        ('{"prompt": 3}\n', "must be a non-empty text, got 3"),
        ('{"prompt": null}\n', "must be a non-empty text"),
        ('{"prompt": "a", "id": ""}\n', "the id must be a text"),
        ('{"prompt": "a", "id": true}\n', "the id must be a text"),
        ('{"prompt": "a", "id": [1]}\n', "the id must be a text"),
        ('{"prompt": "a", "id": "x"}\n{"prompt": "b", "id": "x"}\n', "has the id 'x' twice"),
        ('{"prompt": "a", "id": "p002"}\n{"prompt": "b"}\n', "has the id 'p002' twice"),
        ('{"prompt": "a"}\n{"prompt": "a"}\n', "has the prompt 'a' twice"),
        ('{"prompt": []}\n', "a conversation must be one user message, got roles []"),
        ('{"prompt": [{"role": "system", "content": "a"}]}\n', "got roles ['system']"),
        ('{"prompt": ["a"]}\n', "got roles [None]"),
        ('{"prompt": [{"role": "user"}]}\n', "must be a non-empty text"),
        ('{"prompt": "\\ud800"}\n', "half of a surrogate pair"),
        ('{"prompt": "a", "id": "\\udfff"}\n', "half of a surrogate pair"),
        (b'{"prompt": "caf\xe9"}\n', "is not UTF-8 text (byte 15 is 0xe9)"),
    ],
)
def test_mistakes(tmp_path, content, expected):
    with pytest.raises(InputError) as caught:
        load(tmp_path, content)
    assert expected in str(caught.value)
    assert str(tmp_path / "p.jsonl") in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"prompt file .*none\.jsonl does not exist"):
        load_prompts(tmp_path / "none.jsonl")
