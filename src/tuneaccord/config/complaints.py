"""What is wrong with a configuration, in the words of its author.

Pydantic reports every alternative of a union that did not fit, under internal labels. Here a mistake has
the path and line that the author sees, one sentence on what was expected, and something to try.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from inspect import isclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tuneaccord.config.syntax import Document, is_number
from tuneaccord.errors import nearest

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mistake:
    """One refused value."""

    kind: str  #: pydantic's name of the error
    path: Path  #: as the author wrote it
    labels: tuple[tuple[int, str], ...]  #: union alternatives on the way: how deep, which
    given: Any
    context: dict
    expected: str
    owners: tuple[type[BaseModel], ...]  #: the sections that could stand around the place
    choices: tuple[Any, ...] = ()  #: valid words, where only some are


def complaint(error: ValidationError, document: Document, model: type[BaseModel], name: str) -> str:
    """The first mistake in full, and the places of the others."""
    found = _likeliest([_mistake(one, document.data, model) for one in error.errors(include_url=False)])
    found = sorted(_without_echoes(found), key=lambda mistake: (document.line(mistake.path), mistake.kind == "missing"))
    first, others = found[0], found[1:]
    where = f"{name}, line {document.line(first.path)}: " if first.path else f"{name}: "
    if not others:
        return where + _sentence(first)
    places = ", ".join(f"{_dotted(m.path)} (line {document.line(m.path)})" for m in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return f"{where}{_sentence(first)} Also wrong: {places}{more}."


def _mistake(error: dict, data: Any, model: type[BaseModel]) -> Mistake:
    path: list[str | int] = []
    labels: list[tuple[int, str]] = []
    here, owners = [model], ()
    for part in error["loc"]:
        if _has(data, part):
            path.append(part)
            owners, here = _sections(here), _inside(here, part)
            data = data[part]
        elif error["type"] == "missing" and part == error["loc"][-1]:
            path.append(part)
            owners, here = _sections(here), _inside(here, part)
        else:
            labels.append((len(path), str(part)))
            here = [one for one in here if _named(one, str(part))] or here
    if error["type"].startswith("union_tag"):
        return _discriminated(error, tuple(path), tuple(labels))
    choices = tuple(word for one in here if typing.get_origin(one) is typing.Literal for word in typing.get_args(one))
    return Mistake(
        kind=error["type"],
        path=tuple(path),
        labels=tuple(labels),
        given=error["input"],
        context=error.get("ctx", {}),
        expected=_expected(error, choices),
        owners=owners,
        choices=choices,
    )


def _discriminated(error: dict, path: Path, labels: tuple[tuple[int, str], ...]) -> Mistake:
    """A section of which nobody can tell the kind: the mistake is in the key that says so."""
    context = error["ctx"]
    path = (*path, context["discriminator"].strip("'"))
    if error["type"] == "union_tag_not_found":
        return Mistake("missing", path, labels, error["input"], context, "", ())
    tags = tuple(tag.strip("'") for tag in context["expected_tags"].split(", "))
    expected = " or ".join(_short(tag) for tag in tags)
    return Mistake("literal_error", path, labels, context["tag"], context, expected, (), tags)


def _without_echoes(mistakes: list[Mistake]) -> list[Mistake]:
    """Leave out a missing key that is there under a misspelt name: the unknown key says it all."""
    unknown = [mistake.path for mistake in mistakes if mistake.kind == "extra_forbidden"]

    def echo(mistake: Mistake) -> bool:
        return mistake.kind == "missing" and any(
            path[:-1] == mistake.path[:-1] and nearest(path[-1], [mistake.path[-1]]).startswith("Did")
            for path in unknown
        )

    return [mistake for mistake in mistakes if not echo(mistake)]


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


# The types that may stand at a place


def _alternatives(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [one for part in typing.get_args(annotation) for one in _alternatives(part)]
    return [annotation]


def _inside(annotations: Iterable[Any], part: str | int) -> list[Any]:
    found: list[Any] = []
    for annotation in annotations:
        arguments = typing.get_args(annotation)
        if isclass(annotation) and issubclass(annotation, BaseModel):
            field = _fields(annotation).get(part)
            found += _alternatives(field.annotation) if field else []
        elif arguments and isinstance(part, int):
            by_position = typing.get_origin(annotation) is tuple and Ellipsis not in arguments
            found += _alternatives(arguments[part if by_position and part < len(arguments) else 0])
        elif len(arguments) == 2:
            found += _alternatives(arguments[1])
    return found


def _sections(annotations: Iterable[Any]) -> tuple[type[BaseModel], ...]:
    return tuple(one for one in annotations if isclass(one) and issubclass(one, BaseModel))


def _fields(section: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _named(annotation: Any, label: str) -> bool:
    """Whether pydantic's label of a union alternative is this section: its name, or its discriminating word."""
    if not (isclass(annotation) and issubclass(annotation, BaseModel)):
        return False
    if annotation.__name__ in label.replace("[", " ").replace("]", " ").replace(",", " ").split():
        return True
    return any(label in typing.get_args(f.annotation) for f in annotation.model_fields.values())


