"""Everything looked at over the shares of several specialists, and how utilities change with them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.engine.gradients import gradients
from tuneaccord.bargaining.plays import Plays, joined

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_STEP = 1e-5  # of central differences: their error is 1e-10 in the third derivative, rounding as much
_SAMPLED = 128  # evenly spread shares that a game of two specialists starts with
_SAMPLED_MOST = 512


class Landscape:
    """The plays of a game at all shares looked at.

    ``outputs`` of a play are the utilities less the outside options, the generalist first, then the sum of
    performances.
    """

    def __init__(self, game: FineTuningGame, *, outside=None, sampled: bool = True) -> None:
        self.game = game
        self.outside = game.outside if outside is None else outside
        self.count = len(game.specialists)
        self._parts: list[Plays] = []
        if sampled:
            self.look(first_shares(self.count))

    def copy(self) -> Landscape:
        """The same plays, to be added to alone."""
        new = copy(self)
        new._parts = list(self._parts)
        return new

    def look(self, shares) -> Plays:
        """What is played at ``shares`` (points, specialists); remembered."""
        plays = self.game.play_many(np.clip(np.atleast_2d(shares), 0.0, 1.0))
        self._parts.append(plays)
        return plays

    @property
    def plays(self) -> Plays:
        """Everything looked at."""
        if len(self._parts) > 1:
            self._parts = [joined(self._parts)]
        return self._parts[0]

    def outputs(self, plays: Plays) -> np.ndarray:
        """Gains and the sum of performances, shape (games, players + 1)."""
        return np.column_stack([plays.utilities - self.outside, plays.performance.sum(axis=1)])

    def slopes(self, points: np.ndarray, performance: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The outputs at ``points`` and their derivatives (points, outputs, specialists).

        By implicit differentiation where the play is smooth in the shares, by differences elsewhere. The derivative
        of the performance is 0 unless asked for.
        """
        points = np.clip(points, 0.0, 1.0)
        plays = self.look(points)
        exact = implicit(self.game, plays)
        slopes = np.concatenate([exact, np.zeros((len(points), 1, self.count))], axis=1)
        rough = np.flatnonzero(performance | ~np.isfinite(exact).all(axis=(1, 2)))
        if len(rough):
            slopes[rough] = differences(lambda many: self.outputs(self.look(many)), points[rough])
        return self.outputs(plays), slopes


def differences(function: Callable, points: np.ndarray) -> np.ndarray:
    """The derivative of ``function(points) -> (points, outputs)`` in each share, (points, outputs, shares)."""
    many, count = points.shape
    steps = _STEP * np.eye(count)
    above = np.minimum(points[:, None, :] + steps, 1.0).reshape(-1, count)
    below = np.maximum(points[:, None, :] - steps, 0.0).reshape(-1, count)
    values = function(np.vstack([above, below]))
    width = (above - below).sum(axis=1)  # they differ in one share each
    slopes = (values[: len(above)] - values[len(above) :]) / width[:, None]
    return slopes.reshape(many, count, -1).swapaxes(1, 2)


def implicit(game: FineTuningGame, plays: Plays) -> np.ndarray:
    """The derivative of each utility in each share, (games, players, specialists); NaN where it is not smooth."""
    return gradients(game.generalist, game.specialists, plays)


def first_shares(count: int) -> np.ndarray:
    """Where to look first: the diagonal, corners, each specialist against the rest, and an even spread."""
    diagonal = np.linspace(0.0, 1.0, 17)[:, None] * np.ones(count)
    own, others = np.eye(count, dtype=bool), np.linspace(0.0, 1.0, 9)
    against = [np.where(own, level, rest).reshape(-1, count) for level in others for rest in (0.0, 0.5, 1.0)]
    parts = [diagonal, *against, _spread(min(_SAMPLED_MOST, _SAMPLED * max(1, count // 2)), count)]
    if count <= 6:
        parts.append(np.array(np.meshgrid(*[[0.0, 1.0]] * count)).reshape(count, -1).T)
    return np.unique(np.vstack(parts), axis=0)


def _spread(amount: int, count: int) -> np.ndarray:
    """Multiples of powers of the generalised golden ratio, modulo 1 (M. Roberts, "The unreasonable effectiveness of
    quasirandom sequences", 2018)."""
    ratio = 2.0
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / (count + 1.0))
    steps = ratio ** -np.arange(1.0, count + 1.0)
    return (0.5 + np.arange(1, amount + 1)[:, None] * steps) % 1.0
