"""The held-out table's estimators against enumeration and known answers."""

import numpy as np
import pytest

from tuneaccord.divergence import KL
from tuneaccord.llm.measure import Measured
from tuneaccord.tuning.comparison import Row, adapter_row, best_net_welfare, pool_rows, second_estimate, weighted_row
from tuneaccord.tuning.policy import ReplyPolicy, choose

SIZES = np.array([2.0, 1.0])
LEVELS = np.array([[0.1, 0.9], [0.5, 0.2], [0.8, 0.6]])  # scores of three possible replies


class Sheet:
    """What the estimators read of a score sheet."""

    def __init__(self, scores):
        self.scores = scores


def draw(rng, probabilities, prompts, replies):
    return LEVELS[rng.choice(3, p=probabilities, size=(prompts, replies))]


def test_the_jackknife_takes_the_bias_out():
    """At K = 20 the plain estimate is low by about 0.02; 4,000 pools tell it from the truth by 0.001."""
    base = np.array([0.6, 0.3, 0.1])
    truth = 0.5 * np.log(base @ np.exp(LEVELS @ SIZES / 0.5))
    pools = draw(np.random.default_rng(1), base, 4_000, 20)
    plain = 0.5 * np.log(np.exp(pools @ SIZES / 0.5).mean(axis=1)).mean()
    best = best_net_welfare(pools, SIZES, 0.5).mean()
    assert truth - plain > 0.01
    assert abs(best - truth) < 0.004


def test_one_reply_that_carries_everything_keeps_the_jackknife_finite():
    scores = np.zeros((1, 5, 1))
    scores[0, 2] = 1.0
    assert best_net_welfare(scores, np.array([1e6]), 1.0)[0] < 2e6


@pytest.mark.slow
def test_importance_weights_and_fresh_replies_agree():
    """Two routes to one adapter's values: 3,000 prompts leave an error of about 0.002 each."""
    rng = np.random.default_rng(2)
    base, tuned = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.3])
    replies = rng.choice(3, p=base, size=(3_000, 40))
    held_out, fresh = Sheet(LEVELS[replies]), Sheet(draw(rng, tuned, 3_000, 16))
    kl = Measured(None, np.full((3_000, 16), tuned @ np.log(tuned / base)))
    weighted, spread = weighted_row(held_out, np.log(tuned / base)[replies], kl)
    sampled = adapter_row(fresh, kl, held_out)
    for row in (weighted, sampled):
        np.testing.assert_allclose(row.values.mean(axis=0), tuned @ LEVELS, atol=0.006)
    assert 35 < spread < 40
    rows = [*pool_rows(held_out, SIZES, KL(0.5))[:2], sampled]
    gain = second_estimate(rows, weighted, spread, SIZES, 0.5, seed=0)["gain"]
    exact = (tuned - base) @ LEVELS @ SIZES - 0.5 * (tuned @ np.log(tuned / base))
    assert gain["low"] - 0.01 < exact < gain["high"] + 0.01


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_the_control_variate_never_loses_much(share):
    """Replies that are all shared leave no noise of their own; replies that share nothing cost nothing."""
    rng = np.random.default_rng(3)
    pool = draw(rng, [0.5, 0.3, 0.2], 500, 40)
    fresh = np.where(rng.random((500, 16, 1)) < share, pool[:, :16], draw(rng, [0.5, 0.3, 0.2], 500, 16))
    row = adapter_row(Sheet(fresh), Measured(None, np.zeros((500, 16))), Sheet(pool))
    error = (row.values - pool.mean(axis=1)).std()
    plain = (fresh.mean(axis=1) - pool.mean(axis=1)).std()
    assert error == 0.0 if share == 1.0 else error < 1.02 * plain


def test_a_row_is_welfare_minus_price():
    row = Row("adapter", np.array([[0.5, 1.0]]), np.array([0.2]), 4)
    assert row.net_welfare(SIZES, 0.5)[0] == pytest.approx(2.0 - 0.1)


@pytest.mark.slow
def test_the_reply_that_is_kept_is_drawn_apart_from_the_candidates(tiny):
    """Over many seeds the chance to keep a candidate is its weight, whatever tokens it begins with."""

    class Group:
        name, size = "desk", 1.0

        def score(self, prompts, replies):
            return np.linspace(0.0, 1.0, len(replies))

    from tuneaccord.llm.generate import Sampling

    policy = ReplyPolicy(tiny.ref, (Group(),), KL(0.5), 4, Sampling(2, 0.9))
    draws = [policy.reply("is it a plant ?", seed) for seed in range(400)]
    weights = np.exp(np.linspace(0, 2, 4))
    weights /= weights.sum()
    kept = np.bincount([one.kept for one in draws], minlength=4) / 400
    np.testing.assert_allclose(kept, weights, atol=4 * np.sqrt(0.25 / 400))  # four standard errors
    kept_first: dict[str, list[bool]] = {}
    for one in draws:
        kept_first.setdefault(one.replies[0], []).append(one.kept == 0)
    assert max(np.mean(hits) for hits in kept_first.values() if len(hits) >= 10) < 0.5
    assert draws[0].payments["desk"] == pytest.approx(0.5 * np.sum(weights * np.log(4 * weights)))  # alone: the price


def test_choose_is_a_draw_by_weight():
    kept = [choose(np.array([0.2, 0.8]), seed) for seed in range(2_000)]
    assert abs(np.mean(kept) - 0.8) < 4 * np.sqrt(0.16 / 2_000)  # four standard errors
