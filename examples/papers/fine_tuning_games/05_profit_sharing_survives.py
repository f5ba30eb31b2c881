"""Revenue is shared even when one party's cost is far above the other's and that other party dictates the bargain.

The paper (arXiv 2308.04399) says that profit-sharing can arise even when one firm has significantly higher costs. Here:
a specialist with hopeless costs that dictates the share still leaves the generalist ``1 / k0`` of the revenue, for
without it nothing is built, and a generalist with hopeless costs that dictates leaves the specialist ``1 / k1``. With
quadratic costs both are one half, and on the way there ``(1 - rho) / (2 - rho)`` with ``rho = c0 / c1``, and
``rho / (2 rho - 1)``. The limits and their rates are derived here.

    python 05_profit_sharing_survives.py
"""

import sys

from _quadratic import SOLUTIONS, closed, game
from _table import Table

import tuneaccord as ta

EXPONENTS = (1.5, 2.0, 3.0)

#: quadratic costs, c1/c0 to infinity: U_G = s**2 and U_D = 2 s (1 - s), in units; the other limit is one less this
LIMITS = {"egalitarian": 2 / 3, "Nash": 3 / 4, "Kalai-Smorodinsky": 4 / 5}


def dictated(c0, c1, k, solution):
    """The generalist's share."""
    specialist = ta.Specialist("medical", cost=ta.Power(c1, k), revenue=ta.Linear(1.0))
    return ta.FineTuningGame(ta.Generalist(cost=ta.Power(c0, k)), [specialist]).bargain(solution).shares["medical"]


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("The dictated share as the dictator's own cost grows without limit")
    for power in (0, 1, 2, 4, 8, 12):
        ratio = 10.0**power
        table.row(
            f"powerful specialist, c1/c0 = 1e{power}",
            closed("powerful specialist", 1 / ratio),
            game(1 / ratio).bargain(ta.PowerfulSpecialist()).shares["medical"],
        )
        table.row(
            f"powerful generalist, c0/c1 = 1e{power}",
            closed("powerful generalist", ratio),
            game(ratio, scale=ratio).bargain(ta.PowerfulGeneralist()).shares["medical"],
        )
    for k in EXPONENTS:
        # what the weak party's own work is worth at a ratio of costs of 1e20, relative to the rest
        nothing = (1e-20) ** (1 / (k - 1))
        loose = max(1e-9, 10 * nothing)
        table.row(
            f"specialist with hopeless costs, k = {k:g}", 1 / k, dictated(1, 1e20, k, ta.PowerfulSpecialist()), loose
        )
        table.row(
            f"generalist with hopeless costs, k = {k:g}",
            1 - 1 / k,
            dictated(1e20, 1, k, ta.PowerfulGeneralist()),
            loose,
        )
    for name, limit in LIMITS.items():
        for rho, share in ((1e-9, limit), (1e9, 1 - limit)):
            found = game(rho, scale=max(rho, 1.0)).bargain(SOLUTIONS[name]).shares["medical"]
            table.row(f"{name}, c0/c1 = {rho:g}: the limit", share, found, 1e-8)
            table.row(f"{name}, c0/c1 = {rho:g}", closed(name, rho), found, 1e-11)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
