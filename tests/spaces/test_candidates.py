"""A table of models: the laws of a space, brute force in exact arithmetic, and what a wrong table is told."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from markets import REWARDS, numbers

import tuneaccord as ta
from tuneaccord.testing import check_settlement, check_space


def drawn(rng, models=6, groups=3, sizes=(1.0, 10.0), base=True):
    """A random table with a free first row, and reports without rewards."""
    prices = np.append(0.0, rng.uniform(0, groups, size=models - 1))
    table = ta.Candidates(rng.uniform(size=(models, groups)), prices, base=0 if base else None)
    return table, reports(np.exp(rng.uniform(*np.log(sizes), size=groups)))


def reports(sizes, tables=None):
    tables = [None] * len(sizes) if tables is None else tables
    return [
        ta.Report(f"g{i}", size, None if table is None else ta.TableReward(table))
        for i, (size, table) in enumerate(zip(sizes, tables, strict=True))
    ]


def by_fractions(table, market, values=None):
    """The first best row and the payments by their definition, in exact arithmetic."""
    values = [[Fraction(v) for v in row] for row in (table.values if values is None else values).tolist()]
    sizes, prices = [Fraction(report.size) for report in market], [Fraction(p) for p in table.prices.tolist()]

    def net(row, absent=None):
        return sum(w * v for i, (w, v) in enumerate(zip(sizes, values[row], strict=True)) if i != absent) - prices[row]

    rows = range(len(prices))
    best = max(rows, key=lambda row: (net(row), -row))
    return best, [float(max(net(row, i) for row in rows) - net(best, i)) for i in range(len(sizes))]


@st.composite
def tables(draw):
    """Ties, zeros and constants; sizes over six decades."""
    models, groups = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    values = draw(arrays(float, (models, groups), elements=REWARDS))
    prices = draw(arrays(float, models, elements=REWARDS))
    prices[0] = 0.0
    sizes = [draw(st.sampled_from([1.0, 2.0, 3.0]) | st.floats(-3, 3).map(lambda x: 10**x)) for _ in range(groups)]
    return ta.Candidates(values, prices, base=0), reports(sizes)


def worth(table, market):
    """What rounding is relative to."""
    sizes = np.array([report.size for report in market])
    return float(sizes @ np.abs(table.values).max(axis=0) + np.abs(table.prices).max())


@pytest.mark.parametrize("sizes", [(1e-3, 1e-2), (1.0, 10.0), (1.0, 1e6)], ids=str)
def test_keeps_the_laws_of_a_space(sizes):
    rng = np.random.default_rng(51)
    for groups in (1, 2, 5):
        for base in (True, False):
            table, market = drawn(rng, groups=groups, sizes=sizes, base=base)
            check_space(table, table.scores([None] * groups), [report.size for report in market], tries=5)
            check_settlement(ta.settle(table, market))


@given(tables())
def test_a_settlement_keeps_its_promises(drawn_table):
    table, market = drawn_table
    result = ta.settle(table, market)
    check_settlement(result)
    assert (result.payments_by_prompt >= 0).all()
    # the values are not negative here, and 1e-12 of the scale is a few thousand roundings
    assert min(result.utilities.values()) >= -1e-12 * worth(table, market)


@settings(max_examples=150)
@given(tables())
def test_agrees_with_exact_arithmetic(drawn_table):
    table, market = drawn_table
    result = ta.settle(table, market)
    best, payments = by_fractions(table, market)
    rounding = 1e-14 * worth(table, market)  # some fifty roundings
    values, price = table.values, table.prices
    sizes = result.sizes
    assert result.net_welfare == pytest.approx(values[best] @ sizes - price[best], abs=rounding)
    if result.model == best:  # a tie that only exact arithmetic breaks may go to another row
        np.testing.assert_allclose(numbers(result.payments), payments, atol=rounding, rtol=1e-12)
    else:
        exact = [
            sum(Fraction(w) * Fraction(v) for w, v in zip(sizes, values[k], strict=True)) for k in (best, result.model)
        ]
        short = exact[0] - Fraction(price[best]) - (exact[1] - Fraction(price[result.model]))
        assert 0 <= float(short) <= rounding


def test_a_giant_costs_the_others_no_digits():
    """The payments by exact arithmetic to a relative 1e-12, where one group has a million times the others' size."""
    rng = np.random.default_rng(52)
    paid = 0
    for _ in range(200):
        values = rng.uniform(size=(6, 4))
        values[:, 0] = rng.choice([0.25, 0.5], size=6)  # the giant is often indifferent, so that the others matter
        table, market = ta.Candidates(values, rng.uniform(0, 0.2, size=6)), reports([1e6, 1, 2, 1])
        result = ta.settle(table, market)
        best, payments = by_fractions(table, market)
        assert result.model == best
        np.testing.assert_allclose(numbers(result.payments), payments, rtol=1e-12, atol=1e-15)
        paid += sum(payment > 0 for payment in payments)
    assert paid > 100


