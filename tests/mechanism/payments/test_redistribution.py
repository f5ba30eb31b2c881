"""Rebates: the bound behind them, never a deficit, how much comes back, and what Bailey's rule would do."""

import numpy as np
import pytest
from markets import numbers, reports_of, scale
from priced import ROUNDING, Case, charged, with_tables
from scipy.special import logsumexp

import tuneaccord as ta
from tuneaccord.divergence import ChiSquared

LARGEST = 4.0
CASE = Case(ta.Redistribution(LARGEST))


def paid_without(result, absent):
    """What each remaining group pays once ``absent`` is gone, per prompt, by log-sum-exp of the definition."""
    strength, base = result.space.divergence.strength, np.atleast_2d(result.space.base)

    def best(present):
        score = result.scores[:, :, present] @ result.sizes[present]
        return strength * logsumexp(score / strength, b=base, axis=1), score

    left = [group for group in range(len(result.sizes)) if group != absent]
    top, score = best(left)
    policy = base * np.exp((score - top[:, None]) / strength)
    paid = np.zeros((len(base), len(result.sizes)))
    for group in left:
        rest = best([other for other in left if other != group])[0] if len(left) > 1 else 0.0
        paid[:, group] = rest - top + result.sizes[group] * (policy * result.scores[:, :, group]).sum(axis=1)
    return paid


def leave_two_out(result):
    """What group j would pay if group i left, (prompts, i, j): the space asked once for each i."""
    rows = []
    for absent in range(len(result.sizes)):
        sizes = np.where(np.arange(len(result.sizes)) == absent, 0.0, result.sizes)
        best = result.space.optimum(result.scores, sizes)
        rows.append(result.space.externalities(result.scores, sizes, best))
    return np.stack(rows, axis=1)


def test_payments_without_a_group_by_two_routes():
    rng = np.random.default_rng(41)
    for groups in (2, 3, 5):
        result = CASE.market(rng, groups=groups)
        found = leave_two_out(result)
        for absent in range(groups):
            np.testing.assert_allclose(
                found[:, absent], paid_without(result, absent), atol=10 * ROUNDING * scale(result)
            )
            assert (found[:, absent, absent] == 0).all()


def test_the_rebate_by_its_formula():
    rng = np.random.default_rng(42)
    for _ in range(5):
        result = CASE.market(rng, groups=4)
        strength = result.space.divergence.strength
        for index in range(4):
            certain = strength * np.log(1 + np.exp(-LARGEST / strength) * paid_without(result, index) / strength)
            rebate = result.space.prompt_weights @ certain.sum(axis=1) / 4
            gained = charged(result, ta.Externality())[index] - list(result.payments.values())[index]
            assert gained == pytest.approx(rebate, abs=10 * ROUNDING * scale(result))


def test_no_report_brings_the_others_below_what_is_rebated():
    rng = np.random.default_rng(43)
    for _ in range(8):
        result = CASE.market(rng, prompts=1)
        rebates = charged(result, ta.Externality()) - numbers(result.payments)
        for index in range(3):
            for _ in range(5):
                other = with_tables(result, index, rng.uniform(0.01, LARGEST), rng.integers(0, 2, (1, 4)) * 1.0)
                revenue = charged(other, ta.Externality()).sum()
                assert rebates[index] <= revenue / 3 + ROUNDING * scale(result)
                # and the rebate itself does not see the report
                again = charged(other, ta.Externality()) - numbers(other.payments)
                assert again[index] == pytest.approx(rebates[index], abs=10 * ROUNDING * scale(result))


def test_there_is_never_a_deficit_and_bailey_runs_them():
    """Bailey: each group gets back 1/n of the revenue without it, whatever it could have done to that revenue."""
    rng = np.random.default_rng(44)
    deficits = 0
    for _ in range(100):
        result = CASE.market(rng, prompts=1)
        assert sum(result.payments.values()) >= -ROUNDING * scale(result)
        revenue = charged(result, ta.Externality()).sum()
        bailey = leave_two_out(result)[0].sum() / 3
        deficits += bailey > revenue + 1e-6
    assert deficits > 5


@pytest.mark.parametrize(("strength", "share"), [(0.3, 0.04), (1.0, 0.30), (3.0, 0.60), (10.0, 0.75), (1e4, 5 / 6)])
def test_the_returned_share_of_six_equal_groups(strength, share):
    rng = np.random.default_rng(45)
    returned = []
    for _ in range(40):
        space = ta.Simplex(rng.dirichlet(np.ones(10)), ta.KL(strength))
        result = ta.settle(space, reports_of(np.ones(6), rng.uniform(size=(6, 1, 10))), payment=ta.Redistribution(1.0))
        returned.append(1 - sum(result.payments.values()) / charged(result, ta.Externality()).sum())
    assert np.mean(returned) == pytest.approx(share, abs=0.02)  # the markets are random; the figures are rounded


@pytest.mark.parametrize("strength", [1e-3, 0.05, 1.0, 1e3])
def test_the_rebate_at_every_strength(strength):
    """Against the space asked group by group, from pivot payments to next to no model at all."""
    rng = np.random.default_rng(47)
    for groups in (2, 6):
        case = Case(ta.Redistribution(LARGEST), strengths=(strength, strength))
        result = case.market(rng, groups=groups)
        certain = strength * np.log1p(np.exp(-LARGEST / strength) * leave_two_out(result) / strength)
        expected = ta.settle(result.space, result.reports).payments_by_prompt - certain.sum(axis=2) / groups
        np.testing.assert_allclose(result.payments_by_prompt, expected, rtol=1e-9, atol=ROUNDING * scale(result))


def test_a_group_alone_gets_nothing_back():
    result = CASE.market(np.random.default_rng(46), groups=1)
    assert numbers(result.payments).tolist() == charged(result, ta.Externality()).tolist()


def test_a_reward_may_be_shifted_but_not_wider_than_published():
    space = ta.Simplex([0.5, 0.5, 0.0], ta.KL(1.0))
    tables = [[[7.0, 8.0, 99.0]], [[-3.0, -3.5, 0.0]]]  # the third response cannot be given
    ta.settle(space, reports_of([1, 1], tables), payment=ta.Redistribution(1.0))
    with pytest.raises(
        ta.InputError, match=r"group 1 in prompt 1 differ by 1, more than the published reward_bound 0\.5"
    ):
        ta.settle(space, reports_of([1, 1], tables), payment=ta.Redistribution(1.0, reward_bound=0.5))
    with pytest.raises(ta.InputError, match="size of group 2 is 3, above the published largest size 2"):
        ta.settle(space, reports_of([1, 3], tables), payment=ta.Redistribution(2.0))


def test_what_redistribution_is_not_for():
    reports = reports_of([1, 1], [[[1.0, 0.0]]] * 2)
    with pytest.raises(ta.InputError, match="Redistribution needs a Simplex with KL, got a Simplex with ChiSquared"):
        ta.settle(ta.Simplex([0.5, 0.5], ChiSquared(1.0)), reports, payment=ta.Redistribution(1.0))
    with pytest.raises(ta.InputError, match=r"needs the rule Welfare\(\) without weights"):
        ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), reports, ta.Welfare((1, 2)), ta.Redistribution(1.0))
    for bound in (-1.0, np.inf, "1"):
        with pytest.raises(ta.InputError, match="largest_size must be a finite number"):
            ta.Redistribution(bound)
