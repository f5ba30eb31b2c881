"""A training rule may choose any model: payments, gap and promises are then about the model it chose."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import numbers, scale, settlements

import tuneaccord as ta
from tuneaccord.mechanism.recheck import broken_promises, lie_pays
from tuneaccord.mechanism.rules import TrainingRule
from tuneaccord.testing import check_settlement, random_market

ROUNDING = 1e-12  # of the market's scale


@dataclass(frozen=True)
class Partway(TrainingRule):
    """Goes ``share`` of the way from the base to the best model, in the first ``prompts`` prompts.

    ``own_support`` reports the model's own net welfare as support, which the documentation says it is not.
    """

    share: float
    prompts: int | None = None
    own_support: bool = False

    def choose(self, space, scores, sizes):
        best = space.optimum(scores, sizes)
        model = best.model.copy()
        here = slice(self.prompts)
        model[here] = (1 - self.share) * np.atleast_2d(space.base)[here] + self.share * model[here]
        values, price = space.evaluate(scores, model)
        return ta.Optimum(model, values @ sizes - price if self.own_support else best.support, values, price)


@dataclass(frozen=True)
class Loudest(TrainingRule):
    """Sizes count squared: larger groups get more than their weight."""

    def choose(self, space, scores, sizes):
        model = space.optimum(scores, sizes**2).model
        values, price = space.evaluate(scores, model)
        return ta.Optimum(model, space.optimum(scores, sizes).support, values, price)


RULES = [Partway(0.0), Partway(0.7), Partway(0.5, own_support=True), Partway(0.2, prompts=1), Loudest()]


def settled(rule, seed=71, payment=None):
    return ta.settle(*random_market(np.random.default_rng(seed)), rule, payment)


def without(result, index):
    """The best net welfare without a group, by settling the others alone."""
    others = [report for at, report in enumerate(result.reports) if at != index]
    return ta.settle(result.space, others).net_welfare


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_group_pays_what_it_costs_the_others_at_the_chosen_model(rule):
    for seed in range(20):
        result = settled(rule, seed)
        for index, name in enumerate(result.names):
            others = result.net_welfare - result.group_values[name]
            assert result.payments[name] == pytest.approx(without(result, index) - others, abs=ROUNDING * scale(result))
            assert result.leave_one_out[name] == pytest.approx(without(result, index), abs=ROUNDING * scale(result))
        assert (result.payments_by_prompt >= 0).all()
        check_settlement(result)


@given(settlements(), st.sampled_from(RULES))
def test_no_payment_is_negative_whatever_is_chosen(result, rule):
    other = ta.settle(result.space, result.reports, rule)
    assert (other.payments_by_prompt >= 0).all()
    assert numbers(other.leave_one_out) == pytest.approx(numbers(result.leave_one_out), abs=0)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_gap_is_the_shortfall_whatever_support_the_rule_gives(rule):
    best, chosen = settled(ta.Welfare()), settled(rule)
    assert chosen.gap == pytest.approx(best.net_welfare - chosen.net_welfare, rel=1e-12)
    assert chosen.gap > 1e-3


def test_the_base_by_hand():
    """Two opposed groups kept at the base: each pays what the other could have had alone, less half its size."""
    space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    reports = [ta.Report("a", 2, ta.TableReward([1.0, 0.0])), ta.Report("b", 1, ta.TableReward([0.0, 1.0]))]
    result = ta.settle(space, reports, Partway(0.0))
    assert result.payments == pytest.approx(
        {"a": np.log((1 + np.e) / 2) - 0.5, "b": np.log((1 + np.e**2) / 2) - 1.0}, rel=1e-14
    )


@given(settlements())
def test_the_optimum_keeps_its_stable_payments_bit_for_bit(result):
    base = np.atleast_2d(result.space.base)
    kernel = result.space.divergence.externalities(result.scores, result.sizes, base)
    np.testing.assert_array_equal(result.payments_by_prompt, kernel)
    rounded = replace(result.optimum, model=result.optimum.model * (1 + 1e-15))
    np.testing.assert_array_equal(result.space.externalities(result.scores, result.sizes, rounded), kernel)


def test_prompts_that_were_left_alone_keep_their_stable_payments():
    best, chosen = settled(ta.Welfare()), settled(Partway(0.2, prompts=1))
    np.testing.assert_array_equal(chosen.payments_by_prompt[1:], best.payments_by_prompt[1:])
    assert (chosen.payments_by_prompt[0] != best.payments_by_prompt[0]).all()


@pytest.mark.parametrize("payment", [ta.Externality(), ta.Free()], ids=str)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_that_is_not_affine_promises_less_and_keeps_it(rule, payment):
    result = settled(rule, payment=payment)
    exact = {promise.name for promise in result.guarantees if promise.status == "exact"}
    assert exact == {"never negative"}
    assert result.regret_bound == np.inf
    lies = {name: ta.sweep(result, name, [ta.SizeMisreport(2.0), ta.RewardMisreport(1.5)]) for name in result.names}
    assert broken_promises(result, lies) == []


def test_a_rule_that_claims_too_much_is_found():
    @dataclass(frozen=True)
    class Boast(Partway):
        affine = True

    found = broken_promises(settled(Boast(0.5, own_support=True)))
    assert any("below the best one" in sentence for sentence in found)


def test_a_lie_that_pays_less_than_the_gap_still_pays():
    result = settled(Partway(0.5), payment=ta.Free())
    lie = ta.what_if(result, "g0", ta.SizeMisreport(1.01))
    assert 0 < lie.utility - result.utilities["g0"] < result.gap
    assert lie_pays(result, "g0", lie)


def test_a_rule_that_misses_its_best_model_is_not_called_truthful():
    @dataclass(frozen=True)
    class Boast(Partway):
        affine = True

    status = {one.name: one.status for one in settled(Boast(0.5)).guarantees}
    assert (status["truthful"], status["nobody worse off"]) == ("bounded", "not claimed")
    assert {one.name: one.status for one in settled(Boast(1.0)).guarantees}["truthful"] == "exact"


def test_a_rule_that_returns_something_else_is_refused():
    @dataclass(frozen=True)
    class Bare(TrainingRule):
        def choose(self, space, scores, sizes):
            return space.optimum(scores, sizes).model

    with pytest.raises(ta.InputError, match=r"Bare.choose must return an Optimum, got ndarray"):
        settled(Bare())


def test_a_settlement_prints_in_a_few_lines():
    text = str(settled(None)).splitlines()
    assert len(text) == 5
    assert text[0].startswith("g0 (size ")
    assert text[-1] == "promised: truthful (exact), never negative (exact), nobody worse off (exact)"
