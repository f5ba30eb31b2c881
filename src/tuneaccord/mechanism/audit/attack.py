"""The general attack on one group's report: what is the most that it can gain by any lie that we can find?

With a payment in closed form on a simplex all starts of all prompts are tried at once, and the best are
improved by projected gradient ascent (:mod:`tuneaccord.mechanism.audit.rows`). For any other rule or payment
the market is settled again for each lie: starts first, the best report of each prompt put together, then ascent
with finite differences, all prompts at a time. What is found is a lower bound on what a lie can gain.

Sizes are tried on a grid. On a finite set of models a report matters through the model that it makes the
winner, so each model's most favourable report is tried, and the sizes at which the truth's winner changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tuneaccord.mechanism.audit.best_response import rows_of
from tuneaccord.mechanism.audit.outcomes import (
    Filed,
    is_batched,
    is_charged,
    is_finite_set,
    outcome,
    truthful_outcome,
)
from tuneaccord.mechanism.audit.rows import CHUNK, best_reports, stacked, starts
from tuneaccord.mechanism.feasible import Feasible
from tuneaccord.mechanism.settlement import Settlement


@dataclass(frozen=True)
class Effort:
    """How hard to try. ``settlements`` is how many re-settlements one group may cost where lies are not batched."""

    thresholds: int  #: thresholds and single responses tried, of each
    keep: int  #: starts of each prompt that are improved
    steps: int  #: of gradient ascent
    settlements: int
    pairs: int  #: pairs of groups that are tried, the most aligned first
    mixed_claims: bool  #: whether two groups that lie together may inflate their sizes differently


EFFORTS = {
    "quick": Effort(thresholds=32, keep=6, steps=40, settlements=120, pairs=6, mixed_claims=False),
    "thorough": Effort(thresholds=256, keep=48, steps=300, settlements=3000, pairs=10_000, mixed_claims=True),
}


def general_attack(
    result: Settlement,
    index: int,
    feasible: Feasible,
    factors: tuple[float, ...],
    begin: np.ndarray,
    effort: Effort,
    rng: np.random.Generator,
) -> Filed:
    """The best report found for one group; ``begin`` (starts, prompts, responses) are tried beside the usual starts."""
    own = result.scores[:, :, index]
    begin = np.concatenate([starts(own, feasible, rng, effort.thresholds), begin])
    if is_finite_set(result):
        return _best_settled(result, index, _winning_reports(result, index, feasible, factors, begin))
    if is_batched(result):
        return _batched(result, index, feasible, factors, begin, effort)
    return _settled(result, index, feasible, factors, begin, effort, rng)


def _batched(result, index, feasible, factors, begin, effort) -> Filed:
    """All sizes and starts of a block of prompts at once; the sizes are compared over all prompts."""
    size, prompts = float(result.sizes[index]), len(result.scores)
    rows = [rows_of(result, index, factor * size, is_charged(result)) for factor in factors]
    block = max(1, 2 * CHUNK // (len(factors) * begin[:, 0].size))
    keep = max(2, min(effort.keep, effort.keep * 4 * CHUNK // (begin.size * result.space.shape[1])))
    found = []
    for first in range(0, prompts, block):
        part = np.arange(first, min(first + block, prompts))
        tiled = np.tile(begin[:, part], (1, len(factors), 1))
        tables, worth = best_reports(stacked([one.take(part) for one in rows]), feasible, tiled, keep, effort.steps)
        found.append((tables.reshape(len(factors), len(part), -1), worth.reshape(len(factors), -1)))
    tables, worth = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    best = int((worth @ result.space.prompt_weights).argmax())
    return factors[best] * size, tables[best]


def _best_settled(result: Settlement, index: int, filed: list[Filed]) -> Filed:
    truth = float(result.sizes[index]), result.scores[:, :, index]
    best, most = truth, _utility(result, index, truth)
    for one in filed:
        reached = _utility(result, index, one)
        if reached > most:
            best, most = one, reached
    return best


def _utility(result: Settlement, index: int, filed: Filed) -> float:
    got = outcome(result, {index: filed})
    return -np.inf if got is None else float(result.space.prompt_weights @ got.utilities[:, index])


def _winning_reports(result, index, feasible, factors, begin) -> list[Filed]:
    """Each model's most favourable report at each size, the sizes where the truth's winner changes, and ``begin``."""
    own, size = result.scores[:, :, index], float(result.sizes[index])
    tables = feasible.extremes(np.eye(own.shape[1], dtype=bool))[:, None, :]
    filed = [(factor * size, table) for factor in factors for table in [*tables, *begin]]
    return filed + [(claimed, own) for claimed in turning_sizes(result, index, factors[-1] * size)]


def turning_sizes(result: Settlement, index: int, largest: float) -> list[float]:
    """One size between each two at which the winner changes while the reward stays true: every size lie there is."""
    weights = result.choice.weights
    kept = np.arange(len(weights)) != index
    prices = result.rule.space_for(result.space).prices
    level = result.scores[0][:, kept] @ (weights * result.sizes)[kept] - prices
    rise = weights[index] * result.scores[0, :, index]
    at, turns = 0.0, [0.0]
    leader = max(range(len(level)), key=lambda k: (level[k], rise[k]))
    while True:  # walk along the upper envelope of the lines level + size * rise
        ahead = rise > rise[leader]
        if not ahead.any():
            break
        crossing = np.where(ahead, (level[leader] - level) / np.where(ahead, rise - rise[leader], 1.0), np.inf)
        at = max(at, float(crossing.min()))
        if at >= largest:
            break
        turns.append(at)
        tied = np.flatnonzero(crossing <= at)
        leader = int(tied[rise[tied].argmax()])
    ends = [*turns, largest]
    return [(low + high) / 2 for low, high in pairwise(ends) if high > low]


def _settled(result, index, feasible, factors, begin, effort, rng) -> Filed:
    weights, size = result.space.prompt_weights, float(result.sizes[index])
    budget = _Budget(max(30, min(effort.settlements, 20 * effort.settlements * 1000 // result.scores.size)))
    truth = truthful_outcome(result).utilities[:, index]
    best, most = (size, result.scores[:, :, index]), float(weights @ truth)
    share = max(4, budget.left // (2 * len(factors)))
    chosen = np.unique(np.linspace(0, len(begin) - 1, min(len(begin), share)).astype(int))
    for factor in factors:
        together, by_prompt = result.scores[:, :, index].copy(), np.full(len(weights), -np.inf)
        tried = [(factor * size, begin[i]) for i in chosen]
        for filed in tried:
            got = budget.outcome(result, index, filed)
            if got is None:
                continue
            if weights @ got > most:
                best, most = filed, float(weights @ got)
            better = got > by_prompt
            together[better], by_prompt[better] = filed[1][better], got[better]
        got = budget.outcome(result, index, (factor * size, together))
        if got is not None and weights @ got > most:
            best, most = (factor * size, together), float(weights @ got)
    return _finite_differences(result, index, feasible, best, most, budget, rng)


class _Budget:
    """Counts re-settlements, so that the same seed does the same work everywhere."""

    def __init__(self, left: int) -> None:
        self.left = left

    def outcome(self, result: Settlement, index: int, filed: Filed) -> np.ndarray | None:
        """The group's utilities by prompt; None when the report is refused or the budget is spent."""
        if self.left <= 0:
            return None
        self.left -= 1
        got = outcome(result, {index: filed})
        return None if got is None else got.utilities[:, index]