def test_an_indifferent_giant_does_not_choose():
    """Its welfare is 3e15, of which float64 keeps half a unit; the model is still the best for the other two."""
    rng = np.random.default_rng(56)
    for _ in range(50):
        table, market = drawn(rng, groups=2)
        joined = replace(table, values=np.hstack([table.values, np.full((6, 1), 1 / 3)]))
        result, alone = ta.settle(joined, [*market, ta.Report("giant", 1e16)]), ta.settle(table, market)
        assert result.model == alone.model
        assert result.payments == {**alone.payments, "giant": 0.0}


@given(tables(), st.sampled_from([0.0, 0.1, 1 / 3, -0.7, 1e5]), st.floats(-3, 6))
def test_a_group_that_does_not_care_pays_exactly_nothing(drawn_table, constant, magnitude):
    table, market = drawn_table
    joined = ta.Candidates(np.hstack([table.values, np.full((len(table.values), 1), constant)]), table.prices)
    result = ta.settle(joined, [*market, ta.Report("indifferent", 10**magnitude)])
    assert result.payments["indifferent"] == 0.0


def test_ties_go_to_the_first_row():
    for order in ([0, 1, 2], [2, 1, 0]):
        values = np.array([[0.25, 0.5], [0.5, 0.25], [0.125, 0.625]])[order]
        assert ta.settle(ta.Candidates(values, [0.0, 0.0, 0.0]), reports([1, 1])).model == 0
    everything_equal = ta.Candidates(np.ones((4, 2)), np.zeros(4))
    assert ta.settle(everything_equal, reports([1, 1])).model == 0
    # 0.1 + 0.2 rounds above 0.3; measured from the other row the two are equal or not, but never both ahead
    near = ta.Candidates([[0.3, 0.0], [0.1, 0.2]], [0.0, 0.0])
    result = ta.settle(near, reports([1, 1]))
    assert result.gap == 0.0
    assert min(numbers(result.payments)) >= 0


def test_rows_have_names_and_so_does_the_answer():
    table = ta.Candidates([[0.5, 0.5], [0.9, 0.2]], [0.0, 0.3], names=["base", "tuned"], base="base")
    result = ta.settle(table, reports([3, 1]))
    assert result.model == "tuned"
    assert result.base_values == {"g0": 0.5, "g1": 0.5}
    assert table.index("tuned") == table.index(np.int64(1)) == 1
    unnamed = ta.settle(ta.Candidates(table.values, table.prices), reports([3, 1]))
    assert unnamed.model == 1
    with pytest.raises(ta.InputError, match="no base row"):
        _ = unnamed.base_values


