"""A specialist contributes, free-rides or abstains: the three thresholds in closed form.

The paper (arXiv 2308.04399) finds that any specialist will contribute, free-ride or abstain. With linear revenue
``b a`` and a quadratic cost it always contributes something below a share of 1; the other two regimes need

1. a set-up amount ``K``: it free-rides from the share ``1 - 2 sqrt(c1 K) / b`` on;
2. an entry cost ``F``: it abstains unless the base is worth it, and the generalist may build just enough for that;
3. a cost that starts steeply (``k = 1``) with a revenue that flattens: it free-rides once the base has passed the
   performance at which the first unit no longer pays.

The thresholds are derived here.

    python 09_regimes.py
"""

import sys
from math import log, sqrt

import numpy as np
from _table import Table
from scipy.optimize import brentq

import tuneaccord as ta


def play(game, share):
    """``(a0, x, regime)`` of the one specialist."""
    found = game.play({"medical": share})
    return found.base_performance, found.improvements["medical"], found.regimes["medical"]


def with_setup(table):
    """Part 1: c0 = 1, c1 = 0.5, b = 1, K = 0.1."""
    c0, c1, amount = 1.0, 0.5, 0.1
    specialist = ta.Specialist("medical", cost=ta.Fixed(amount, ta.Power(c1, 2)), revenue=ta.Linear(1.0))
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(c0, 2)), [specialist])
    limit = 1 - 2 * sqrt(c1 * amount)
    for share, regime in ((0.0, "contributes"), (limit - 1e-6, "contributes"), (limit + 1e-6, "free-rides")):
        base, x, found = play(game, share)
        table.fact(f"set-up amount, share {share:.6f}: {regime}", found == regime)
        table.row(f"set-up amount, share {share:.6f}: a0", share / (2 * c0), base)
        table.row(f"set-up amount, share {share:.6f}: x", (1 - share) / (2 * c1) * (regime == "contributes"), x)


def with_entry_cost(table):
    """Part 2: c0 = c1 = 1, b = 1: the base that makes taking part worth it, and when it is built."""
    for entry in (0.2, 0.26):
        specialist = ta.Specialist("medical", cost=ta.Power(1.0, 2), revenue=ta.Linear(1.0), entry_cost=entry)
        game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, 2)), [specialist])

        def needed(share, entry=entry):  # (1 - s) a0 + (1 - s)**2 / 4 = F
            return max(entry / (1 - share) - (1 - share) / 4, 0.0)

        def worth(share, needed=needed):  # what the generalist has if it builds as much as that
            base = max(share / 2, needed(share))
            return share * (base + (1 - share) / 2) - base**2

        last = brentq(worth, 0.5, 0.99, xtol=1e-15)  # beyond, it is cheaper to build nothing
        first = 0.0 if worth(0.0) >= 0 else brentq(worth, 0.0, 0.1, xtol=1e-15)
        enough = brentq(lambda share, needed=needed: share / 2 - needed(share), 0.2, 0.9) if entry == 0.2 else first
        shares = [
            0.5 * first,
            0.5 * (first + enough),
            0.5 * (enough + last),
            last - 1e-6,
            last + 1e-6,
            0.5 * (last + 1),
        ]
        for share in shares:
            name = f"entry cost {entry}, share {share:.6f}"
            took_part = worth(share) >= 0
            base, x, regime = play(game, share)
            table.fact(f"{name}: {'contributes' if took_part else 'abstains'}", (regime == "contributes") == took_part)
            table.row(f"{name}: a0", max(share / 2, needed(share)) if took_part else 0.0, base)
            table.row(f"{name}: x", (1 - share) / 2 if took_part else 0.0, x)


def with_a_steep_start(table):
    """Part 3: revenue log(1 + a), the specialist's cost c1 x with c1 = 0.3, the generalist's c0 a0**2 with c0 = 0.1."""
    c0, c1 = 0.1, 0.3
    specialist = ta.Specialist("medical", cost=ta.Linear(c1), revenue=ta.Log(1.0, 1.0))
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(c0, 2)), [specialist])

    def own(share):  # s / (1 + a0) = 2 c0 a0: what the generalist builds for a free-rider
        return (sqrt(1 + 2 * share / c0) - 1) / 2

    def reached(share):  # (1 - s) / (1 + a) = c1: what the specialist tops up to
        return max((1 - share) / c1 - 1, 0.0)

    def advantage(share):  # of building for a free-rider over building nothing and letting the specialist pay
        base = max(own(share), reached(share))
        return share * log(1 + base) - c0 * base**2 - share * log(1 + reached(share))

    switch = brentq(advantage, 0.01, 0.6, xtol=1e-15)
    for share in (0.0, 0.5 * switch, switch - 1e-6):
        base, x, regime = play(game, share)
        table.fact(f"steep start, share {share:.6f}: contributes", regime == "contributes")
        table.row(f"steep start, share {share:.6f}: a0", 0.0, base)
        table.row(f"steep start, share {share:.6f}: x", reached(share), x)
    for share in (switch + 1e-6, 0.5 * (switch + 1), 1.0):
        base, x, regime = play(game, share)
        table.fact(f"steep start, share {share:.6f}: free-rides", regime == "free-rides")
        table.row(f"steep start, share {share:.6f}: a0", own(share), base)
        table.row(f"steep start, share {share:.6f}: x", 0.0, x)
    grid = np.linspace(0.01, 0.99, 99)
    table.fact("steep start: one switch only", bool((np.diff(np.sign([advantage(s) for s in grid])) != 0).sum() == 1))


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("Contribute, free-ride or abstain")
    with_setup(table)
    with_entry_cost(table)
    with_a_steep_start(table)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
