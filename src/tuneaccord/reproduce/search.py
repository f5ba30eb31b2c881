"""A plain random search for profitable lies, in all games of a batch at once, against any payment rule.

The games become the prompts of one simplex: sizes go into the scores, every prompt is a game of its own, and a
payment rule charges all of them in one call. The search is a second route beside the audit's gradient ascent; it
only ever gives a lower bound on what a lie can gain.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.mechanism.choice import Choice
from tuneaccord.mechanism.payments import PaymentRule
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.reproduce.games import Games
from tuneaccord.spaces.simplex import Simplex

ROUNDING = 1e-12  #: relative to all that the groups could be worth together
MOST_SIZE = 4.0  #: the largest reported size, relative to the truth
_FACTORS = (0.5, 0.8, 1.0, 1.25, 2.0, MOST_SIZE)
_STEPS = (0.5, 0.2, 0.05, 0.01)

Utility = Callable[[np.ndarray, np.ndarray], np.ndarray]


def charged(
    games: Games, divergence: Divergence, payment: PaymentRule, reward: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Group 0's true valuation of the outcome and its payment when it reports (reward, size), per game."""
    space = Simplex(games.base, divergence)
    scores = games.rewards * games.sizes[:, None, :]
    scores[:, :, 0] = size * reward
    ones = np.ones(scores.shape[2])
    chosen = space.optimum(scores, ones)
    payments = payment.charge(Choice(space, scores, ones, Welfare(), chosen))[:, 0]
    return games.size[:, 0] * (games.liar * chosen.model).sum(axis=1), payments


def utility_of(games: Games, divergence: Divergence, payment: PaymentRule) -> Utility:
    """Group 0's true utility as a function of its report, all games at once."""

    def utility(reward: np.ndarray, size: np.ndarray) -> np.ndarray:
        value, paid = charged(games, divergence, payment, reward, size)
        return value - paid

    return utility


def money(games: Games) -> np.ndarray:
    """All that the groups could be worth together: what rounding is relative to."""
    return (games.sizes * games.rewards.max(axis=1)).sum(axis=1)


def normalised(reward: np.ndarray, scale: str) -> np.ndarray:
    """The nearest report of this kind: clipped at 0 and divided again.

    >>> normalised(np.array([[0.5, -1.0, 1.5]]), "sum").round(9)
    array([[0.25, 0.  , 0.75]])
    """
    kept = np.maximum(reward, 1e-300)
    return kept / (kept.sum(axis=1, keepdims=True) if scale == "sum" else kept.max(axis=1, keepdims=True))


def best_lie(games: Games, utility: Utility, rng: np.random.Generator, rounds: int = 200) -> np.ndarray:
    """The largest gain found in each game, 0 where it is no more than rounding.

    Starts from sizes alone, thresholds of the true reward and responses on their own; then tries random steps
    from the best report so far, in every game by itself.
    """
    truth = utility(games.liar, games.size)
    best, reward, size = truth.copy(), games.liar.copy(), games.size.copy()

    def attempt(told, claimed):
        nonlocal best, reward, size
        got = utility(told, claimed)
        better = got > best
        best = np.where(better, got, best)
        reward, size = np.where(better[:, None], told, reward), np.where(better[:, None], claimed, size)

    for told, claimed in _starts(games):
        attempt(told, claimed)
    for turn in range(rounds):
        step = _STEPS[turn % len(_STEPS)]
        spread = 1.0 / games.liar.shape[1] if games.scale == "sum" else 1.0
        told = normalised(reward + step * spread * rng.normal(size=reward.shape), games.scale)
        claimed = np.clip(size * np.exp(step * rng.normal(size=size.shape)), games.size / 4, MOST_SIZE * games.size)
        attempt(told if turn % 3 else reward, claimed if turn % 2 else size)
    gain = best - truth
    return np.where(gain > ROUNDING * money(games), gain, 0.0)


def _starts(games: Games):
    for factor in _FACTORS:
        yield games.liar, factor * games.size
    rank = np.argsort(np.argsort(-games.liar, axis=1, kind="stable"), axis=1, kind="stable")
    for place in range(games.liar.shape[1] - 1):
        for chosen in (rank <= place, rank == place):
            yield normalised(chosen.astype(float), games.scale), games.size
