"""What payments owe to the groups, on markets drawn by Hypothesis, and the identities behind them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from markets import REWARDS, numbers, reports_of, scale, settlements
from scipy.special import rel_entr

import tuneaccord as ta
from tuneaccord.testing import check_settlement, random_market

ROUNDING = 1e-12  # of the market's scale: a few thousand float64 roundings


def resettled(result, reports=None, space=None):
    return ta.settle(space or result.space, reports or result.reports, result.rule, result.payment)


def without(result, name):
    return resettled(result, [report for report in result.reports if report.name != name])


@given(settlements())
def test_payments_are_never_negative_and_truth_never_loses(result):
    check_settlement(result)
    assert (result.payments_by_prompt >= 0).all()
    assert min(result.utilities.values()) >= -ROUNDING * scale(result)


@given(settlements(groups=st.integers(2, 4)))
def test_taking_part_beats_staying_out(result):
    for index, name in enumerate(result.names):
        values, _ = result.space.evaluate(result.scores, without(result, name).optimum.model)
        outside = result.sizes[index] * (result.space.prompt_weights @ values[:, index])
        assert result.utilities[name] >= outside - ROUNDING * scale(result)


@pytest.mark.slow
@settings(max_examples=300)
@given(settlements(), st.data())
def test_no_misreport_gains(result, data):
    index = data.draw(st.integers(0, len(result.names) - 1))
    truth = result.reports[index]
    size = truth.size * 10 ** data.draw(st.floats(-3, 3))
    table = data.draw(arrays(float, result.space.shape, elements=REWARDS | st.floats(-1, 2)))
    reports = list(result.reports)
    reports[index] = replace(truth, size=size, reward=ta.TableReward(table))
    lied = resettled(result, reports)
    values, _ = result.space.evaluate(result.scores, lied.optimum.model)
    utility = truth.size * (result.space.prompt_weights @ values[:, index]) - lied.payments[truth.name]
    # 1e-9 in units of reward, or of the market's scale where sizes exceed one: payments have 1e-9 of rounding there
    assert utility <= result.utilities[truth.name] + 1e-9 * max(1.0, scale(result), scale(lied))


@given(settlements())
def test_a_group_alone_pays_the_price_of_leaving_the_base(result):
    for report in result.reports:
        alone = resettled(result, [report])
        assert alone.payments[report.name] == pytest.approx(alone.price, rel=1e-9, abs=ROUNDING * scale(alone))
        assert alone.leave_one_out[report.name] == pytest.approx(0.0, abs=ROUNDING * scale(alone))


@given(settlements(), st.sampled_from([0.0, 0.1, 1 / 3, 1.0, -0.7, 1e5]), st.floats(-3, 6))
def test_a_constant_reward_pays_exactly_nothing_and_changes_nothing(result, constant, magnitude):
    indifferent = ta.Report("indifferent", 10**magnitude, ta.TableReward(np.full(result.space.shape, constant)))
    joined = resettled(result, [*result.reports, indifferent])
    assert joined.payments["indifferent"] == 0.0
    assert (joined.optimum.values[:, -1] == constant).all()
    assert resettled(result, [indifferent]).payments["indifferent"] == 0.0
    # one more group may change the order in which scores are summed, and so their last digit
    np.testing.assert_allclose(joined.model, result.model, atol=1e-9)
    np.testing.assert_allclose(numbers(joined.payments)[:-1], numbers(result.payments), atol=ROUNDING * scale(result))


def test_an_indifferent_giant_costs_the_others_no_digits():
    """Its scores are 1e9 strengths, of which float64 keeps seven decimals unless they are centred."""
    space, reports = random_market(np.random.default_rng(10), strength=1e-3, sizes=(1e-4, 1e-2))
    giant = ta.Report("giant", 1e6, ta.TableReward(np.ones(space.shape)))
    joined, alone = (ta.settle(space, market) for market in ([*reports, giant], reports))
    np.testing.assert_allclose(joined.model, alone.model, rtol=1e-12)
    np.testing.assert_allclose(numbers(joined.payments)[:-1], numbers(alone.payments), rtol=1e-12)


@given(settlements(), st.randoms(use_true_random=False))
def test_the_order_of_groups_and_responses_does_not_matter(result, random):
    groups, responses = list(range(len(result.names))), list(range(result.space.shape[1]))
    random.shuffle(groups)
    random.shuffle(responses)
    space = replace(result.space, base=result.space.base[:, responses])
    reports = [replace(report, reward=ta.TableReward(report.reward.scores[:, responses])) for report in result.reports]
    moved = resettled(result, [reports[i] for i in groups], space)
    for name in result.names:
        assert moved.payments[name] == pytest.approx(result.payments[name], abs=ROUNDING * scale(result))
    # 1e-9: an exponent of 4e5 strengths, the most that is drawn here, is right to ten decimals
    np.testing.assert_allclose(moved.model, result.model[:, responses], atol=1e-9)


@given(settlements(), st.floats(-100, 100))
def test_a_constant_added_to_a_reward_changes_no_payment(result, constant):
    reports = [replace(report, reward=ta.TableReward(report.reward.scores + constant)) for report in result.reports]
    lifted = resettled(result, reports)
    # adding the constant rounds the rewards themselves, by up to 1e-14
    np.testing.assert_allclose(
        numbers(lifted.payments), numbers(result.payments), atol=1e-12 * result.sizes.sum() + ROUNDING * scale(lifted)
    )


@given(settlements(), st.floats(0, 1))
def test_splitting_a_response_with_its_mass_changes_nothing(result, share):
    base = result.space.base
    twin = base[:, :1]
    space = replace(result.space, base=np.hstack([share * twin, (1 - share) * twin, base[:, 1:]]))
    tables = [report.reward.scores for report in result.reports]
    split = resettled(result, reports_of(result.sizes, [np.hstack([table[:, :1], table]) for table in tables]), space)
    for field in ("payments", "utilities", "leave_one_out"):
        np.testing.assert_allclose(
            numbers(getattr(split, field)), numbers(getattr(result, field)), atol=ROUNDING * scale(result)
        )
    merged = np.hstack([split.model[:, :2].sum(axis=1, keepdims=True), split.model[:, 2:]])
    np.testing.assert_allclose(merged, result.model, atol=1e-9)  # exponents up to 4e5, as above


@given(settlements(), st.floats(1, 100))
def test_value_and_payment_grow_with_the_size(result, factor):
    first, *others = result.reports
    grown = resettled(result, [replace(first, size=factor * first.size), *others])
    name = first.name
    assert grown.values[name] >= result.values[name] - 1e-9  # exponents up to 4e7 after growing
    assert grown.payments[name] >= result.payments[name] - ROUNDING * scale(grown)


def test_prompts_are_settled_one_by_one_and_averaged():
    rng = np.random.default_rng(11)
    for _ in range(20):
        space, reports = random_market(rng, prompts=4, strength=10 ** rng.uniform(-1, 1))
        whole = ta.settle(space, reports)
        parts = [
            ta.settle(
                ta.Simplex(space.base[prompt], space.divergence),
                [replace(report, reward=ta.TableReward(report.reward.scores[prompt])) for report in reports],
            )
            for prompt in range(4)
        ]
        for field in ("values", "payments", "utilities", "leave_one_out"):
            mean = sum(w * numbers(getattr(part, field)) for w, part in zip(space.prompt_weights, parts, strict=True))
            np.testing.assert_allclose(numbers(getattr(whole, field)), mean, rtol=1e-12)
        mean = math.fsum(w * part.net_welfare for w, part in zip(space.prompt_weights, parts, strict=True))
        assert whole.net_welfare == pytest.approx(mean, rel=1e-12)
        np.testing.assert_allclose(whole.model, np.vstack([part.model for part in parts]), rtol=1e-12)


@pytest.mark.parametrize("strength", [0.05, 1.0, 40.0])
def test_the_payment_is_the_divergence_from_the_policy_without_the_group(strength):
    rng = np.random.default_rng(12)
    for _ in range(20):
        result = ta.settle(*random_market(rng, strength=strength))
        for name in result.names:
            by_prompt = strength * rel_entr(result.model, without(result, name).model).sum(axis=1)
            expected = result.space.prompt_weights @ by_prompt
            assert result.payments[name] == pytest.approx(expected, abs=ROUNDING * (strength + scale(result)))


@pytest.mark.parametrize("strength", [0.5, 1.0, 40.0])
def test_value_and_payment_rise_at_the_rate_of_the_variance(strength):
    """dv_i/dw_i = Var(r_i)/lambda and dpay_i/dw_i = w_i Var(r_i)/lambda, by central differences."""
    rng = np.random.default_rng(13)
    step = 1e-4  # relative: the third derivative leaves 1e-8 (w osc / lambda)**2, rounding 1e-12
    for _ in range(20):
        result = ta.settle(*random_market(rng, prompts=1, strength=strength))
        first, *others = result.reports
        above, below = (
            resettled(result, [replace(first, size=first.size * (1 + sign * step)), *others]) for sign in (1, -1)
        )
        table = first.reward.scores
        variance = (result.model * (table - result.values["g0"]) ** 2).sum()
        rise = (above.values["g0"] - below.values["g0"]) / (2 * step * first.size)
        assert rise == pytest.approx(variance / strength, rel=1e-5)
        rise = (above.payments["g0"] - below.payments["g0"]) / (2 * step * first.size)
        assert rise == pytest.approx(first.size * variance / strength, rel=1e-5)
