"""Several domains share one base: what one pays for it, the others enjoy, and a small one free-rides.

With quadratic costs and linear revenues, a larger share of domain j's revenue brings domain i

    dU_i / dd_j = b_i b_j (1 - d_i) / (2 c0) > 0

because the generalist builds more. And a domain that is too small to matter takes the base as it finds it: with a
linear cost ``c x`` and the revenue ``w log(1 + a)`` it free-rides as soon as the others' shares have paid for a base
beyond ``(1 - d) w / c - 1``. Model of arXiv 2308.04399; derived here.

    python 10_who_subsidises_whom.py
"""

import sys

import numpy as np
from _table import Table

import tuneaccord as ta

NAMES, COSTS, RATES = ("law", "medicine", "code"), (1.0, 1.5, 0.8), (1.0, 0.7, 1.4)
SCALE = 1.3  #: c0
SHARES = dict(zip(NAMES, (0.3, 0.6, 0.5), strict=True))


def subsidies(table):
    """The formula against differences of plays: utilities are linear in another domain's share, so these are exact."""
    specialists = [
        ta.Specialist(name, cost=ta.Power(cost, 2), revenue=ta.Linear(rate))
        for name, cost, rate in zip(NAMES, COSTS, RATES, strict=True)
    ]
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(SCALE, 2)), specialists)
    rate = dict(zip(NAMES, RATES, strict=True))
    for i in NAMES:
        for j in NAMES:
            if i == j:
                continue
            more, less = (game.play(SHARES | {j: SHARES[j] + step}).utilities[i] for step in (0.125, -0.125))
            expected = rate[i] * rate[j] * (1 - SHARES[i]) / (2 * SCALE)
            table.row(f"what {j}'s share brings {i}", expected, (more - less) / 0.25)


def small_domain(table):
    """A large domain with linear revenue pays for the base; a domain of revenue 1e-6 log(1 + a) looks on."""
    weight, cost, own = 1e-6, 4e-7, 0.2
    large = ta.Specialist("large", cost=ta.Power(1.0, 2), revenue=ta.Linear(4.0))
    small = ta.Specialist("small", cost=ta.Linear(cost), revenue=ta.Log(weight, 1.0))
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, 2)), [large, small])
    enough = (1 - own) * weight / cost - 1  # 1.0
    for share in (0.1, 0.3, 0.49, 0.51, 0.7, 1.0):
        play = game.play({"large": share, "small": own})
        base = 2 * share  # the small domain's revenue moves this by less than 1e-6
        table.row(f"share {share:g} of the large domain: a0", base, play.base_performance, 1e-6)
        regime = "free-rides" if base > enough else "contributes"
        table.fact(f"share {share:g} of the large domain: the small one {regime}", play.regimes["small"] == regime)
        reached = max(enough, base)
        table.row(
            f"share {share:g} of the large domain: the small one reaches", reached, play.performance["small"], 1e-6
        )
    paid = [game.play({"large": share, "small": own}).utilities["small"] / weight for share in (0.1, 0.5, 0.7)]
    table.fact("the small domain gains from the large one's share", bool((np.diff(paid) > 0).all()))


def main(out=None):
    """Compare; 0 if all agree."""
    table = Table("Who subsidises whom")
    subsidies(table)
    small_domain(table)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
