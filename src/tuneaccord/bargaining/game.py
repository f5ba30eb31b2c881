"""The fine-tuning game: a generalist, its specialists, and what they bargain over.

Timing: they bargain over the shares of each domain's revenue; the generalist invests in the base; each specialist
abstains, free-rides on the base or contributes to it. Solved backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuneaccord.bargaining.agreement import Agreement
from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.frontier import Frontier
from tuneaccord.bargaining.parties import GENERALIST, Generalist, Specialist, games
from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.plays import REGIMES, Plays
from tuneaccord.bargaining.rules import Rule
from tuneaccord.bargaining.words.reasons import told
from tuneaccord.errors import InputError, nearest


@dataclass(frozen=True)
class FineTuningGame:
    """One generalist and its specialists.

    >>> from tuneaccord import Linear, Power
    >>> game = FineTuningGame(
    ...     Generalist(cost=Power(1.0, 2)), [Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))]
    ... )
    >>> play = game.play({"medical": 0.4})
    >>> round(play.base_performance, 6), round(play.performance["medical"], 6), play.regimes["medical"]
    (0.2, 0.35, 'contributes')
    """

    generalist: Generalist
    specialists: tuple[Specialist, ...]

    def __post_init__(self) -> None:
        specialists = self.specialists
        if not isinstance(self.generalist, Generalist):
            raise InputError(f"generalist must be a Generalist(cost=...), got {self.generalist!r:.60}.")
        if isinstance(specialists, Specialist) or not isinstance(specialists, Sequence) or not len(specialists):
            raise InputError(f"specialists must be a list of at least one Specialist, got {specialists!r:.60}.")
        for one in specialists:
            if not isinstance(one, Specialist):
                raise InputError(f"specialists must be a list of Specialist, got {one!r:.60} in it.")
        names = [one.name for one in specialists]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"two specialists are called {name!r}. Give each a name of its own.")
        for party in (self.generalist, *specialists):
            if games(party):
                raise InputError("a game has one number a parameter. Try GameFamily for arrays of parameters.")
        object.__setattr__(self, "specialists", tuple(specialists))

    @property
    def names(self) -> tuple[str, ...]:
        """The specialists' names."""
        return tuple(one.name for one in self.specialists)

    @property
    def players(self) -> tuple[str, ...]:
        """The generalist, then the specialists."""
        return (GENERALIST, *self.names)

    @property
    def outside(self) -> np.ndarray:
        """Everybody's outside option, in the order of the players."""
        return np.array([self.generalist.outside, *(one.outside for one in self.specialists)])

    def play(self, shares: Mapping[str, float]) -> Play:
        """The subgame-perfect outcome at the generalist's ``shares``, one in [0, 1] for each specialist."""
        return self.described(self.play_many([self._row(shares)]))

    def bargain(self, solution: Rule) -> Agreement:
        """The shares that ``solution`` picks, and what is then played."""
        from tuneaccord.bargaining.bargain import bargain

        return bargain(self, solution)

    def frontier(self) -> Frontier:
        """The Pareto set of bargains: ``.points``, ``.pieces`` and ``.plot()``."""
        from tuneaccord.bargaining.frontier import frontier

        return frontier(self)

    def play_many(self, shares) -> Plays:
        """The outcomes at many vectors of shares, (games, specialists), in the order of the specialists."""
        return play_many(self.generalist, self.specialists, np.asarray(shares, float))

    def described(self, plays: Plays) -> Play:
        """The one row of ``plays``, by name."""
        base, improvement = float(plays.base[0]), plays.improvement[0]
        by = dict(zip(self.names, range(len(self.names)), strict=True))
        performance = plays.performance[0]
        error = float(plays.error[0])
        takes_part = {name: plays.regime[0, i] > 0 for name, i in by.items()}
        sentences, causes = told(self, plays)
        costs = {GENERALIST: float(self.generalist.cost.value(base))}
        for one, x in zip(self.specialists, improvement, strict=True):
            costs[one.name] = float(one.cost.at(base).value(x) + one.entry_cost) if takes_part[one.name] else 0.0
        if not (np.isfinite(plays.utilities).all() and np.isfinite(list(costs.values())).all()):
            raise InputError(
                "the best investments, or what they cost, are too large for floating-point numbers. Check the scales "
                "of the curves, or measure performance and money in larger units."
            )
        return Play(
            shares={name: float(plays.shares[0, i]) for name, i in by.items()},
            base_performance=base,
            improvements={name: float(improvement[i]) for name, i in by.items()},
            performance={name: float(performance[i]) for name, i in by.items()},
            regimes={name: REGIMES[plays.regime[0, i]] for name, i in by.items()},
            reasons=sentences,
            causes=causes,
            utilities=dict(zip(self.players, plays.utilities[0].tolist(), strict=True)),
            revenues={
                one.name: float(one.revenue.value(performance[i])) if takes_part[one.name] else 0.0
                for i, one in enumerate(self.specialists)
            },
            costs=costs,
            error=None if np.isnan(error) else error,
        )

    def parameters(self) -> dict[str, float]:
        """Every number of the game by its path, such as ``medical.cost.scale``; see :meth:`with_parameters`."""
        from tuneaccord.bargaining.parameters import parameters

        return parameters(self)

    def with_parameters(self, changes: Mapping[str, Any]) -> FineTuningGame:
        """The game with the numbers at some paths replaced; arrays, one number a game, make a family of games."""
        from tuneaccord.bargaining.parameters import with_parameters

        return with_parameters(self, changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON or YAML."""
        from tuneaccord.specs import to_data

        return {name: value for name, value in to_data(self).items() if name != "kind"}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FineTuningGame:
        """The game that :meth:`to_dict` wrote."""
        from tuneaccord.specs import from_data

        return from_data({"kind": "FineTuningGame", **data}, cls)

    def _row(self, shares: Mapping[str, float]) -> list[float]:
        if not isinstance(shares, Mapping):
            raise InputError(f"shares must be a mapping such as {{{self.names[0]!r}: 0.4}}, got {shares!r:.60}.")
        for name in shares:
            if name not in self.names:
                raise InputError(f"there is no specialist {name!r}. {nearest(name, self.names)}")
        row = []
        for name in self.names:
            if name not in shares:
                raise InputError(f"shares has no share for {name!r}. Give each specialist one.")
            given = shares[name]
            number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
            if not number or not 0 <= given <= 1:
                raise InputError(f"the generalist's share of {name!r} must be in [0, 1], got {given!r:.60}.")
            row.append(float(given))
        return row
