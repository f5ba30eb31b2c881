"""One play of one game, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneaccord.errors import InputError


@dataclass(frozen=True, eq=False)
class Play:
    """The subgame-perfect outcome at given shares.

    ``shares`` are the generalist's; ``utilities`` has the generalist too; ``regimes`` says for each specialist whether
    it contributes, free-rides or abstains. ``reasons`` tells why in words, for every player, and ``causes`` in one of
    the words of :data:`tuneaccord.bargaining.words.causes.CAUSES`. ``performance`` of an abstainer is 0.
    ``error`` bounds what any one party could still have gained by investing otherwise. It is None, for the play is then
    searched and not proved, where a curve's knots are unknown, a cost depends on the base other than by ``Level``, or
    a specialist has neither a concave revenue nor a convex cost (unless that is a ``Level``).
    """

    shares: Mapping[str, float]
    base_performance: float
    improvements: Mapping[str, float]
    performance: Mapping[str, float]
    regimes: Mapping[str, str]
    reasons: Mapping[str, str]
    causes: Mapping[str, str]
    utilities: Mapping[str, float]
    revenues: Mapping[str, float]
    costs: Mapping[str, float]
    error: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        fields = {name: getattr(self, name) for name in Play.__dataclass_fields__}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Play:
        """The play that :meth:`to_dict` wrote."""
        names = list(cls.__dataclass_fields__)
        if not isinstance(data, Mapping) or set(data) != set(names):
            raise InputError(f"a play has the fields {', '.join(names)}; got {data!r:.80}.")
        return cls(**data)

    def __str__(self) -> str:
        generalist = next(iter(self.utilities))
        rows = [("", "share", "regime", "invests", "cost", "reaches", "revenue", "utility")]
        does = "builds" if self.base_performance > 0 else "builds nothing"
        rows.append(self._row(generalist, "", does, self.base_performance, "", ""))
        for name, share in self.shares.items():
            reached, revenue = f"{self.performance[name]:.4g}", f"{self.revenues[name]:.4g}"
            rows.append(self._row(name, f"{share:.4g}", self.regimes[name], self.improvements[name], reached, revenue))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"{name}: {reason}" for name, reason in self.reasons.items())])

    def _row(self, name: str, share: str, regime: str, invests: float, reached: str, revenue: str) -> tuple[str, ...]:
        cost, utility = self.costs[name], self.utilities[name]
        return name, share, regime, f"{invests:.4g}", f"{cost:.4g}", reached, revenue, f"{utility:.4g}"
