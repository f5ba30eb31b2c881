"""The laws that divergences, spaces, rules, sums, settlements and audits must keep, for any implementation.

Each check returns nothing when the law holds and raises :class:`AssertionError` with the law's name when
it does not; none needs a test framework. They are necessary conditions, tried at random points from a
fixed seed: they find wrong implementations, they do not prove right ones. Tolerances are relative to the
size of the numbers involved, so that a correct float64 implementation passes at any scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneaccord.bargaining.curves.laws import check_curve
from tuneaccord.bargaining.random_games import random_game
from tuneaccord.divergence import KL, Divergence
from tuneaccord.errors import InputError
from tuneaccord.kernel.sums import BlockSums
from tuneaccord.mechanism.audit import AuditReport
from tuneaccord.mechanism.misreports import Misreport, RewardMisreport, SizeMisreport, TableMisreport, what_if
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import TrainingRule
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.rewards import TableReward
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.spaces.space import ModelSpace, Optimum

__all__ = [
    "check_audit",
    "check_curve",
    "check_divergence",
    "check_merging",
    "check_rule",
    "check_settlement",
    "check_space",
    "random_game",
    "random_market",
]

_ROUNDING = 1e-12  # a few thousand float64 roundings
_MISREPORTS = (SizeMisreport(0.5), SizeMisreport(3.0), RewardMisreport(0.5), RewardMisreport(2.0))


def random_market(
    rng: np.random.Generator,
    *,
    prompts: int = 2,
    responses: int = 5,
    groups: int = 3,
    strength: float = 1.0,
    sizes: tuple[float, float] = (1.0, 10.0),
    divergence: Divergence | None = None,
) -> tuple[Simplex, list[Report]]:
    """A random market on a simplex, ready for :func:`tuneaccord.settle`, with KL unless a ``divergence`` is given.

    ``strength`` is KL's; another divergence carries its own. Bases and prompt weights are uniform over
    distributions, rewards uniform on [0, 1], and sizes uniform in their logarithm between the two bounds of
    ``sizes``. The groups are called ``"g0"``, ``"g1"``, ...

    >>> space, reports = random_market(np.random.default_rng(0), groups=2)
    >>> space.shape, [report.name for report in reports]
    ((2, 5), ['g0', 'g1'])
    """
    base = rng.dirichlet(np.ones(responses), size=prompts)
    space = Simplex(base, divergence or KL(strength), rng.dirichlet(np.ones(prompts)))
    drawn = np.exp(rng.uniform(*np.log(sizes), size=groups))
    tables = rng.uniform(size=(groups, prompts, responses))
    return space, [Report(f"g{i}", drawn[i], TableReward(tables[i])) for i in range(groups)]


def check_divergence(divergence: Divergence, *, seed: int = 0, tries: int = 20) -> None:
    """Check that ``divergence.tilt`` maximises ``<score, p> - divergence.price(p, base)``.

    At random bases and scores: the base itself is free and every other price is non-negative; tilting by
    nothing returns the base; adding a constant to the score changes no policy; the reported maximum is
    attained, and no perturbed policy does better. Raises :class:`AssertionError` naming the broken law.

    >>> check_divergence(KL(strength=0.5))
    """
    rng = np.random.default_rng(seed)
    for _ in range(tries):
        base = rng.dirichlet(np.ones(6))
        score = rng.normal(size=6) * divergence.strength * 10 ** rng.uniform(-2, 1)
        tolerance = _ROUNDING * (divergence.strength + np.abs(score).max())
        unmoved, nothing = divergence.tilt(np.zeros(6), base)
        _law("the base is free", divergence.price(base, base), 0.0, tolerance)
        _law("tilting by nothing returns the base", unmoved, base, _ROUNDING)
        _law("tilting by nothing is worth nothing", nothing, 0.0, tolerance)
        policy, best = divergence.tilt(score, base)
        _law("a policy sums to one", policy.sum(), 1.0, _ROUNDING)
        shifted, higher = divergence.tilt(score + divergence.strength, base)
        _law("a constant moves no policy", shifted, policy, 100 * _ROUNDING)
        _law("a constant adds itself to the maximum", higher, best + divergence.strength, 10 * tolerance)
        _law("the maximum is attained", score @ policy - divergence.price(policy, base), best, tolerance)
        steps = 0.1 ** rng.integers(0, 5, size=(8, 1))
        others = (1 - steps) * policy + steps * rng.dirichlet(np.ones(6), size=8)
        prices = divergence.price(others, base)
        _at_least("a price is never negative", prices, 0.0, 0.0)
        _at_least("no policy does better than the tilted one", best, others @ score - prices, tolerance)


def check_space(space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, *, seed: int = 0, tries: int = 20) -> None:
    """Check that ``space`` is a support function ``h`` of the sizes, at and around the given ones.

    The base, where it is a member, is free, and nothing beats it when there are no groups; the optimum's own
    values and price give ``h``; ``h`` is convex along segments; its gradient is the values (no model attained
    elsewhere does better); and the externality of each group is ``h(w without i) - [h(w) - w_i v_i]``, never negative.
    ``scores`` is what ``space.scores`` returned. Raises :class:`AssertionError` naming the broken law.

    >>> space, reports = random_market(np.random.default_rng(0))
    >>> check_space(space, space.scores([report.reward for report in reports]), np.array([1.0, 2.0, 3.0]))
    """
    rng, sizes = np.random.default_rng(seed), np.asarray(sizes, float)
    here = space.optimum(scores, sizes)
    tolerance = _money_rounding(scores, sizes) + _ROUNDING * float(np.abs(here.price).max())
    if space.base_model is not None:
        _law("the base is free", space.evaluate(scores, space.base_model)[1], 0.0, tolerance)
        nothing = space.optimum(scores, np.zeros_like(sizes))
        _law("the base is free", nothing.price, 0.0, tolerance)
        _law("without groups welfare is zero", nothing.support, 0.0, tolerance)
    values, price = space.evaluate(scores, here.model)
    _law("the values are the model's", here.values, values, _ROUNDING * float(np.abs(scores).max()))
    _law("h is attained", here.values @ sizes - price, here.support, tolerance)
    for _ in range(tries):
        elsewhere = sizes * rng.uniform(size=sizes.shape)
        share = rng.uniform()
        there = space.optimum(scores, elsewhere)
        between = space.optimum(scores, share * sizes + (1 - share) * elsewhere).support
        _at_least("h is convex", share * here.support + (1 - share) * there.support, between, tolerance)
        _at_least("no model does better", here.support, there.values @ sizes - there.price, tolerance)
    externalities = space.externalities(scores, sizes, here)
    _at_least("an externality is never negative", externalities, 0.0, 0.0)
    for group in range(len(sizes)):
        absent = np.where(np.arange(len(sizes)) == group, 0.0, sizes)
        difference = space.optimum(scores, absent).support - here.support + sizes[group] * here.values[:, group]
        _law("externality = h(w without i) - [h(w) - w_i v_i]", externalities[:, group], difference, tolerance)


def check_settlement(result: Settlement) -> None:
    """Check that ``result`` adds up, and keeps the promises that it lists as exact.

    ``never negative``: every payment in every prompt. ``nobody worse off``: utility against the group's
    value at the model chosen without it. ``truthful``: against exaggerated and shifted reports. Promises
    that are not claimed are not checked. Raises :class:`AssertionError` naming the broken promise.

    >>> from tuneaccord import settle
    >>> check_settlement(settle(*random_market(np.random.default_rng(0))))
    """
    promises = {promise.name for promise in result.guarantees if promise.status == "exact"}
    tolerance = _money_rounding(result.scores, result.sizes) + _ROUNDING * abs(result.price)
    weights = result.space.prompt_weights
    utilities = np.array(list(result.utilities.values()))
    charged = weights @ result.payments_by_prompt
    best = weights @ result.space.optimum(result.scores, result.sizes).support
    _law("welfare minus price is h, less what was forgone", result.net_welfare + result.forgone, best, tolerance)
    _law("the payments are means over prompts", list(result.payments.values()), charged, tolerance)
    _law("utility is value minus payment", utilities, _group_values(result, result.optimum) - charged, tolerance)
    if "never negative" in promises:
        _at_least("never negative", result.payments_by_prompt, 0.0, 0.0)
    if "nobody worse off" in promises:
        _at_least("nobody worse off", utilities, _group_values_when_absent(result), tolerance)
    if "utility not negative" in promises and result.scores.min() >= 0:
        _at_least("utility not negative", utilities, 0.0, tolerance)
    if "truthful" in promises:
        for misreport in _MISREPORTS:
            lies = [_utility_of_lie(result, name, misreport) for name in result.names]
            # a lie can make a group three times as large, and rounding with it
            _at_least(f"truthful against {misreport}", utilities, lies, 3 * tolerance + result.regret_bound)


def check_rule(
    rule: TrainingRule, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, *, seed: int = 0, tries: int = 20
) -> None:
    """Check that ``rule`` chooses a model of ``space`` as its interface says.

    The values and the price are the model's own; ``gap`` is a non-negative number; the choice is the same every
    time and does not see the rewards of a group of size zero; no model found at other sizes gives every group
    more at a lower price (Pareto). An affine rule must also do at least as well as those models by its own
    objective, up to its gap. Raises :class:`AssertionError` naming the broken law.

    >>> from tuneaccord import MaxMin
    >>> space, reports = random_market(np.random.default_rng(0))
    >>> check_rule(MaxMin(), space, space.scores([report.reward for report in reports]), np.array([1.0, 2.0, 3.0]))
    """
    rng, sizes = np.random.default_rng(seed), np.asarray(sizes, float)
    chosen, weights = rule.choose(space, scores, sizes), space.prompt_weights
    values, price = space.evaluate(scores, chosen.model)
    gap, tolerance = rule.gap(space, scores, sizes, chosen), _money_rounding(scores, sizes)
    tolerance += _ROUNDING * float(np.abs(price).max())
    _law("the values are the model's", chosen.values, values, tolerance)
    _law("the price is the model's", chosen.price, price, tolerance)
    _at_least("a gap is not negative", gap, 0.0, 0.0)
    _law("the same choice every time", rule.choose(space, scores, sizes).model, chosen.model, 0.0)
    if len(sizes) > 1:
        absent = np.append(sizes[:-1], 0.0)
        other = scores.copy()
        other[:, :, -1] = other[:, ::-1, -1]
        unseen = rule.choose(space, other, absent).model
        _law("an absent group has no say", unseen, rule.choose(space, scores, absent).model, _ROUNDING)
    own, counted = rule.space_for(space), rule.weights_for(len(sizes)) * sizes
    for _ in range(tries):
        found = space.optimum(scores, sizes * rng.uniform(0, 2, size=sizes.shape))
        more = weights @ (found.values - values) > _ROUNDING * np.abs(scores).max()
        if more.all() and weights @ (found.price - price) < -tolerance:
            raise AssertionError("Pareto: another model gives every group more at a lower price")
        if rule.affine:
            best, theirs = (
                weights @ (values @ counted - price)
                for values, price in (own.evaluate(scores, one.model) for one in (chosen, found))
            )
            _at_least("no model does better by the rule's objective", best + gap, theirs, tolerance)


def check_merging(parts: Sequence[BlockSums], sizes: np.ndarray, strength: float) -> None:
    """Check that block sums of the kernel merge to the same payments in any order.

    ``parts`` are :class:`~tuneaccord.kernel.sums.KLSums` or ``ChiSquaredSums`` of two or more blocks of one market.
    Raises :class:`AssertionError` naming the broken law.

    >>> from tuneaccord.kernel.portable import kl_sums
    >>> scores = np.random.default_rng(0).random((1, 2, 8))
    >>> base, centre = np.log(np.full((1, 8), 1 / 8)), np.zeros((1, 2))
    >>> halves = [kl_sums(scores[:, :, cut], base[:, cut], np.ones(2), 1.0, centre)[0] for cut in np.s_[:3, 3:8]]
    >>> check_merging(halves, np.ones(2), 1.0)
    """
    forwards, backwards = parts[0], parts[-1]
    for part in parts[1:]:
        forwards = forwards.merge(part)
    for part in parts[-2::-1]:
        backwards = part.merge(backwards)
    found = [sums.finish(np.asarray(sizes, float), strength) for sums in (forwards, backwards)]
    # another order of summing moves the last digits; a thousand blocks move a few more
    slack = 1e-10 * float(np.abs(found[0].payments_by_prompt).max()) + np.finfo(float).tiny
    _law("merged in any order", found[1].payments_by_prompt, found[0].payments_by_prompt, slack)
    _at_least("a payment is never negative", found[0].payments_by_prompt, 0.0, 0.0)


def check_audit(report: AuditReport, result: Settlement) -> None:
    """Check that an audit of ``result`` adds up: each group's best lie gains what settling it again says.

    The gain must lie within the certificate, unless the report says that a promise is broken. Raises
    :class:`AssertionError` naming the broken law.

    >>> from tuneaccord import audit, settle
    >>> result = settle(*random_market(np.random.default_rng(0)))
    >>> check_audit(audit(result, pairs=False, false_names=False), result)
    """
    for found in report.groups:
        index = result.names.index(found.group)
        low, high = found.regret
        _at_least("the best lie is within the certificate", high + found.rounding, low, 0.0)
        if found.best.family == "truth":
            continue
        lie = TableMisreport(found.best.table, found.best.size / float(result.sizes[index]))
        gain = what_if(result, found.group, lie).utility - result.utilities[found.group]
        _law(f"the best lie of {found.group} gains what it says", gain, found.best.gain, found.rounding)


def _utility_of_lie(result: Settlement, name: str, misreport: Misreport) -> float:
    try:
        return what_if(result, name, misreport).utility
    except InputError:  # the mechanism refuses such a report, so nobody can gain by it
        return -np.inf


def _group_values(result: Settlement, optimum: Optimum) -> np.ndarray:
    return result.sizes * (result.space.prompt_weights @ optimum.values)


def _group_values_when_absent(result: Settlement) -> np.ndarray:
    kept = 1.0 - np.eye(len(result.sizes))
    chosen = [result.rule.choose(result.space, result.scores, result.sizes * row) for row in kept]
    return np.array([_group_values(result, optimum)[group] for group, optimum in enumerate(chosen)])


def _money_rounding(scores: np.ndarray, sizes: np.ndarray) -> float:
    """What rounding may do to an amount: relative to all that the groups could be worth together."""
    worth = float(sizes @ np.abs(scores).max(axis=(0, 1)))
    return _ROUNDING * max(worth, np.finfo(float).eps)


def _law(name: str, got, expected, tolerance: float) -> None:
    error = float(np.abs(np.subtract(got, expected)).max())
    if not error <= tolerance:
        raise AssertionError(f"{name}: got {got}, expected {expected}, off by {error:.3g} (allowed {tolerance:.3g})")


def _at_least(name: str, got, bound, tolerance: float) -> None:
    short = float(np.max(np.subtract(bound, got)))
    if not short <= tolerance:
        raise AssertionError(f"{name}: got {got}, expected at least {bound}, short by {short:.3g}")
