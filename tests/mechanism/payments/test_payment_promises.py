"""Every payment is held to what it declares, and what it does not declare does fail somewhere."""

import numpy as np
import pytest
from markets import numbers, reports_of, scale
from priced import DIVERGENCES, ROUNDING, Case, Replaced

import tuneaccord as ta
from tuneaccord.divergence import ChiSquared
from tuneaccord.testing import check_settlement

EVERYWHERE = [Case(payment, make) for payment in (ta.Externality(),) for make in DIVERGENCES]
CASES = [
    *EVERYWHERE,
    Case(ta.Free()),
    Case(ta.CostShare("equal")),
    Case(ta.CostShare("size", bill=3.0), ChiSquared),
    Case(ta.CostShare("value")),
    Case(ta.Shapley()),
    Case(ta.Shapley(), ChiSquared),
    Case(ta.Shapley(samples=8)),
    *(Case(ta.Fee("max", 0.5), make, "max") for make in DIVERGENCES),
    Case(ta.Fee("sum", 0.5), normalised="sum", strengths=(0.01, 1.0)),
    Case(ta.Fee("max", 0.5, fraction=0.3), normalised="max"),
    Case(ta.Redistribution(4.0)),
    Case(ta.BalancedBudget(4.0), ChiSquared, strengths=(6.0, 20.0)),
]
SEEDS = range(3)


def name(case):
    return f"{case.payment}-{getattr(case.make, '__name__', 'Alpha')}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_each_payment_keeps_what_it_declares(case):
    rng = np.random.default_rng(1)
    for _ in SEEDS:
        result = case.market(rng)
        check_settlement(result)
        rounding = ROUNDING * scale(result)
        if case.payment.never_negative:
            assert (result.payments_by_prompt >= 0).all()
        if case.payment.individually_rational:
            assert min(result.utilities.values()) >= -rounding
        if case.payment.truthful:
            for group in result.names:
                lies = ta.sweep(result, group, [case.lie(rng, result) for _ in range(4)])
                assert max(lie.utility for lie in lies) <= result.utilities[group] + 10 * rounding


@pytest.mark.parametrize("case", CASES, ids=name)
def test_guarantees_list_what_the_payment_declares(case):
    result = case.market(np.random.default_rng(2))
    exact = {promise.name for promise in result.guarantees if promise.status == "exact"}
    payment = case.payment
    declared = {
        "truthful": payment.truthful,
        "never negative": payment.never_negative,
        "nobody worse off": payment.nobody_worse_off,
        "utility not negative": payment.individually_rational and not payment.nobody_worse_off,
        "budget": bool(payment.budget),
    }
    assert exact == {name for name, holds in declared.items() if holds}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_settlement_goes_to_data_and_back(case):
    result = case.market(np.random.default_rng(3))
    from tuneaccord.specs import from_data, to_data

    again = from_data(to_data(case.payment), ta.PaymentRule)
    assert again == case.payment
    np.testing.assert_array_equal(
        numbers(case.market(np.random.default_rng(3), payment=again).payments), numbers(result.payments)
    )


MANIPULABLE = [case for case in CASES if not case.payment.truthful]


@pytest.mark.parametrize("case", MANIPULABLE, ids=name)
def test_a_lie_pays_where_truth_is_not_claimed(case):
    rng = np.random.default_rng(4)
    gains = []
    for _ in range(10):
        result = case.market(rng)
        lies = [ta.SizeMisreport(factor) for factor in (0.3, 0.8, 1.2, 3.0)]
        for group in result.names:
            found = ta.sweep(result, group, [*lies, *(case.lie(rng, result) for _ in range(4))])
            gains.append(max(lie.utility for lie in found) - result.utilities[group])
    assert max(gains) > 0.01


