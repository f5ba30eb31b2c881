"""Check a settlement's exact guarantees again, on its numbers and by another route than made them.

The payments come from one closed pass over all groups. Here each group is left out in turn, the space is
solved without it, and what was promised is compared with what comes out; where there are many groups, all at once
first (``absences``), and then in turn those for whom something seemed wrong. What a settlement does not claim, for
instance because its rule chose another model than the best, is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tuneaccord.mechanism.absences import absences
from tuneaccord.mechanism.audit.outcomes import money_scale
from tuneaccord.mechanism.misreports import WhatIf
from tuneaccord.mechanism.payments import Externality
from tuneaccord.mechanism.settlement import Settlement

TOLERANCE = 1e-9  #: relative to :func:`money_scale`; a thousand times its rounding error
MANY = 40  #: with more groups than this, only those are left out in turn for whom the quick route finds a fault


def broken_promises(settlement: Settlement, lies: Mapping[str, Sequence[WhatIf]] | None = None) -> list[str]:
    """One sentence for each exact guarantee that fails; nothing when all hold.

    ``lies`` are outcomes of misreports by group, when they were computed: none may pay more than the bound.
    """
    exact = {one.name: one.bound or 0.0 for one in settlement.guarantees if one.status == "exact"}
    found = []
    # the gap is in units of the rule's objective: with public weights not those of any payment
    gap = settlement.gap / settlement.choice.weights[0]
    if settlement.rule.affine and not gap <= TOLERANCE * money_scale(settlement, 0):
        found.append(f"truthful: the chosen model may be {settlement.gap:.3g} below the best one")
    scales = money_scales(settlement)
    doubted = _doubted(settlement, exact, scales)
    for index, name in enumerate(settlement.names):
        slack = TOLERANCE * scales[index]
        if "never negative" in exact and not settlement.payments[name] >= -slack:
            found.append(f"never negative: {name!r} would be paid {-settlement.payments[name]:.3g}")
        if "nobody worse off" in exact and doubted[index]:
            found += _worse_off(settlement, index, exact["nobody worse off"] + slack)
        if "truthful" in exact:
            if isinstance(settlement.payment, Externality) and doubted[index]:
                found += _wrong_charge(settlement, index, exact["truthful"] + slack)
            found += _paying_lies(settlement, name, (lies or {}).get(name, ()), exact["truthful"] + slack)
    return found


def money_scales(settlement: Settlement) -> np.ndarray:
    """:func:`money_scale` of every group, shape (groups,)."""
    first = money_scale(settlement, 0) * settlement.choice.weights[0]
    return first / settlement.choice.weights


def _doubted(settlement: Settlement, exact: Mapping[str, float], scales: np.ndarray) -> np.ndarray:
    """For which groups a promise must be looked at in turn: all, unless they are many and the quick route is known."""
    found = absences(settlement) if len(settlement.names) > MANY else None
    if found is None:
        return np.ones(len(settlement.names), bool)
    slack = TOLERANCE * scales
    paid, kept = (
        np.array([of[name] for name in settlement.names]) for of in (settlement.payments, settlement.utilities)
    )
    wrong = np.zeros(len(slack), bool)
    if "truthful" in exact and isinstance(settlement.payment, Externality):
        wrong |= ~(np.abs(found.costs - paid) <= exact["truthful"] + slack)
    if "nobody worse off" in exact:
        wrong |= ~(found.outside - kept <= exact["nobody worse off"] + slack)
    return wrong


def lie_pays(settlement: Settlement, group: str, lie: WhatIf) -> bool:
    """Whether the misreport gained more than rounding can explain, whatever the settlement promises."""
    gain = lie.utility - settlement.utilities[group]
    return gain > TOLERANCE * money_scale(settlement, settlement.names.index(group))


def _worse_off(settlement: Settlement, index: int, slack: float) -> list[str]:
    name, sizes = settlement.names[index], _without(settlement.sizes, index)
    alone = settlement.rule.choose(settlement.space, settlement.scores, sizes)
    outside = settlement.sizes[index] * float(settlement.space.prompt_weights @ alone.values[:, index])
    loss = outside - settlement.utilities[name]
    return [] if loss <= slack else [f"nobody worse off: {name!r} would have {loss:.3g} more by staying out"]


def _wrong_charge(settlement: Settlement, index: int, slack: float) -> list[str]:
    """Truth is dominant because a payment is what the group's presence costs the others."""
    name, choice = settlement.names[index], settlement.choice
    space, others = choice.rule.space_for(settlement.space), _without(choice.weights * settlement.sizes, index)
    values, price = space.evaluate(settlement.scores, settlement.optimum.model)
    alone = space.optimum(settlement.scores, others)
    lost = (alone.values - values) @ others - (alone.price - price)  # not of the sums, where large prices cost digits
    cost = float(space.prompt_weights @ lost) / choice.weights[index]
    paid = settlement.payments[name]
    return [] if abs(cost - paid) <= slack else [f"truthful: {name!r} pays {paid:.6g} but costs the others {cost:.6g}"]


def _paying_lies(settlement: Settlement, name: str, lies: Sequence[WhatIf], slack: float) -> list[str]:
    gains = [(lie.utility - settlement.utilities[name], lie.misreport) for lie in lies]
    return [f"truthful: {name!r} gains {gain:.3g} with {lie}" for gain, lie in gains if not gain <= slack]


def _without(sizes: np.ndarray, index: int) -> np.ndarray:
    return np.where(np.arange(len(sizes)) == index, 0.0, sizes)
