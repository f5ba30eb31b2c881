"""Batches of random one-prompt games, and what happens in all of them at once under one report or another.

A game is a row: rewards (games, responses, groups) normalised per group by their sum or their maximum, sizes
(games, groups), base uniform. The liar is group 0 throughout. Everything goes through ``Divergence.tilt``,
which solves all games in one call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence import Divergence

SCALES = ("sum", "max")
BLOCK = 5_000  #: games at a time: their arrays stay in the cache


@dataclass(frozen=True, eq=False)
class Games:
    """Random games of one shape."""

    rewards: np.ndarray  #: (games, responses, groups)
    sizes: np.ndarray  #: (games, groups)
    scale: str

    @property
    def base(self) -> np.ndarray:
        """The uniform base, shape (games, responses)."""
        games, responses, _ = self.rewards.shape
        return np.full((games, responses), 1.0 / responses)

    @property
    def score(self) -> np.ndarray:
        """The size-weighted sum of the true rewards, shape (games, responses)."""
        return np.einsum("grn,gn->gr", self.rewards, self.sizes)

    @property
    def liar(self) -> np.ndarray:
        """Group 0's true reward, shape (games, responses)."""
        return self.rewards[:, :, 0]

    @property
    def size(self) -> np.ndarray:
        """Group 0's true size, shape (games, 1)."""
        return self.sizes[:, :1]

    @property
    def others(self) -> np.ndarray:
        """The score without group 0."""
        return np.einsum("grn,gn->gr", self.rewards[:, :, 1:], self.sizes[:, 1:])


def draw_games(
    rng: np.random.Generator, games: int, scale: str, *, responses: int = 10, groups: int = 3, largest: int = 10
) -> Games:
    """Games with rewards uniform on [0, 1] and then normalised, and sizes uniform on 1..largest.

    >>> draw_games(np.random.default_rng(0), 2, "max").rewards.max(axis=1)[0]
    array([1., 1., 1.])
    """
    rewards = rng.uniform(size=(games, responses, groups))
    rewards /= rewards.sum(axis=1, keepdims=True) if scale == "sum" else rewards.max(axis=1, keepdims=True)
    return Games(rewards, rng.integers(1, largest + 1, size=(games, groups)).astype(float), scale)


def blocks(samples: int, block: int = BLOCK) -> Iterator[int]:
    """How many games to draw at a time.

    >>> list(blocks(7, 3))
    [3, 3, 1]
    """
    while samples > 0:
        yield min(samples, block)
        samples -= block


def value(games: Games, policy: np.ndarray) -> np.ndarray:
    """What a policy is truly worth to group 0 as a whole, per game."""
    return games.size[:, 0] * (games.liar * policy).sum(axis=1)


def net_welfare(games: Games, divergence: Divergence, policy: np.ndarray) -> np.ndarray:
    """The true net welfare of a policy, per game; what a lie takes from it is what the lie costs the liar."""
    return (games.score * policy).sum(axis=1) - divergence.price(policy, games.base)


def outcome(games: Games, divergence: Divergence, reward: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The policies when group 0 reports ``reward`` (games, responses) and ``size`` (games, 1)."""
    return divergence.tilt(games.others + size * reward, games.base)[0]


def largest_move(reward: np.ndarray, scale: str) -> np.ndarray:
    """How far Theorem 4.2's move can go in each game, shape (games,)."""
    low = reward.min(axis=1)
    return np.minimum(low, 1.0 - reward.max(axis=1)) if scale == "sum" else low


def moved(reward: np.ndarray, scale: str, amount: np.ndarray) -> np.ndarray:
    """Theorem 4.2's move: take ``amount`` (games,) from the least wanted response; under "sum" give it to the best."""
    lie, games = reward.copy(), np.arange(len(reward))
    lie[games, reward.argmin(axis=1)] -= amount
    if scale == "sum":
        lie[games, reward.argmax(axis=1)] += amount
    return lie


def polarised(games: Games, shift: float) -> np.ndarray:
    """``shift * r + (1 - shift) * r_others``, clipped at 0 and normalised again; others by their size-weighted mean."""
    others = games.others / games.sizes[:, 1:].sum(axis=1, keepdims=True)
    lie = np.maximum(shift * games.liar + (1.0 - shift) * others, 0.0)
    return lie / (lie.sum(axis=1, keepdims=True) if games.scale == "sum" else lie.max(axis=1, keepdims=True))


def best_reward(games: Games, strength: float) -> np.ndarray:
    """The report that is best for group 0 under KL when nobody pays, exactly; its size is reported truthfully.

    Normalised by sum it is everything on one response, normalised by maximum a threshold: 1 on the best responses
    and 0 on the rest. Both are the best of as many candidates as there are responses.
    """
    from tuneaccord.divergence import KL

    alone = KL(strength).tilt(games.others, games.base)[0]
    lift = -np.expm1(-games.size / strength)  # 1 - exp(-k), so that nothing overflows
    order = np.argsort(-games.liar, axis=1, kind="stable")
    mass, worth = (np.take_along_axis(part, order, axis=1) for part in (alone, alone * games.liar))
    total = worth.sum(axis=1, keepdims=True)
    if games.scale == "max":
        mass, worth = mass.cumsum(axis=1), worth.cumsum(axis=1)
    values = ((1.0 - lift) * total + lift * worth) / ((1.0 - lift) + lift * mass)
    best = values.argmax(axis=1)[:, None]
    rank = np.argsort(order, axis=1, kind="stable")
    return np.where(rank <= best, 1.0, 0.0) if games.scale == "max" else np.where(rank == best, 1.0, 0.0)


#: times the strength of KL: a policy then neither collapses nor, as a rule, drops a response
_TIMES = {"chi-squared": 6.0, "squared Hellinger": 2.0, "Jensen-Shannon": 4.0, "alpha 1.5": 3.0}


def families(strength: float) -> list[tuple[str, Divergence]]:
    """Every built-in divergence by a name that people know, at strengths comparable to KL's ``strength``.

    >>> families(0.5)[0]
    ('KL', KL(strength=0.5))
    """
    from tuneaccord import divergence

    kinds = {
        "KL": divergence.KL,
        "reverse KL": divergence.ReverseKL,
        "chi-squared": divergence.ChiSquared,
        "squared Hellinger": divergence.SquaredHellinger,
        "Jensen-Shannon": divergence.JensenShannon,
        "alpha 1.5": lambda strength: divergence.Alpha(strength, 1.5),
        "total variation": divergence.TotalVariation,
    }
    return [(name, kind(_TIMES.get(name, 1.0) * strength)) for name, kind in kinds.items()]
