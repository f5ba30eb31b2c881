"""With quadratic costs the Pareto set is one interval, from the powerful specialist's share to the generalist's.

The paper (arXiv 2308.04399) gives methods to find the Pareto-optimal bargains. The closed ends are derived here; the
second route keeps, of a fine grid of shares, those that no other one dominates.

    python 06_pareto_interval.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
from _quadratic import closed, game, utilities
from _table import Table

RATIOS = (0.05, 0.5, 0.9, 1.0, 1.5, 3.0, 20.0)  #: c1 / c0
GRID = np.linspace(0.0, 1.0, 5001)


def kept(rho):
    """The ends of what is left of a grid of shares when every dominated one is struck out, and whether it has a gap."""
    gain_g, gain_d = utilities(rho, GRID)
    order = np.lexsort((-gain_d, -gain_g))
    best, left = -np.inf, []
    for i in order:  # from the largest U_G downwards, a point is kept when it gives more U_D than all before
        if gain_d[i] > best:
            best = gain_d[i]
            left.append(i)
    left = np.sort(left)
    return GRID[left[0]], GRID[left[-1]], bool((np.diff(left) == 1).all())


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("The Pareto set with quadratic costs")
    for ratio in RATIOS:
        rho = 1 / ratio
        front = game(rho).frontier()
        table.fact(f"c1/c0 = {ratio:g}: one piece", len(front.pieces) == 1)
        piece = front.pieces[0]
        low, high, whole = kept(rho)
        table.row(f"c1/c0 = {ratio:g}: lowest share", closed("powerful specialist", rho), piece.low["medical"], 1e-9)
        table.row(f"c1/c0 = {ratio:g}: highest share", closed("powerful generalist", rho), piece.high["medical"], 1e-9)
        table.row(f"c1/c0 = {ratio:g}: lowest on a grid", closed("powerful specialist", rho), low, 2.1e-4)
        table.row(f"c1/c0 = {ratio:g}: highest on a grid", closed("powerful generalist", rho), high, 2.1e-4)
        table.fact(f"c1/c0 = {ratio:g}: the grid has no gap either", whole)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        game(0.5).frontier().plot().savefig(Path(out) / "pareto-interval.svg", metadata={"Date": None})
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
