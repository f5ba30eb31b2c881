"""The best report when nobody pays: closed forms against brute force that shares no code with them."""

import itertools

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.mechanism.feasible import Feasible
from tuneaccord.testing import random_market

SCALES = [None, "max", "sum"]
OTHERS = [
    ta.ReverseKL(1.0),
    ta.ChiSquared(1.0),
    ta.SquaredHellinger(1.0),
    ta.JensenShannon(1.0),
    ta.Alpha(1.0, 1.5),
    ta.TotalVariation(1.0),
]


def market(rng, scale, divergence=None, prompts=1, responses=4):
    space, reports = random_market(rng, prompts=prompts, responses=responses, divergence=divergence)
    reports = [ta.Report(r.name, r.size, ta.TableReward(r.reward.scores, scale)) for r in reports]
    return ta.settle(space, reports)


def softmax_value(result, size, tables):
    """The first group's value under KL for reports (many, responses), written out: one prompt."""
    others = result.scores[0, :, 1:] @ result.sizes[1:]
    score = (others + size * tables) / result.space.divergence.strength
    weights = np.atleast_2d(result.space.base)[0] * np.exp(score - score.max(axis=1, keepdims=True))
    return result.sizes[0] * (weights @ result.scores[0, :, 0]) / weights.sum(axis=1)


def many_reports(rng, scale, responses):
    if scale == "sum":
        drawn = rng.dirichlet(np.full(responses, 0.3), size=4000)
        return np.vstack([np.eye(responses), drawn])
    grid = np.array(list(itertools.product([0.0, 0.25, 0.5, 0.75, 1.0], repeat=responses)))
    return grid[grid.max(axis=1) == 1.0] if scale == "max" else grid


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_under_kl_it_is_the_best_of_all_reports(scale, factor):
    rng = np.random.default_rng(1)
    for _ in range(20):
        result = market(rng, scale)
        size = factor * result.sizes[0]
        found = ta.best_response_without_payments(result, "g0", largest_size=size)
        best = softmax_value(result, size, many_reports(rng, scale, 4)).max()
        assert found.exact
        assert found.size == size
        assert found.group_value == pytest.approx(best, rel=1e-12)  # the extremes are among the reports tried
        assert found.group_value == pytest.approx(softmax_value(result, size, found.table)[0], rel=1e-12)
        assert found.gain == pytest.approx(found.group_value - result.group_values["g0"], abs=1e-12)


