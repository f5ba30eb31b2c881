"""YAML text to plain data, with the line of every entry.

The scalars are those of YAML 1.2, because the older rules surprise: here ``no`` and ``2024-01-31`` are
texts, ``1e-3`` is a number and ``010`` is not eight. Keys are texts, as they are written. A key that
appears twice is refused instead of silently winning, and so is every tag that is not plain data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tuneaccord.errors import InputError

_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Document:
    """The data of one YAML file, and where each entry stands."""

    data: Any
    root: yaml.Node

    def line(self, path: Sequence[str | int]) -> int:
        """The line, counted from 1, of the entry at ``path``, or of the closest one around it."""
        node, line = self.root, self.root.start_mark.line
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line + 1


def parse(text: str, name: str) -> Document:
    """The only document in ``text``; ``name`` stands for the file in errors.

    Raises :class:`InputError` with the line on bad syntax, a key written twice, or a tag that is not data.
    """
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise InputError(f"{name} is empty. Write one setting a line, such as 'seed: 1'.")
            _check_keys(root)
            return Document(loader.construct_document(root), root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{name}, line {_line(error, text)}: {_problem(error)}.") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, _position(text, error)) + 1
        raise InputError(f"{name}, line {line}: a control character is not allowed here. Delete it.") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply to be a configuration file.") from None


def is_number(text: str) -> bool:
    """Whether ``text`` would be a number if it stood without quotes.

    >>> is_number("1e-3"), is_number("010")
    (True, False)
    """
    return any(re.fullmatch(_SCALARS[kind][1], text) for kind in ("int", "float"))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """A safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - PyYAML's own class attribute
    yaml_constructors: dict = {}  # noqa: RUF012


def _check_keys(root: yaml.Node) -> None:
    """Make every key a text, and refuse a key that a mapping has twice."""
    waiting, done = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in done or isinstance(node, yaml.ScalarNode):
            continue
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_mapping(node)
            waiting.extend(value for _, value in node.value)
        else:
            waiting.extend(node.value)


def _check_mapping(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refusal("a key must be a text, not a list or a mapping", key)
        if key.tag == _MERGE:
            continue
        if key.value in seen:
            raise _refusal(f"the key {key.value!r} appears twice. Keep one of them", key)
        seen.add(key.value)
        key.tag = _STR


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if len(text) > 300:
        raise _refusal("this number has more than 300 digits", node)
    return _number(int, text, node)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).lower()
    return _number(float, text.replace(".inf", "inf").replace(".nan", "nan"), node)


def _number(kind: type, text: str, node: yaml.Node):
    try:
        return kind(text)
    except ValueError:
        raise _refusal(f"{text!r:.40} is not a number", node) from None


def _boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    text = loader.construct_scalar(node).lower()
    if text not in ("true", "false"):
        raise _refusal(f"expected true or false, got {text!r:.40}", node)
    return text == "true"


def _null(loader: _Loader, node: yaml.ScalarNode) -> None:
    return None


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = loader.construct_scalar(node)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _refusal("this text has half of a surrogate pair", node)
    return text


def _undefined(loader: _Loader, node: yaml.Node):
    raise _refusal(f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')!r} is not plain data. Delete it", node)


_SCALARS = {
    "null": (_null, r"~|null|Null|NULL|", "~nN"),
    "bool": (_boolean, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (_integer, r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (
        _float,
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "merge": (_undefined, r"<<", "<"),
}
for _name, (_construct, _pattern, _first) in _SCALARS.items():
    _first_characters = [*_first, ""] if _name == "null" else list(_first)
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _first_characters)
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _construct)
_Loader.add_constructor(_STR, _text)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)
_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.construct_yaml_seq)
_Loader.add_constructor(None, _undefined)


def _refusal(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _line(error: yaml.MarkedYAMLError, text: str) -> int:
    mark = error.problem_mark or error.context_mark
    return min(mark.line, max(len(text.splitlines()) - 1, 0)) + 1 if mark else 1


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "this is not YAML"
    if not error.context or not error.context_mark:
        return problem
    return f"{problem} ({error.context} that begins in line {error.context_mark.line + 1})"


def _position(text: str, error: yaml.reader.ReaderError) -> int:
    found = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    return found.start() if found else error.position


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # what << brings in comes first and is overridden
            if key.value == part:
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None
