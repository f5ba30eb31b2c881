"""Groups that lie together, and one group under several names: neither is prevented by an externality payment."""

from itertools import pairwise, product

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.testing import random_market


def settled(seed, payment=None, divergence=None, **options):
    space, reports = random_market(np.random.default_rng(seed), divergence=divergence, **options)
    return ta.settle(space, reports, payment=payment)


def joint_gain(result, pair, tables, factors):
    reports = list(result.reports)
    for index, table, factor in zip(pair, tables, factors, strict=True):
        reports[index] = ta.Report(reports[index].name, factor * reports[index].size, ta.TableReward(table))
    lied = ta.settle(result.space, reports, payment=result.payment)
    values = result.space.prompt_weights @ result.space.evaluate(result.scores, lied.optimum.model)[0]
    names = [result.names[index] for index in pair]
    reached = sum(result.sizes[i] * values[i] - lied.payments[name] for i, name in zip(pair, names, strict=True))
    return reached - sum(result.utilities[name] for name in names)


@pytest.mark.parametrize("divergence", [ta.KL(1.0), ta.ChiSquared(1.0), ta.TotalVariation(1.0)], ids=str)
def test_a_pair_gains_what_no_member_gains_alone(divergence):
    result = settled(1, divergence=divergence)
    report = ta.audit(result, false_names=False)
    assert report.largest_gain == 0.0
    assert len(report.pairs) == 3
    assert max(pair.gain for pair in report.pairs) > 0.1
    assert "by lying together" in " ".join(report.verdicts)


def test_a_joint_gain_is_at_least_that_of_a_grid_of_joint_lies():
    result = settled(2, prompts=1, responses=2, groups=2)
    found = ta.audit(result, sizes=(1.0, 2.0)).pairs[0].gain
    corners = list(product([0.0, 0.5, 1.0], repeat=2))
    grid = [
        joint_gain(result, (0, 1), (np.array([one]), np.array([other])), (factor, factor))
        for one, other in product(corners, corners)
        for factor in (1.0, 2.0)
    ]
    assert found >= max(grid) - 1e-9
    assert found > 0


def test_pairs_without_a_closed_form_are_settled():
    result = settled(3, payment=ta.CostShare("size"), prompts=1)
    report = ta.audit(result, ["g0", "g2"], false_names=False)
    assert [pair.groups for pair in report.pairs] == [("g0", "g2")]
    # lying together they can at least do what one of them does alone, whatever that does to the other
    assert np.isfinite(report.pairs[0].gain)


def test_pairs_on_candidates():
    rng = np.random.default_rng(4)
    models = ta.Candidates(rng.uniform(size=(6, 3)), rng.uniform(size=6))
    result = ta.settle(models, [ta.Report(f"g{i}", rng.uniform(1, 3)) for i in range(3)])
    report = ta.audit(result)
    assert report.largest_gain == 0.0
    assert max(pair.gain for pair in report.pairs) > 0


def test_a_quick_audit_tries_few_pairs_and_says_so():
    result = settled(5, groups=5, prompts=1, responses=3)
    report = ta.audit(result, false_names=False)
    assert (len(report.pairs), report.pairs_skipped) == (6, 4)


def test_under_chi_squared_several_names_pay_exactly_their_share():
    result = settled(6, divergence=ta.ChiSquared(100.0))  # so strong that no response vanishes
    rows = ta.false_names(result, "g1")
    assert [row.count for row in rows] == [1, 2, 4, 8]
    single = result.payments["g1"]
    np.testing.assert_allclose([row.payment for row in rows], [single / row.count for row in rows], rtol=1e-10)
    np.testing.assert_allclose([row.gain for row in rows], [single - row.payment for row in rows], atol=1e-12)


def test_under_kl_several_names_pay_about_their_share():
    shares = []
    for seed in range(20):
        result = settled(seed, strength=10.0)
        rows = ta.false_names(result, "g0")
        shares.append([row.payment / result.payments["g0"] for row in rows])
    np.testing.assert_allclose(np.mean(shares, axis=0), [1, 0.5, 0.25, 0.125], rtol=0.15)


def test_names_on_candidates_and_with_public_weights():
    rng = np.random.default_rng(7)
    models = ta.Candidates(rng.uniform(size=(6, 3)), rng.uniform(size=6))
    reports = [ta.Report(f"g{i}", rng.uniform(1, 3)) for i in range(3)]
    for rule in (ta.Welfare(), ta.Welfare(weights=(1.0, 2.0, 0.5))):
        result = ta.settle(models, reports, rule=rule)
        rows = ta.false_names(result, "g1")
        assert rows[0].payment == pytest.approx(result.payments["g1"])
        assert all(later.payment <= first.payment + 1e-12 for first, later in pairwise(rows))


def test_an_unknown_group_gets_the_nearest_name():
    with pytest.raises(ta.InputError, match="Did you mean 'g0'"):
        ta.false_names(settled(8), "g00")


@pytest.mark.parametrize("counts", [(0,), (1.5,), (-1,), 3])
def test_a_count_of_names_is_a_whole_number_from_one(counts):
    result = ta.settle(*random_market(np.random.default_rng(0)))
    with pytest.raises(ta.InputError, match="counts must be whole numbers of names"):
        ta.false_names(result, "g0", counts)
