"""What a bargain ends in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneaccord.bargaining.play import Play
from tuneaccord.errors import InputError

AGREED, NO_TRADE = "agreed", "no trade"


@dataclass(frozen=True, eq=False)
class Agreement:
    """The shares that a solution picks, and what is then played.

    ``gains`` are utilities less outside options, ``ideal`` the most that each party could gain in any bargain
    (with several specialists and other than quadratic games, in any that was looked at).
    ``status`` is ``"agreed"`` or ``"no trade"`` (nobody can gain; the play is everyone's outside option). ``error``
    bounds the utility that any party loses by investing as in ``play`` (:attr:`Play.error`); ``search`` says in words
    how the shares were found and what is known of better ones, ``reason`` why these.
    """

    solution: Any
    shares: dict[str, float]
    play: Play
    gains: dict[str, float]
    ideal: dict[str, float]
    status: str
    error: float | None
    search: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        from tuneaccord.specs import to_data

        fields = {name: getattr(self, name) for name in Agreement.__dataclass_fields__}
        return fields | {"solution": to_data(self.solution), "play": self.play.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Agreement:
        """The agreement that :meth:`to_dict` wrote; it is read, not solved again."""
        from tuneaccord.specs import from_data

        names = list(cls.__dataclass_fields__)
        if not isinstance(data, Mapping) or set(data) != set(names):
            raise InputError(f"an agreement has the fields {', '.join(names)}; got {data!r:.80}.")
        return cls(**{**data, "solution": from_data(data["solution"]), "play": Play.from_dict(data["play"])})

    def __str__(self) -> str:
        gains = ", ".join(f"{name} {gain:.4g}" for name, gain in self.gains.items())
        return f"{self.solution}: {self.status}. {self.reason}\n{self.play}\ngains: {gains}"
