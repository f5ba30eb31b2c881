"""The bootstrap covers what it says, and pairs what has the same seed."""

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.mechanism.uncertainty import Interval, interval, ratio_interval, resampled_means


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_cover_a_normal_mean_as_often_as_they_say(level):
    rng = np.random.default_rng(51)
    samples = rng.normal(3.0, 2.0, size=(600, 60))
    hits = [not interval(sample, seed=k, level=level, draws=400).excludes(3.0) for k, sample in enumerate(samples)]
    # three standard errors of 600 trials, and the percentile interval's own shortfall at 60 prompts, about 0.01
    assert np.mean(hits) == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 600) + 0.01)


def test_the_spread_is_the_standard_error_of_the_mean():
    sample = np.random.default_rng(52).normal(size=200)
    means = resampled_means(sample, seed=0, draws=20_000)
    assert means.mean() == pytest.approx(sample.mean(), abs=4 * sample.std() / np.sqrt(200 * 20_000))
    assert means.std() == pytest.approx(sample.std() / np.sqrt(200), rel=0.02)  # 1/sqrt(2 * 20000) = 0.005


def test_the_same_seed_draws_the_same_prompts():
    a, b = np.random.default_rng(53).normal(size=(2, 30))
    np.testing.assert_allclose(
        resampled_means(a, seed=5) - resampled_means(b, seed=5), resampled_means(a - b, seed=5), atol=1e-14
    )
    columns = resampled_means(np.stack([a, b], axis=1), seed=5)
    np.testing.assert_allclose(columns[:, 1], resampled_means(b, seed=5), rtol=1e-12)
    assert interval(a, seed=5) == interval(a, seed=5)
    assert interval(a, seed=5) != interval(a, seed=6)


def test_a_ratio_pairs_its_parts():
    denominator = np.random.default_rng(54).uniform(1, 2, size=40)
    found = ratio_interval(3 * denominator, denominator, seed=0)
    assert (found.estimate, found.low, found.high) == pytest.approx((3, 3, 3), rel=1e-12)


def test_a_difference_of_paired_quantities_is_sharper_than_its_parts():
    common, small = np.random.default_rng(55).normal(size=(2, 50))
    part, difference = interval(common, seed=1), interval((common + 1 + 0.01 * small) - common, seed=1)
    assert difference.high - difference.low < 0.1 * (part.high - part.low)
    assert difference.excludes(0.0)


SIZES, BASE = np.array([2.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4])
TABLES = np.array([[0.9, 0.1, 0.6, 0.2], [0.0, 0.8, 0.3, 0.7]])


def pooled(prompts, replies, seed):
    """The same prompt over and over, each time with fresh replies: only the replies differ."""
    drawn = np.random.default_rng(seed).choice(len(BASE), size=(prompts, replies), p=BASE)
    reports = [ta.Report(f"g{i}", size, ta.TableReward(TABLES[i][drawn])) for i, size in enumerate(SIZES)]
    return ta.settle(ta.Simplex.uniform(prompts, replies, ta.KL(1.0)), reports)


@pytest.mark.slow
def test_the_noise_of_the_replies_is_in_the_intervals():
    truth = pooled(20_000, 16, seed=56).payments["g0"]
    hits = [
        not interval(pooled(60, 16, seed=k).payments_by_prompt[:, 0], seed=k, draws=400).excludes(truth)
        for k in range(300)
    ]
    assert np.mean(hits) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 300) + 0.01)


def test_a_finite_pool_is_low_by_what_the_docs_say():
    replies = 32
    reports = [ta.Report(f"g{i}", size, ta.TableReward(TABLES[i])) for i, size in enumerate(SIZES)]
    exact, pool = ta.settle(ta.Simplex(BASE, ta.KL(1.0)), reports), pooled(20_000, replies, seed=57)
    chi2 = (exact.model**2 / BASE).sum() - 1
    # net welfare is the log of a mean; that mean, less what it is expected to be, is taken off as noise
    noise = np.exp(pool.scores @ SIZES).mean() / np.exp(exact.net_welfare) - 1
    lost = exact.net_welfare - (pool.net_welfare - noise)
    # next order in 1 / K and sampling: 2% each
    assert lost == pytest.approx(chi2 / (2 * replies), rel=0.1)
    effective = pool.space.effective_sample_size(pool.optimum.model).mean()
    assert replies / effective - 1 == pytest.approx(chi2, rel=0.1)
    for name, payment in exact.payments.items():
        assert 0.3 < replies * (payment - pool.payments[name]) / payment < 3  # one part in K, in its order


def test_excludes_is_strict():
    found = Interval(1.0, 0.5, 1.5, 0.95)
    assert [found.excludes(x) for x in (0.49, 0.5, 1.0, 1.5, 1.51)] == [True, False, False, False, True]
