"""Reward models: those built in, those of the user, and what is not accepted from them."""

import json
import sys

import numpy as np
import pyarrow.parquet as parquet
import pytest
from plain_route import pool_of_words

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, RewardError
from tuneaccord.llm.criteria import CRITERIA
from tuneaccord.llm.scoring import resolve, score_pool
from tuneaccord.progress import Silent


def reward(folder, body, scale=None, header=""):
    """The group ``press`` with a reward function of this body."""
    (folder / "rewards.py").write_text(f"{header}\ndef f(prompts, replies):\n    {body}\n")
    return resolve("press", 2.0, "rewards.py:f", folder, scale)


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize(
    "reply", ["", " ", "?", "This is a wonderful, wonderful day!", "awful " * 300, "日本語", "\ud83e"]
)
def test_criteria_stay_on_their_scale(name, reply):
    group = resolve("press", 1.0, name, None)
    assert group.scale == (0.0, 1.0)
    (score,) = group.score(["x"], [reply])
    assert 0 <= score <= 1


def test_criteria_mean_what_they_say():
    glad, sad, dry = "I love this wonderful day!", "I hate this awful day!", "The table has four legs."
    long = "Intercontinental telecommunications infrastructure necessitates comprehensive standardisation."
    upbeat, calm, easy = (CRITERIA[name].score for name in ("upbeat", "calm", "easy"))
    happy, neutral, angry = upbeat([""] * 3, [glad, dry, sad])
    assert happy > 0.8 > neutral > 0.3 > angry
    assert calm([""] * 2, [dry, glad])[0] == 1.0 > calm([""], [glad])[0]
    assert easy([""] * 2, [dry, long])[0] > 0.6 > easy([""], [long])[0]


def test_a_function_of_the_user(tmp_path):
    group = reward(
        tmp_path, '"""Counts words.\n\n    More."""\n    return [len(r.split()) for r in replies]', (0.0, 9.0)
    )
    assert group.description == "Counts words."
    assert group.score(["p", "p"], ["a b", "c"]).tolist() == [2.0, 1.0]
    other = reward(tmp_path, "return [0.5] * len(replies)")
    assert other.identity != group.identity
    assert other.description == "the function rewards.py:f"


