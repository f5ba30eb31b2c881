"""From a frozen pool and the opened reports to a settlement, and from it to what each party is shown. Pure.

The outcome has three kinds of parts: what everybody of the session may see (``public``), one ``share`` for each group,
and the ``record`` for the provider and auditors, from which everything can be computed again. The log binds to all of
them by :func:`settlement_digest`, without telling the shares or the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tuneaccord.artifacts import digest_of
from tuneaccord.bargaining.solutions import Nash
from tuneaccord.errors import InputError
from tuneaccord.mechanism.lie_curves import attempts
from tuneaccord.mechanism.misreports import Misreport, RewardMisreport, SizeMisreport, WhatIf
from tuneaccord.mechanism.money import in_cents
from tuneaccord.mechanism.payments import BalancedBudget, Externality, Fee, Free, Redistribution
from tuneaccord.mechanism.recheck import broken_promises, lie_pays
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import Bargained, Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.mechanism.uncertainty import resampled_means
from tuneaccord.rewards import TableReward
from tuneaccord.service.chain import commitment
from tuneaccord.service.terms import Terms, pool_of, space_of, terms_of
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.specs import to_data

LARGEST = 1e150  #: above this, products of two amounts leave floating point
MOST_LIES = 60  #: with more groups than this, no misreports are tried for them
MOST_CELLS_FOR_LIES = 200_000_000  #: nor where trying them would read more scores than this
FEWEST_PROMPTS = 8  #: with fewer, an interval over prompts says nothing
LEVEL = 0.95
#: payments that are a mean over prompts of which none depends on another prompt, under ``Welfare``
BY_PROMPT = (Externality, Free, Fee, Redistribution, BalancedBudget)


@dataclass(frozen=True)
class Outcome:
    """What settling gives each party, as plain data."""

    public: dict[str, Any]
    shares: dict[str, dict[str, Any]]
    record: dict[str, Any]


def settlement_of(terms: Terms, pool: Mapping[str, Any], reports: Mapping[str, Mapping[str, Any]]) -> Settlement:
    """The settlement of the groups' reports, in the order given.

    Raises :class:`InputError` when the numbers are too large for floating point, or the payment rule refuses them.
    """
    space = space_of(pool_of(pool), terms)
    told = [Report(name, one["size"], TableReward(np.array(one["scores"]))) for name, one in reports.items()]
    space = _for_groups(space, len(told))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        result = settle(space, told, terms.rule, terms.payment)
        total = float(
            np.abs([result.price, result.gap, *result.group_values.values(), *result.payments.values()]).sum()
        )
    if not total < LARGEST:
        raise InputError("scores, sizes and strength are too far apart to compute with. Agree on another scale.")
    return result


def outcome_of(
    terms: Terms, pool: Mapping[str, Any], reports: Mapping[str, Mapping[str, Any]], settlement: Settlement
) -> Outcome:
    """What each party is shown of a settlement."""
    lies = _lies(settlement, terms)
    broken = broken_promises(settlement, lies)
    intervals = _intervals(settlement)
    money = in_cents(settlement.payments, terms.money.rate)
    public = {
        "pool": digest_of(pool),
        "groups": list(settlement.names),
        "model": np.asarray(settlement.model).tolist(),
        "price": settlement.price,
        "guarantees": [one.to_dict() for one in settlement.guarantees],
        "recheck": {"broken": sorted({sentence.partition(":")[0] for sentence in broken})},
        "currency": terms.money.currency,
        "rate": terms.money.rate,
    }
    known = settlement.space.base_model is not None
    base = settlement.base_values if known else dict.fromkeys(settlement.names)
    shares = {
        name: {
            "group": name,
            "report": dict(reports[name]),
            "value": settlement.values[name],
            "base_value": base[name],
            "group_value": settlement.group_values[name],
            "payment": settlement.payments[name],
            "payment_interval": intervals[name],
            "amount": str(money[name]),
            "utility": settlement.utilities[name],
            "what_if": [_lie(settlement, name, lie) for lie in lies[name]],
        }
        for name in settlement.names
    }
    record = {
        "reports": {name: dict(reports[name]) for name in settlement.names},
        "results": settlement.summary(),
        "base_values": base,
        "model": public["model"],
        "amounts": {name: str(amount) for name, amount in money.items()},
        "broken_promises": broken,
    }
    return Outcome(public, shares, record)


def settlement_digest(public: Mapping[str, Any], shares: Mapping[str, str], record: str) -> str:
    """The digest that the log binds to: of the public part, the shares' commitments and the record's commitment."""
    return digest_of({"public": dict(public), "shares": dict(shares), "record": record})


def sealed_part(part: Mapping[str, Any]) -> str:
    """The commitment to a share or a record, which carries its own salt."""
    return commitment(part["salt"], {key: value for key, value in part.items() if key != "salt"})


def settle_data(
    terms: Mapping[str, Any],
    pool: Mapping[str, Any],
    reports: Mapping[str, Mapping[str, Any]],
    seats: Sequence[str] | None = None,
) -> Outcome:
    """Everything at once, from plain data.

    ``seats`` are all groups of the session in the order in which they joined, where some did not report.

    >>> pool = {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]}
    >>> reports = {"us": {"size": 1, "scores": [[0, 1]]}, "them": {"size": 2, "scores": [[1, 0]]}}
    >>> outcome = settle_data({"title": "ours"}, pool, reports)
    >>> outcome.shares["us"]["amount"], outcome.shares["them"]["amount"]
    ('0.08', '0.46')
    """
    agreed = terms_for(terms_of(terms), list(reports) if seats is None else seats, reports)
    return outcome_of(agreed, pool, reports, settlement_of(agreed, pool, reports))


def terms_for(terms: Terms, seats: Sequence[str], reports: Mapping[str, Any]) -> Terms:
    """The terms for those who reported: parameters of the rules that are one a group lose those of the others.

    >>> agreed = terms_of({"title": "ours", "rule": {"kind": "Welfare", "weights": [1, 2, 3]}})
    >>> terms_for(agreed, ["a", "b", "c"], {"a": {}, "c": {}}).rule
    Welfare(weights=(1.0, 3.0), boosts=None)
    """
    present = [place for place, name in enumerate(seats) if name in reports]
    return each_list(
        terms, lambda given: tuple(given[place] for place in present) if len(given) == len(seats) else given
    )


def each_list(terms: Terms, change: Callable[[tuple[float, ...]], tuple[float, ...]]) -> Terms:
    """The terms with ``change`` made to every parameter of rule and payment that is a list of one number a group."""
    rule, payment = terms.rule, terms.payment
    if isinstance(rule, Welfare) and rule.weights is not None:
        rule = replace(rule, weights=change(rule.weights))
    if isinstance(rule, Bargained) and isinstance(rule.solution, Nash) and rule.solution.power is not None:
        rule = replace(rule, solution=replace(rule.solution, power=change(rule.solution.power)))
    if isinstance(payment, BalancedBudget) and isinstance(payment.largest_sizes, tuple):
        payment = replace(payment, largest_sizes=change(payment.largest_sizes))
    return terms.model_copy(update={"rule": rule, "payment": payment})


def _for_groups(space: Simplex | Candidates, groups: int) -> Simplex | Candidates:
    """Candidates have a column of values for each group, which its report then fills."""
    if isinstance(space, Simplex):
        return space
    return Candidates(np.zeros((len(space.prices), groups)), space.prices, space.names, space.base)


def _lies(settlement: Settlement, terms: Terms) -> dict[str, list[WhatIf]]:
    """What a few misreports would have brought each group, as far as it could have filed them."""
    groups = len(settlement.names)
    scale = (terms.scores.lowest, terms.scores.highest)
    tried: list[Misreport] = [SizeMisreport(0.5), SizeMisreport(2.0)]
    if groups > 1:  # a lone group has no others to shift its scores against
        tried.append(RewardMisreport(1.5, scale))
    if groups > MOST_LIES or settlement.scores.size * groups * len(tried) > MOST_CELLS_FOR_LIES:
        return {name: [] for name in settlement.names}
    lies = {}
    for report in settlement.reports:
        possible = [one for one in tried if _could_file(one, report.size, terms.largest_size)]
        lies[report.name] = [lie for lie in attempts(settlement, report.name, possible) if lie]
    return lies


def _could_file(misreport: Misreport, size: float, largest: float) -> bool:
    return not isinstance(misreport, SizeMisreport) or misreport.factor * size <= largest


def _lie(settlement: Settlement, name: str, lie: WhatIf) -> dict[str, Any]:
    return {
        "misreport": to_data(lie.misreport),
        "group_value": lie.group_value,
        "payment": lie.payment,
        "utility": lie.utility,
        "gain": lie.utility - settlement.utilities[name],
        "would_have_helped": lie_pays(settlement, name, lie),
    }


def _intervals(settlement: Settlement) -> dict[str, dict[str, float] | None]:
    """Each payment's interval over prompts, where the prompts are alike, enough, and do not touch one another."""
    weights = settlement.space.prompt_weights
    apart = type(settlement.rule) is Welfare and isinstance(settlement.payment, BY_PROMPT)
    if len(weights) < FEWEST_PROMPTS or np.ptp(weights) > 1e-12 or not apart:
        return dict.fromkeys(settlement.names)
    means = resampled_means(settlement.payments_by_prompt, seed=0)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return {
        name: {
            "estimate": settlement.payments[name],
            "low": float(low[place]),
            "high": float(high[place]),
            "level": LEVEL,
        }
        for place, name in enumerate(settlement.names)
    }
