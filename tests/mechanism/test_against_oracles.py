"""Every number of a settlement by two routes that share no code with the package (see ``oracles``).

600 markets meet the convex solver by default; ``TUNEACCORD_MARKETS=1500 pytest`` on this file
tries more.
"""

import os

import numpy as np
import pytest
from markets import numbers, reports_of, scale
from oracles import convex_market, exact_market

import tuneaccord as ta
from tuneaccord.testing import random_market

MARKETS = int(os.environ.get("TUNEACCORD_MARKETS", "600"))


def random_settlement(rng, strength, sizes):
    """One to eight groups, one to four prompts; in a third of the markets a response has no base mass."""
    groups, prompts, responses = rng.integers(1, 9), rng.integers(1, 5), rng.integers(2, 7)
    shape = {"groups": groups, "prompts": prompts, "responses": responses}
    space, reports = random_market(rng, **shape, strength=strength, sizes=sizes)
    if rng.uniform() < 1 / 3:
        base = space.base * (np.arange(responses) > 0)
        space = ta.Simplex(base / base.sum(axis=1, keepdims=True), space.divergence, space.prompt_weights)
    return ta.settle(space, reports)


def errors(result, oracle):
    """How far a settlement is from an oracle: probabilities as they are, values relative to the largest
    reward, money relative to all that the groups could be worth together."""
    money, reward = scale(result), np.abs(result.scores).max()
    return {
        "policy": np.abs(np.atleast_2d(result.model) - oracle.policy).max(),
        "values": np.abs(numbers(result.values) - oracle.values).max() / reward,
        "payments": np.abs(numbers(result.payments) - oracle.payments).max() / money,
        "leave_one_out": np.abs(numbers(result.leave_one_out) - oracle.leave_one_out).max() / money,
        "welfare": abs(result.welfare - oracle.welfare) / money,
        "net_welfare": abs(result.net_welfare - oracle.net_welfare) / money,
    }


def relative_payment_error(result, oracle):
    """Each payment relative to itself; below 1e-40 the oracle's own sixty digits run out."""
    charged = oracle.payments > 1e-40
    return (np.abs(numbers(result.payments) - oracle.payments) / np.maximum(oracle.payments, 1e-40))[charged]


def sizes_at(strength, heat):
    """Sizes one decade wide at ``heat`` times the strength: below 1 the base stays, at 100 the best wins."""
    return (0.1 * heat * strength, heat * strength)


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("heat", [0.1, 3.0, 100.0, None], ids=lambda h: f"heat={h}")
def test_agrees_with_a_convex_solver(strength, heat):
    rng = np.random.default_rng([int(1e3 * strength), int(10 * (heat or 0))])
    for _ in range(2):
        result = random_settlement(rng, strength, (1.0, 1e6) if heat is None else sizes_at(strength, heat))
        found = errors(result, convex_market(result))
        assert max(found.values()) < 1e-10, found  # what the oracle's optimality conditions certify


@pytest.mark.slow
def test_agrees_with_a_convex_solver_on_many_markets():
    rng = np.random.default_rng(7)
    for _ in range(MARKETS):
        strength = 10 ** rng.uniform(-3, 3)
        heat = 10 ** rng.uniform(-1, 3)
        result = random_settlement(rng, strength, sizes_at(strength, min(heat, 1e6 / strength)))
        found = errors(result, convex_market(result))
        assert max(found.values()) < 1e-10, found


@pytest.mark.slow
def test_agrees_with_sixty_digits_at_every_scale():
    rng = np.random.default_rng(8)
    for _ in range(200):
        strength, top = 10 ** rng.uniform(-3, 3), 10 ** rng.uniform(-5, 6)
        result = random_settlement(rng, strength, (max(1e-5, top * 10 ** -rng.uniform(0, 6)), top))
        oracle = exact_market(result)
        found = errors(result, oracle)
        assert max(found.values()) < 1e-11, found
        # 1e-14 where no payment is below its market's scale by many orders, 2e-12 at worst
        assert relative_payment_error(result, oracle).max(initial=0.0) < 1e-10


EXTREMES = {
    "one group dominates": (1.0, [1e6, 1, 2, 1]),
    "one group dominates, weak pull": (1e3, [1e6, 1, 2, 1]),
    "one group dominates, hard pull": (1e-3, [1e6, 1, 2, 1]),
    "a giant among tiny, hard pull": (1e-3, [1e6, 1e-5, 2e-5]),
    "two giants": (1.0, [1e6, 1e6, 1]),
    "tiny among tiny": (1.0, [1e-5, 1e-5, 2e-5]),
    "tiny beside ordinary": (1.0, [1e-5, 1, 2]),
    "tiny beside a giant": (1.0, [1e-5, 1e6, 1]),
    "all tiny, weak pull": (1e3, [1e-5, 1e-5]),
    "hot": (0.01, [3.0, 2.5, 1.0]),
    "just hot": (1.0, [31.0, 29.0, 35.0]),
    "alone and hot": (1e-3, [10.0]),
    "alone and tiny": (1e3, [1e-5]),
    "equals": (1.0, [5.0] * 8),
}


@pytest.mark.parametrize(("strength", "sizes"), EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("base", [[0.1, 0.2, 0.3, 0.4], [0.5, 0.0, 0.5, 0.0], [1e-9, 1e-3, 0.5, 0.498999999]], ids=str)
def test_extreme_markets_agree_with_sixty_digits(strength, sizes, base):
    rng = np.random.default_rng(9)
    for _ in range(5):
        tables = rng.uniform(size=(len(sizes), 1, 4))
        result = ta.settle(ta.Simplex([base], ta.KL(strength)), reports_of(sizes, tables))
        oracle = exact_market(result)
        found = errors(result, oracle)
        assert max(found.values()) < 1e-11, found
        assert relative_payment_error(result, oracle).max(initial=0.0) < 1e-9


def test_the_textbook_formula_would_lose_a_small_payment():
    space = ta.Simplex([0.2, 0.3, 0.5], ta.KL(1.0))
    tables = np.array([[[0.3, 0.9, 0.1]], [[1.0, 0.2, 0.4]]])
    result = ta.settle(space, reports_of([1e-7, 2.0], tables))
    truth = exact_market(result).payments[0]
    mass, without = (space.base * np.exp(tables.transpose(1, 2, 0)[0] @ w) for w in ([1e-7, 2.0], [0.0, 2.0]))
    textbook = np.log(without.sum() / mass.sum()) + 1e-7 * result.values["g0"]
    assert abs(textbook / truth - 1) > 1e-3
    assert result.payments["g0"] == pytest.approx(truth, rel=1e-14)
