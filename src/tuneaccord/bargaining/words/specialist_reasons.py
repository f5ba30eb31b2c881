"""Why a specialist contributes, free-rides or abstains."""

from __future__ import annotations

import dataclasses

import numpy as np

from tuneaccord.bargaining.curves import Capped, Curve, Fixed
from tuneaccord.bargaining.engine.replies import replies
from tuneaccord.bargaining.parties import Specialist
from tuneaccord.bargaining.plays import ABSTAINS, CONTRIBUTES
from tuneaccord.bargaining.words.causes import Explanation, amount, same

_ASIDE = 1e-7  # relative: how far to either side a kink is looked at
_NEAR = 1e-4  # relative: slopes that differ by more are two slopes


def explain_specialist(
    specialist: Specialist, share: float, base: float, improvement: float, regime: int
) -> Explanation:
    """Why ``specialist`` replies so to the generalist's ``share`` and ``base``."""
    if regime == ABSTAINS:
        return _abstains(specialist, share, base)
    told = _contributes if regime == CONTRIBUTES else _free_rides
    cause, sentence = told(specialist, 1.0 - share, base, improvement)
    return Explanation(cause, sentence + _participation(specialist, 1.0 - share, base, improvement))


def without_setup(cost: Curve) -> Curve:
    """The cost without the amount that is paid for starting."""
    if isinstance(cost, Fixed):
        return without_setup(cost.curve)
    return Capped(cost.limit, without_setup(cost.curve)) if isinstance(cost, Capped) else cost


def _contributes(specialist, kept, base, x) -> Explanation:
    cost, revenue = specialist.cost.at(base), specialist.revenue
    earns, costs = kept * float(revenue.slope(base)), float(cost.slope(0.0))
    setup = float(np.max(specialist.cost.setup))
    if earns > costs and not setup:
        why = (
            f"At no improvement one more unit would earn it {amount(earns)} and cost it {amount(costs)}, "
            f"so it contributes; "
        )
    else:
        gross = kept * float(revenue.value(base + x) - revenue.value(base))
        spent = float(cost.value(x))
        rides = ", and a tie goes to contributing" if same(gross, spent, kept * float(revenue.value(base + x))) else ""
        included = f", the {amount(setup)} for starting included" if setup else ""
        why = f"Its improvement earns it {amount(gross)} and costs it {amount(spent)}{included}{rides}; "
        if not setup:
            why = f"The first unit would earn it {amount(earns)} and cost it {amount(costs)}. But i{why[1:]}"
    cause, stop = _stop(cost, revenue, kept, base, x)
    return Explanation(cause, f"{why}it stops at {amount(x)}, {stop}.")


def _stop(cost, revenue, kept, base, x) -> tuple[str, str]:
    """Where an improvement ends: both slopes equal, or a kink between a better and a worse one."""
    aside = _ASIDE * x
    earned = [kept * float(revenue.slope(base + x + side)) for side in (-aside, aside)]
    paid = [float(cost.slope(x + side)) for side in (-aside, aside)]
    size = max(map(abs, (*earned, *paid)))
    if earned[0] - paid[0] > -_NEAR * size and paid[1] - earned[1] > _NEAR * size:
        before = f"up to there one more unit earns {amount(earned[0])} and costs {amount(paid[0])}"
        beyond = f"beyond it earns {amount(earned[1])} and costs {amount(paid[1])}"
        return "kink", f"at a performance of {amount(base + x)}: {before}, {beyond}"
    return "marginal", f"where one more unit earns and costs {amount(float(cost.slope(x)))}"


def _free_rides(specialist, kept, base, x) -> Explanation:
    cost, revenue = specialist.cost.at(base), specialist.revenue
    if kept == 0:
        return Explanation(
            "no share",
            "The generalist takes all of its revenue, so no improvement earns it anything and it free-rides.",
        )
    worth = kept * float(revenue.value(base))
    if revenue.known and same(float(revenue.value(np.inf)), float(revenue.value(base))):
        return Explanation(
            "flat revenue", f"Its revenue does not rise beyond the base of {amount(base)}, so it free-rides."
        )
    setup = float(np.max(specialist.cost.setup))
    if setup:
        freed = dataclasses.replace(specialist, cost=without_setup(specialist.cost), entry_cost=0.0, outside=0.0)
        best = replies(freed, 1.0 - kept, base)
        if float(best.improvement) > 0:
            brings = amount(float(best.utility) - worth)
            return Explanation(
                "set-up",
                f"Its best improvement, {amount(best.improvement)}, would earn it {brings} more than it costs, "
                f"which does not cover the {amount(setup)} for starting, so it free-rides.",
            )
    earns, costs = kept * float(revenue.slope(base)), float(cost.slope(0.0))
    if costs < earns:  # a slope that starts at 0 and is steep at the least number there is: an exponent close to 1
        return Explanation(
            "first unit",
            f"One more unit of improvement would earn it {amount(earns)} and cost it more than that already at the "
            "smallest improvement that a number can hold, so it free-rides.",
        )
    more = "" if _one_bend(specialist, base) else ", and no larger improvement pays either"
    return Explanation(
        "first unit",
        f"One more unit of improvement would earn it {amount(earns)} and cost it {amount(costs)}{more}, "
        "so it free-rides.",
    )


def _one_bend(specialist: Specialist, base: float) -> bool:
    """Whether revenue is concave beyond the base and cost convex, so that the first unit decides."""
    cost, revenue = specialist.cost.at(base), specialist.revenue
    if not (cost.known and revenue.known):
        return False
    return bool(revenue.curvature_range(base, np.inf)[1] <= 0 <= cost.curvature_range(0.0, np.inf)[0])


def _participation(specialist, kept, base, x) -> str:
    """What taking part leaves, where there is an entry cost or an outside option, or a tie."""
    gross = kept * float(specialist.revenue.value(base + x)) - float(specialist.cost.at(base).value(x))
    leaves, outside = gross - specialist.entry_cost, specialist.outside
    if same(leaves, outside, gross):
        where = " (nothing is built)" if base == 0 and x == 0 else ""
        return (
            f" Taking part leaves it as much as its outside option, {amount(outside)}{where}; it takes part in a tie."
        )
    if not (specialist.entry_cost or outside):
        return ""
    after = f" after its entry cost of {amount(specialist.entry_cost)}" if specialist.entry_cost else ""
    return f" Taking part leaves it {amount(leaves)}{after}, more than its outside option of {amount(outside)}."


def _abstains(specialist: Specialist, share: float, base: float) -> Explanation:
    best = replies(dataclasses.replace(specialist, entry_cost=0.0, outside=0.0), share, base)
    worth, entry, outside = float(best.utility), specialist.entry_cost, specialist.outside
    does = f"contribute {amount(best.improvement)}" if best.regime == CONTRIBUTES else "free-ride"
    start = f"At the base of {amount(base)} the best it could do is to {does}, worth {amount(worth)}"
    if not entry:
        return Explanation(
            "outside option", f"{start}, less than its outside option of {amount(outside)}, so it abstains."
        )
    rest = f"{start} before its entry cost of {amount(entry)}; that leaves {amount(worth - entry)}"
    cause = "entry cost" if worth >= outside else "outside option"
    return Explanation(cause, f"{rest}, less than its outside option of {amount(outside)}, so it abstains.")
