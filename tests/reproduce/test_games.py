"""The batches of games against one game at a time, and the best responses against searches."""

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.mechanism.payments import Externality
from tuneaccord.reproduce.games import (
    SCALES,
    best_reward,
    blocks,
    draw_games,
    families,
    largest_move,
    moved,
    net_welfare,
    outcome,
    polarised,
    value,
)
from tuneaccord.reproduce.search import best_lie, charged, normalised, utility_of
from tuneaccord.reproduce.theorem_4_2 import STRENGTHS


def settled(games, game, divergence, reward, size):
    """One game settled by itself with group 0's report replaced."""
    tables = games.rewards[game].T.copy()
    tables[0] = reward[game]
    sizes = [float(size[game, 0]), *games.sizes[game, 1:].tolist()]
    space = ta.Simplex(games.base[game], divergence)
    return ta.settle(space, [ta.Report(f"g{i}", sizes[i], ta.TableReward(tables[i])) for i in range(len(sizes))])


def is_report(reward, scale):
    top = reward.sum(axis=1) if scale == "sum" else reward.max(axis=1)
    return (reward >= 0).all() and np.abs(top - 1).max() < 1e-12


@pytest.mark.parametrize("scale", SCALES)
def test_a_batch_is_its_games_one_by_one(scale):
    games = draw_games(np.random.default_rng(0), 6, scale, responses=5)
    for _, divergence in families(STRENGTHS[scale]):
        lie = polarised(games, 1.5)
        policy = outcome(games, divergence, lie, 2 * games.size)
        worth, paid = charged(games, divergence, Externality(), lie, 2 * games.size)
        for game in range(6):
            alone = settled(games, game, divergence, lie, 2 * games.size)
            assert policy[game] == pytest.approx(alone.model, abs=1e-10)
            assert value(games, policy)[game] == pytest.approx(games.size[game, 0] * (alone.model @ games.liar[game]))
            assert worth[game] == pytest.approx(value(games, policy)[game])
            assert paid[game] == pytest.approx(alone.payments["g0"], abs=1e-10)


@pytest.mark.parametrize("scale", SCALES)
def test_lies_are_reports_that_a_group_may_file(scale):
    games = draw_games(np.random.default_rng(1), 50, scale)
    bound = largest_move(games.liar, scale)
    for lie in (
        games.liar,
        moved(games.liar, scale, bound),
        polarised(games, 3.0),
        best_reward(games, STRENGTHS[scale]),
        normalised(games.liar - 0.3, scale),
    ):
        assert is_report(lie, scale)
    if scale == "sum":
        assert moved(games.liar, scale, bound).max() <= 1


@pytest.mark.parametrize("scale", SCALES)
def test_no_random_report_beats_the_best_one(scale):
    rng = np.random.default_rng(2)
    games = draw_games(rng, 20, scale, responses=5)
    divergence = ta.KL(STRENGTHS[scale])
    best = value(games, outcome(games, divergence, best_reward(games, divergence.strength), games.size))
    without = best_lie(games, lambda reward, _: value(games, outcome(games, divergence, reward, games.size)), rng)
    truth = value(games, outcome(games, divergence, games.liar, games.size))
    assert (truth + without <= best * (1 + 1e-12)).all()
    assert (truth + without >= best * 0.98).all()  # and the search comes near it


@pytest.mark.parametrize("scale", SCALES)
def test_the_search_finds_nothing_against_exact_payments(scale):
    games = draw_games(np.random.default_rng(3), 20, scale, responses=5)
    for _, divergence in families(STRENGTHS[scale])[:4:2]:
        gain = best_lie(games, utility_of(games, divergence, Externality()), np.random.default_rng(0), rounds=40)
        assert (gain == 0).all()
        assert (
            best_lie(games, utility_of(games, divergence, ta.Free()), np.random.default_rng(0), rounds=40) > 0
        ).all()


def test_what_a_lie_costs_is_net_welfare():
    games = draw_games(np.random.default_rng(4), 5, "max", responses=4)
    divergence = ta.KL(2.0)
    truth = outcome(games, divergence, games.liar, games.size)
    told = outcome(games, divergence, polarised(games, 1.5), games.size)
    lost = net_welfare(games, divergence, truth) - net_welfare(games, divergence, told)
    assert lost == pytest.approx(divergence.price(told, truth), abs=1e-12)  # lambda KL(p_lie || p*)


def test_blocks_add_up():
    assert sum(blocks(12_345)) == 12_345
