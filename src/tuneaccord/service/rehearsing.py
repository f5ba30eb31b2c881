"""Whether the agreed rules will take a pool or a report, found out before it is too late to change it.

Some rules refuse reports that others take (a size above a published bound, scores that no model can make positive).
One such report would end the whole session at the settlement, so each is tried where it enters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.mechanism.payments import (
    BalancedBudget,
    CostShare,
    Externality,
    Fee,
    Free,
    PaymentRule,
    Redistribution,
)
from tuneaccord.mechanism.rules import NashWelfare, Welfare
from tuneaccord.service.errors import Invalid
from tuneaccord.service.settling import each_list, settlement_of, terms_for
from tuneaccord.service.terms import Terms, pool_of, space_of
from tuneaccord.spaces.simplex import Simplex

MOST_CELLS = 2_000_000  #: scores of all groups together; a rehearsal of more would take too long
#: payments that refuse some reports, and others not
BOUNDED = (Fee, Redistribution, BalancedBudget)


def check_pool(terms: Terms, pool: Mapping[str, Any], groups: int) -> None:
    """Settle with plain reports of as many groups as there are; raise :class:`Invalid` where that is refused."""
    payment = terms.payment
    if isinstance(payment, CostShare) and payment.by == "value" and terms.scores.lowest < 0:
        raise Invalid("shares by value need a scale that does not go below 0. Agree on another scale or payment.")
    if terms.rule == Welfare() and isinstance(payment, Externality | Free):
        return
    space = space_of(pool_of(pool), terms)
    settled = max(2, groups) if _counts_groups(terms) else 2
    if settled * int(np.prod(space.shape)) > MOST_CELLS:
        return
    plain = {"size": _plain_size(payment), "scores": _plain_scores(terms, space)}
    _settle(terms, pool, {f"group {place + 1}": plain for place in range(settled)}, "these terms and this pool")


def check_report(terms: Terms, pool: Mapping[str, Any], report: Mapping[str, Any], seats: list[str], name: str) -> None:
    """Settle as if another group had made the same report; raise :class:`Invalid` where that is refused."""
    if terms.rule != NashWelfare() and not isinstance(terms.payment, BOUNDED):
        return
    twice = each_list(terms_for(terms, seats, {name: report}), lambda given: given * 2)
    _settle(twice, pool, {name: report, f"{name} again": report}, "your report")


def _settle(terms: Terms, pool: Mapping[str, Any], reports: dict[str, Any], what: str) -> None:
    try:
        settlement_of(terms, pool, reports)
    except InputError as error:
        raise Invalid(f"the agreed rules do not take {what}: {error}") from None


def _counts_groups(terms: Terms) -> bool:
    """Whether something agreed depends on how many groups there are."""
    lists: list[Any] = []
    each_list(terms, lambda given: lists.append(given) or given)
    return bool(lists) or isinstance(terms.payment, BalancedBudget)


def _plain_size(payment: PaymentRule) -> float:
    """A size that the payment rule's published bounds allow."""
    bounds = getattr(payment, "largest_sizes", getattr(payment, "largest_size", 1.0))
    least = float(getattr(payment, "smallest_size", 0.0))
    return max(least, min(1.0, float(np.min(bounds))))


def _plain_scores(terms: Terms, space: Any) -> list[list[float]]:
    """The likeliest response is better than all others, by as much as the scale and the published bounds allow."""
    low, high = terms.scores.lowest, terms.scores.highest
    low = min(max(low, 0.0), high)
    scores = np.full(space.shape, low)
    best = np.atleast_2d(space.base).argmax(axis=1) if isinstance(space, Simplex) else np.zeros(1, int)
    scores[np.arange(len(scores)), best] = min(high, low + min(1.0, float(getattr(terms.payment, "reward_bound", 1.0))))
    return scores.tolist()
