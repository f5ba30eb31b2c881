"""The exceptions a user can meet. Each message says what was given, what was expected and what to try.

Everything a user can mend derives from :class:`TuneaccordError`, so that a program can catch one type
and the command line can turn it into one line and exit status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


class TuneaccordError(Exception):
    """Base of all errors that a user can mend."""


class InputError(TuneaccordError, ValueError):
    """A value, file or setting is not what was expected."""


class ModelError(TuneaccordError):
    """A language model, tokenizer or adapter could not be used."""


class RewardError(TuneaccordError):
    """A group's reward model raised, or returned something that is not one finite number a reply."""


class StorageError(TuneaccordError):
    """A result could not be written or read."""


class MissingDependencyError(TuneaccordError, ImportError):
    """A feature needs an optional part that is not installed."""


def whole_number(name: str, number: object, least: int) -> int:
    """``number`` as an int, or :class:`InputError` unless it is a whole number of at least ``least``.

    >>> whole_number("seed", 3, least=0)
    3
    """
    if isinstance(number, bool) or not isinstance(number, Integral) or number < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {number!r:.80}.")
    return int(number)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A sentence that names the closest valid spelling, or lists all valid names.

    >>> nearest("strenght", ["strength", "kind"])
    "Did you mean 'strength'?"
    >>> nearest("zzz", ["strength", "kind"])
    'Valid names: kind, strength.'
    """
    names = [str(option) for option in valid]
    by_lower = {option.lower(): option for option in names}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean '{by_lower[close[0]]}'?" if close else f"Valid names: {', '.join(sorted(names))}."


def first_line(error: Exception) -> str:
    """What an error of another package says in its first line, or its type where it says nothing.

    >>> first_line(OSError("no such file\\nsee above")), first_line(KeyError())
    ('no such file', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
