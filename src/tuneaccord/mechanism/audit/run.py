"""The audit: try to break a settlement's promises, one group at a time, in pairs, and under false names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from tuneaccord.errors import InputError, nearest, whole_number
from tuneaccord.mechanism.audit.attack import EFFORTS, Effort, general_attack
from tuneaccord.mechanism.audit.best_response import BestResponse, best_response_without_payments, rows_of
from tuneaccord.mechanism.audit.outcomes import (
    ROUNDING,
    Filed,
    is_batched,
    is_charged,
    is_finite_set,
    money_scale,
    outcome,
)
from tuneaccord.mechanism.audit.pairs import alignment, joint_attack
from tuneaccord.mechanism.audit.posing import false_names as posed_as
from tuneaccord.mechanism.audit.report import AuditReport, GroupAudit, Lie, PairAudit
from tuneaccord.mechanism.audit.words import described
from tuneaccord.mechanism.feasible import Feasible, checked_scale
from tuneaccord.mechanism.misreports import GradientMisreport, RewardMisreport, SizeMisreport, SpreadMisreport
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.progress import Progress, Silent
from tuneaccord.rewards import to_numbers
from tuneaccord.spaces.simplex import Simplex

SIZES = (0.5, 1.0, 2.0)
_SHIFTS = (0.0, 0.5, 0.9, 1.1, 1.5, 2.0, 4.0)
_AMOUNTS = (0.01, 0.1, 0.3, 1.0)


def audit(
    result: Settlement,
    groups: Sequence[str] | None = None,
    *,
    pairs: bool = True,
    false_names: bool = True,
    effort: str = "quick",
    sizes: Sequence[float] = SIZES,
    scale: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    progress: Progress | None = None,
) -> AuditReport:
    """Look for lies that pay at the reports of ``result``, which are taken as the truth.

    For each group (default: all): the best lie of each of the paper's families, a general attack on its whole
    report, both at the settlement's payments and with none, and the certificate, above which no lie can
    gain. ``pairs`` adds groups that lie together (a quick audit tries the six pairs that want the most alike),
    ``false_names`` one group under several names. ``sizes`` are the sizes that a group may claim, in units of its
    true one; ``scale`` is the published range of rewards that are not divided by their sum or maximum.

    ``effort`` is ``"quick"`` (about a second for a small market) or ``"thorough"``. The same seed gives the same
    report. A search that finds nothing proves nothing by itself: the verdicts keep apart what was tried and
    what is certified. A lie can only do what the space, rule and payment of ``result`` allow; reports that the
    payment refuses are passed over.

    Raises :class:`InputError` on an unknown group or effort, on sizes that are not positive numbers, on a scale that
    is no range, or on a seed below 0.

    Source: the attacks of arXiv 2405.16276 (Theorems 4.1, 4.2 and B.2), and a search of our own.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex(base=[0.4, 0.3, 0.3], divergence=ta.KL(strength=1.0))
    >>> reports = [ta.Report("clinic", 3, ta.TableReward([0.1, 0.9, 0.0])),
    ...            ta.Report("arcade", 2, ta.TableReward([0.2, 0.0, 1.0]))]
    >>> audit(ta.settle(space, reports)).group("clinic").pays
    False
    >>> audit(ta.settle(space, reports, payment=ta.Free())).group("clinic").pays
    True
    """
    if not isinstance(result, Settlement):
        raise InputError(f"an audit needs what settle(...) returns, got {type(result).__name__}.")
    if not isinstance(effort, str) or effort not in EFFORTS:
        raise InputError(f"there is no effort {effort!r}. {nearest(effort, EFFORTS)}")
    whole_number("seed", seed, least=0)
    scale = checked_scale(scale)
    names = _chosen_names(result, groups)
    factors, how = _checked_sizes(sizes), EFFORTS[effort]
    chosen = [result.names.index(name) for name in names]
    watch = progress or Silent()
    together = _pairs(result, chosen, how) if pairs else []
    with watch.task("auditing", len(chosen) + len(together)) as advance:
        audited, alone = [], {}
        for index in chosen:
            # a generator of its own: the report on one group does not depend on which others are audited
            rng = np.random.default_rng([seed, index])
            one, alone[index] = _audit_group(result, index, factors, scale, how, rng)
            audited.append(one)
            advance()
        found = []
        for pair in together:
            rng = np.random.default_rng([seed, *pair, 1])
            found.append(_audit_pair(result, pair, factors, scale, alone, how, rng))
            advance()
    posed = tuple(row for name in names for row in posed_as(result, name)) if false_names else ()
    skipped = len(chosen) * (len(chosen) - 1) // 2 - len(together) if pairs else 0
    return AuditReport(tuple(audited), tuple(found), skipped, posed, effort, int(seed), factors, scale)


def _chosen_names(result: Settlement, groups: Sequence[str] | None) -> tuple[str, ...]:
    if groups is not None and not isinstance(groups, Iterable):
        raise InputError(f"groups must be names of groups, got {groups!r}.")
    names = result.names if groups is None else ((groups,) if isinstance(groups, str) else tuple(dict.fromkeys(groups)))
    for name in names:
        if name not in result.names:
            raise InputError(f"there is no group {name!r}. {nearest(name, result.names)}")
    return names


def _checked_sizes(sizes: Sequence[float]) -> tuple[float, ...]:
    try:
        given = sorted({1.0, *to_numbers("sizes", sizes).tolist()})
    except (TypeError, ValueError):
        given = [-1.0]
    if not all(0 < one < np.inf for one in given):
        raise InputError(f"sizes must be positive numbers, in units of the true size, got {sizes!r}.")
    return tuple(given)


def _pairs(result: Settlement, chosen: list[int], effort: Effort) -> list[tuple[int, int]]:
    every = list(combinations(sorted(chosen), 2))
    if len(every) <= effort.pairs:
        return every
    return sorted(sorted(every, key=lambda pair: -alignment(result, pair))[: effort.pairs])


def _audit_group(result, index, factors, scale, effort, rng) -> tuple[GroupAudit, Filed]:
    feasible = Feasible.of(result, index, scale)
    told = {name: _best_of_family(result, index, reports) for name, reports in _families(result, index, factors, scale)}
    response, any_size = _without_payments(result, result.names[index], factors[-1], scale)
    known = [table for _, table in told.values()] + [one.table for one in (response, any_size) if one is not None]
    begin = np.array(known)
    told["table"] = general_attack(result, index, feasible, factors, begin, effort, rng)
    truth = float(result.sizes[index]), result.scores[:, :, index]
    lies = tuple(_measured(result, index, name, filed) for name, filed in told.items())
    rounding = ROUNDING * money_scale(result, index)
    best = max(lies, key=lambda lie: lie.gain)
    if not best.gain > rounding:  # which of several lies gains the most rounding says nothing
        best = Lie("truth", "tells the truth", 0.0, 0.0, truth[0])
    filed = told.get(best.family, truth)
    found = max([0.0, *(lie.value_gain for lie in lies)])
    audited = GroupAudit(
        result.names[index],
        result.utilities[result.names[index]],
        lies,
        replace(best, table=tuple(map(tuple, filed[1].tolist()))),
        result.regret_bound,
        rounding,
        found if response is None else response.gain,
        found if any_size is None else any_size.gain,
        response,
    )
    return audited, filed


def _families(result, index, factors, scale):
    """Each family's name with the reports of its members."""
    feasible = Feasible.of(result, index, scale)
    families = {
        "size": [SizeMisreport(factor) for factor in factors if factor != 1.0],
        "shift": [RewardMisreport(shift, scale) for shift in _SHIFTS],
        "spread": [SpreadMisreport(amount, scale) for amount in _AMOUNTS],
    }
    if isinstance(result.space, Simplex):
        families["gradient"] = [GradientMisreport(amount, scale) for amount in _AMOUNTS]
    for name, members in families.items():
        if members:
            filed = [member.report(result, index) for member in members]
            yield name, [(size, feasible.divided(table)) for size, table in filed]


