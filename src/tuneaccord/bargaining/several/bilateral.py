"""The bargain of the generalist with one specialist at a time, the other shares given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.plays import ABSTAINS
from tuneaccord.bargaining.several.landscape import implicit
from tuneaccord.bargaining.solutions import Nash

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_GRID = 33  # shares tried over the whole of [0, 1]
_ZOOM = 9  # and in each narrower window
_ZOOMS = 11  # until it is a rounding wide
_STEP = 1e-5  # of differences in Newton's method


class Bilateral:
    """Bilateral Nash bargains with the generalist's ``power``."""

    def __init__(self, game: FineTuningGame, power: float) -> None:
        self.game, self.rule = game, Nash(power=(power, 1.0 - power))
        self.count = len(game.specialists)

    def threats(self, shares: np.ndarray) -> np.ndarray:
        """What the generalist has when domain i is gone and the other shares stay, (points, specialists)."""
        columns = []
        for i in range(self.count):
            others = [one for j, one in enumerate(self.game.specialists) if j != i]
            columns.append(play_many(self.game.generalist, others, np.delete(shares, i, axis=1)).utilities[:, 0])
        return np.column_stack(columns)

    def replies(self, shares: np.ndarray) -> np.ndarray:
        """The best bilateral share of each domain against the other ``shares``, all searched at once."""
        threats = self.threats(shares[None, :])[0]
        low, high = np.zeros(self.count), np.ones(self.count)
        best, ideal, points = shares, None, _GRID
        for _ in range(_ZOOMS):
            tried = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, points)
            if ideal is not None:
                tried = np.column_stack([best, tried])  # stays unless something is better
            gains, total = self._gains(shares, tried, threats)
            ideal = gains.max(axis=1) if ideal is None else np.maximum(ideal, gains.max(axis=1))
            chosen = np.array([self._best(gains[i], total[i], tried[i], ideal[i]) for i in range(self.count)])
            width = (high - low) / (points - 1)
            best = tried[np.arange(self.count), chosen]
            low, high = np.maximum(best - width, 0.0), np.minimum(best + width, 1.0)
            points = _ZOOM
        return best

    def _gains(self, shares, tried, threats):
        """Both gains, (specialists, tries, 2), and the total utility of everybody."""
        rows = np.repeat(shares[None, None, :], tried.shape[1], axis=1).repeat(self.count, axis=0)
        own = np.arange(self.count)
        rows[own, :, own] = tried
        plays = self.game.play_many(rows.reshape(-1, self.count))
        utilities = plays.utilities.reshape(self.count, tried.shape[1], -1)
        generalist = utilities[:, :, 0] - threats[:, None]
        specialist = utilities[own, :, 1 + own] - self.game.outside[1:, None]
        size = 1e-13 * np.abs(utilities).max()  # what is left of a difference of equal numbers
        gains = np.stack([generalist, specialist], axis=-1)
        return np.where(np.abs(gains) <= size, 0.0, gains), utilities.sum(axis=-1)

    def _best(self, gains: np.ndarray, total: np.ndarray, tried: np.ndarray, ideal: np.ndarray) -> int:
        """The best try; of those that tie, the larger total utility, then the smaller share."""
        score = self.rule.score(gains, ideal) if (ideal > 0).any() else np.zeros(len(gains))
        if not np.isfinite(score).any():
            return int(np.argmin(tried))
        tied = np.flatnonzero(score >= score.max() - 4e-16 * max(1.0, abs(score.max())))
        if len(tied) == 1:
            return int(tied[0])
        tied = tied[total[tied] >= total[tied].max() - 1e-12 * abs(total[tied].max())]
        return int(tied[np.argmin(tried[tied])])

    def newton(self, shares: np.ndarray) -> np.ndarray | None:
        """The nearby shares at which every bilateral product has slope 0, or None if that cannot be told."""
        free = (shares > 1e-6) & (shares < 1.0 - 1e-6)
        start = shares.copy()
        for _ in range(6):
            points = np.vstack([shares, *(shares + _STEP * (np.arange(self.count) == i) for i in np.flatnonzero(free))])
            slopes = self._slopes(np.clip(points, 0.0, 1.0))
            if slopes is None:
                return None
            bend = ((slopes[1:] - slopes[0]) / _STEP).T[free]
            try:
                step = -np.linalg.solve(bend, slopes[0, free])
            except np.linalg.LinAlgError:
                return None
            shares = shares.copy()
            shares[free] += step
            if np.abs(shares - start).max() > 0.01 or (shares < 0).any() or (shares > 1).any():
                return None
            if np.abs(step).max(initial=0.0) < 1e-12:
                break
        ends_hold = np.abs(self.replies(shares) - shares).max() <= 1e-5
        return shares if ends_hold else None

    def _slopes(self, points: np.ndarray) -> np.ndarray | None:
        """The slope of the logarithm of each bilateral product in its own share, (points, specialists)."""
        plays = self.game.play_many(points)
        exact = implicit(self.game, plays)
        own = np.arange(self.count)
        if not np.isfinite(exact).all():
            return None
        gains = plays.utilities[:, :1] - self.threats(points), plays.utilities[:, 1:] - self.game.outside[1:]
        if min(one.min() for one in gains) <= 0:
            return None
        power = self.rule.power
        return power[0] * exact[:, 0, :] / gains[0] + power[1] * exact[:, 1 + own, own] / gains[1]

    def without_abstainers(self, shares: np.ndarray) -> np.ndarray:
        """Share 0 for whoever abstains, if it then still does."""
        out = self.game.play_many(shares[None, :]).regime[0] == ABSTAINS
        trial = np.where(out, 0.0, shares)
        return trial if (self.game.play_many(trial[None, :]).regime[0] == ABSTAINS)[out].all() else shares
