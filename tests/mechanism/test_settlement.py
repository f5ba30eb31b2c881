"""What a settlement says of itself, and its way to plain data and back."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given
from markets import numbers, settlements

import tuneaccord as ta
from tuneaccord.testing import check_settlement, random_market


def settled(payment=None, seed=31):
    return ta.settle(*random_market(np.random.default_rng(seed)), payment=payment)


def status(result):
    return {guarantee.name: guarantee.status for guarantee in result.guarantees}


def test_the_readme_market_by_hand():
    """Two responses, one nat a unit: every number below is three lines of pencil work."""
    space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    reports = [ta.Report("a", 2, ta.TableReward([1.0, 0.0])), ta.Report("b", 1, ta.TableReward([0.0, 1.0]))]
    result = ta.settle(space, reports)
    e = math.e
    p = e / (1 + e)
    assert result.values == pytest.approx({"a": p, "b": 1 - p}, rel=1e-14)
    net = math.log((e**2 + e) / 2)
    assert result.net_welfare == pytest.approx(net, rel=1e-14)
    absent = {"a": math.log((1 + e) / 2), "b": math.log((e**2 + 1) / 2)}
    assert result.leave_one_out == pytest.approx(absent, rel=1e-14)
    owed = {"a": absent["a"] - net + 2 * p, "b": absent["b"] - net + (1 - p)}
    assert result.payments == pytest.approx(owed, rel=1e-13)
    assert result.welfare == pytest.approx(1 + p, rel=1e-14)
    assert result.base_values == {"a": 0.5, "b": 0.5}


def test_promises_depend_on_the_payment_rule():
    paid, free = settled(), settled(ta.Free())
    assert status(paid)["truthful"] == "exact"
    assert 0 <= paid.regret_bound < 1e-12
    assert status(free)["truthful"] == "not claimed"
    assert free.regret_bound == math.inf
    assert {status(result)["budget"] for result in (paid, free)} == {"not claimed"}
    check_settlement(free)


def truthful(result):
    return next(promise for promise in result.guarantees if promise.name == "truthful").statement


def test_the_certified_number_is_about_these_reports_only():
    statement = truthful(settled())
    assert "no misreport raises" not in statement
    assert f"At these reports the solution is certified to within {settled().regret_bound:.2g}" in statement
    assert "divided" not in statement


@pytest.mark.parametrize("divisor", ["sum", "max"])
def test_divided_rewards_add_their_condition_and_survive_json(divisor):
    space, reports = random_market(np.random.default_rng(34), responses=7)
    reports[1] = ta.Report("g1", 2, ta.TableReward(3 * reports[1].reward.scores, scale=divisor))
    result = ta.settle(space, reports)
    assert "with scale 'sum' or 'max' is, so divided, what its group values" in truthful(result)
    text = json.dumps(result.to_dict(), allow_nan=False)
    again = ta.Settlement.from_dict(json.loads(text))
    assert json.dumps(again.to_dict(), allow_nan=False) == text
    assert again.reports[1].reward.scale == divisor
    assert ta.what_if(again, "g1", ta.RewardMisreport(2.0)) == ta.what_if(result, "g1", ta.RewardMisreport(2.0))


def test_free_leaves_the_outcome_and_charges_nothing():
    paid, free = settled(), settled(ta.Free())
    np.testing.assert_array_equal(free.model, paid.model)
    assert set(free.payments.values()) == {0.0}
    assert free.utilities == free.group_values
    assert free.leave_one_out == paid.leave_one_out


@given(settlements())
def test_a_settlement_survives_json(result):
    text = json.dumps(result.to_dict(), allow_nan=False)
    again = ta.Settlement.from_dict(json.loads(text))
    assert json.dumps(again.to_dict(), allow_nan=False) == text


def test_free_survives_json():
    text = json.dumps(settled(ta.Free()).to_dict(), allow_nan=False)
    assert json.dumps(ta.Settlement.from_dict(json.loads(text)).to_dict()) == text


def test_equal_runs_give_equal_bytes():
    first, second = (json.dumps(settled(seed=32).to_dict()) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("payments", "g1"), "payments of g1"),
        (("values", "g0"), "values of g0"),
        (("utilities", "g2"), "utilities of g2"),
        (("leave_one_out", "g2"), "leave_one_out of g2"),
        (("welfare",), "welfare"),
        (("model", 0, 1), "model of 0 of 1"),
        (("reports", 1, "size"), "stored"),
        (("scores", 0, 0, 0), "stored"),
        (("space", "divergence", "strength"), "stored"),
    ],
    ids=str,
)
def test_tampering_is_detected(path, named):
    data = json.loads(json.dumps(settled().to_dict()))
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] *= 1 + 1e-6
    with pytest.raises(ta.InputError, match=f"{named}.* but its inputs give .*The file was changed"):
        ta.Settlement.from_dict(data)


@pytest.mark.parametrize("missing", ["space", "reports", "scores", "rule", "payment", "payments", "model"])
def test_a_missing_part_is_detected(missing):
    data = copy.deepcopy(settled().to_dict())
    del data[missing]
    with pytest.raises(ta.InputError, match=missing):
        ta.Settlement.from_dict(data)


def test_a_payment_rule_cannot_stand_in_for_a_training_rule():
    data = settled().to_dict() | {"rule": {"kind": "Free"}}
    with pytest.raises(ta.InputError, match=r"unknown kind 'Free'. Valid names: .*Welfare\."):
        ta.Settlement.from_dict(data)


def test_results_are_read_only():
    result = settled()
    with pytest.raises(AttributeError):
        result.scores = None
    with pytest.raises(ValueError, match="read-only"):
        result.space.base[0] = 1.0


def test_reports_may_come_from_a_generator():
    space, reports = random_market(np.random.default_rng(33))
    streamed = ta.settle(space, (report for report in reports))
    np.testing.assert_array_equal(numbers(streamed.payments), numbers(ta.settle(space, reports).payments))


SPACE = ta.Simplex([0.5, 0.5], ta.KL(1.0))
GOOD = ta.Report("a", 1, ta.TableReward([0.0, 1.0]))


@pytest.mark.parametrize(
    ("space", "reports", "message"),
    [
        (SPACE, [], "there is no group. Give at least one report."),
        (SPACE, [GOOD, GOOD], "group 'a' is named twice. Give each group its own name."),
        (SPACE, [{"name": "a"}], r"must be a Report\(name, size, reward\), got dict"),
        ([0.5, 0.5], [GOOD], r"space must be a space of models such as Simplex\(...\), got list"),
        (SPACE, [ta.Report("a", 1, ta.TableReward([1.0]))], r"shape \(1, 1\) but the space has .* = \(1, 2\)"),
    ],
)
def test_a_market_that_cannot_be_settled_is_refused(space, reports, message):
    with pytest.raises(ta.InputError, match=message):
        ta.settle(space, reports)


def test_a_changed_word_is_found_too():
    table = ta.Candidates([[0.5, 0.5], [0.9, 0.2]], [0.0, 0.3], names=["base", "tuned"])
    chosen = ta.settle(table, [ta.Report("statement", 3), ta.Report("b", 1)]).to_dict()
    free = settled(ta.Free()).to_dict()
    ta.Settlement.from_dict(chosen), ta.Settlement.from_dict(free)
    free["guarantees"][0]["statement"] = "worded by another version"
    ta.Settlement.from_dict(free)
    changed = [
        {**chosen, "model": "base"},
        {**chosen, "payments": {**chosen["payments"], "statement": 0.0}},
        {**free, "regret_bound": 0.0},
        {**free, "guarantees": [{**each, "status": "exact"} for each in free["guarantees"]]},
    ]
    for data in changed:
        with pytest.raises(ta.InputError, match="The file was changed"):
            ta.Settlement.from_dict(json.loads(json.dumps(data)))
    for part in ({"space": []}, {"reports": [1, 2]}):
        with pytest.raises(ta.InputError, match=r"not what Settlement\.to_dict writes"):
            ta.Settlement.from_dict({**chosen, **part})


def test_what_settle_is_not_given():
    space, reports = random_market(np.random.default_rng(0))
    for several in (reports[0], None):
        with pytest.raises(ta.InputError, match="reports must be a list of Report"):
            ta.settle(space, several)
    for rule in (ta.Welfare, "Welfare", ta.Externality()):
        with pytest.raises(ta.InputError, match="rule must be a TrainingRule"):
            ta.settle(space, reports, rule)
    for payment in (ta.Externality, "Externality", ta.Welfare()):
        with pytest.raises(ta.InputError, match="payment must be a PaymentRule"):
            ta.settle(space, reports, payment=payment)
