"""The shipped laws hold for what is right and name what is wrong."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.kernel.portable import kl_sums
from tuneaccord.mechanism.rules import appraised
from tuneaccord.testing import (
    check_audit,
    check_divergence,
    check_merging,
    check_rule,
    check_settlement,
    check_space,
    random_market,
)


@dataclass(frozen=True)
class Bent(ta.KL):
    """KL with one method bent."""

    how: str = ""

    def tilt(self, score, base):
        policy, best = super().tilt(score, base)
        bent = {
            "half-hearted": lambda: super(Bent, self).tilt(0.5 * score, base),
            "stuck": lambda: (base, best),
            "restless": lambda: (policy[::-1], best),
            "boastful": lambda: (policy, 1.001 * best),
            "heavy": lambda: (policy * 1.001, best),
            "drifting": lambda: super(Bent, self).tilt(score * (1 + score.mean()), base),
        }
        return bent[self.how]() if self.how in bent else (policy, best)

    def externalities(self, scores, sizes, base):
        return super().externalities(scores, sizes, base) * {"generous": -1, "greedy": 2}[self.how]

    def price(self, policy, base):
        return super().price(policy, base) + (self.how == "dear")


@pytest.mark.parametrize(
    ("how", "law"),
    [
        ("half-hearted", "the maximum is attained|a constant adds itself"),
        ("stuck", "the maximum is attained"),
        ("restless", "tilting by nothing returns the base"),
        ("boastful", "a constant adds itself|the maximum is attained"),
        ("heavy", "tilting by nothing returns the base"),
        ("drifting", "a constant moves no policy"),
        ("dear", "the base is free"),
    ],
)
def test_a_bent_divergence_is_found(how, law):
    with pytest.raises(AssertionError, match=f"({law}).*: got"):
        check_divergence(Bent(1.0, how))


class Wrong(ta.Simplex):
    """A simplex whose optimum has one field wrong."""

    field = ""

    def optimum(self, scores, sizes):
        right = super().optimum(scores, sizes)
        return replace(right, **{self.field: getattr(right, self.field) + 0.01})


@pytest.mark.parametrize(
    ("field", "law"),
    [
        ("support", "without groups welfare is zero"),
        ("price", "the base is free"),
        ("values", "the values are the model's"),
    ],
)
def test_a_wrong_space_is_found(field, law):
    space, reports = random_market(np.random.default_rng(61))
    wrong = type(field, (Wrong,), {"field": field})(space.base, space.divergence)
    with pytest.raises(AssertionError, match=law):
        check_space(wrong, space.scores([report.reward for report in reports]), np.ones(3))


@pytest.mark.parametrize(("how", "law"), [("generous", "never negative"), ("greedy", "externality = h")])
def test_wrong_externalities_are_found(how, law):
    space, reports = random_market(np.random.default_rng(62))
    bent = ta.Simplex(space.base, Bent(1.0, how))
    with pytest.raises(AssertionError, match=law):
        check_space(bent, space.scores([report.reward for report in reports]), np.ones(3))


@dataclass(frozen=True)
class Charging(ta.Externality):
    """Claims the promises of externality payments and charges something else."""

    factor: float
    flat: float

    def charge(self, choice):
        return self.factor * super().charge(choice) + self.flat * choice.sizes


@pytest.mark.parametrize(
    ("factor", "flat", "promise"),
    [
        (1.0, -0.1, "never negative"),
        (1.0, 0.5, "nobody worse off"),
        (0.0, 0.0, r"truthful against SizeMisreport\(factor=3"),
    ],
)
def test_a_broken_promise_is_found(factor, flat, promise):
    space, reports = random_market(np.random.default_rng(63))
    with pytest.raises(AssertionError, match=promise):
        check_settlement(ta.settle(space, reports, payment=Charging(factor, flat)))


def test_a_promise_that_is_not_made_is_not_checked():
    check_settlement(ta.settle(*random_market(np.random.default_rng(64)), payment=ta.Free()))


def test_random_markets_repeat_with_their_seed():
    first, second = (ta.settle(*random_market(np.random.default_rng(65), sizes=(1, 1e6))) for _ in range(2))
    assert first.payments == second.payments
    assert first.names == ("g0", "g1", "g2")
    assert ((first.sizes >= 1) & (first.sizes <= 1e6)).all()


RULES = [
    ta.Welfare(),
    ta.Welfare(weights=(1.0, 2.0, 0.5)),
    ta.MaxMin(),
    ta.NashWelfare(),
    ta.SizeShare(),
    ta.Bargained(ta.KalaiSmorodinsky()),
]


def spaces():
    simplex, reports = random_market(np.random.default_rng(62))
    scores = simplex.scores([report.reward for report in reports])
    table = ta.Candidates(scores[0], np.array([0.0, 0.3, 0.1, 0.5, 0.2]), base=0)
    return [(simplex, scores), (table, table.scores([None] * 3))]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_keeps_its_laws(rule):
    for space, scores in spaces():
        check_rule(rule, space, scores, np.array([3.0, 1.0, 2.0]))


@dataclass(frozen=True)
class Wayward(ta.TrainingRule):
    """The best model, bent in one way."""

    how: str
    affine = True

    def choose(self, space, scores, sizes):
        if self.how == "timid":
            return appraised(space, scores, sizes, space.optimum(scores, 0.5 * sizes).model)
        if self.how == "nosy":
            return appraised(space, scores, sizes, space.optimum(scores, sizes + 0.1).model)
        best = space.optimum(scores, sizes)
        bent = {"values": 1.01 * best.values, "price": 1.01 * best.price}
        return replace(best, **{self.how: bent[self.how]})

    def gap(self, space, scores, sizes, optimum):
        return 0.0


@pytest.mark.parametrize(
    ("how", "law"),
    [
        ("timid", "no model does better by the rule's objective"),
        ("nosy", "an absent group has no say"),
        ("values", "the values are the model's"),
        ("price", "the price is the model's"),
    ],
)
def test_a_wrong_rule_is_found(how, law):
    space, scores = spaces()[0]
    with pytest.raises(AssertionError, match=law):
        check_rule(Wayward(how), space, scores, np.array([3.0, 1.0, 2.0]))


def blocks(centre):
    scores = np.random.default_rng(63).random((2, 3, 9))
    base = np.log(np.full((2, 9), 1 / 9))
    cuts = (slice(0, 4), slice(4, 5), slice(5, 9))
    return [kl_sums(scores[:, :, cut], base[:, cut], np.array([1.0, 2.0, 3.0]), 0.5, centre)[0] for cut in cuts]


def test_sums_that_merge_wrongly_are_found():
    sizes, centre = np.array([1.0, 2.0, 3.0]), np.full((2, 3), 0.5)
    parts = blocks(centre)
    check_merging(parts, sizes, 0.5)

    class Forgetful(type(parts[0])):
        def merge(self, other):
            return replace(super().merge(other), mass=super().merge(other).mass - other.mass)

    forgetful = [Forgetful(**vars(part)) for part in parts]
    with pytest.raises(AssertionError, match="merged in any order"):
        check_merging(forgetful, sizes, 0.5)


def test_an_audit_that_does_not_add_up_is_found():
    result = ta.settle(*random_market(np.random.default_rng(64)), payment=ta.Free())
    report = ta.audit(result, pairs=False, false_names=False)
    check_audit(report, result)
    found = report.groups[0]
    boastful = replace(report, groups=(replace(found, best=replace(found.best, gain=2 * found.best.gain)),))
    with pytest.raises(AssertionError, match="gains what it says"):
        check_audit(boastful, result)
    sure = replace(report, groups=(replace(found, certificate=0.5 * found.best.gain),))
    with pytest.raises(AssertionError, match="within the certificate"):
        check_audit(sure, result)