def test_understating_the_size_pays_under_a_share_by_size():
    """By hand: both want the first response, so the model stays nearly the same and the bill is shared anew."""
    space = ta.Simplex([0.5, 0.5], ta.KL(0.1))
    result = ta.settle(space, reports_of([2, 2], [[[1.0, 0.0]]] * 2), payment=ta.CostShare("size", bill=1.0))
    lie = ta.what_if(result, "g0", ta.SizeMisreport(0.5))
    assert result.payments["g0"] == 0.5
    assert lie.payment == pytest.approx(1 / 3, rel=1e-14)
    assert lie.utility > result.utilities["g0"] + 0.16


def test_hiding_what_one_likes_pays_under_shapley():
    """The twin who reports nothing still gets the response it likes, and pays nothing."""
    space = ta.Simplex([0.5, 0.5], ta.KL(0.2))
    result = ta.settle(space, reports_of([2, 2], [[[1.0, 0.0]]] * 2), payment=ta.Shapley())
    lie = ta.what_if(result, "g0", Replaced(2.0, np.zeros((1, 2))))
    assert lie.payment == 0.0
    assert lie.utility > result.utilities["g0"] + 0.05


def test_a_cost_share_can_exceed_what_the_model_is_worth():
    space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    result = ta.settle(space, reports_of([6, 1], [[[1.0, 0.0]], [[0.0, 1.0]]]), payment=ta.CostShare("equal"))
    assert result.utilities["g1"] < -0.1
    assert not result.payment.individually_rational


def test_with_the_full_fee_a_group_can_have_less_than_outside():
    """Outside, the others' model would have been free, and good enough."""
    result = ta.settle(
        ta.Simplex([0.5, 0.5], ta.KL(1.0)),
        reports_of([1, 1], [[[1.0, 0.2]], [[0.9, 1.0]]]),
        payment=ta.Fee("max"),
    )
    outside = ta.settle(result.space, result.reports[1:])
    values, _ = result.space.evaluate(result.scores, outside.optimum.model)
    assert 0 <= result.utilities["g0"] < values[0, 0] - 0.1


@pytest.mark.parametrize("case", [case for case in CASES if not case.payment.never_negative], ids=name)
def test_payments_are_negative_somewhere_where_that_is_not_excluded(case):
    """One group that wants nothing, or next to nothing, receives what the others pay or what it adds to them."""
    rng = np.random.default_rng(5)
    lowest = 0.0
    for _ in range(30):
        lowest = min(lowest, *case.market(rng).payments.values())
    assert lowest < -1e-4


@pytest.mark.parametrize(
    ("divergence", "payment"),
    [
        (ta.KL(1.0), ta.Fee("max")),
        (ChiSquared(1.0), ta.Fee("max")),
        (ta.KL(1.0), ta.Shapley()),
        (ChiSquared(2.0), ta.BalancedBudget(1.0)),
        (ta.KL(2.0), ta.Redistribution(1.0)),
        (ta.KL(2.0), ta.Externality()),
    ],
)
def test_rewards_where_the_base_is_zero_move_no_payment(divergence, payment):
    rows = [[[0.3, 1.0]], [[1.0, 0.1]]]
    without = ta.settle(ta.Simplex([0.4, 0.6], divergence), reports_of([1, 1], rows), payment=payment)
    wild = [[[0.0, 0.3, 1.0]], [[1e15, 1.0, 0.1]]]
    result = ta.settle(ta.Simplex([0.0, 0.4, 0.6], divergence), reports_of([1, 1], wild), payment=payment)
    assert result.payments == pytest.approx(without.payments, abs=1e-14)


def test_a_utility_is_not_promised_where_rewards_are_negative():
    space = ta.Simplex([0.5, 0.5], ta.KL(20.0))
    reports = [ta.Report("a", 3, ta.TableReward([-10.0, -90.0])), ta.Report("b", 1, ta.TableReward([1.0, 0.0]))]
    result = ta.settle(space, reports, payment=ta.Shapley())
    assert {one.name: one.status for one in result.guarantees}["utility not negative"] == "not claimed"
