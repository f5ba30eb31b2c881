"""The best of all shares by several levels, most important first: what ties in one level is decided by the next."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tuneaccord.bargaining.one.peaks import Objective, climb, highest
from tuneaccord.bargaining.one.trace import FIRST, Trace
from tuneaccord.bargaining.plays import Plays

TIED = 1e-12  #: relative to the range of the numbers compared: a few thousand roundings
WIDE = FIRST[(FIRST == 0) | (FIRST == 1) | ((FIRST > 1e-2) & (FIRST < 0.99))]  # shares that are truly apart


def lifted(best: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The gains ``best - outside`` (..., players), 0 where they are within rounding of nothing."""
    gains = best - outside
    size = np.maximum(np.abs(best), np.abs(outside)).max(axis=-1, keepdims=True)
    return np.where(np.abs(gains) <= TIED * size, 0.0, gains)


class Choice:
    """Chooses on a trace by ``ranked``, the levels of some plays, (games, levels); minus infinity is not acceptable.

    ``parts`` and ``limits`` help :func:`climb` with the first level.
    """

    def __init__(self, trace: Trace, ranked: Callable[[Plays], np.ndarray], parts=None, limits=None) -> None:
        self.trace, self.ranked = trace, ranked
        self._parts, self._limits = parts, limits
        every = ranked(trace.plays)
        self._levels = every.shape[1]
        self._size = np.where(np.isfinite(every), np.abs(every), 0.0).max(axis=0)

    @property
    def first(self) -> Objective:
        """What to climb first."""
        return Objective(lambda plays: self.ranked(plays)[:, 0], self._parts, self._limits)

    def share(self, peaks: np.ndarray) -> float | None:
        """The best share, given the ``peaks`` of the first level; None if none of them is acceptable."""
        chosen = None
        for level in range(self._levels):
            if level > 0:
                peaks = np.append(climb(self.trace, [self._tied(chosen, level)])[0], chosen)
            if not len(peaks):
                return None
            peaks = np.append(peaks, [0.0, 1.0])  # a peak within rounding of an end is at the end
            chosen = self._best(peaks, level)
            if not self._flat(chosen, level):
                return chosen
        return chosen

    def _tied(self, chosen: float, level: int) -> Objective:
        """The level, over the shares that tie with the chosen one in all levels before."""
        least = self.ranked(self.trace.at([chosen]))[0, :level] - TIED * self._size[:level]

        def score(plays):
            every = self.ranked(plays)
            return np.where((every[:, :level] >= least).all(axis=1), every[:, level], -np.inf)

        return Objective(score, None, self._limits)

    def _best(self, peaks: np.ndarray, level: int) -> float:
        """Of several peaks the best; ties of peaks with a dip between them are decided by the later levels."""
        every = self.ranked(self.trace.at(peaks))
        left = np.arange(len(peaks))
        for number in range(every.shape[1]):
            column = every[left, number]
            if column.max() == -np.inf:
                break
            kept = column >= column.max() - TIED * self._size[number]
            left = left[kept]
            if number == level:
                left = left[self._apart(peaks[left], column[kept], number)]
        return float(peaks[left].min())

    def _apart(self, peaks: np.ndarray, column: np.ndarray, number: int) -> np.ndarray:
        """The highest of each group of peaks that no dip separates: they are one peak, seen several times."""
        order = np.argsort(peaks, kind="stable")
        share, score = self.trace.plays.shares[:, 0], self.ranked(self.trace.plays)[:, number]
        groups = [[order[0]]]
        for before, here in pairwise(order):
            between = score[(share > peaks[before]) & (share < peaks[here])]
            dips = len(between) and between.min() < column.max() - 2 * TIED * self._size[number]
            groups = [*groups, [here]] if dips else [*groups[:-1], [*groups[-1], here]]
        return np.array([group[highest(peaks[group], column[group])] for group in groups])

    def _flat(self, chosen: float, level: int) -> bool:
        """Whether three neighbouring shares of the first trace tie with the chosen one in all levels so far."""
        plays = self.trace.at(WIDE)
        best = self.ranked(self.trace.at([chosen]))[0, : level + 1]
        tied = (self.ranked(plays)[:, : level + 1] >= best - TIED * self._size[: level + 1]).all(axis=1)
        return bool((tied[:-2] & tied[1:-1] & tied[2:]).any())
