"""Below an exponent of 2 the Pareto set may fall into pieces: middling shares are bad for both parties.

With an exponent close to 1, investment rises steeply with the share of whoever invests, so that it is better to give
almost all to one of them. The first piece ends where the second begins to be better for both; the second begins at the
specialist's peak, or where the two pieces offer the same. It takes costs of similar size: at exponent 1.25,
``c1 / c0 = 1.2`` gives two pieces and 2 gives one. Derived here, for the model of arXiv 2308.04399: the ends are roots
of the closed utilities and of their derivatives, and a grid of shares shows the same pieces.

    python 07_pareto_pieces.py
"""

import sys

import numpy as np
from _table import Table
from scipy.optimize import brentq

import tuneaccord as ta

CASES = ((1.25, 1.2), (1.3, 1.0), (1.5, 1.25))  #: exponent, c1 / c0
GRID = np.linspace(0.0, 1.0, 5001)


class Curves:
    """``U_G`` and ``U_D`` of the share and their derivatives, costs ``a0**k`` and ``c1 x**k``, b = 1."""

    def __init__(self, k: float, c1: float) -> None:
        self.k, self.p = k, 1 / (k - 1)
        self.a0, self.a1 = k**-self.p, (k * c1) ** -self.p

    def gain_g(self, s):
        return (1 - 1 / self.k) * self.a0 * s ** (self.p + 1) + self.a1 * s * (1 - s) ** self.p

    def gain_d(self, s):
        return (1 - 1 / self.k) * self.a1 * (1 - s) ** (self.p + 1) + self.a0 * (1 - s) * s**self.p

    def slope_g(self, s):
        return self.a0 * s**self.p + self.a1 * (1 - s) ** (self.p - 1) * (1 - (1 + self.p) * s)

    def slope_d(self, s):
        return -self.a1 * (1 - s) ** self.p - self.a0 * s ** (self.p - 1) * ((1 + self.p) * s - self.p)


def pieces_by_roots(curves):
    """``(low, high)`` of both pieces: the outer ends are 0 and 1, the inner ones where one stretch overtakes the other.

    From 0 on the generalist gains and the specialist loses until the generalist's own peak; towards 1 likewise from
    the specialist's peak on. The stretches meet where they offer the same to both, or one ends at the other's start.
    """
    start = _peaks(curves.slope_d)[-1]
    below = GRID[start > GRID]
    stop = min([*_peaks(curves.slope_g), below[curves.gain_d(below).argmin()]])

    def beside(share):  # the large share that offers the generalist as much, or the first if that offers more
        missing = curves.gain_g(start) - curves.gain_g(share)
        if missing >= 0:
            return start
        return brentq(lambda other: curves.gain_g(other) - curves.gain_g(share), start, 1.0, xtol=1e-16)

    low = brentq(lambda share: curves.gain_d(share) - curves.gain_d(beside(share)), 0.0, stop, xtol=1e-16)
    return (0.0, low), (beside(low), 1.0)


def _peaks(slope):
    inner = GRID[1:-1]
    signs = np.sign(slope(inner))
    turns = np.flatnonzero((signs[:-1] > 0) & (signs[1:] <= 0))
    return [brentq(slope, inner[i], inner[i + 1], xtol=1e-16) for i in turns]


def pieces_by_grid(curves):
    """The same from a grid, by striking out what is dominated."""
    gain_g, gain_d = curves.gain_g(GRID), curves.gain_d(GRID)
    beaten = [bool(((gain_g > g) & (gain_d > d)).any()) for g, d in zip(gain_g, gain_d, strict=True)]
    left = np.flatnonzero(~np.array(beaten))
    runs = np.split(left, np.flatnonzero(np.diff(left) > 1) + 1)
    return [(GRID[run[0]], GRID[run[-1]]) for run in runs]


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("A Pareto set in two pieces")
    specialist = ta.Specialist("medical", cost=ta.Power(2.0, 1.25), revenue=ta.Linear(1.0))
    front = ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, 1.25)), [specialist]).frontier()
    table.fact("k = 1.25, c1/c0 = 2: one piece", len(front.pieces) == 1 == len(pieces_by_grid(Curves(1.25, 2.0))))
    for k, c1 in CASES:
        curves, name = Curves(k, c1), f"k = {k:g}, c1/c0 = {c1:g}"
        specialist = ta.Specialist("medical", cost=ta.Power(c1, k), revenue=ta.Linear(1.0))
        front = ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, k)), [specialist]).frontier()
        expected, seen = pieces_by_roots(curves), pieces_by_grid(curves)
        table.fact(f"{name}: two pieces", len(front.pieces) == 2)
        table.fact(f"{name}: two pieces on a grid", len(seen) == 2)
        for piece, ends, rough, which in zip(front.pieces, expected, seen, ("first", "second"), strict=True):
            for got, end, grid, side in zip((piece.low, piece.high), ends, rough, ("low", "high"), strict=True):
                table.row(f"{name}: {which}, {side}", end, got["medical"], 1e-9)
                table.row(f"{name}: {which}, {side}, on a grid", end, grid, 2.1e-4)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
