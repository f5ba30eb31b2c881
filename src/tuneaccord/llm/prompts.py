"""Prompt files: JSON Lines with a ``prompt`` (TRL's column) and an optional ``id``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tuneaccord.artifacts import digest_of
from tuneaccord.errors import InputError
from tuneaccord.files import read_text


@dataclass(frozen=True)
class Prompt:
    """One request to the assistant."""

    id: str
    text: str


def load_prompts(path: Path) -> tuple[Prompt, ...]:
    """The prompts of a JSONL file, in order; prompts without an ``id`` get ``p001``, ``p002``, ...

    ``prompt`` is a text, or a conversation of one user message as TRL writes it. Raises
    :class:`InputError` naming the line when it is not JSON, has no prompt, or repeats an id or a prompt,
    and when the file is empty.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write('{"prompt": "Hello?"}\\n'); file.flush()
    ...     load_prompts(Path(file.name))
    (Prompt(id='p001', text='Hello?'),)
    """
    prompts: list[Prompt] = []
    lines = read_text(path, "prompt file").split("\n")  # a JSON text may hold other line separators
    for number, line in enumerate(lines, start=1):
        if line.strip():
            prompts.append(_prompt(line, f"{path}, line {number}", len(prompts) + 1))
    if not prompts:
        raise InputError(
            f'prompt file {path} is empty. Give one prompt a line, such as {{"prompt": "Why is the sky blue?"}}.'
        )
    _check_distinct(path, [prompt.id for prompt in prompts], "id")
    _check_distinct(path, [prompt.text for prompt in prompts], "prompt")
    return tuple(prompts)


def digest_prompts(prompts: tuple[Prompt, ...]) -> str:
    """A fingerprint of ids and texts, in order.

    >>> digest_prompts((Prompt("a", "Hello?"),))[:11]
    'sha256:1c23'
    """
    return digest_of([[prompt.id, prompt.text] for prompt in prompts])


def _prompt(line: str, place: str, count: int) -> Prompt:
    try:
        row = json.loads(line)
    except ValueError:
        raise InputError(f'{place} is not JSON: {line:.60}. Write {{"prompt": "..."}} on each line.') from None
    if not isinstance(row, dict) or "prompt" not in row:
        raise InputError(f"{place} has no 'prompt': {line:.60}.")
    text = row["prompt"]
    if isinstance(text, list):
        text = _from_conversation(text, place)
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{place}: the prompt must be a non-empty text, got {text!r:.60}.")
    name = row.get("id", f"p{count:03d}")
    if not isinstance(name, str | int) or isinstance(name, bool) or not str(name).strip():
        raise InputError(f"{place}: the id must be a text, got {name!r:.60}.")
    try:
        f"{name}{text}".encode()
    except UnicodeEncodeError:
        raise InputError(f"{place}: half of a surrogate pair such as \\ud800 is not a character.") from None
    return Prompt(str(name), text)


def _from_conversation(messages: list, place: str) -> str:
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    if roles != ["user"]:
        raise InputError(f"{place}: a conversation must be one user message, got roles {roles}. Give the text itself.")
    return messages[0].get("content", "")


def _check_distinct(path: Path, items: list[str], what: str) -> None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise InputError(f"{path} has the {what} {item!r:.80} twice. Keep one of them.")
        seen.add(item)
