"""What is played at given shares, in many games at once: arrays with one row a game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ABSTAINS, FREE_RIDES, CONTRIBUTES = 0, 1, 2  #: codes of the regimes
REGIMES = ("abstains", "free-rides", "contributes")  #: their names, by code


@dataclass(frozen=True, eq=False)
class Plays:
    """The subgame-perfect outcome of each game.

    ``shares``, ``improvement`` and ``regime`` have shape (games, specialists), ``base`` and ``error`` (games,),
    ``utilities`` (games, 1 + specialists) with the generalist first. An abstainer's improvement is 0 and its utility
    is its outside option. ``error`` bounds what the generalist, or any one specialist, could still have gained by
    another investment; it is not a number (NaN) where that is not proved (when that is, :class:`Play` says).
    """

    shares: np.ndarray
    base: np.ndarray
    improvement: np.ndarray
    regime: np.ndarray
    utilities: np.ndarray
    error: np.ndarray

    @property
    def performance(self) -> np.ndarray:
        """What each domain reaches, (games, specialists): 0 where the specialist abstains, for nothing is sold."""
        return np.where(self.regime == ABSTAINS, 0.0, self.base[:, None] + self.improvement)

    def row(self, index) -> Plays:
        """Some of the games, by number, slice or mask."""
        index = [index] if np.ndim(index) == 0 and not isinstance(index, slice) else index
        return Plays(*(getattr(self, name)[index] for name in Plays.__dataclass_fields__))


def joined(parts: Sequence[Plays]) -> Plays:
    """The games of several, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Plays(*(np.concatenate([getattr(part, name) for part in parts]) for name in Plays.__dataclass_fields__))


def nobody_trades(outside: np.ndarray) -> Plays:
    """One game in which everybody keeps the outside option, (players,): nothing is built, all abstain."""
    count = len(outside) - 1
    return Plays(
        shares=np.zeros((1, count)),
        base=np.zeros(1),
        improvement=np.zeros((1, count)),
        regime=np.full((1, count), ABSTAINS),
        utilities=outside[None, :].astype(float),
        error=np.zeros(1),
    )
