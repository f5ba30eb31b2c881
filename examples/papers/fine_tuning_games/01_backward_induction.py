"""The model, solved backwards: what is invested and earned at given shares.

The generalist builds ``a0`` for ``c0 a0**k0``, the specialist adds ``x`` for ``c1 x**k1``, and the revenue
``b (a0 + x)`` is shared. With ``p = 1 / (k - 1)``, ``A0 = (b / (k0 c0))**p0`` and ``A1 = (b / (k1 c1))**p1``

    a0 = A0 s**p0,    x = A1 (1 - s)**p1
    U_G = b [(1 - 1/k0) A0 s**(p0+1) + A1 s (1 - s)**p1]
    U_D = b [(1 - 1/k1) A1 (1 - s)**(p1+1) + A0 (1 - s) s**p0]

at the generalist's share ``s``. The model is that of arXiv 2308.04399; the formulas are derived here. Compared with
``game.play`` and, by a second route, with a search over investments.

    python 01_backward_induction.py
"""

import sys

import numpy as np
from _table import Table
from scipy.optimize import brentq, minimize_scalar

import tuneaccord as ta

#: c0, k0, c1, k1, b
GAMES = [(1.0, 2.0, 2.0, 2.0, 1.0), (0.7, 1.4, 3.0, 2.5, 1.3), (2.0, 3.0, 0.4, 1.2, 0.6), (5.0, 1.05, 1.5, 4.0, 4.9)]


def closed(c0, k0, c1, k1, b, share):
    """``a0, x, U_G, U_D``."""
    p0, p1 = 1 / (k0 - 1), 1 / (k1 - 1)
    base, most = (b / (k0 * c0)) ** p0 * share**p0, (b / (k1 * c1)) ** p1
    x = most * (1 - share) ** p1
    return (
        base,
        x,
        b * ((1 - 1 / k0) * base * share + share * x),
        b * ((1 - 1 / k1) * x * (1 - share) + (1 - share) * base),
    )


def searched(c0, k0, c1, k1, b, share):
    """``U_G, U_D`` by searching: the reply by bisection of its marginal profit, the base without derivatives."""

    def reply(base):
        if share == 1:
            return 0.0
        return brentq(lambda x: (1 - share) * b - c1 * k1 * x ** (k1 - 1), 0.0, 20.0, xtol=1e-15)

    def profit(base):
        return share * b * (base + reply(base)) - c0 * base**k0

    found = minimize_scalar(lambda base: -profit(base), bounds=(0.0, 20.0), method="bounded", options={"xatol": 1e-9})
    x = reply(found.x)
    return -found.fun, (1 - share) * b * (found.x + x) - c1 * x**k1


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("Subgame-perfect investments and utilities with power costs and linear revenue")
    for numbers in GAMES:
        c0, k0, c1, k1, b = numbers
        specialist = ta.Specialist("medical", cost=ta.Power(c1, k1), revenue=ta.Linear(b))
        game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(c0, k0)), [specialist])
        for share in (0.0, 0.4, 1.0):
            play = game.play({"medical": share})
            expected = closed(*numbers, share)
            got = (play.base_performance, play.improvements["medical"], *play.utilities.values())
            for what, one, other in zip(("a0", "x", "U_G", "U_D"), expected, got, strict=True):
                table.row(f"k = {k0:g}, {k1:g}, share {share:g}: {what}", one, other)
        table.fact(
            f"k = {k0:g}, {k1:g}, share 0.4: a search finds the same utilities to 1e-6",
            np.allclose(searched(*numbers, 0.4), closed(*numbers, 0.4)[2:], rtol=1e-6, atol=1e-6),
        )
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
