"""One thing that was looked at in a document, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

HOLDS, FAILS, UNKNOWN = "holds", "fails", "not checked"


@dataclass(frozen=True)
class Check:
    """A part of a document, whether it holds, and in words what was found."""

    part: str
    result: str  #: "holds", "fails" or "not checked"
    words: str

    def to_dict(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


def holds(part: str, words: str) -> Check:
    """A check that holds."""
    return Check(part, HOLDS, words)


def fails(part: str, words: str) -> Check:
    """A check that fails."""
    return Check(part, FAILS, words)


def unknown(part: str, words: str) -> Check:
    """Something that could not be checked from what is there."""
    return Check(part, UNKNOWN, words)
