"""Which share each bargaining solution picks when costs are quadratic: the whole table.

Ten cost ratios from ``c1 / c0 = 1/20`` to ``20``; every share is compared with its closed form and with a search that
does not use it. Then the invariance: shares do not depend on the units of money and performance. The model and the
solutions are those of arXiv 2308.04399; the closed forms are derived here (see ``_quadratic.py``).

    python 02_quadratic_solutions.py
"""

import sys

from _quadratic import SOLUTIONS, closed, game, searched, utilities
from _table import Table

RATIOS = (0.05, 0.2, 0.5, 0.8, 1.0, 1.25, 2.0, 3.7, 7.0, 20.0)  #: c1 / c0

#: c0 = 1, c1 = 2, b = 1
EXAMPLE = {
    "egalitarian": 0.5773502692,
    "Nash": 0.6228390306,
    "utilitarian": 2 / 3,
    "powerful specialist": 1 / 3,
    "powerful generalist": 1.0,
}


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("Shares under each solution, quadratic costs, linear revenue")
    for name, solution in SOLUTIONS.items():
        for ratio in RATIOS:
            rho = 1 / ratio
            expected = closed(name, rho)
            agreement = game(rho).bargain(solution)
            table.row(f"{name}, c1/c0 = {ratio:g}", expected, agreement.shares["medical"])
            gain_g, gain_d = (gain / 4 for gain in utilities(rho, expected))
            table.row(f"{name}, c1/c0 = {ratio:g}: U_G", gain_g, agreement.gains["generalist"])
            table.row(f"{name}, c1/c0 = {ratio:g}: U_D", gain_d, agreement.gains["medical"])
            table.row(f"{name}, c1/c0 = {ratio:g}, by search", expected, searched(name, rho))
        units = game(0.5, scale=37.0, rate=250.0).bargain(solution).shares["medical"]
        table.row(f"{name}, c1/c0 = 2 in other units", closed(name, 0.5), units)
    for name, share in EXAMPLE.items():
        table.row(
            f"example with c0 = 1, c1 = 2: {name}", share, game(0.5).bargain(SOLUTIONS[name]).shares["medical"], 1e-10
        )
    for name in ("Nash", "Kalai-Smorodinsky", "egalitarian", "utilitarian"):
        table.row(f"equal costs, {name}: halves", 0.5, game(1.0).bargain(SOLUTIONS[name]).shares["medical"])
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
