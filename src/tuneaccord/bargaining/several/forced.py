"""A game in which some specialists take part whatever happens, to climb along the limits of what they put up with.

Where a specialist is about to abstain everybody's utility jumps, and slopes end. If it takes part anyway, utilities go
on smoothly, and that it does not lose becomes a constraint. Wherever the constraints hold the two games are played
alike: the generalist's best base with everybody in is then its best base, since losing somebody never pays it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.several.landscape import Landscape

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_MARGIN = 1e-11  # relative: what a specialist gains at least, so that it takes part in spite of rounding


class Forced:
    """The game of those in ``takes_part`` (specialists,); its outputs are as in the whole game, 0 for the others."""

    def __init__(self, game: FineTuningGame, takes_part: np.ndarray, size: float) -> None:
        self._inside = np.flatnonzero(takes_part)
        self._count = len(game.specialists)
        chosen = [game.specialists[i] for i in self._inside]
        # free-riding never brings less than minus the entry cost
        willing = [dataclasses.replace(one, outside=-1.0 - one.entry_cost) for one in chosen]
        rows = np.append(0, 1 + self._inside)
        self._land = Landscape(
            dataclasses.replace(game, specialists=tuple(willing)), outside=game.outside[rows], sampled=False
        )
        self._rows = np.append(rows, 1 + self._count)
        self.held = {int(1 + i): _MARGIN * size for i in self._inside}

    def slopes(self, points: np.ndarray, performance: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`Landscape.slopes`, in the shares of those inside."""
        inner, steep = self._land.slopes(points, performance)
        outputs = np.zeros((len(points), 2 + self._count))
        slopes = np.zeros((len(points), 2 + self._count, len(self._inside)))
        outputs[:, self._rows], slopes[:, self._rows] = inner, steep
        return outputs, slopes

    def inside(self, shares: np.ndarray) -> np.ndarray:
        """The shares of those inside."""
        return shares[self._inside]

    def whole(self, shares: np.ndarray) -> np.ndarray:
        """Everybody's shares: 0 for those outside."""
        every = np.zeros(self._count)
        every[self._inside] = shares
        return every


def may_bind(game: FineTuningGame) -> bool:
    """Whether some specialist could have something to lose by taking part."""
    return any(one.entry_cost > 0 or one.outside > 0 for one in game.specialists)