@pytest.mark.parametrize(
    "body",
    [
        "return np.full(len(replies), 0.5, dtype=np.float32)",
        "return np.full(len(replies), 1)",
        "return [True] * len(replies)",
        "return tuple(0.5 for _ in replies)",
        "prompts.clear(); n = len(replies); replies.clear(); return [0.5] * n",
        "import torch; return torch.full((len(replies),), 0.5)",
        '"""  """; return [0.5] * len(replies)',
    ],
)
def test_numbers_of_any_kind(tmp_path, body):
    group = reward(tmp_path, body, header="import numpy as np")
    prompts, replies = ["p"] * 3, ["a", "b", "c"]
    assert group.score(prompts, replies).dtype == float
    assert (len(prompts), len(replies)) == (3, 3)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise ValueError('no\\nway')", "raised ValueError: no"),
        ("return 1 / 0", "raised ZeroDivisionError"),
        ("return [float('nan')] * len(replies)", "gave nan to the reply 'a'"),
        ("return [0.5, float('inf'), 0.5]", "gave inf to the reply 'b', outside its scale [0, 1]"),
        ("return [0.5, 0.5, -0.001]", "gave -0.001 to the reply 'c'"),
        ("return [0.5, 1.5, 0.5]", "or publish another one under the group's 'scale'"),
        ("return [0.5]", "must return one number for each of 3 replies, got [0.5]"),
        ("return [[0.5]] * 3", "must return one number"),
        ("return [0.5, [1], 2]", "must return one number"),
        ("return 0.5", "must return one number for each of 3 replies, got 0.5"),
        ("return None", "got None"),
        ("return [None] * 3", "must return one number"),
        ("return 'abc'", "got 'abc'"),
        ("return ['0.1', '0.2', '0.3']", "must return one number"),
        ("return [0.5j] * 3", "must return one number"),
        ("return (x for x in (1, 1, 1))", "must return one number"),
        ("return {'a': 1}", "must return one number"),
        ("import torch; return torch.ones(3, requires_grad=True)", "must return one number"),
    ],
)
def test_anything_else_is_refused_and_names_the_group(tmp_path, body, expected):
    with pytest.raises(RewardError) as caught:
        reward(tmp_path, body).score(["p"] * 3, ["a", "b", "c"])
    assert expected in str(caught.value)
    assert "group 'press' (rewards.py:f)" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("upbaet", "there is no criterion 'upbaet'. Did you mean 'upbeat'?"),
        ("zzz", "Valid names: calm, easy, upbeat. A function of your own is written file.py:function."),
        ("none.py:f", "none.py does not exist"),
        ("mine.py:shrot", "mine.py has no function 'shrot'. Did you mean 'short'?"),
        ("mine.py:", "mine.py has no function ''"),
        ("mine.py:NUMBER", "has no function 'NUMBER'"),
        ("broken.py:f", "broken.py cannot be imported: SyntaxError"),
        ("raising.py:f", "raising.py cannot be imported: KeyError: 'x'"),
        ("no_such_module:f", "the module 'no_such_module' cannot be imported"),
        (":f", "cannot be imported"),
    ],
)
def test_rewards_that_cannot_be_found(tmp_path, name, expected):
    (tmp_path / "mine.py").write_text("NUMBER = 1\ndef short(prompts, replies): return [0.0] * len(replies)\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "raising.py").write_text("{}['x']\n")
    with pytest.raises((InputError, RewardError)) as caught:
        resolve("press", 1.0, name, tmp_path)
    assert expected in str(caught.value)
    assert "group 'press'" in str(caught.value)


def test_a_function_of_a_module():
    group = resolve("press", 1.0, "tuneaccord.llm.criteria:upbeat", None)
    assert group.score(["p"], ["good"]).shape == (1,)
    assert len(group.identity["source"]) == 64


def test_a_criterion_keeps_its_scale(tmp_path):
    with pytest.raises(InputError, match="leave it out"):
        resolve("press", 1.0, "upbeat", tmp_path, (0.0, 2.0))


def test_a_sheet(ref, tmp_path):
    """Scores in place, one Parquet row each, read back instead of computed again."""
    calls = tmp_path / "calls"
    body = f"with open({str(calls)!r}, 'a') as file: file.write('x')\n    return [len(r) / 9 for r in replies]"
    groups = (reward(tmp_path, body), resolve("desk", 1.0, "calm", tmp_path))
    pool = pool_of_words([[1], [2]], [[[3], [44], [5, 6]], [[7], [8], [99]]])
    sheets = [score_pool(pool, groups, Store(tmp_path / "steps"), Silent(), "scoring") for _ in range(2)]
    assert calls.read_text() == "xx"  # once for the sheet, once to see that the reward still gives it
    assert sheets[0].scores.shape == (2, 3, 2)
    np.testing.assert_array_equal(sheets[0].scores[:, :, 0], np.array([[1, 2, 3], [1, 1, 2]]) / 9)
    np.testing.assert_array_equal(sheets[1].scores, sheets[0].scores)
    assert sheets[0].digest(0) != sheets[0].digest(1)

    sheets[0].write(tmp_path / "scores.parquet")
    table = parquet.read_table(tmp_path / "scores.parquet")
    assert table.column_names == ["group", "prompt_id", "reply_id", "score"]
    assert json.loads(table.schema.metadata[b"tuneaccord"]) == {"pool": pool.digest}
    cells = {(row["group"], row["prompt_id"], row["reply_id"]): row["score"] for row in table.to_pylist()}
    assert len(cells) == table.num_rows == 12
    assert cells["press", "p0", "2"] == 3 / 9

    changed = (reward(tmp_path, body + "  # changed"), groups[1])
    score_pool(pool, changed, Store(tmp_path / "steps"), Silent(), "scoring")
    assert calls.read_text() == "xxx"


def test_what_a_reward_file_prints_is_kept_from_the_output(tmp_path, capsys):
    reward(tmp_path, "print('b'); return [0.5]", header="print('a')").score(["p"], ["r"])
    assert capsys.readouterr() == ("", "a\nb\n")


def test_a_reward_that_leaves(tmp_path):
    with pytest.raises(RewardError, match=r"group 'press': .*rewards\.py cannot be imported: SystemExit: 3"):
        reward(tmp_path, "return [0.5]", header="import sys; sys.exit(3)")
    with pytest.raises(RewardError, match=r"group 'press' \(rewards\.py:f\) raised SystemExit: 4"):
        reward(tmp_path, "raise SystemExit(4)").score(["p"], ["r"])


def test_helpers_beside_a_reward_file(tmp_path):
    """Each file finds its own, as it is now, and the record notices when one changes."""
    found, path, modules = [], list(sys.path), set(sys.modules)
    for folder, value in (("a", 0.25), ("b", 0.5), ("b", 0.125)):
        (tmp_path / folder / "words").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "words" / "__init__.py").write_text("from words.more import VALUE\n")
        (tmp_path / folder / "words" / "more.py").write_text(f"VALUE = {value}\n")
        (tmp_path / folder / "rater.py").write_text("import words\nVALUE = words.VALUE\n")
        found.append(reward(tmp_path / folder, "return [VALUE]", header="from rater import VALUE"))
    assert [group.score(["p"], ["r"]).tolist() for group in found] == [[0.25], [0.5], [0.125]]
    assert set(found[0].identity["helpers"]) == {"rater", "words", "words.more"}
    assert len({str(group.identity) for group in found}) == 3
    assert sys.path == path
    assert all(name.startswith("tuneaccord_reward_") for name in set(sys.modules) - modules)


