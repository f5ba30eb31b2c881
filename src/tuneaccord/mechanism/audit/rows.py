"""Many one-prompt reporting problems at once: what a report is worth to a group that knows its truth.

A row is one prompt (or one market of one prompt) of one group: the base, the others' score, the group's true
reward and the sizes that it has and claims. On a simplex under ``Welfare`` a report ``r`` moves the policy to
``p = argmax <others + claimed r, p> - D(p)``, and the group has, up to a constant that it cannot move,

    with the externality payment   <others + true r_true, p> - D(p)
    without payments               true <r_true, p>.

The gradient in ``r`` is ``claimed kappa (G - mean_kappa G)`` with G the gradient of that line in p and kappa
how far a probability moves with its score. :func:`climb` is projected gradient ascent on it.

Source: arXiv 2405.16276, Theorem B.2 (kappa).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.mechanism.feasible import Feasible, prefixes, singles

CHUNK = 2_000_000  #: numbers in one array of a batch
RANDOM_STARTS = 24


@dataclass(frozen=True, eq=False)
class Rows:
    """Reporting problems of one group each; arrays (rows, responses) and (rows, 1)."""

    divergence: Divergence
    base: np.ndarray
    others: np.ndarray
    reward: np.ndarray
    size: np.ndarray
    claimed: np.ndarray
    charged: bool

    def take(self, rows: np.ndarray) -> Rows:
        """Some of the rows, with repetitions."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in ("divergence", "charged")}
        return replace(self, **arrays)

    def policy(self, tables: np.ndarray) -> np.ndarray:
        """The policy that each report leads to; ``tables`` may have axes before the rows."""
        score = self.others + self.claimed * tables
        return self.divergence.tilt(score, np.broadcast_to(self.base, score.shape))[0]

    def worth(self, policy: np.ndarray) -> np.ndarray:
        """What the group has with each policy, up to a constant of the row."""
        if not self.charged:
            return self._mean(policy, self.size * self.reward)
        price = self.divergence.price(policy, np.broadcast_to(self.base, policy.shape))
        return self._mean(policy, self.others + self.size * self.reward) - price

    def value_and_gradient(self, tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`worth` of each report, and its gradient in the report."""
        policy = self.policy(tables)
        towards = self.size * self.reward
        if self.charged:
            towards = towards + self.others - self.divergence.slope(policy, self.base)
        return self.worth(policy), self.claimed * moved(self.divergence.response(policy, self.base), towards)

    def _mean(self, policy: np.ndarray, score: np.ndarray) -> np.ndarray:
        """The mean score without the digits that a constant of the row would cost."""
        anchor = score.max(axis=-1, keepdims=True)
        return (policy * (score - anchor)).sum(axis=-1)


def stacked(parts: list[Rows]) -> Rows:
    """Several batches as one."""
    names = [f.name for f in fields(Rows) if f.name not in ("divergence", "charged")]
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def moved(kappa: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """``kappa (G - mean_kappa G)``: how a gain per probability turns into a gain per score."""
    total = kappa.sum(axis=-1, keepdims=True)
    weighted = (kappa * towards).sum(axis=-1, keepdims=True)
    mean = np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)
    return kappa * (towards - mean)


def starts(
    reward: np.ndarray, feasible: Feasible, rng: np.random.Generator, most: int, randoms: int = RANDOM_STARTS
) -> np.ndarray:
    """The truth, thresholds, single responses (``most`` of each) and random reports: (starts, rows, responses)."""
    return np.concatenate(
        [
            reward[None],
            feasible.extremes(prefixes(reward, most)),
            feasible.extremes(singles(reward, most)),
            feasible.random(rng, (randoms, *reward.shape)),
        ]
    )


def best_reports(
    rows: Rows, feasible: Feasible, begin: np.ndarray, keep: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best report found for each row and what it is worth, from the ``keep`` best starts of each row."""
    block = max(1, CHUNK // rows.reward.size)
    worth = np.concatenate([rows.worth(rows.policy(begin[i : i + block])) for i in range(0, len(begin), block)])
    kept = np.argsort(-worth, axis=0, kind="stable")[:keep]
    best_table = np.take_along_axis(begin, kept[:1, :, None], axis=0)[0]
    best_worth = np.take_along_axis(worth, kept[:1], axis=0)[0]
    if steps == 0 or not rows.divergence.response(rows.base, rows.base).any():  # not smooth: no gradient to follow
        return best_table, best_worth
    which = np.tile(np.arange(len(rows.reward)), len(kept))
    tables = np.take_along_axis(begin, kept[:, :, None], axis=0).reshape(-1, rows.reward.shape[1])
    limit = max(1, CHUNK // rows.reward.shape[1])
    for i in range(0, len(which), limit):
        part = rows.take(which[i : i + limit])
        found, gained = climb(
            lambda at, chosen, part=part: part.take(chosen).value_and_gradient(at),
            feasible.project,
            tables[i : i + limit],
            steps,
        )
        for table, number, row in zip(found, gained, which[i : i + limit], strict=True):
            if number > best_worth[row]:
                best_table[row], best_worth[row] = table, number
    return best_table, best_worth


def climb(
    value_and_gradient: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    project: Callable[[np.ndarray], np.ndarray],
    tables: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Projected gradient ascent from each row of ``tables``: the step doubles on success and halves on failure.

    ``value_and_gradient(tables, rows)`` is asked for the rows that still move. A step is measured by the largest
    change of a reward; a row rests when its step is below 1e-9 or its gradient vanishes. Returns the tables and
    their values, never worse than the start.
    """
    tables = tables.copy()
    active = np.arange(len(tables))
    value, gradient = value_and_gradient(tables, active)
    step = np.full(len(tables), 0.25)
    for _ in range(steps):
        steepest = np.abs(gradient[active]).max(axis=1)
        active = active[(steepest > 0) & (step[active] > 1e-9)]
        if len(active) == 0:
            break
        uphill = gradient[active] / np.abs(gradient[active]).max(axis=1, keepdims=True)
        tried = project(tables[active] + step[active, None] * uphill)
        reached, slope = value_and_gradient(tried, active)
        better = reached > value[active]
        up, down = active[better], active[~better]
        tables[up], value[up], gradient[up] = tried[better], reached[better], slope[better]
        step[up] = np.minimum(2.0 * step[up], 4.0)
        step[down] *= 0.5
    return tables, value
