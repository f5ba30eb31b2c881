"""Raise the smallest gain, fix who cannot gain more, and go on with the rest."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.several.ascent import Smallest, balance, climb
from tuneaccord.bargaining.several.together import Ask

_STUCK = 1e-6  # weight of a player that holds the level down
_CLOSE = 1e-7  # relative: ratios this close to the smallest are at it
_PROBE = 1e-3  # shares are moved by that much to see whether there is room
_WORTH = 1e-4  # relative: what the next level must rise by, for a level lowered by rounding only buys the root of it


def raise_minimum(ask: Ask, goal: Smallest, start: np.ndarray) -> np.ndarray:
    """Shares from which the smallest ratio cannot be raised locally, nor then the next smallest, and so on."""
    best = climb(ask, goal, start)
    outputs, slopes = (part[0] for part in ask(best[None, :]))
    held: dict[int, float] = dict(goal.held)
    left = goal.players
    for _ in range(len(goal.players)):
        weights = _stuck(Smallest(left, goal.units, held), best, outputs, slopes)
        held = held | {player: float(outputs[player] / goal.units[player]) for player in weights}
        left = np.array([player for player in left if player not in weights], int)
        if not len(left) or not _room(ask, goal, weights, best, outputs, slopes):
            break
        further = climb(ask, Smallest(left, goal.units, held), best)
        seen, steeper = (part[0] for part in ask(further[None, :]))
        if not _improves(_ratios(goal, outputs), _ratios(goal, seen), len(held)):
            break
        best, outputs, slopes = further, seen, steeper
    return best


def _ratios(goal: Smallest, outputs: np.ndarray) -> np.ndarray:
    return outputs[goal.players] / goal.units[goal.players]


def _improves(before: np.ndarray, after: np.ndarray, fixed: int) -> bool:
    before, after = np.sort(before), np.sort(after)
    size = np.abs(before).max()
    fixed = min(fixed, len(before) - 1)
    kept = (after[:fixed] >= before[:fixed] - 1e-12 * size).all()
    return bool(kept and after[fixed] > before[fixed] + _WORTH * size)


def _room(ask: Ask, goal: Smallest, weights: dict[int, float], shares, outputs, slopes) -> bool:
    """Whether some move that leaves everybody with weight where it is, to first order, does not lower them together."""
    free = (shares > 0.0) & (shares < 1.0)
    stuck, weight = np.array(list(weights)), np.array(list(weights.values()))
    rows = slopes[stuck][:, free] / goal.units[stuck, None]
    _, size, directions = np.linalg.svd(rows)
    rank = int((size > 1e-6 * size.max(initial=0.0)).sum())
    moves = np.zeros((len(directions) - rank, len(shares)))
    moves[:, free] = _PROBE * directions[rank:]
    if not len(moves):
        return False
    before = weight @ (outputs[stuck] / goal.units[stuck])
    after = ask(np.clip(shares + np.vstack([moves, -moves]), 0.0, 1.0))[0][:, stuck] / goal.units[stuck] @ weight
    return bool((after > before - 1e-10 * abs(before)).any())


def _stuck(goal: Smallest, shares: np.ndarray, outputs: np.ndarray, slopes: np.ndarray) -> dict[int, float]:
    """The players at the smallest ratio that carry weight in the balance of slopes: raising one lowers another."""
    ratios = _ratios(goal, outputs)
    low = goal.players[ratios <= ratios.min() + _CLOSE * np.abs(ratios).max()]
    axes = np.eye(len(shares))
    kept = [slopes[player] / goal.units[player] for player in goal.held]
    weights = balance(
        slopes[low] / goal.units[low, None], np.vstack([*kept, -axes[shares == 1.0], axes[shares == 0.0]])
    )
    stuck = {int(player): float(weight) for player, weight in zip(low, weights, strict=True) if weight > _STUCK}
    return stuck or {int(player): 1.0 for player in low}
