"""Options of the form NAME=NUMBER that may be given several times."""

from __future__ import annotations

from collections.abc import Iterable

from tuneaccord.errors import InputError


def named_numbers(given: Iterable[str], option: str, number: str, example: str, party: str) -> dict[str, float]:
    """``NAME=NUMBER`` options as numbers by name.

    Raises :class:`InputError` on another form or a name given twice.

    >>> named_numbers(["clinic=3"], "--size", "N", "clinic=3", "group")
    {'clinic': 3.0}
    """
    numbers: dict[str, float] = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            found = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise InputError(f"{option} must be NAME={number}, such as {option} {example}, got {text!r:.60}.")
        if name in numbers:
            raise InputError(f"{option} names {party} {name!r} twice. Give each one {option.strip('-').rstrip('s')}.")
        numbers[name] = found
    return numbers