def test_the_reported_table_gives_the_value_when_it_is_settled():
    rng = np.random.default_rng(2)
    for scale in SCALES:
        result = market(rng, scale, prompts=3)
        found = ta.best_response_without_payments(result, "g0", largest_size=2 * result.sizes[0])
        lie = ta.what_if(result, "g0", ta.TableMisreport(found.table, factor=2.0))
        assert lie.group_value == pytest.approx(found.group_value, rel=1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_prompts_separate(scale):
    rng = np.random.default_rng(3)
    result = market(rng, scale, prompts=3)
    whole = ta.best_response_without_payments(result, "g1")
    alone = []
    for prompt in range(3):
        space = ta.Simplex(result.space.base[prompt], result.space.divergence)
        reports = [
            ta.Report(r.name, r.size, ta.TableReward(result.scores[prompt, :, i])) for i, r in enumerate(result.reports)
        ]
        reports = [ta.Report(r.name, r.size, ta.TableReward(r.reward.scores, scale)) for r in reports]
        alone.append(ta.best_response_without_payments(ta.settle(space, reports), "g1").group_value)
    assert whole.group_value == pytest.approx(result.space.prompt_weights @ alone, rel=1e-12)


def test_extreme_strengths_do_not_overflow():
    rng = np.random.default_rng(4)
    for strength, scale in itertools.product((1e-6, 1e-3, 1e6), SCALES):
        result = market(rng, scale, ta.KL(strength))
        found = ta.best_response_without_payments(result, "g0", largest_size=1e3 * result.sizes[0])
        assert np.isfinite(found.group_value)
        assert found.gain >= 0.0


@pytest.mark.parametrize("divergence", OTHERS, ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("scale", [None, "max"])
def test_other_divergences_are_beaten_by_no_search(divergence, scale):
    rng = np.random.default_rng(5)
    for _ in range(6):
        result = market(rng, scale, divergence, responses=3)
        found = ta.best_response_without_payments(result, "g0")
        assert not found.exact
        grid = np.array(list(itertools.product(np.linspace(0, 1, 21), repeat=3)))
        grid = grid[grid.max(axis=1) == 1.0] if scale == "max" else grid
        others = result.scores[0, :, 1:] @ result.sizes[1:]
        policy = divergence.tilt(others + result.sizes[0] * grid, np.broadcast_to(result.space.base[0], grid.shape))[0]
        best = result.sizes[0] * (policy @ result.scores[0, :, 0]).max()
        slack = 0.02 if isinstance(divergence, ta.TotalVariation) else 1e-9  # total variation is only searched
        assert found.group_value >= best - slack * result.sizes[0]


def test_a_fractional_reward_can_beat_every_threshold():
    rng = np.random.default_rng(6)
    gains = []
    for _ in range(30):
        result = market(rng, "max", ta.ChiSquared(2.0))
        best = ta.best_response_without_payments(result, "g0")
        thresholds = (result.scores[0, :, 0] >= c for c in result.scores[0, :, 0])
        pure = max(ta.what_if(result, "g0", ta.TableMisreport(one.astype(float))).group_value for one in thresholds)
        gains.append(best.group_value - pure)
    assert min(gains) >= -1e-12
    assert max(gains) > 1e-4


@pytest.mark.parametrize("divergence", OTHERS[:-1], ids=lambda d: type(d).__name__)
def test_on_the_simplex_other_divergences_are_searched(divergence):
    rng = np.random.default_rng(7)
    result = market(rng, "sum", divergence)
    found = ta.best_response_without_payments(result, "g0")
    drawn = many_reports(rng, "sum", 4)
    others = result.scores[0, :, 1:] @ result.sizes[1:]
    policy = divergence.tilt(others + result.sizes[0] * drawn, np.broadcast_to(result.space.base[0], drawn.shape))[0]
    assert found.group_value >= result.sizes[0] * (policy @ result.scores[0, :, 0]).max() - 1e-9


def test_on_candidates_it_brings_about_the_best_model_that_it_can():
    rng = np.random.default_rng(8)
    for _ in range(50):
        table = rng.uniform(size=(5, 3))
        models = ta.Candidates(table, rng.uniform(size=5))
        result = ta.settle(models, [ta.Report(f"g{i}", rng.uniform(1, 4)) for i in range(3)])
        found = ta.best_response_without_payments(result, "g0")
        level = table[:, 1:] @ result.sizes[1:] - models.prices
        reports = rng.uniform(size=(2000, 5)).round(1)
        winners = (level + result.sizes[0] * reports).argmax(axis=1)
        assert found.group_value >= result.sizes[0] * table[winners, 0].max() - 1e-12
        lie = ta.what_if(result, "g0", ta.TableMisreport(found.table))
        assert lie.group_value == pytest.approx(found.group_value)


def test_zero_base_and_constant_rewards():
    space = ta.Simplex([0.0, 0.5, 0.5], ta.KL(1.0))
    reports = [ta.Report("a", 1, ta.TableReward([1.0, 0.4, 0.4])), ta.Report("b", 1, ta.TableReward([0.0, 1.0, 0.2]))]
    assert ta.best_response_without_payments(ta.settle(space, reports), "a").gain == 0.0


def test_errors():
    result = market(np.random.default_rng(9), None)
    with pytest.raises(ta.InputError, match="Did you mean 'g0'"):
        ta.best_response_without_payments(result, "g00")
    with pytest.raises(ta.InputError, match="below the true size"):
        ta.best_response_without_payments(result, "g0", largest_size=0.1)
    fair = ta.settle(result.space, result.reports, rule=ta.SizeShare())
    with pytest.raises(ta.InputError, match="the rule Welfare, not for SizeShare"):
        ta.best_response_without_payments(fair, "g0")


def test_projections_are_the_nearest_reports():
    rng = np.random.default_rng(10)
    points = rng.normal(size=(200, 5))
    projected = Feasible("sum").project(points)
    np.testing.assert_allclose(projected.sum(axis=1), 1.0, atol=1e-14)
    assert (projected >= 0).all()
    # optimality: the projection makes an obtuse angle with every vertex
    assert ((points - projected)[:, None] * (np.eye(5) - projected[:, None])).sum(axis=2).max() < 1e-12
    boxed = Feasible("max").project(points)
    assert (boxed.max(axis=1) == 1.0).all()
    assert (boxed >= 0).all()


def test_an_empty_published_range_is_refused():
    with pytest.raises(ta.InputError, match="scale must be two finite numbers, low before high"):
        ta.best_response_without_payments(market(np.random.default_rng(11), None), "g0", scale=(1.0, 0.0))
