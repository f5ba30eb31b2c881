"""What a group's presence costs the others at a delivered model, whichever way it was made.

Whatever model ``a`` is delivered, the payment ``h(w without i) - [others' welfare at a - price of a]`` leaves a
truthful group with ``net welfare(a) - h(w without i)``. A way is free in where its ``h`` comes from.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.mechanism.uncertainty import Interval, interval
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.tuning.comparison import Row, best_net_welfare, shortfall
from tuneaccord.tuning.job import Frozen
from tuneaccord.tuning.market import Market


def without(sizes: np.ndarray, group: int) -> np.ndarray:
    """The sizes with one group's set to 0.

    >>> without(np.array([5.0, 3.0]), 1).tolist()
    [5.0, 0.0]
    """
    return np.where(np.arange(len(sizes)) == group, 0.0, sizes)


def others_net_welfare(row: Row, group: int, sizes: np.ndarray, strength: float) -> np.ndarray:
    """Net welfare of everybody but one group, per prompt."""
    return row.net_welfare(without(sizes, group), strength)


def others_by_group(row: Row, market: Market) -> np.ndarray:
    """Net welfare of everybody but each group at one model, (prompts, groups)."""
    groups = range(len(market.sizes))
    return np.stack([others_net_welfare(row, group, market.sizes, market.strength) for group in groups], axis=1)


def pool_without(scores: np.ndarray, sizes: np.ndarray, divergence: Divergence) -> np.ndarray:
    """The best net welfare without each group on a pool's scores (prompts, replies, groups): (prompts, groups)."""
    space = Simplex.uniform(*scores.shape[:2], divergence)
    columns = [space.optimum(scores, without(sizes, group)).support for group in range(len(sizes))]
    return np.stack(columns, axis=1)


def pool_charges(market: Market, frozen: Frozen, row: Row) -> np.ndarray:
    """Payments by prompt, (prompts, groups), when ``h`` is that of the frozen held-out pool."""
    best = pool_without(frozen.held_out.scores, market.sizes, market.settings.divergence)
    return best - others_by_group(row, market)


def payment_intervals(market: Market, charges: np.ndarray) -> dict[str, Interval]:
    """Payments by prompt, (prompts, groups), as means with intervals over prompts, by group."""
    return {name: interval(charges[:, i], market.settings.seed) for i, name in enumerate(market.names)}


def gap_of(market: Market, frozen: Frozen, row: Row) -> Interval:
    """By how much a delivered model falls short of the best net welfare, estimated on the held-out pool."""
    best = best_net_welfare(frozen.held_out.scores, market.sizes, market.strength)
    return shortfall(best, row, market.sizes, market.strength, market.settings.seed)
