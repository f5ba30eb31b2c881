"""Two groups that lie together: a payment that is truthful for each of them is not so for both at once.

Each group's payment depends on what the other one reports, so two groups that agree can lower each other's
bill. The attack maximises the sum of their utilities. With the externality payment on a simplex its gradient is
exact: for reports a and b with scores A and B beside the rest,

    joint = sum_g [<true_g r_g, p> + <rest + other_g, p> - D(p) - h(rest + other_g)] / weight_g,

where ``h`` is the best net score without the group, whose slope in the other's report is that policy. For
other payments the joint lies that worked for each group, and shared extremes, are settled one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.mechanism.audit.attack import Effort
from tuneaccord.mechanism.audit.outcomes import Filed, is_batched, is_charged, outcome, truthful_outcome
from tuneaccord.mechanism.audit.rows import CHUNK, climb, moved
from tuneaccord.mechanism.feasible import Feasible, prefixes
from tuneaccord.mechanism.settlement import Settlement


@dataclass(frozen=True, eq=False)
class PairRows:
    """Reporting problems of two groups; scores are multiplied by the rule's weights, a report is both in a row."""

    divergence: Divergence
    base: np.ndarray  #: (rows, responses)
    rest: np.ndarray  #: (rows, responses), the score of everybody else
    reward: np.ndarray  #: (2, rows, responses)
    size: np.ndarray  #: (2,), true sizes times weights
    claimed: np.ndarray  #: (2,)
    weight: np.ndarray  #: (2,)
    charged: bool

    def take(self, rows: np.ndarray) -> PairRows:
        """Some of the rows, with repetitions."""
        return replace(self, base=self.base[rows], rest=self.rest[rows], reward=self.reward[:, rows])

    def value_and_gradient(self, tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sum of the two groups' utilities, and its gradient in both reports side by side."""
        told = np.stack(np.split(tables, 2, axis=1)) * self.claimed[:, None, None]
        policy = self.divergence.tilt(self.rest + told.sum(axis=0), self.base)[0]
        kappa = self.divergence.response(policy, self.base)
        price, slope = self.divergence.price(policy, self.base), self.divergence.slope(policy, self.base)
        worth, towards, saved = np.zeros(len(tables)), np.zeros_like(policy), np.zeros_like(told)
        for one, other in ((0, 1), (1, 0)):
            own = self.size[one] * self.reward[one]
            if not self.charged:
                worth, towards = worth + (policy * own).sum(axis=1) / self.weight[one], towards + own / self.weight[one]
                continue
            without = self.rest + told[other]
            alone, best = self.divergence.tilt(without, self.base)
            worth = worth + ((policy * (own + without)).sum(axis=1) - price - best) / self.weight[one]
            towards = towards + (own + without - slope) / self.weight[one]
            saved[other] = (policy - alone) / self.weight[one]
        shared = moved(kappa, towards)
        return worth, np.concatenate(self.claimed[:, None, None] * (shared + saved), axis=1)


def joint_attack(
    result: Settlement,
    pair: tuple[int, int],
    feasible: tuple[Feasible, Feasible],
    factors: tuple[float, ...],
    alone: tuple[Filed, Filed],
    effort: Effort,
    rng: np.random.Generator,
) -> tuple[tuple[Filed, Filed], float]:
    """The best joint report found for two groups, and what they gain together; ``alone`` is each one's best lie."""
    begin = _joint_starts(result, pair, feasible, rng)
    same = [(1.0, 1.0), (factors[-1], factors[-1])]
    claims = list(product(factors, repeat=2)) if effort.mixed_claims else list(dict.fromkeys(same))
    if is_batched(result):
        filed = [_batched(result, pair, feasible, begin, claim, effort) for claim in claims]
    else:
        filed = [_at(result, pair, claim, tables) for tables in begin for claim in claims]
        filed = filed[: max(10, min(len(filed), effort.settlements * 10_000 // result.scores.size))]
    truths = tuple((float(result.sizes[index]), result.scores[:, :, index]) for index in pair)
    filed += [alone, (alone[0], truths[1]), (truths[0], alone[1])]
    truth = _joint_utility(result, pair, None)
    gains = [_joint_utility(result, pair, one) - truth for one in filed]
    best = int(np.argmax(gains))
    return filed[best], float(gains[best])


def alignment(result: Settlement, pair: tuple[int, int]) -> float:
    """How much the two groups want the same at the chosen model: their weighted covariance, over prompts."""
    one, other = (result.scores[:, :, i] * result.sizes[i] for i in pair)
    policy = result.optimum.model
    spread = [one - (policy * one).sum(axis=1, keepdims=True), other - (policy * other).sum(axis=1, keepdims=True)]
    return float(result.space.prompt_weights @ (policy * spread[0] * spread[1]).sum(axis=1))


def _at(result: Settlement, pair: tuple[int, int], claim: tuple[float, float], tables) -> tuple[Filed, Filed]:
    """Two reports, each with a size in units of the true one."""
    return tuple(
        (factor * float(result.sizes[index]), table) for index, factor, table in zip(pair, claim, tables, strict=True)
    )


def _joint_utility(result: Settlement, pair: tuple[int, int], filed: tuple[Filed, Filed] | None) -> float:
    got = truthful_outcome(result) if filed is None else outcome(result, dict(zip(pair, filed, strict=True)))
    return -np.inf if got is None else float(result.space.prompt_weights @ got.utilities[:, list(pair)].sum(axis=1))


def _joint_starts(result, pair, feasible, rng) -> list[tuple[np.ndarray, np.ndarray]]:
    """The truth, thresholds of what the two want together, each one's own thresholds, and random reports."""
    tables = [result.scores[:, :, i] for i in pair]
    wanted = sum(result.sizes[i] * table for i, table in zip(pair, tables, strict=True))
    found = [tuple(tables)]
    for shared in prefixes(wanted, 8):
        found.append(tuple(one.extremes(shared) for one in feasible))
    for own in zip(*(prefixes(table, 4) for table in tables), strict=True):
        found.append(tuple(one.extremes(chosen) for one, chosen in zip(feasible, own, strict=True)))
    found += [
        tuple(one.random(rng, table.shape) for one, table in zip(feasible, tables, strict=True)) for _ in range(4)
    ]
    return found


def _batched(result, pair, feasible, begin, claim, effort) -> tuple[Filed, Filed]:
    """The best joint report at two claimed sizes, from the most promising starts of each prompt."""
    rows = _rows_of(result, pair, claim)
    prompts, responses = rows.rest.shape
    tables = np.array([np.concatenate(both, axis=1) for both in begin])
    keep = max(2, min(effort.keep, CHUNK // (8 * tables[0].size)))

    def project(points):
        halves = np.split(points, 2, axis=1)
        return np.concatenate([one.project(half) for one, half in zip(feasible, halves, strict=True)], axis=1)

    worth = np.array([rows.value_and_gradient(one)[0] for one in tables])
    order = np.argsort(-worth, axis=0, kind="stable")[:keep]
    repeated = rows.take(np.tile(np.arange(prompts), len(order)))
    chosen = np.take_along_axis(tables, order[:, :, None], axis=0).reshape(-1, 2 * responses)
    climbed, reached = climb(
        lambda at, active: repeated.take(active).value_and_gradient(at), project, chosen, effort.steps
    )
    best = reached.reshape(len(order), prompts).argmax(axis=0) * prompts + np.arange(prompts)
    return _at(result, pair, claim, np.split(climbed[best], 2, axis=1))


def _rows_of(result: Settlement, pair: tuple[int, int], claim: tuple[float, float]) -> PairRows:
    weights, both = result.choice.weights, list(pair)
    kept = ~np.isin(np.arange(len(weights)), pair)
    size = (weights * result.sizes)[both]
    return PairRows(
        result.space.divergence,
        np.atleast_2d(result.space.base),
        result.scores[:, :, kept] @ (weights * result.sizes)[kept],
        np.moveaxis(result.scores[:, :, both], 2, 0),
        size,
        np.array(claim) * size,
        weights[both],
        is_charged(result),
    )