def test_with_base_puts_the_untuned_model_first():
    table = ta.Candidates([[0.9, 0.2]], [0.3], names=["tuned"], fixed=False).with_base([0.5, 0.5], name="raw")
    assert (table.names, table.base, table.fixed) == (("raw", "tuned"), 0, False)
    np.testing.assert_array_equal(table.base_model, [[1.0, 0.0]])
    assert ta.Candidates([[0.9, 0.2]], [0.3]).with_base([0.5, 0.5]).names is None
    with pytest.raises(ta.InputError, match="has a base already"):
        table.with_base([0.5, 0.5])
    with pytest.raises(ta.InputError, match="one value for each of the 2 groups"):
        ta.Candidates([[0.9, 0.2]], [0.3]).with_base([0.5])
    with pytest.raises(ta.InputError, match="'tuned' is named twice"):
        ta.Candidates([[0.9, 0.2]], [0.3], names=["tuned"]).with_base([0.5, 0.5], name="tuned")


def test_a_report_with_a_reward_replaces_its_column():
    rng = np.random.default_rng(53)
    for _ in range(50):
        table, market = drawn(rng)
        own = rng.uniform(size=6)
        result = ta.settle(table, [replace(market[0], reward=ta.TableReward(own)), *market[1:]])
        replaced = table.values.copy()
        replaced[:, 0] = own
        expected = ta.settle(replace(table, values=replaced), market)
        assert result.model == expected.model
        assert result.payments == expected.payments
        check_settlement(result)


@pytest.mark.parametrize("names", [None, ["a", "b", "c"]], ids=["rows", "names"])
@pytest.mark.parametrize("rewards", [False, True])
def test_survives_json(names, rewards):
    table = ta.Candidates([[0.5, 0.5], [0.9, 0.2], [0.1, 0.9]], [0.0, 0.3, 0.2], names, base=np.int64(0), fixed=False)
    market = reports([3, 1], [[0.2, 0.9, 0.4], None] if rewards else None)
    result = ta.settle(table, market, ta.Welfare(boosts=(0.0, 0.1, 0.0)), ta.Intermediate())
    stored = json.loads(json.dumps(result.to_dict()))
    again = ta.Settlement.from_dict(stored)
    assert again.to_dict() == result.to_dict()
    assert again.reports[1].reward is None
    with pytest.raises(ta.InputError, match="the stored payments of g0 is"):
        ta.Settlement.from_dict({**stored, "payments": {"g0": 99.0, "g1": 0.0}})


def test_no_lie_about_size_or_values_gains():
    rng = np.random.default_rng(54)
    for _ in range(40):
        table, market = drawn(rng)
        result = ta.settle(table, market)
        for factor in (0.01, 0.5, 2.0, 100.0):
            assert ta.what_if(result, "g0", ta.SizeMisreport(factor)).utility <= result.utilities["g0"] + 1e-12
        for _ in range(20):
            lie = replace(
                market[0], size=market[0].size * 10 ** rng.normal(), reward=ta.TableReward(rng.normal(size=6))
            )
            lied = ta.settle(table, [lie, *market[1:]])
            utility = market[0].size * table.values[lied.model, 0] - lied.payments["g0"]
            assert utility <= result.utilities["g0"] + 1e-11  # sizes up to a few hundred


def test_boosts_move_the_choice_and_the_payments_with_it():
    rng = np.random.default_rng(55)
    for _ in range(50):
        table, market = drawn(rng)
        boosts = rng.normal(size=6)
        result = ta.settle(table, market, ta.Welfare(boosts=tuple(boosts)))
        dearer = ta.Candidates(table.values, table.prices - boosts)
        assert result.model == ta.settle(dearer, market).model
        assert result.payments == ta.settle(dearer, market).payments
        assert result.price == table.prices[result.model]  # what leaving the base costs, without the boost
        check_settlement(result)
    with pytest.raises(ta.InputError, match="one number for each of the 6 models"):
        ta.settle(table, market, ta.Welfare(boosts=(1.0,)))