def _best_of_family(result: Settlement, index: int, reports: list[Filed]) -> Filed:
    weights = result.space.prompt_weights
    worth = []
    for size, table in reports:
        if is_batched(result):
            rows = rows_of(result, index, size, is_charged(result))
            worth.append(float(weights @ rows.worth(rows.policy(table))))
        else:
            got = outcome(result, {index: (size, table)})
            worth.append(-np.inf if got is None else float(weights @ got.utilities[:, index]))
    return reports[int(np.argmax(worth))]


def _measured(result: Settlement, index: int, family: str, filed: Filed) -> Lie:
    """The lie's gains by settling again, whatever the search believed."""
    name, size = result.names[index], float(filed[0])
    words = described(result, index, filed)
    got = outcome(result, {index: filed})
    if got is None:
        return Lie(family, f"{words} (refused)", 0.0, 0.0, size)
    value = float(result.space.prompt_weights @ got.group_values[:, index])
    utility = value - float(result.space.prompt_weights @ got.payments[:, index])
    return Lie(family, words, utility - result.utilities[name], value - result.group_values[name], size)


def _without_payments(result, name, factor, scale) -> tuple[BestResponse | None, BestResponse | None]:
    if type(result.rule) is not Welfare or not (isinstance(result.space, Simplex) or is_finite_set(result)):
        return None, None
    size = result.sizes[result.names.index(name)]
    best = best_response_without_payments(result, name, scale=scale)
    return best, best_response_without_payments(result, name, largest_size=max(1.0, factor) * size, scale=scale)


def _audit_pair(result, pair, factors, scale, alone, effort, rng) -> PairAudit:
    feasible = tuple(Feasible.of(result, index, scale) for index in pair)
    lies = tuple(alone[index] for index in pair)
    filed, gain = joint_attack(result, pair, feasible, factors, lies, effort, rng)
    names = tuple(result.names[index] for index in pair)
    words = "; ".join(f"{name} {described(result, i, one)}" for name, i, one in zip(names, pair, filed, strict=True))
    return PairAudit(names, gain, words, ROUNDING * sum(money_scale(result, index) for index in pair))
