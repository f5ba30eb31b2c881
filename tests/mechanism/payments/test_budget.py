"""A bill against what comes in, and revenue against strength."""

import numpy as np
import pytest
from markets import numbers, reports_of
from priced import Case, charged

import tuneaccord as ta
from tuneaccord.divergence import ChiSquared

CASE = Case(ta.Externality(), normalised="max")


def market(seed=61, **changes):
    return CASE.market(np.random.default_rng(seed), **changes)


def test_the_bill_is_covered_up_to_the_revenue():
    result = market()
    revenue = sum(result.payments.values())
    for share in (0.5, 1 - 1e-15, 1.0, 1 + 1e-15, 1.5):  # whatever order the payments are added up in
        found = ta.cost_recovery(result, bill=revenue * share)
        assert found.covered == (share < 1.1)
        assert found.ratio == pytest.approx(1 / share, rel=1e-12)
        assert found.recoverable is None
        assert ("cover the bill" in found.statement) == found.covered
    assert "not known without the types" in found.statement
    assert "CostShare('size', bill=" in found.suggestion
    assert not ta.cost_recovery(result, bill=revenue * (1 + 1e-9)).covered


def test_what_is_recoverable_is_what_the_full_fee_brings_in():
    result, fee = market(), ta.Fee("max", 0.5)
    most = charged(result, fee).sum()
    for paid in (ta.Externality(), ta.Fee("max", 0.5, 0.25), ta.Free()):
        again = ta.settle(result.space, result.reports, payment=paid)
        found = ta.cost_recovery(again, bill=10 * most, fee=fee)
        assert found.recoverable == pytest.approx(most, rel=1e-13)
        assert "No truthful and individually rational payment for this training rule covers it" in found.statement
        assert found.suggestion.startswith("CostShare('size'")
    charged_fee = ta.settle(result.space, result.reports, payment=ta.Fee("max", 0.5, 0.25))
    assert ta.cost_recovery(charged_fee, bill=1.0).recoverable == pytest.approx(most, rel=1e-13)


def test_the_suggested_fraction_covers_the_bill():
    result, fee = market(), ta.Fee("max", 0.5)
    low, high = charged(result, ta.Externality()).sum(), charged(result, fee).sum()
    bill = (low + high) / 2
    found = ta.cost_recovery(result, bill, fee)
    assert not found.covered
    assert "could raise" in found.statement
    assert "fraction=0.5) covers it" in found.suggestion
    assert "before anybody reports" in found.suggestion
    half = ta.settle(result.space, result.reports, payment=ta.Fee("max", 0.5, 0.5))
    assert ta.cost_recovery(half, bill * (1 - 1e-12)).covered
    free = ta.settle(result.space, result.reports, payment=ta.Free())
    assert ta.cost_recovery(free, low / 2, fee).suggestion == "Externality() covers it at these reports."


def test_nothing_is_called_impossible_that_is_not_proved():
    chi = Case(ta.Externality(), ChiSquared, "max").market(np.random.default_rng(62))
    weighted = ta.settle(market().space, market().reports, ta.Welfare((1, 2, 3)))
    for result in (chi, weighted):
        found = ta.cost_recovery(result, 1e6, ta.Fee("max", 0.5))
        assert "No truthful" not in found.statement
        assert "With the largest fees" in found.statement


def test_a_cost_share_covers_its_bill():
    result = ta.settle(market().space, market().reports, payment=ta.CostShare("size", bill=2.0))
    found = ta.cost_recovery(result, 2.0 * (1 - 1e-15))
    assert found.covered
    assert found.suggestion == ""
    assert found.to_dict()["revenue"] == pytest.approx(2.0, rel=1e-15)


def test_bills_that_make_no_sense():
    for bill in (0, -1.0, np.inf, "1"):
        with pytest.raises(ta.InputError, match="bill must be"):
            ta.cost_recovery(market(), bill)
    with pytest.raises(ta.InputError, match="Fee"):
        ta.cost_recovery(market(), 1.0, ta.Fee("sum", 0.5))