# Unions: which alternative was meant


def _likeliest(mistakes: list[Mistake], level: int = 0) -> list[Mistake]:
    """For each union, the mistakes of the alternative that was meant, or one that names all alternatives."""
    kept = [mistake for mistake in mistakes if len(mistake.labels) <= level]
    unions: dict[Path, dict[str, list[Mistake]]] = {}
    for mistake in mistakes:
        if len(mistake.labels) > level:
            depth, label = mistake.labels[level]
            unions.setdefault(mistake.path[:depth], {}).setdefault(label, []).append(mistake)
    for place, alternatives in unions.items():
        entered = [ours for ours in alternatives.values() if not any(_outside(one, place) for one in ours)]
        if entered:
            kept += _likeliest(min(entered, key=len), level + 1)
        else:
            kept.append(_joined([ours[0] for ours in alternatives.values()], place))
    return kept


def _outside(mistake: Mistake, place: Path) -> bool:
    """Whether the value at ``place`` is not even of the alternative's kind."""
    return mistake.path == place and mistake.kind.endswith(("_type", "literal_error", "int_from_float"))


def _joined(mistakes: list[Mistake], place: Path) -> Mistake:
    expected = " or ".join(dict.fromkeys(mistake.expected for mistake in mistakes))
    choices = tuple(choice for mistake in mistakes for choice in mistake.choices)
    at_place = [mistake for mistake in mistakes if mistake.path == place]
    return replace((at_place or mistakes)[0], kind="union", expected=expected, choices=choices)


# Sentences


def _sentence(mistake: Mistake) -> str:
    key = mistake.path[-1] if mistake.path else ""
    around = f"{_dotted(mistake.path[:-1])}: " if len(mistake.path) > 1 else ""
    if mistake.kind == "extra_forbidden":
        valid = {name for owner in mistake.owners for name in _fields(owner)}
        return f"{around}unknown key {key!r}. {nearest(key, valid)}"
    if mistake.kind == "missing":
        return f"{around}the key {key!r} is missing.{_try(mistake, f'{key}: ')}"
    here = f"{_dotted(mistake.path)}: " if mistake.path else ""
    if mistake.kind in ("value_error", "assertion_error"):
        return f"{here}{mistake.context.get('error', mistake.expected)}"
    return f"{here}expected {mistake.expected}, got {_short(mistake.given)}.{_hint(mistake)}"


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


_EXPECTED = {
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "path_type": "a path",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
}


def _expected(error: dict, choices: Sequence[Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "literal_error" and choices:
        return " or ".join(_short(choice) for choice in choices)
    if kind == "greater_than":
        return "a positive number" if context["gt"] == 0 else f"a number above {context['gt']:g}"
    if kind == "greater_than_equal":
        return f"a number of at least {context['ge']:g}"
    if kind == "less_than":
        return f"a number below {context['lt']:g}"
    if kind == "less_than_equal":
        return f"a number of at most {context['le']:g}"
    if kind in ("too_short", "too_long"):
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"{bound} entries"
    if kind == "string_too_short":
        return "a text that is not empty" if context["min_length"] == 1 else f"{context['min_length']} characters"
    return error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def _short(value: Any) -> str:
    if value is None or value is True or value is False:
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _hint(mistake: Mistake) -> str:
    given = mistake.given
    if isinstance(given, str) and "number" in mistake.expected and is_number(given):
        return " Write it without quotes."
    if mistake.expected == "a text" and isinstance(given, bool | int | float):
        return " Put it in quotes."
    if isinstance(given, str) and mistake.choices and all(isinstance(choice, str) for choice in mistake.choices):
        close = nearest(given, mistake.choices)
        return f" {close}" if close.startswith("Did") else ""
    return _try(mistake)


def _try(mistake: Mistake, prefix: str = "") -> str:
    key = next((part for part in reversed(mistake.path) if isinstance(part, str)), None)
    for owner in mistake.owners:
        field = _fields(owner).get(key)
        if field is None:
            continue
        if field.examples:
            return f" Try {prefix}{field.examples[0]}."
        if isinstance(field.default, bool | int | float | str):
            return f" Leave it out for {_short(field.default)}."
    return ""
