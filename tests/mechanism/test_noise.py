"""Noise on the reports: what can be gained stays below the bounds, and reaches the smaller one where it should."""

import json

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.testing import random_market

ALL = [ta.KL(1.0), ta.ReverseKL(1.0), ta.ChiSquared(1.0), ta.SquaredHellinger(1.0), ta.TotalVariation(1.0)]


@pytest.mark.parametrize("divergence", ALL, ids=str)
@pytest.mark.parametrize("noise", ["uniform", "signs"])
def test_no_gain_is_above_its_bounds(divergence, noise):
    rng = np.random.default_rng(1)
    for epsilon in (0.01, 0.2):
        space, reports = random_market(rng, divergence=divergence)
        found = ta.noise_experiment(space, reports, epsilon, draws=100, seed=2, noise=noise)
        for one in found.groups:
            rounding = 1e-12 * one.bound / epsilon
            assert 0.0 <= one.mean_gain <= one.largest_gain <= one.range_bound + rounding
            assert one.range_bound <= one.bound + rounding
            assert one.best_lie_gain <= one.mean_gain + rounding
            if one.square_bound is not None:
                assert one.largest_gain <= one.square_bound + rounding


def test_the_smaller_bound_is_reached_from_either_side():
    reports = [ta.Report("a", 1, ta.TableReward([0.5, 0.5]))]
    # two equal responses and weak noise: the second-order bound
    weak = ta.noise_experiment(ta.Simplex([0.5, 0.5], ta.KL(1.0)), reports, 0.05, draws=50, noise="signs").groups[0]
    assert weak.square_bound == pytest.approx(0.05**2 / 2)
    assert weak.largest_gain == pytest.approx(weak.square_bound, rel=0.01)
    # a small strength: noise turns the choice around, and nearly 2 epsilon is lost
    reports = [ta.Report("a", 1, ta.TableReward([0.5 + 0.049, 0.5 - 0.049]))]
    strong = ta.noise_experiment(ta.Simplex([0.5, 0.5], ta.KL(1e-4)), reports, 0.05, draws=50, noise="signs").groups[0]
    assert strong.square_bound == strong.bound == pytest.approx(0.1)
    assert strong.largest_gain == pytest.approx(strong.bound, rel=0.03)


@pytest.mark.parametrize("divergence", ALL, ids=str)
def test_the_largest_gain_is_had_by_the_report_that_undoes_the_noise(divergence):
    """The second route: settle with the noise, and with a report that the noise turns into the truth."""
    rng = np.random.default_rng(3)
    space, reports = random_market(rng, prompts=2, responses=3, groups=2, divergence=divergence)
    found = ta.noise_experiment(space, reports, 0.1, draws=1, seed=4)
    noise = 0.1 * np.random.default_rng(4).uniform(-1.0, 1.0, size=(1, 2, 3, 2))[0]
    truth = ta.settle(space, reports)
    for group, one in enumerate(found.groups):

        def utility(own, group=group, name=one.group):
            tables = truth.scores + noise
            tables[:, :, group] = own
            filed = [ta.Report(r.name, r.size, ta.TableReward(tables[:, :, i])) for i, r in enumerate(reports)]
            result = ta.settle(space, filed)
            values = space.prompt_weights @ space.evaluate(truth.scores, result.optimum.model)[0]
            return truth.sizes[group] * values[group] - result.payments[name]

        own = truth.scores[:, :, group]
        assert one.mean_gain == pytest.approx(utility(own) - utility(own + noise[:, :, group]), abs=1e-11)


def test_without_noise_nothing_can_be_gained():
    space, reports = random_market(np.random.default_rng(5))
    for one in ta.noise_experiment(space, reports, 0.0, draws=5).groups:
        assert one.largest_gain <= 1e-14
        assert one.best_lie_gain <= 1e-12
        assert one.bound == 0.0


def test_it_is_plain_data_and_the_same_for_the_same_seed():
    space, reports = random_market(np.random.default_rng(6))
    first, second = (ta.noise_experiment(space, reports, 0.1, draws=20, seed=7) for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(first.to_dict()))["groups"][0]["group"] == "g0"


def test_divided_rewards_are_divided_before_the_noise():
    space, reports = random_market(np.random.default_rng(8))
    reports = [ta.Report(r.name, r.size, ta.TableReward(r.reward.scores, "sum")) for r in reports]
    for one in ta.noise_experiment(space, reports, 0.01, draws=50).groups:
        assert one.largest_gain <= one.square_bound


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": -0.1}, "epsilon must be a number that is not negative"),
        ({"draws": 0}, "draws must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"noise": "sign"}, "Did you mean 'signs'"),
    ],
)
def test_errors(change, message):
    space, reports = random_market(np.random.default_rng(9))
    with pytest.raises(ta.InputError, match=message):
        ta.noise_experiment(space, reports, **{"epsilon": 0.1, **change})


def test_only_a_simplex():
    with pytest.raises(ta.InputError, match="needs a Simplex, got Candidates"):
        ta.noise_experiment(ta.Candidates([[1.0]], [0.0]), [ta.Report("a", 1)], 0.1)