def test_the_curve_is_the_market_settled_at_each_strength():
    result = market()
    curve = ta.revenue_curve(result, [0.1, 2.0])
    for at, strength in enumerate(curve.strengths):
        space = ta.Simplex(result.space.base, ta.KL(strength), result.space.prompt_weights)
        again = ta.settle(space, result.reports)
        assert curve.revenues[at] == pytest.approx(sum(again.payments.values()), rel=1e-13)
        assert curve.prices[at] == pytest.approx(again.price, rel=1e-13)
        assert curve.net_welfares[at] == pytest.approx(again.net_welfare, rel=1e-13)
    assert curve.to_dict()["strengths"] == (0.1, 2.0)


def test_revenue_goes_from_the_pivot_payments_to_nothing():
    result = market(prompts=1)
    curve = ta.revenue_curve(result, [1e-6, 1e9])
    score = result.scores[0] @ result.sizes
    top = score.argmax()
    others = score[:, None] - result.scores[0] * result.sizes
    pivot = (others.max(axis=0) - others[top]).sum()
    assert curve.revenues == pytest.approx((pivot, 0.0), abs=1e-5)  # strength log(1/q) away from the limit


def test_net_welfare_falls_with_the_strength():
    curve = ta.revenue_curve(market(), np.geomspace(0.01, 100, 9))
    assert (np.diff(curve.net_welfares) < 0).all()


def test_candidates_need_to_be_told_the_space_of_a_strength():
    values = np.array([[0.5, 0.5], [0.9, 0.2]])
    result = ta.settle(ta.Candidates(values, [0.0, 0.3]), [ta.Report("a", 3), ta.Report("b", 1)])
    with pytest.raises(ta.InputError, match="Give space_at"):
        ta.revenue_curve(result, [1.0])
    curve = ta.revenue_curve(result, [1.0, 10.0], lambda strength: ta.Candidates(values, [0.0, 0.3 * strength]))
    assert curve.prices == (0.3, 0.0)


def test_identical_groups_do_not_pay_the_price_but_uncorrelated_ones_do():
    """Interior chi-squared: revenue is sum w_i^2 Var_i / 4s, the price sum_ij w_i w_j Cov_ij / 4s."""
    base = np.full(4, 0.25)
    rows = {
        "alike": [[1, 1, 0, 0], [1, 1, 0, 0]],
        "unrelated": [[1, 1, 0, 0], [1, 0, 1, 0]],
        "opposed": [[1, 1, 0, 0], [0, 0, 1, 1]],
    }
    found = {}
    for name, tables in rows.items():
        result = ta.settle(ta.Simplex(base, ChiSquared(5.0)), reports_of([2, 1], np.array(tables, float)[:, None]))
        assert sum(result.payments.values()) == pytest.approx((4 + 1) * 0.25 / 20, rel=1e-12)
        covariance = np.cov(np.array(tables, float), ddof=0)
        assert result.price == pytest.approx(np.array([2, 1]) @ covariance @ [2, 1] / 20, rel=1e-12)
        found[name] = sum(numbers(result.payments)) / result.price
    assert found["alike"] < 1 < found["opposed"]
    assert found["unrelated"] == pytest.approx(1.0, rel=1e-12)


def test_the_suggested_fraction_and_bill_are_enough():
    result = market()
    fee = ta.Fee("max", 0.5)
    low, high = (ta.cost_recovery(result, 1.0, each).recoverable for each in (ta.Fee("max", 0.5, 0.0), fee))
    externalities = sum(ta.settle(result.space, result.reports).payments.values())
    assert low == high  # the whole fee, whatever fraction was charged
    for share in (1 / 3, 0.123441, 2 / 3):
        bill = externalities + share * (high - externalities)
        suggestion = ta.cost_recovery(result, bill, fee).suggestion
        fraction = float(suggestion.split("fraction=")[1].split(")")[0])
        charged_then = ta.settle(result.space, result.reports, payment=ta.Fee("max", 0.5, fraction))
        assert sum(charged_then.payments.values()) >= bill * (1 - 1e-12)
    assert "bill=1234564.25" in ta.cost_recovery(result, 1234564.25).suggestion


def test_what_is_no_fee_and_no_strength():
    result = market()
    with pytest.raises(ta.InputError, match="fee must be a Fee"):
        ta.cost_recovery(result, 1.0, "max")
    for strengths in (1.0, ["x"], "ab"):
        with pytest.raises(ta.InputError, match="strengths must be"):
            ta.revenue_curve(result, strengths)
