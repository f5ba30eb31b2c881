"""Every group's absence at once: the same as one by one, and wrong payments are found among many groups."""

from dataclasses import replace

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.divergence import ChiSquared, TotalVariation
from tuneaccord.mechanism import recheck
from tuneaccord.mechanism.absences import absences
from tuneaccord.mechanism.audit.outcomes import money_scale
from tuneaccord.mechanism.recheck import broken_promises, money_scales

TOLERANCE = 1e-10  # of the market's money scale: a hundred roundings of sums over 60 groups


def market(space, groups, seed=0):
    rng = np.random.default_rng(seed)
    reports = [
        ta.Report(f"g{place}", float(rng.integers(1, 9)), ta.TableReward(rng.random(space.shape)))
        for place in range(groups)
    ]
    return space, reports


def candidates(groups, seed=1):
    prices = np.random.default_rng(seed).random(12) * groups
    return ta.Candidates(np.zeros((12, groups)), prices)


SPACES = {
    "KL": lambda groups: ta.Simplex.uniform(3, 5, ta.KL(4.0)),
    "one base response": lambda groups: ta.Simplex([[0.0, 0.5, 0.5, 0.0]], ta.KL(4.0)),
    "ChiSquared": lambda groups: ta.Simplex.uniform(3, 5, ChiSquared(40.0)),
    "TotalVariation": lambda groups: ta.Simplex.uniform(2, 4, TotalVariation(3.0)),
    "Candidates": candidates,
}
RULES = {
    "Welfare": lambda groups: ta.Welfare(),
    "weights": lambda groups: ta.Welfare(weights=tuple(1.0 + place % 3 for place in range(groups))),
}


def outside_one_by_one(result, index):
    """Settle without the group, and look what it would have."""
    others = [report for place, report in enumerate(result.reports) if place != index]
    rule, space = result.rule, result.space
    if rule.weights is not None:
        rule = ta.Welfare(weights=tuple(np.delete(rule.weights, index)))
    if isinstance(space, ta.Candidates):
        space = replace(space, values=np.delete(space.values, index, axis=1))
    alone = ta.settle(space, others, rule)
    values, _ = result.space.evaluate(result.scores, alone.optimum.model)
    return float(result.sizes[index] * (result.space.prompt_weights @ values[:, index]))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("space", SPACES)
def test_all_absences_are_those_of_settling_without_each_group(space, rule):
    result = ta.settle(*market(SPACES[space](8), 8), RULES[rule](8))
    found = absences(result)
    slack = TOLERANCE * money_scales(result)
    assert (np.abs(found.costs - list(result.payments.values())) <= slack).all()
    expected = np.array([outside_one_by_one(result, index) for index in range(8)])
    assert (np.abs(found.outside - expected) <= 1e3 * slack).all()  # values move by the square root of a rounding


def test_boosts_count_as_prices():
    space, reports = market(candidates(6), 6)
    result = ta.settle(space, reports, ta.Welfare(boosts=tuple(np.linspace(0, 3, 12))))
    slack = TOLERANCE * money_scales(result)
    assert (np.abs(absences(result).costs - list(result.payments.values())) <= slack).all()


def test_no_absences_at_once_under_another_rule():
    assert absences(ta.settle(*market(SPACES["KL"](3), 3), ta.MaxMin())) is None


def test_the_scales_are_those_of_each_group():
    result = ta.settle(*market(SPACES["KL"](8), 8), RULES["weights"](8))
    expected = [money_scale(result, index) for index in range(8)]
    assert money_scales(result) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("space", ["KL", "Candidates"])
@pytest.mark.parametrize("groups", [recheck.MANY, recheck.MANY + 20])
def test_one_wrong_payment_among_many_is_found(space, groups):
    result = ta.settle(*market(SPACES[space](groups), groups))
    assert broken_promises(result) == []
    wrong = result.payments_by_prompt.copy()
    wrong[:, 7] *= 1 + 1e-6
    wrong[:, 7] += 1e-6 * money_scale(result, 7)
    found = broken_promises(replace(result, payments_by_prompt=wrong))
    assert "truthful: 'g7' pays" in found[-1]
    assert all("'g7'" in sentence for sentence in found)  # and of nobody else


def test_nobody_worse_off_is_looked_at_for_many_groups():
    groups = recheck.MANY + 1
    result = ta.settle(*market(SPACES["KL"](groups), groups), payment=ta.Free())
    assert broken_promises(result) == []
    wrong = np.zeros_like(result.payments_by_prompt)
    wrong[:, 3] = 10.0
    found = broken_promises(replace(result, payments_by_prompt=wrong))
    assert len(found) == 1
    assert found[0].startswith("nobody worse off: 'g3'")
