"""Truthful, efficient, and nobody outside receives money: chi-squared with enough strength."""

import numpy as np
import pytest
from markets import numbers, reports_of, scale
from priced import ROUNDING, Case, charged

import tuneaccord as ta
from tuneaccord.divergence import ChiSquared
from tuneaccord.mechanism.money import in_cents

CASE = Case(ta.BalancedBudget(4.0), ChiSquared, strengths=(6.0, 60.0))


def test_payments_add_up_to_nothing_in_every_prompt():
    rng = np.random.default_rng(51)
    for _ in range(50):
        result = CASE.market(rng, prompts=3)
        assert np.abs(result.payments_by_prompt.sum(axis=1)).max() <= 1e-15 * result.sizes.sum() ** 2
        assert np.abs(result.payments_by_prompt).max() > 1e-6
        money = in_cents(result.payments, rate=1e4)
        assert sum(money.values()) == 0


def test_each_pays_its_externality_less_the_mean_of_the_others():
    rng = np.random.default_rng(52)
    for groups in (2, 3, 7):
        case = Case(ta.BalancedBudget(4.0), ChiSquared, strengths=(2.0 * groups, 20.0 * groups))
        result = case.market(rng, groups=groups)
        due = charged(result, ta.Externality())
        means = [np.delete(due, index).mean() for index in range(groups)]
        assert numbers(result.payments) == pytest.approx(due - means, abs=ROUNDING * scale(result))


def test_the_model_is_the_efficient_one():
    result = CASE.market(np.random.default_rng(53))
    np.testing.assert_array_equal(result.model, ta.settle(result.space, result.reports).model)
    assert result.gap <= ROUNDING * scale(result)


def test_at_the_least_strength_the_most_extreme_reports_stay_inside():
    """Opposed groups at their largest sizes, one response almost never given by the base."""
    rng = np.random.default_rng(54)
    for _ in range(50):
        largest = rng.uniform(0.5, 5, size=3)
        space = ta.Simplex(rng.dirichlet(np.full(4, 0.2)), ChiSquared(float(largest.sum()) / 2))
        tables = rng.integers(0, 2, size=(3, 1, 4)) * 1.0
        result = ta.settle(space, reports_of(largest, tables), payment=ta.BalancedBudget(tuple(largest.tolist())))
        due = charged(result, ta.Externality())
        expected = due - np.array([np.delete(due, index).mean() for index in range(3)])
        assert numbers(result.payments) == pytest.approx(expected, abs=ROUNDING * scale(result))


def test_with_less_strength_a_report_would_move_what_others_pay():
    """Half the least strength: the condition is not idle."""
    space = ta.Simplex([0.02, 0.98], ChiSquared(1.0))
    small, large = (ta.settle(space, reports_of([1, size], [[[0.0, 1.0]], [[1.0, 0.0]]])) for size in (0.5, 3.0))
    other = ta.settle(space, reports_of([1, 3], [[[0.0, 1.0]], [[0.0, 1.0]]]))
    assert len({round(result.payments["g0"], 6) for result in (small, large, other)}) > 1
    with pytest.raises(ta.InputError, match="strength of at least 2, half"):
        ta.settle(space, small.reports, payment=ta.BalancedBudget((1.0, 3.0)))
    enough = ta.Simplex([0.02, 0.98], ChiSquared(2.0))
    ta.settle(enough, small.reports, payment=ta.BalancedBudget((1.0, 3.0)))


def test_a_wider_reward_needs_more_strength():
    space = ta.Simplex([0.5, 0.5], ChiSquared(2.0))
    reports = reports_of([1, 1], [[[2.0, 0.0]], [[0.0, 1.0]]])
    with pytest.raises(ta.InputError, match="group 1 in prompt 1 differ by 2"):
        ta.settle(space, reports, payment=ta.BalancedBudget(1.0))
    result = ta.settle(space, reports, payment=ta.BalancedBudget(1.0, reward_bound=2.0))
    assert numbers(result.payments) == pytest.approx([1 / 8 - 1 / 32, 1 / 32 - 1 / 8], rel=1e-15)


def test_what_the_balanced_budget_is_not_for():
    pair = reports_of([1, 1], [[[1.0, 0.0]]] * 2)
    space = ta.Simplex([0.5, 0.5], ChiSquared(5.0))
    with pytest.raises(ta.InputError, match="needs a Simplex with ChiSquared, got a Simplex with KL"):
        ta.settle(ta.Simplex([0.5, 0.5], ta.KL(5.0)), pair, payment=ta.BalancedBudget(1.0))
    with pytest.raises(ta.InputError, match="needs two groups"):
        ta.settle(space, pair[:1], payment=ta.BalancedBudget(1.0))
    with pytest.raises(ta.InputError, match="has 3 largest sizes but there are 2 groups"):
        ta.settle(space, pair, payment=ta.BalancedBudget((1.0, 1.0, 1.0)))
    with pytest.raises(ta.InputError, match=r"above the published largest size 0\.5"):
        ta.settle(space, pair, payment=ta.BalancedBudget(0.5))
    with pytest.raises(ta.InputError, match=r"needs the rule Welfare\(\)"):
        ta.settle(space, pair, ta.Welfare((1, 2)), ta.BalancedBudget(1.0))
    for given in (-1.0, "1", ((1.0,),), (1.0, np.nan)):
        with pytest.raises(ta.InputError, match="largest_sizes"):
            ta.BalancedBudget(given)