def test_models_trained_from_the_reports_promise_no_truthfulness():
    market = reports([3, 1])
    for fixed in (True, False):
        result = ta.settle(ta.Candidates([[0.5, 0.5], [0.9, 0.2]], [0.0, 0.3], fixed=fixed), market)
        claimed = {guarantee.name for guarantee in result.guarantees if guarantee.status == "exact"}
        assert ("truthful" in claimed) == fixed
        assert {"never negative", "nobody worse off"} <= claimed
        assert (result.regret_bound == 0) == fixed


def test_the_table_is_copied_and_cannot_be_changed():
    values = np.array([[0.5, 0.5], [0.9, 0.2]])
    table = ta.Candidates(values, [0.0, 0.3])
    values[0] = 9.0
    assert table.values[0, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        table.values[0] = 9.0


def test_the_reports_must_be_as_many_as_the_columns():
    with pytest.raises(ta.InputError, match="2 columns of values but there are 3 reports"):
        ta.settle(ta.Candidates([[0.5, 0.5]], [0.0]), reports([1, 1, 1]))
    with pytest.raises(ta.InputError, match=r"shape \(1, 3\) but the space has .* \(1, 2\)"):
        ta.settle(ta.Candidates([[0.5], [0.4]], [0.0, 0.0]), reports([1], [[1.0, 2.0, 3.0]]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"values": [[0.5, np.nan]]}, r"values must be finite numbers, got nan at \[0, 1\]"),
        ({"values": [[0.5, np.inf]]}, r"values must be finite numbers, got inf at \[0, 1\]"),
        (
            {"values": [[0.5], [0.1, 0.2]]},
            "values must be a rectangular table of numbers, one row a model and one column",
        ),
        ({"values": [["0.5", "0.1"]]}, "one row a model and one column a group"),
        ({"values": [0.5, 0.1]}, r"shape \(models, groups\), one row a model; got \(2,\)"),
        ({"values": np.empty((0, 2))}, r"got \(0, 2\)"),
        ({"prices": [0.0, 1.0]}, r"one number for each of the 1 models, got \(2,\)"),
        ({"prices": [np.nan]}, r"prices must be finite numbers, got nan at \[0\]"),
        ({"names": ["a", "b"]}, "names must be 1 non-empty texts, one for each model"),
        ({"names": [" "]}, "names must be 1 non-empty texts"),
        ({"names": 3}, "names must be 1 non-empty texts"),
        ({"base": "a"}, "the models have no names, got 'a'. Use a row from 0 to 0"),
        ({"base": "tunde", "names": ["tuned"]}, "there is no model 'tunde'. Did you mean 'tuned'"),
        ({"base": 1}, "a model must be a name or a row from 0 to 0, got 1"),
        ({"base": True}, "a model must be a name or a row from 0 to 0, got True"),
        ({"base": 0, "prices": [0.2]}, "the base model is free, but the price of row 0 is 0.2. Set it to 0"),
        ({"fixed": "no"}, "fixed must be True or False, got 'no'"),
    ],
    ids=str,
)
def test_a_wrong_table_is_told_what_is_wrong(fields, message):
    with pytest.raises(ta.InputError, match=message):
        ta.Candidates(**{"values": [[0.5, 0.5]], "prices": [0.0], **fields})


def test_repeated_names_and_models_cheaper_than_the_base_are_refused():
    with pytest.raises(ta.InputError, match="'a' is named twice"):
        ta.Candidates([[1.0], [2.0]], [0.0, 0.0], names=["a", "a"])
    with pytest.raises(ta.InputError, match=r"never negative, but the price of row 1 is -0.1. .* leave base out"):
        ta.Candidates([[1.0], [2.0]], [0.0, -0.1], base=0)
    cheaper = ta.settle(ta.Candidates([[1.0], [1.0]], [0.0, -0.1]), reports([1]))  # a public subsidy
    assert (cheaper.model, cheaper.net_welfare) == (1, 1.1)
