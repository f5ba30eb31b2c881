"""Shapley values against all orders of arrival, the axioms, and sampling against enumeration."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from markets import numbers, reports_of, scale
from priced import DIVERGENCES, ROUNDING, Case
from scipy.special import logsumexp

import tuneaccord as ta
from tuneaccord.mechanism.payments.shapley import coalition_worths


def by_orders(space, scores, sizes):
    """The definition: every order of arrival, every optimum on its own."""
    groups = len(sizes)
    known = {}

    def worth(members):
        key = frozenset(members)
        if key not in known:
            present = np.isin(np.arange(groups), list(key))
            known[key] = space.optimum(scores, np.where(present, sizes, 0.0)).support
        return known[key]

    total = np.zeros((groups, len(scores)))
    orders = list(permutations(range(groups)))
    for order in orders:
        for place, group in enumerate(order):
            total[group] += worth(order[: place + 1]) - worth(order[:place])
    return total.T / len(orders)


@pytest.mark.parametrize("make", DIVERGENCES)
@pytest.mark.parametrize("groups", [1, 2, 4, 6])
def test_enumeration_agrees_with_all_orders(make, groups):
    result = Case(ta.Free(), make).market(np.random.default_rng(groups), groups=groups)
    found = ta.shapley_values(result.space, result.scores, result.sizes)
    expected = by_orders(result.space, result.scores, result.sizes)
    np.testing.assert_allclose(found.by_prompt, expected, rtol=0, atol=ROUNDING * scale(result))
    np.testing.assert_allclose(found.values, result.space.prompt_weights @ expected, atol=ROUNDING * scale(result))
    assert found.exact
    assert not found.standard_errors.any()


def test_worths_of_coalitions_under_kl_by_log_sum_exp():
    result = Case(ta.Free()).market(np.random.default_rng(20), groups=5, prompts=3)
    sizes = result.sizes * np.random.default_rng(21).integers(0, 2, size=(40, 5))
    score = np.einsum("prg,bg->bpr", result.scores, sizes)
    strength = result.space.divergence.strength
    expected = strength * logsumexp(score / strength, b=result.space.base, axis=2)
    found = coalition_worths(result.space, result.scores, sizes)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * scale(result))
    plain = SimpleNamespace(optimum=result.space.optimum)  # a space that nothing is known of
    np.testing.assert_allclose(coalition_worths(plain, result.scores, sizes), found, atol=ROUNDING * scale(result))


def test_candidates_against_all_orders():
    rng = np.random.default_rng(22)
    models = ta.Candidates(rng.uniform(size=(7, 5)), prices=rng.uniform(size=7))
    sizes = rng.uniform(0.5, 3, size=5)
    scores = models.scores([None] * 5)
    found = ta.shapley_values(models, scores, sizes)
    np.testing.assert_allclose(found.by_prompt, by_orders(models, scores, sizes), atol=1e-13)
    result = ta.settle(models, [ta.Report(f"g{i}", w) for i, w in enumerate(sizes)], payment=ta.Shapley())
    # nobody at all would have got the cheapest row
    assert sum(result.payments.values()) == pytest.approx(result.price - models.prices.min(), abs=1e-13)


@pytest.mark.parametrize("payment", [ta.Shapley(), ta.Shapley(samples=6, seed=5)], ids=str)
@pytest.mark.parametrize("make", DIVERGENCES)
def test_payments_add_up_to_the_price_in_every_prompt(payment, make):
    rng = np.random.default_rng(23)
    for _ in range(5):
        result = Case(payment, make).market(rng, groups=4)
        total = result.payments_by_prompt.sum(axis=1)
        np.testing.assert_allclose(total, result.optimum.price, rtol=0, atol=ROUNDING * scale(result))


def test_twins_pay_alike_and_the_indifferent_pay_nothing():
    rng = np.random.default_rng(24)
    space = ta.Simplex(rng.dirichlet(np.ones(4)), ta.KL(0.7))
    one, other = rng.uniform(size=(2, 1, 4))
    reports = reports_of([2, 2, 1, 5], [one, one, other, np.full((1, 4), 0.3)])
    result = ta.settle(space, reports, payment=ta.Shapley())
    paid = numbers(result.payments)
    assert paid[0] == pytest.approx(paid[1], rel=1e-14)
    assert paid[3] == pytest.approx(0.0, abs=1e-15)
    shares = ta.shapley_values(space, result.scores, result.sizes).values
    assert shares[3] == pytest.approx(5 * 0.3, rel=1e-14)


def test_two_equal_groups_share_the_price():
    result = ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), reports_of([1, 1], [[[1.0, 0.0]]] * 2), payment=ta.Shapley())
    both, one = np.log((1 + np.e**2) / 2), np.log((1 + np.e) / 2)
    share = (one + both - one) / 2
    assert result.payments["g0"] == pytest.approx(np.e**2 / (1 + np.e**2) - share, rel=1e-13)


def test_samples_lie_within_their_standard_errors():
    result = Case(ta.Free()).market(np.random.default_rng(25), groups=7, prompts=3)
    exact = ta.shapley_values(result.space, result.scores, result.sizes).values
    deviations = []
    for seed in range(20):
        drawn = ta.shapley_values(result.space, result.scores, result.sizes, samples=200, seed=seed)
        assert not drawn.exact
        deviations.append((drawn.values - exact) / drawn.standard_errors)
    assert np.abs(deviations).max() < 4  # 140 draws: beyond 4 once in 100 seeds
    assert 0.7 < np.std(deviations) < 1.3  # the errors are neither boasted nor inflated


def test_beyond_fifteen_groups_orders_are_drawn():
    result = Case(ta.Free()).market(np.random.default_rng(26), groups=16, prompts=1)
    drawn = ta.shapley_values(result.space, result.scores, result.sizes, samples=20)
    assert not drawn.exact
    assert drawn.values.sum() == pytest.approx(result.net_welfare, abs=ROUNDING * scale(result))
    again = ta.shapley_values(result.space, result.scores, result.sizes, samples=20)
    np.testing.assert_array_equal(drawn.values, again.values)


def test_fifteen_groups_are_enumerated():
    result = Case(ta.Shapley()).market(np.random.default_rng(27), groups=15, prompts=2, responses=3)
    assert sum(result.payments.values()) == pytest.approx(result.price, abs=ROUNDING * scale(result))
    drawn = ta.shapley_values(result.space, result.scores, result.sizes, samples=400)
    exact = ta.shapley_values(result.space, result.scores, result.sizes)
    assert exact.exact
    assert (np.abs(drawn.values - exact.values) < 4 * drawn.standard_errors).all()


def test_prompts_in_parts_are_the_same(monkeypatch):
    from tuneaccord.mechanism.payments import shapley

    result = Case(ta.Free()).market(np.random.default_rng(28), groups=4, prompts=5)
    whole = [ta.shapley_values(result.space, result.scores, result.sizes, samples=s) for s in (None, 10)]
    monkeypatch.setattr(shapley, "_BATCH", 40)
    parts = [ta.shapley_values(result.space, result.scores, result.sizes, samples=s) for s in (None, 10)]
    np.testing.assert_allclose(parts[0].by_prompt, whole[0].by_prompt, atol=1e-13)
    np.testing.assert_allclose(parts[1].values, whole[1].values, atol=1e-13)


def test_what_shapley_is_not_for():
    space, reports = ta.Simplex([0.5, 0.5], ta.KL(1.0)), reports_of([1, 1], [[[1.0, 0.0]]] * 2)
    with pytest.raises(ta.InputError, match=r"Settle with Welfare\(\)"):
        ta.settle(space, reports, ta.Welfare(weights=(1, 2)), ta.Shapley())
    for samples in (3, 2, 0, 4.0, True):
        with pytest.raises(ta.InputError, match="even number of orders"):
            ta.Shapley(samples=samples)
    with pytest.raises(ta.InputError, match="seed must be a whole number"):
        ta.Shapley(seed=-1)