def _finite_differences(result, index, feasible, best, most, budget, rng) -> Filed:
    """Ascent from the best report: one direction at a time is tried in all prompts at once."""
    weights = result.space.prompt_weights
    size, table = best
    responses = table.shape[1]
    width = 1e-4 * (feasible.high - feasible.low)
    step = 0.25 * (feasible.high - feasible.low)
    while budget.left > 0 and step > 1e-6:
        here = budget.outcome(result, index, (size, table))
        if here is None:
            break
        directions = np.eye(responses) if responses <= 16 else rng.choice([-1.0, 1.0], (16, responses))
        gradient = np.zeros_like(table)
        for direction in directions:
            ahead, back = (feasible.project(table + side * width * direction) for side in (1.0, -1.0))
            forward = _distance(ahead, table) >= _distance(back, table)  # the other side where one leaves the range
            got = budget.outcome(result, index, (size, np.where(forward, ahead, back)))
            if got is not None:
                gradient += np.where(forward, 1.0, -1.0) * (got - here)[:, None] * direction
        steepest = np.abs(gradient).max(axis=1, keepdims=True)
        if not steepest.any():
            break
        uphill = np.divide(gradient, steepest, out=np.zeros_like(gradient), where=steepest > 0)
        improved = False
        while budget.left > 0 and step > 1e-6:
            moved = feasible.project(table + step * uphill)
            got = budget.outcome(result, index, (size, moved))
            if got is not None and weights @ got > most:
                table, most, improved, step = moved, float(weights @ got), True, 2.0 * step
                break
            step *= 0.5
        if not improved:
            break
    return size, table


def _distance(tables: np.ndarray, table: np.ndarray) -> np.ndarray:
    return np.abs(tables - table).max(axis=1, keepdims=True)
