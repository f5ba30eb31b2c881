"""The public log of a session: entries chained by their digests, and commitments to what is still sealed.

An entry's digest covers all its fields and the digest of the one before, so a changed byte anywhere breaks every
later entry. Sealed things enter the log as commitments: the digest of the thing together with 32 random bytes (the
salt), which tells nothing about it until both are shown. Nothing here reads a clock or a file.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tuneaccord.artifacts import digest_of

FIELDS = ("number", "at", "kind", "by", "data", "previous", "digest")


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    number: int  #: from 0
    at: str  #: UTC, ISO 8601 with milliseconds
    kind: str  #: the move that was made
    by: dict[str, str]  #: ``{"role": ..., "name": ...}``
    data: dict[str, Any]  #: what everybody of the session may know of it
    previous: str  #: digest of the entry before
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**vars(self), "by": deepcopy(self.by), "data": deepcopy(self.data)}


def genesis(session_id: str) -> str:
    """What stands before the first entry of a session.

    >>> genesis("s") == digest_of({"session": "s"})
    True
    """
    return digest_of({"session": session_id})


def sealed_entry(number: int, at: str, kind: str, by: dict[str, str], data: dict[str, Any], previous: str) -> Entry:
    """The entry with its digest."""
    body = {"number": number, "at": at, "kind": kind, "by": by, "data": data, "previous": previous}
    return Entry(**body, digest=digest_of(body))


def first_fault(session_id: str, entries: Iterable[dict[str, Any]]) -> str | None:
    """What is wrong with the first entry that does not fit, in words, or None for an unbroken log.

    >>> first_fault("s", [sealed_entry(0, "2026-01-01T00:00:00.000Z", "created", {}, {}, genesis("s")).to_dict()])
    >>> first_fault("t", [sealed_entry(0, "2026-01-01T00:00:00.000Z", "created", {}, {}, genesis("s")).to_dict()])
    'entry 0 does not follow the one before it: its field previous was changed, or an entry is missing'
    """
    previous = genesis(session_id)
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or set(entry) != set(FIELDS):
            return f"entry {number} does not have the fields {', '.join(FIELDS)}"
        if entry["number"] != number:
            return f"entry {number} has the number {entry['number']!r:.40}"
        if entry["previous"] != previous:
            return (
                f"entry {number} does not follow the one before it: its field previous was changed, "
                "or an entry is missing"
            )
        if entry["digest"] != digest_of({key: value for key, value in entry.items() if key != "digest"}):
            return f"entry {number} ({entry['kind']!r:.40}) was changed: its digest is not that of its content"
        previous = entry["digest"]
    return None


def new_salt() -> str:
    """32 random bytes in hexadecimal."""
    return secrets.token_hex(32)


def commitment(salt: str, content: Any) -> str:
    """The digest that binds to ``content`` without telling it.

    >>> commitment("00", {"size": 3}) == digest_of({"content": {"size": 3}, "salt": "00"})
    True
    """
    return digest_of({"content": content, "salt": salt})
