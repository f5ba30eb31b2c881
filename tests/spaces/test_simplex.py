"""The simplex keeps the laws of a space, and refuses what is not a distribution."""

import json

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.testing import check_space, random_market

KL = ta.KL(1.0)


@pytest.mark.parametrize("strength", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize("sizes", [(1e-3, 1e-2), (1.0, 10.0), (1.0, 1e5)], ids=str)
def test_keeps_the_laws_of_a_space(strength, sizes):
    rng = np.random.default_rng(41)
    for groups in (1, 2, 5):
        space, reports = random_market(rng, groups=groups, strength=strength, sizes=sizes)
        check_space(space, space.scores([r.reward for r in reports]), [r.size for r in reports], tries=5)


def test_the_values_are_the_gradient_of_h():
    space, reports = random_market(np.random.default_rng(42), prompts=1)
    scores, sizes = space.scores([report.reward for report in reports]), np.array([1.0, 2.0, 3.0])
    steps = 1e-5 * np.eye(3)
    slopes = [
        (space.optimum(scores, sizes + step).support - space.optimum(scores, sizes - step).support) / 2e-5
        for step in steps
    ]
    # central differences: the third derivative leaves 1e-11, rounding of h 1e-11
    np.testing.assert_allclose(np.ravel(slopes), space.optimum(scores, sizes).values[0], atol=1e-9)


def test_the_gap_is_rounding_at_the_optimum_and_the_loss_elsewhere():
    space, reports = random_market(np.random.default_rng(43))
    scores, sizes = space.scores([report.reward for report in reports]), np.ones(3)
    best = space.optimum(scores, sizes)
    assert 0 <= space.gap(scores, sizes, best) < 1e-14
    values, price = space.evaluate(scores, space.base)
    base = ta.Optimum(space.base, best.support, values, price)
    expected = space.prompt_weights @ (best.support - values @ sizes)
    assert space.gap(scores, sizes, base) == pytest.approx(expected, rel=1e-14)
    own = ta.Optimum(space.base, values @ sizes - price, values, price)
    assert space.gap(scores, sizes, own) == space.gap(scores, sizes, base)


def test_externalities_are_those_of_the_model_that_is_given():
    space, reports = random_market(np.random.default_rng(45))
    scores, sizes = space.scores([report.reward for report in reports]), np.array([1.0, 2.0, 3.0])
    values, price = space.evaluate(scores, space.base)
    support = space.optimum(scores, sizes).support
    found = space.externalities(scores, sizes, ta.Optimum(space.base, support, values, price))
    for group in range(3):
        alone = np.where(np.arange(3) == group, 0.0, sizes)
        np.testing.assert_allclose(found[:, group], space.optimum(scores, alone).support - values @ alone, atol=1e-14)


def test_zeros_of_the_base_stay_zero_and_do_not_disturb():
    full = ta.Simplex([[0.25, 0.75], [0.5, 0.5]], KL)
    padded = ta.Simplex([[0.25, 0.0, 0.75], [0.5, 0.0, 0.5]], KL)
    tables = [[[1.0, 0.2], [0.3, 0.4]], [[0.0, 0.9], [0.8, 0.1]]]
    wild = [np.insert(table, 1, 1e6, axis=1) for table in tables]
    plain, wide = (
        ta.settle(space, [ta.Report(name, 3, ta.TableReward(table)) for name, table in zip("ab", rewards, strict=True)])
        for space, rewards in ((full, tables), (padded, wild))
    )
    assert (wide.model[:, 1] == 0).all()
    # rounding is relative to the rewards of 1e6 while the scores are summed
    np.testing.assert_allclose(wide.model[:, [0, 2]], plain.model, rtol=1e-8)
    assert wide.payments == pytest.approx(plain.payments, rel=1e-8)


def test_shapes_follow_the_base():
    assert ta.Simplex([0.5, 0.5], KL).shape == (1, 2)
    assert ta.Simplex.uniform(3, 4, KL).shape == (3, 4)
    result = ta.settle(ta.Simplex([0.5, 0.5], KL), [ta.Report("a", 1, ta.TableReward([1.0, 0.0]))])
    assert result.model.shape == (2,)


def test_survives_json():
    space, _ = random_market(np.random.default_rng(44))
    data = space.to_dict()
    again = ta.Simplex.from_dict(json.loads(json.dumps(data)))
    assert again.to_dict() == data


def test_effective_sample_size_counts_the_responses_in_use():
    space = ta.Simplex.uniform(1, 4, KL)
    policies = np.array([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4])
    np.testing.assert_allclose(space.effective_sample_size(policies), [1, 2, 4])


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ([0.5, 0.4], r"base must sum to 1, row 0 sums to 0\.9\. Divide it by its sum"),
        ([[0.5, 0.5], [0.5, 0.6]], r"row 1 sums to 1\.1\."),
        ([0.5, 0.5 + 1e-8], "base must sum to 1"),
        ([1.5, -0.5], r"base must not be negative, got -0\.5"),
        ([0.5, np.nan], "base must be finite numbers, got nan"),
        ([0.5, np.inf], "base must be finite numbers, got inf"),
        ([[0.5, 0.5], [1.0]], "base must be a rectangular table of numbers, .* got"),
        (["0.5", "0.5"], "base must be a rectangular table of numbers"),
        ("uniform", "base must be a rectangular table of numbers, .* got 'uniform'"),
        (None, "base must be finite numbers, got nan"),
        (1.0, r"base must have shape \(responses,\) or \(prompts, responses\), got \(\)"),
        ([], r"got \(0,\)"),
    ],
    ids=str,
)
def test_a_base_that_is_not_a_distribution_is_refused(base, message):
    with pytest.raises(ta.InputError, match=message):
        ta.Simplex(base, KL)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"one number for each of the 2 prompts, got \(1,\)"),
        ([0.5, 0.6], r"prompt_weights must sum to 1, row 0 sums to 1\.1"),
        ([1.5, -0.5], "prompt_weights must not be negative"),
        (["a", "b"], "prompt_weights must be a rectangular table of numbers"),
    ],
    ids=str,
)
def test_prompt_weights_are_checked(weights, message):
    with pytest.raises(ta.InputError, match=message):
        ta.Simplex([[0.5, 0.5], [0.5, 0.5]], KL, weights)


def test_a_divergence_is_asked_for():
    with pytest.raises(ta.InputError, match=r"must be a Divergence such as KL\(strength=0\.5\), got 0\.5"):
        ta.Simplex([0.5, 0.5], 0.5)


@pytest.mark.parametrize("counts", [(1, 0), (-1, 2), (1.5, 2), (True, 2)])
def test_a_pool_has_prompts_and_replies(counts):
    with pytest.raises(ta.InputError, match="must be a whole number of at least 1"):
        ta.Simplex.uniform(*counts, ta.KL(1.0))
