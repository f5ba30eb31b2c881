"""Where the utilities of a power game turn: all of it, proved complete, for many games at once.

The sign of the generalist's derivative is that of the logarithm of a ratio whose own derivative is a quadratic in the
share over something of one sign. So that logarithm is monotone between the roots of the quadratic, and every turn is
the only root in a known bracket. The specialist is the generalist of the game seen from the other end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.one.bracketed import roots
from tuneaccord.bargaining.one.closed_forms import PowerGame

_LEAST = 1e-300  # a share below it is taken for it, in logarithms


@dataclass(frozen=True, eq=False)
class Turns:
    """Shares where something stops rising (``peaks``) or falling (``troughs``), (games, at most), padded with NaN.

    The ends 0 and 1 are among them where they are one-sided peaks or troughs.
    """

    peaks: np.ndarray
    troughs: np.ndarray


@dataclass(frozen=True, eq=False)
class _Ratio:
    """``start + a log(share) - b log(1 - share) [- log(m share - 1)]``, positive where something rises in the share."""

    start: np.ndarray
    a: np.ndarray
    b: np.ndarray
    m: np.ndarray | None = None

    def value(self, share):
        logs = self.start + self.a * _log(share) - self.b * _log(1 - share)
        return logs if self.m is None else logs - _log(self.m * share - 1)

    def knots(self) -> list[np.ndarray]:
        """Between neighbours of these the ratio is monotone; NaN where there are fewer."""
        if self.m is None:
            return [_inside(_divided(self.a, self.a - self.b))]
        p0, p1 = self.a, self.b + 1
        two, one, none = self.m * (p1 - p0), p0 * (self.m + 1) - 2 * p1, -p0
        root = np.sqrt(np.maximum(one * one - 4 * two * none, 0.0))
        q = -0.5 * (one + np.copysign(root, one))
        return [_inside(_divided(q, two)), _inside(_divided(none, q))]


def generalist_turns(game: PowerGame) -> Turns:
    """The turns of the generalist's utility in the share."""
    (p0, p1), (log0, log1) = game.bends, game.logs
    ratio = _Ratio(log0 - log1, p0, p1 - 1, 1 + p1)
    return _turns(ratio, 1 / (1 + p1))


def specialist_turns(game: PowerGame) -> Turns:
    """The turns of the specialist's utility in the share."""
    mirrored = generalist_turns(PowerGame(game.scale, game.exponent, game.base_scale, game.base_exponent, game.rate))
    return Turns(1 - mirrored.peaks[:, ::-1], 1 - mirrored.troughs[:, ::-1])


def total_turns(game: PowerGame) -> Turns:
    """The turns of the sum of the utilities."""
    (p0, p1), (log0, log1) = game.bends, game.logs
    return _turns(_Ratio(np.log(p0) + log0 - np.log(p1) - log1, p0 - 2, p1 - 2), 0.0)


def performance_turns(game: PowerGame) -> Turns:
    """The turns of what is built, base and improvement together."""
    (p0, p1), (log0, log1) = game.bends, game.logs
    return _turns(_Ratio(np.log(p0) + log0 - np.log(p1) - log1, p0 - 1, p1 - 1), 0.0)


def _turns(ratio: _Ratio, first) -> Turns:
    """The sign changes of ``ratio`` from ``first`` to 1, below which it is positive, and the ends."""
    games = np.shape(ratio.start)[0]
    first = np.broadcast_to(np.asarray(first, float), (games,))
    knots = [first, *ratio.knots(), np.ones(games)]
    knots = np.sort(np.where(np.stack(knots, axis=1) >= first[:, None], np.stack(knots, axis=1), np.nan), axis=1)
    knots = np.where(np.isnan(knots), 1.0, knots)
    low, high = knots[:, :-1], knots[:, 1:]
    wide = _Ratio(
        *(None if one is None else np.asarray(one)[:, None] for one in (ratio.start, ratio.a, ratio.b, ratio.m))
    )
    # just inside the stretch, where the logarithms are finite
    low, high = np.where(low == first[:, None], low * (1 + 1e-15) + _LEAST, low), high
    left, right = np.sign(wide.value(low)), np.sign(wide.value(high))
    left[:, 0] = np.where(left[:, 0] == 0, right[:, 0], left[:, 0])
    for j in range(left.shape[1]):  # a 0 at a knot is only touched
        if j:
            left[:, j] = np.where(left[:, j] == 0, right[:, j - 1], left[:, j])
        right[:, j] = np.where(right[:, j] == 0, left[:, j], right[:, j])
    row, column = np.nonzero(np.sign(left) * np.sign(right) < 0)
    narrow = _Ratio(
        *(None if one is None else np.asarray(one)[row] for one in (ratio.start, ratio.a, ratio.b, ratio.m))
    )
    at = roots(narrow.value, low[row, column], high[row, column])
    turns = np.full(low.shape, np.nan)
    turns[row, column] = at
    falls = left > 0
    starts_low = np.where((first > 0) | (left[:, 0] > 0), 1, -1)[:, None]  # rises from 0
    ends = np.where(right[:, -1] > 0, 1, np.where(right[:, -1] < 0, -1, 0))[:, None]
    # the ratio is positive just past ``first``: where rounding hides that, the sign changes at ``first``
    at_first = np.where((first > 0) & (left[:, 0] < 0), first, np.nan)[:, None]
    peaks = np.hstack(
        [np.where(starts_low < 0, 0.0, at_first), np.where(falls, turns, np.nan), np.where(ends > 0, 1.0, np.nan)]
    )
    troughs = np.hstack(
        [np.where(starts_low > 0, 0.0, np.nan), np.where(falls, np.nan, turns), np.where(ends < 0, 1.0, np.nan)]
    )
    return Turns(peaks, troughs)


def _log(x):
    return np.log(np.maximum(x, _LEAST))


def _inside(share):
    return np.where((share > 0) & (share < 1), share, np.nan)


def _divided(top, bottom):
    top, bottom = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    return np.where(bottom == 0, np.nan, top / np.where(bottom == 0, 1.0, bottom))
