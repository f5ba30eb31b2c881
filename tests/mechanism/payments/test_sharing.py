"""Shares of a bill: by hand, and adding up."""

import numpy as np
import pytest
from markets import numbers, reports_of
from priced import Case

import tuneaccord as ta

WAYS = ["equal", "size", "value"]


@pytest.mark.parametrize("by", WAYS)
def test_shares_add_up_to_the_price_in_every_prompt(by):
    rng = np.random.default_rng(11)
    for _ in range(20):
        result = Case(ta.CostShare(by)).market(rng, prompts=3)
        np.testing.assert_allclose(result.payments_by_prompt.sum(axis=1), result.optimum.price, rtol=1e-14)
        assert sum(result.payments.values()) == pytest.approx(result.price, rel=1e-14)


@pytest.mark.parametrize("by", WAYS)
def test_shares_add_up_to_a_given_bill(by):
    result = Case(ta.CostShare(by, bill=7.5)).market(np.random.default_rng(12), groups=5, prompts=4)
    assert sum(result.payments.values()) == pytest.approx(7.5, rel=1e-14)
    (budget,) = [promise for promise in result.guarantees if promise.name == "budget"]
    assert (budget.status, budget.statement) == ("exact", "The payments add up to the bill of 7.5.")


def test_shares_by_hand():
    space = ta.Simplex([[0.5, 0.5], [0.5, 0.5]], ta.KL(1.0), [0.25, 0.75])
    tables = [[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]]
    paid = {by: ta.settle(space, reports_of([3, 1], tables), payment=ta.CostShare(by, 8.0)).payments for by in WAYS}
    assert paid["equal"] == {"g0": 4.0, "g1": 4.0}
    assert paid["size"] == {"g0": 6.0, "g1": 2.0}
    assert paid["value"] == {"g0": 4.0, "g1": 4.0}  # 3 members in a quarter of the prompts, 1 in three quarters


def test_candidates_share_the_price_of_the_chosen_row():
    models = ta.Candidates([[0.5, 0.5], [0.9, 0.2]], prices=[0.0, 0.3])
    result = ta.settle(models, [ta.Report("a", 3), ta.Report("b", 1)], payment=ta.CostShare("size"))
    assert numbers(result.payments) == pytest.approx([0.225, 0.075], rel=1e-14)


def test_sizes_beyond_the_range_of_squares_are_shared():
    space = ta.Simplex([0.5, 0.5], ta.KL(1e100))
    result = ta.settle(space, reports_of([1e200, 1e200], [[[1.0, 0.0]]] * 2), payment=ta.CostShare("size", 1.0))
    assert numbers(result.payments).tolist() == [0.5, 0.5]


def test_what_cannot_be_shared_says_what_to_try():
    with pytest.raises(ta.InputError, match="Did you mean 'value'"):
        ta.CostShare("values")
    for bill in (-1.0, np.inf, np.nan, "3", True):
        with pytest.raises(ta.InputError, match="bill must be a finite number of at least 0"):
            ta.CostShare(bill=bill)
    space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    for tables in ([[[0.0, 0.0]], [[0.0, 0.0]]], [[[-1.0, -1.0]], [[3.0, 3.0]]]):
        with pytest.raises(ta.InputError, match=r"not negative and not all zero.*CostShare\('size'\)"):
            ta.settle(space, reports_of([1, 1], tables), payment=ta.CostShare("value"))
    cheap = ta.Candidates([[1.0]], prices=[-0.5])
    with pytest.raises(ta.InputError, match=r"price of the chosen model is -0.5.*bill"):
        ta.settle(cheap, [ta.Report("a", 1)], payment=ta.CostShare())
