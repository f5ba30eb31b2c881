"""Settling from plain data: what each party is shown is right, by a second route, under every rule and payment."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from tuneaccord.artifacts import canonical_json, digest_of
from tuneaccord.errors import InputError
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.mechanism.uncertainty import interval
from tuneaccord.service.auditing import MOST_GROUPS, audit_data, in_public, of_group
from tuneaccord.service.errors import Invalid
from tuneaccord.service.rehearsing import check_pool, check_report
from tuneaccord.service.settling import (
    MOST_LIES,
    outcome_of,
    sealed_part,
    settle_data,
    settlement_digest,
    settlement_of,
    terms_for,
)
from tuneaccord.service.terms import pool_data, terms_of

BASE = [0.4, 0.3, 0.3]
POOL = {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}, {"id": "c"}]], "base": [BASE]}
REPORTS = {
    "legal": {"size": 3.0, "scores": [[0.1, 0.9, 0.0]]},
    "support": {"size": 1.0, "scores": [[0.6, 0.5, 0.4]]},
    "marketing": {"size": 2.0, "scores": [[0.2, 0.0, 1.0]]},
}
CANDIDATES = {
    "kind": "candidates",
    "candidates": [{"name": "base"}, {"name": "soup", "price": 0.3}, {"name": "other", "price": 0.9}],
    "base": "base",
}


def terms(**given):
    return {"title": "ours", **given}


def plain_kl(reports, strength=1.0):
    """The chosen policy and the payments by their formulas, for one prompt under KL."""
    base = np.array(BASE)
    scores = {name: np.array(one["scores"][0]) for name, one in reports.items()}

    def best(names):
        total = sum((reports[name]["size"] * scores[name] for name in names), np.zeros(3))
        weights = base * np.exp(total / strength)
        return weights / weights.sum(), strength * np.log(weights.sum())

    policy, _ = best(reports)
    price = strength * float((policy * np.log(policy / base)).sum())
    payments = {}
    for name in reports:
        others = [one for one in reports if one != name]
        theirs = sum(reports[one]["size"] * scores[one] @ policy for one in others) - price
        payments[name] = best(others)[1] - theirs
    return policy, price, payments


def test_numbers_are_those_of_the_formulas():
    outcome = settle_data(terms(money={"currency": "EUR", "rate": 100}), POOL, REPORTS)
    policy, price, payments = plain_kl(REPORTS)
    tolerance = 1e-12  # a thousand roundings of numbers of size one
    assert np.abs(np.array(outcome.public["model"][0]) - policy).max() < tolerance
    assert abs(outcome.public["price"] - price) < tolerance
    for name, share in outcome.shares.items():
        value = float(np.array(REPORTS[name]["scores"][0]) @ policy)
        assert abs(share["payment"] - payments[name]) < tolerance
        assert abs(share["value"] - value) < tolerance
        assert abs(share["utility"] - (REPORTS[name]["size"] * value - payments[name])) < tolerance
        assert abs(float(share["amount"]) - 100 * payments[name]) < 0.01  # a cent
    total = round(100 * sum(payments.values()), 2)
    assert sum(Decimal(share["amount"]) for share in outcome.shares.values()) == Decimal(f"{total:.2f}")


RULES = {
    "Welfare": {"kind": "Welfare"},
    "MaxMin": {"kind": "MaxMin"},
    "NashWelfare": {"kind": "NashWelfare"},
    "Bargained": {"kind": "Bargained", "solution": {"kind": "Nash"}},
    "SizeShare": {"kind": "SizeShare"},
}
PAYMENTS = {
    "Externality": {},
    "Free": {},
    "Shapley": {},
    "CostShare": {"by": "size"},
    "Intermediate": {},
    "EarlyStopped": {},
    "Redistribution": {"largest_size": 10.0},
}


def combinations():
    for rule in RULES:  # of these, Bargained takes a second
        yield pytest.param(rule, "Externality", POOL, marks=[pytest.mark.slow] * (rule == "Bargained"))
    yield from (("Welfare", payment, POOL) for payment in PAYMENTS)
    yield from ((rule, payment, CANDIDATES) for rule in ("Welfare", "MaxMin") for payment in ("Externality", "Free"))


@pytest.mark.parametrize(("rule", "payment", "pool"), list(combinations()))
def test_every_rule_and_payment_gives_plain_data_that_add_up(rule, payment, pool):
    agreed = terms(rule=RULES[rule], payment={"kind": payment, **PAYMENTS[payment]})
    outcome = settle_data(agreed, pool, REPORTS)
    parts = {"public": outcome.public, "shares": outcome.shares, "record": outcome.record}
    assert json.loads(canonical_json(parts))["public"]["groups"] == list(REPORTS)
    assert outcome.record["broken_promises"] == [] == outcome.public["recheck"]["broken"]
    for share in outcome.shares.values():
        for one in (share, *share["what_if"]):
            assert one["utility"] == pytest.approx(one["group_value"] - one["payment"], abs=1e-12)
    amounts = [Decimal(share["amount"]) for share in outcome.shares.values()]
    paid = sum(Decimal(repr(share["payment"])) for share in outcome.shares.values())
    assert sum(amounts) == paid.quantize(Decimal("0.01"))


def test_a_balanced_budget_pays_some_and_adds_up_to_nothing():
    agreed = terms(
        divergence={"kind": "ChiSquared", "strength": 9.0}, payment={"kind": "BalancedBudget", "largest_sizes": 6.0}
    )
    outcome = settle_data(agreed, POOL, REPORTS)
    amounts = [Decimal(share["amount"]) for share in outcome.shares.values()]
    assert min(amounts) < 0 < max(amounts)
    assert sum(amounts) == 0


def test_candidates_with_and_without_a_base():
    known = settle_data(terms(), CANDIDATES, REPORTS)
    unknown = settle_data(terms(), {**CANDIDATES, "base": None}, REPORTS)
    assert known.public["model"] == "soup" == unknown.public["model"]
    assert known.shares["legal"]["base_value"] == 0.1
    assert unknown.shares["legal"]["base_value"] is None
    assert known.shares["legal"]["payment"] == unknown.shares["legal"]["payment"]


def test_those_who_did_not_report_have_no_part_and_take_their_weights_along():
    weights = {"kind": "Welfare", "weights": [2.0, 5.0, 1.0]}
    two = {name: REPORTS[name] for name in ("legal", "marketing")}
    outcome = settle_data(terms(rule=weights), POOL, two, list(REPORTS))
    expected = settle_data(terms(rule={"kind": "Welfare", "weights": [2.0, 1.0]}), POOL, two)
    assert outcome == expected
    assert list(outcome.shares) == list(two)
    bargained = terms_of(terms(rule={"kind": "Bargained", "solution": {"kind": "Nash", "power": [1.0, 2.0, 3.0]}}))
    assert terms_for(bargained, list(REPORTS), two).rule.solution.power == (1.0, 3.0)
    agreed = terms_of(terms(payment={"kind": "BalancedBudget", "largest_sizes": [1.0, 2.0, 3.0]}))
    assert terms_for(agreed, list(REPORTS), two).payment.largest_sizes == (1.0, 3.0)


def test_a_lone_group_pays_the_price_and_has_no_others_to_lie_against():
    outcome = settle_data(terms(), POOL, {"legal": REPORTS["legal"]})
    assert outcome.shares["legal"]["payment"] == pytest.approx(outcome.public["price"], abs=1e-12)
    assert [lie["misreport"]["kind"] for lie in outcome.shares["legal"]["what_if"]] == ["SizeMisreport"] * 2


def test_a_lie_that_could_not_have_been_reported_is_not_tried():
    outcome = settle_data(terms(largest_size=4.0), POOL, REPORTS)
    factors = [lie["misreport"].get("factor") for lie in outcome.shares["legal"]["what_if"]]
    assert factors == [0.5, None]  # twice three is more than four
    redistribution = {"kind": "Redistribution", "largest_size": 4.0}
    outcome = settle_data(terms(payment=redistribution), POOL, REPORTS)
    factors = [lie["misreport"].get("factor") for lie in outcome.shares["legal"]["what_if"]]
    assert factors == [0.5, None]  # the payment refuses it


def many(groups, prompts=1, seed=0):
    rng = np.random.default_rng(seed)
    pool = {
        "prompts": [{"id": str(place)} for place in range(prompts)],
        "responses": [[{"id": "a"}, {"id": "b"}]] * prompts,
    }
    reports = {f"g{place}": {"size": 1.0, "scores": rng.random((prompts, 2)).tolist()} for place in range(groups)}
    return pool, reports


def test_no_lies_are_tried_for_very_many_groups():
    pool, reports = many(MOST_LIES + 1)
    outcome = settle_data(terms(), pool, reports)
    assert all(share["what_if"] == [] for share in outcome.shares.values())


def test_an_interval_needs_prompts_that_do_not_touch_one_another():
    pool, reports = many(3, prompts=8)
    outcome = settle_data(terms(), pool, reports)
    agreed = terms_of(terms())
    by_prompt = settlement_of(agreed, pool, reports).payments_by_prompt
    for place, share in enumerate(outcome.shares.values()):
        expected = interval(by_prompt[:, place], seed=0).to_dict()
        assert share["payment_interval"] == pytest.approx(expected, abs=1e-12)
        assert share["payment_interval"]["estimate"] == share["payment"]
    coupled = settle_data(terms(rule={"kind": "MaxMin"}), pool, reports)
    assert {share["payment_interval"] is None for share in coupled.shares.values()} == {True}
    few, reports = many(3, prompts=7)
    assert settle_data(terms(), few, reports).shares["g0"]["payment_interval"] is None


def test_a_broken_promise_is_said_in_public_without_names():
    agreed = terms_of(terms())
    right = settlement_of(agreed, POOL, REPORTS)
    wrong = replace(right, payments_by_prompt=right.payments_by_prompt - 1.0)
    outcome = outcome_of(agreed, POOL, REPORTS, wrong)
    assert outcome.public["recheck"] == {"broken": ["never negative", "truthful"]}
    assert any("'legal'" in sentence for sentence in outcome.record["broken_promises"])
    assert "legal" not in json.dumps(outcome.public["recheck"])


def test_numbers_too_far_apart_are_refused():
    reports = {**REPORTS, "legal": {"size": 1.0, "scores": [[1e200, 0.0, 0.0]]}}
    with pytest.raises(InputError, match="too far apart"):
        settle_data(terms(scores={"lowest": 0.0, "highest": 1e300}), POOL, reports)


def test_the_digest_binds_to_all_parts():
    share = {"group": "a", "salt": "1"}
    whole = settlement_digest({"model": 1}, {"a": sealed_part(share)}, "r")
    assert whole == digest_of({"public": {"model": 1}, "shares": {"a": sealed_part(share)}, "record": "r"})
    assert sealed_part({**share, "salt": "2"}) != sealed_part(share) != sealed_part({**share, "group": "b"})


@pytest.mark.slow
def test_a_thousand_groups():
    rng = np.random.default_rng(5)
    pool = {
        "prompts": [{"id": str(place)} for place in range(24)],
        "responses": [[{"id": str(place)} for place in range(16)]] * 24,
    }
    reports = {
        f"g{place}": {"size": float(rng.integers(1, 9)), "scores": rng.random((24, 16)).tolist()}
        for place in range(1000)
    }
    agreed = terms(divergence={"kind": "KL", "strength": 50.0}, money={"currency": "EUR", "rate": 100})
    outcome = settle_data(agreed, pool, reports)
    assert outcome.public["recheck"] == {"broken": []}
    paid = sum(Decimal(repr(share["payment"])) for share in outcome.shares.values()) * 100
    assert sum(Decimal(share["amount"]) for share in outcome.shares.values()) == paid.quantize(Decimal("0.01"))
    for name in ("g0", "g333", "g999"):  # by settling the others alone
        others = settlement_of(terms_of(agreed), pool, {one: reports[one] for one in reports if one != name})
        theirs = sum(share["group_value"] for one, share in outcome.shares.items() if one != name)
        cost = others.net_welfare - (theirs - outcome.public["price"])
        assert outcome.shares[name]["payment"] == pytest.approx(cost, abs=1e-9)  # sums of a thousand groups


# The audit


def test_the_audit_is_the_same_every_time_and_splits_into_what_each_may_know():
    found = audit_data(terms(), POOL, REPORTS)
    assert found == audit_data(terms(), POOL, REPORTS)
    assert in_public(found) == {"promise_broken": False}
    one = of_group(found, "legal")
    assert not one["pays"]
    assert one["certificate"] is not None
    free = audit_data(terms(payment={"kind": "Free"}), POOL, REPORTS)
    lied = of_group(free, "legal")
    assert lied["pays"]
    assert lied["gain"] > 0.01
    assert lied["certificate"] is None
    assert in_public(free) == {"promise_broken": False}


def test_an_audit_that_would_take_too_long_says_so():
    pool, reports = many(MOST_GROUPS + 1)
    found = audit_data(terms(), pool, reports)
    assert "at most 40 groups, and 41 reported" in found["skipped"] == in_public(found)["skipped"]
    assert of_group(found, "g0") is None
    pool, reports = many(10, prompts=20)
    assert "at most 200 scores" in audit_data(terms(rule={"kind": "MaxMin"}), pool, reports)["skipped"]


# What the rules refuse is refused where it enters


BALANCED = {"kind": "BalancedBudget", "largest_sizes": 2.0}


@pytest.mark.parametrize(
    ("given", "groups", "complaint"),
    [
        ({"payment": {"kind": "Fee"}}, 2, None),
        ({"payment": {"kind": "Fee", "smallest_size": 3.0}}, 2, None),
        ({"payment": {"kind": "Redistribution", "largest_size": 0.5}}, 2, None),
        ({"payment": BALANCED}, 2, "needs a Simplex with ChiSquared"),
        ({"payment": BALANCED, "divergence": {"kind": "ChiSquared", "strength": 4.0}}, 4, None),
        ({"payment": BALANCED, "divergence": {"kind": "ChiSquared", "strength": 4.0}}, 5, "a strength of at least 5"),
        ({"rule": {"kind": "Welfare", "weights": [1.0, 2.0]}}, 3, "2 weights but there are 3 groups"),
        (
            {"rule": {"kind": "Bargained", "solution": {"kind": "Nash", "power": [1.0, 2.0]}}},
            3,
            "2 powers but there are 3",
        ),
        ({"payment": {"kind": "CostShare", "by": "value"}, "scores": {"lowest": -1.0}}, 2, "does not go below 0"),
        ({"payment": {"kind": "CostShare", "by": "value"}}, 2, None),
        ({"rule": {"kind": "Welfare", "boosts": [1.0, 2.0, 0.0]}}, 2, "boosts are for a finite set"),
    ],
)
def test_a_pool_that_the_rules_do_not_take_is_refused(given, groups, complaint):
    agreed = terms_of(terms(**given))
    pool = pool_data(POOL, agreed)
    if complaint is None:
        check_pool(agreed, pool, groups)
    else:
        with pytest.raises(Invalid, match=complaint):
            check_pool(agreed, pool, groups)


@pytest.mark.parametrize(
    ("given", "report", "complaint"),
    [
        ({}, {"size": 3.0, "scores": [[0.0, 0.0, 0.0]]}, None),
        ({"rule": {"kind": "NashWelfare"}}, {"size": 3.0, "scores": [[0.0, 0.0, 0.0]]}, "a positive value"),
        ({"rule": {"kind": "NashWelfare"}}, {"size": 3.0, "scores": [[0.0, 0.1, 0.0]]}, None),
        ({"payment": {"kind": "Fee"}}, {"size": 3.0, "scores": [[0.0, 0.5, 0.0]]}, "do not take your report"),
        ({"payment": {"kind": "Fee"}}, {"size": 3.0, "scores": [[0.0, 1.0, 0.0]]}, None),
        (
            {
                "payment": {"kind": "BalancedBudget", "largest_sizes": [2.0, 4.0]},
                "divergence": {"kind": "ChiSquared", "strength": 4.0},
            },
            {"size": 3.0, "scores": [[0.0, 1.0, 0.0]]},
            "above the published largest size 2",
        ),
    ],
)
def test_a_report_that_would_end_the_session_is_refused(given, report, complaint):
    agreed = terms_of(terms(**given))
    pool = pool_data(POOL, agreed)
    if complaint is None:
        check_report(agreed, pool, report, ["us", "them"], "us")
    else:
        with pytest.raises(Invalid, match=complaint):
            check_report(agreed, pool, report, ["us", "them"], "us")


def test_what_is_stored_rebuilds_the_settlement():
    settlement = settlement_of(terms_of(terms()), POOL, REPORTS)
    again = Settlement.from_dict(json.loads(json.dumps(settlement.to_dict())))
    assert again.payments == settlement.payments
