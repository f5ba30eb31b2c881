"""The shipped laws hold for what is right and name what is wrong."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.testing import check_divergence, check_settlement, check_space, random_market


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
