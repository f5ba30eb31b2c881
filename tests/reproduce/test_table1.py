"""Table 1: the closed forms against settlements of single games, and the means against the paper's."""

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.progress import Silent
from tuneaccord.reproduce import reproduce
from tuneaccord.reproduce.table1 import AMOUNTS, PAPER_UTILITY, PAPER_VALUE, STRENGTH, _means, small_lie


def settled_lie(rewards, sizes, amount):
    """The same lie by two settlements: change of group 0's valuation, and of its utility."""
    space = ta.Simplex(np.full(rewards.shape[1], 1.0 / rewards.shape[1]), ta.KL(STRENGTH))

    def outcome(told):
        reports = [
            ta.Report(f"g{i}", float(size), ta.TableReward(table))
            for i, (size, table) in enumerate(zip(sizes, told, strict=True))
        ]
        result = ta.settle(space, reports)
        value = float(sizes[0] * (result.model @ rewards[0]))
        return value, value - result.payments["g0"]

    lie = rewards.copy()
    best, least = rewards[0].argmax(), rewards[0].argmin()
    moved = min(amount, rewards[0].min(), 1.0 - rewards[0].max())
    lie[0, best] += moved
    lie[0, least] -= moved
    return np.subtract(outcome(lie), outcome(rewards))


def test_the_closed_form_is_what_two_settlements_give():
    rng = np.random.default_rng(1)
    for _ in range(20):
        rewards = rng.uniform(size=(3, 10))
        rewards /= rewards.sum(axis=1, keepdims=True)
        sizes = rng.integers(1, 11, size=3).astype(float)
        score = sizes @ rewards
        weights = np.exp((score - score.max()) / STRENGTH)
        policy = (weights / weights.sum())[None]
        closed = small_lie(rewards[:1], sizes[:1], policy, STRENGTH, AMOUNTS)[:, :, 0]
        settled = np.transpose([settled_lie(rewards, sizes, amount) for amount in AMOUNTS])
        # settlements subtract numbers of the order of the sizes, so they know a change to about 1e-14 only
        assert closed == pytest.approx(settled, abs=1e-13)


def test_the_means_are_the_papers_within_their_errors():
    result = reproduce("table1", samples=60_000, seed=3)
    for key, paper in (("valuation", PAPER_VALUE), ("utility", PAPER_UTILITY)):
        table = result.table(key)
        ours, errors = np.array(table.column("ours")), np.array(table.column("s.e."))
        assert table.column("paper") == list(paper)
        # four of our standard errors, and as much again for the paper's own of 100,000 games
        assert (np.abs(ours - paper) < 6 * errors).all()
        assert (errors < 0.01 * np.abs(ours)).all()
    assert result.holds


@pytest.mark.slow
def test_the_standard_errors_are_honest():
    means, errors = zip(*(_means(3_000, seed, Silent(), STRENGTH, 3, "") for seed in range(30)), strict=True)
    spread = np.std(means, axis=0, ddof=1)
    ratio = spread / np.mean(errors, axis=0)
    assert ((ratio > 0.6) & (ratio < 1.5)).all()  # 30 runs know a spread to about 13%; three times that


def test_five_groups_do_not_give_the_papers_numbers():
    table = reproduce("table1", samples=40_000).table("readings")
    five = table.rows[1]
    assert five[0].startswith("5 groups")
    assert -0.15 < five[1] <= five[2] < -0.05
    assert -0.35 < five[3] <= five[4] < -0.15


@pytest.mark.slow
def test_every_mean_is_within_half_a_percent():
    result = reproduce("table1")
    for key in ("valuation", "utility"):
        assert np.abs(result.table(key).column("off")).max() < 0.005


def test_a_few_games_neither_reproduce_nor_refute():
    for samples in (1, 2, 10):
        result = reproduce("table1", samples=samples)
        assert result.holds
        assert result.verdict.startswith("Not contradicted, with too few games to tell")
