"""Both costs with one exponent k: where the total utility and the performance are largest, and when that is at an end.

With costs ``c0 a0**k`` and ``c1 x**k`` and linear revenue, the sum of utilities is largest at the share
``c1**z / (c0**z + c1**z)`` with ``z = 1 / (2k - 3)`` if ``k > 3/2``, and at an end if ``k <= 3/2``: all revenue to
the party with the lower cost. The performance ``a0 + x`` is largest at the same expression with ``z = 1 / (k - 2)`` if
``k > 2`` and at an end if ``k <= 2``. Model of arXiv 2308.04399; the formulas are derived here. The second route is a
grid with bisection on the derivative.

    python 04_general_exponents.py
"""

import sys

import numpy as np
from _table import Table
from scipy.optimize import brentq
from scipy.special import expit

import tuneaccord as ta

EXPONENTS = (1.1, 1.3, 1.5, 1.6, 1.75, 2.0, 2.5, 3.0, 4.0)
COSTS = ((1.0, 1.5), (2.0, 0.7), (1.0, 30.0))


def closed(c0, c1, k, end, root):
    """The share with ``z = 1 / root``, or the end of the cheaper party when ``k <= end``."""
    return float(c0 < c1) if k <= end else 1 / (1 + (c0 / c1) ** (1 / root))


def parts(c0, c1, k):
    """``A0, A1, p`` with b = 1."""
    p = 1 / (k - 1)
    return (1 / (k * c0)) ** p, (1 / (k * c1)) ** p, p


def searched(c0, c1, k, what):
    """The best share by looking."""
    a0, a1, p = parts(c0, c1, k)

    def score(share, rest):
        base, x = a0 * share**p, a1 * rest**p
        return base + x - (what == "total") * (base * share + x * rest) / k

    def slope(odds):  # of the score, by the share with log-odds ``odds``: a peak may lie very close to an end
        share, rest = expit(odds), expit(-odds)
        if what == "total":
            return p * (a0 * share ** (p - 1) * rest - a1 * rest ** (p - 1) * share)
        return p * (a0 * share ** (p - 1) - a1 * rest ** (p - 1))

    grid = np.linspace(-40, 40, 4001)
    signs = np.sign(slope(grid))
    turns = np.flatnonzero((signs[:-1] > 0) & (signs[1:] < 0))
    peaks = [brentq(slope, grid[i], grid[i + 1], xtol=1e-14) for i in turns]
    return max([(0.0, 1.0), (1.0, 0.0), *((expit(odds), expit(-odds)) for odds in peaks)], key=lambda one: score(*one))[
        0
    ]


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("One exponent for both costs: utilitarian share and share of maximal performance")
    for what, solution, end, root in (
        ("total", ta.Utilitarian(), 1.5, lambda k: 2 * k - 3),
        ("performance", ta.MaxPerformance(), 2.0, lambda k: k - 2),
    ):
        for k in EXPONENTS:
            for c0, c1 in COSTS:
                specialist = ta.Specialist("medical", cost=ta.Power(c1, k), revenue=ta.Linear(1.0))
                game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(c0, k)), [specialist])
                expected = closed(c0, c1, k, end, root(k))
                name = f"{what}, k = {k:g}, c = {c0:g}, {c1:g}"
                table.row(name, expected, game.bargain(solution).shares["medical"])
                table.row(f"{name}, by search", expected, searched(c0, c1, k, what), 1e-11)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