def test_an_edit_of_the_same_length_is_seen(tmp_path):
    """Python's own cache of compiled files goes by length and whole seconds."""
    values = [reward(tmp_path, f"return [0.{digit}]").score(["p"], ["r"])[0] for digit in (1, 2, 3)]
    assert values == [0.1, 0.2, 0.3]


def test_a_package_module_is_read_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    scores, digests = [], set()
    for value in (0.25, 0.5, 0.5):
        (tmp_path / "my_market_rewards.py").write_text(f"def f(prompts, replies): return [{value}]\n")
        group = resolve("press", 1.0, "my_market_rewards:f", None)
        scores.append(group.score(["p"], ["r"])[0])
        digests.add(group.identity["source"])
    assert scores == [0.25, 0.5, 0.5]
    assert len(digests) == 2


def test_results_do_not_name_folders(tmp_path):
    (tmp_path / "sub").mkdir()
    here = reward(tmp_path / "sub", "return [2.0]")
    there = resolve("press", 2.0, "sub/rewards.py:f", tmp_path)
    absolute = resolve("press", 2.0, f"{tmp_path}/sub/rewards.py:f", tmp_path)
    assert here.reward == there.reward == absolute.reward == "rewards.py:f"
    assert here.identity == there.identity == absolute.identity
    assert there.description == "the function rewards.py:f"


def test_a_reward_that_no_longer_gives_its_stored_scores(ref, tmp_path):
    """Its own file is in the sheet's key; a list of words beside it is not."""
    words = tmp_path / "words.txt"
    words.write_text("0.25")
    body = f"with open({str(words)!r}) as file: number = float(file.read())\n    return [number] * len(replies)"
    groups = (reward(tmp_path, body),)
    pool = pool_of_words([[1], [2]], [[[3], [44]], [[7], [8]]])
    store = Store(tmp_path / "steps")
    score_pool(pool, groups, store, Silent(), "scoring")
    score_pool(pool, groups, store, Silent(), "scoring")
    words.write_text("0.5")
    with pytest.raises(RewardError, match=r"no longer gives the scores that are stored.*remove .*score-"):
        score_pool(pool, groups, store, Silent(), "scoring")
