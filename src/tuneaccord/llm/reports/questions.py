"""Answers to a few questions as a report: which questions are asked, and what is made of the answers.

A group's reward over the pool's replies is taken to be close to a mix of the published archetypes, ``r = A z`` with
``z >= 0`` (``features.archetypes``). Which replies it is asked about follows from ``A`` alone, that is from the frozen
pool and the group's name, and from no report:

1. the leverage scores of ``A``'s rows, ``l_j = |U_j|^2`` with ``U`` an orthonormal basis of its columns, sum to its
   rank ``k``; rows are drawn with probability ``l_j / k`` until there are as many different ones as questions;
2. row j, drawn ``m_j`` times in ``q`` draws, has the weight ``m_j / (q l_j / k)``, and ``z`` minimises the weighted sum
   of squares of ``A z - answers`` over ``z >= 0``. With ``q`` of the order of ``k log k + k / delta`` the squared error
   over the whole pool is within a factor ``1 + delta`` of the best mix's, with constant probability;
3. more replies, drawn evenly from the rest, check the fit; the largest error on any answer is the estimate of epsilon.

``A z`` is clipped to the scale. Source: arXiv 2310.07874 for learning a type near a low-dimensional model by active
regression; leverage-score sampling is Drineas, Mahoney and Muthukrishnan (2006).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from tuneaccord.artifacts import digest_of, seed_of
from tuneaccord.errors import InputError
from tuneaccord.llm.reports.features import archetypes, identity
from tuneaccord.llm.reports.filled import COLUMNS, blank, naming, short_name
from tuneaccord.llm.reports.fit import CONFIDENCE, Fit, unseen_share
from tuneaccord.llm.reports.linear import Linear
from tuneaccord.llm.reports.reward import Form, GroupReward, PoolReport
from tuneaccord.sheets import Cells, read_long_sheet

if TYPE_CHECKING:
    from tuneaccord.llm.pool import Pool

QUESTIONS, CHECKS = 20, 10
FIT, CHECK = "fit", "check"
_COLUMNS = (COLUMNS[0], "use", *COLUMNS[1:])


@dataclass(frozen=True)
class Questions:
    """Rows of the flattened pool that a group is asked about, and the weights of those that are fitted."""

    rows: np.ndarray  #: fitted to, in the order of asking
    weights: np.ndarray
    checks: np.ndarray  #: only checked on


def leverage_scores(matrix: np.ndarray) -> np.ndarray:
    """How much each row matters to a least-squares fit: the squared lengths of the rows of an orthonormal basis.

    They are between 0 and 1 and sum to the rank.

    >>> leverage_scores(np.array([[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])).round(6).tolist()
    [0.2, 0.0, 0.8]
    """
    basis, lengths, _ = np.linalg.svd(matrix, full_matrices=False)
    kept = lengths > max(matrix.shape) * np.finfo(float).eps * lengths[0]
    return (basis[:, kept] ** 2).sum(axis=1)


def choose(pool: Pool, group: str, count: int = QUESTIONS, checks: int = CHECKS) -> Questions:
    """The replies that a group is asked about: a function of the pool, the name and the two numbers alone.

    Raises :class:`InputError` when the pool is too small.
    """
    return draw(leverage_scores(archetypes(*pool.flat())), seed_of("questions", pool.digest, group), count, checks)


def draw(scores: np.ndarray, seed: int, count: int, checks: int) -> Questions:
    """``count`` different rows with probabilities in proportion to ``scores``, and ``checks`` others drawn evenly.

    Raises :class:`InputError` when there are not as many rows.
    """
    if count < 1 or checks < 1:
        raise InputError(f"there must be at least one question and one check, got {count} and {checks}.")
    chances = scores / scores.sum()
    if count > (chances > 0).sum() or count + checks > len(scores):
        raise InputError(
            f"{count} questions and {checks} checks are more than this pool of {len(scores)} replies offers. Ask fewer."
        )
    draws = np.random.default_rng(seed)
    times: dict[int, int] = {}
    while len(times) < count:
        row = int(draws.choice(len(chances), p=chances))
        times[row] = times.get(row, 0) + 1
    rows = np.array(list(times))
    often = np.array(list(times.values()))
    rest = np.setdiff1d(np.arange(len(scores)), rows)
    return Questions(rows, often / (often.sum() * chances[rows]), draws.choice(rest, size=checks, replace=False))


def questionnaire(pool: Pool, group: str, count: int = QUESTIONS, checks: int = CHECKS) -> str:
    """The questions as CSV with an empty column ``score``; ``use`` says which answers are fitted and which check."""
    asked = choose(pool, group, count, checks)
    rows = [divmod(int(row), pool.shape[1]) for row in (*asked.rows, *asked.checks)]
    uses = [FIT] * len(asked.rows) + [CHECK] * len(asked.checks)
    return blank(((pool, prompt, reply) for prompt, reply in rows), _COLUMNS, use=uses)


@dataclass(frozen=True)
class Answers(Form):
    """A questionnaire that the group filled in, CSV."""

    path: Path

    def read(self, name, size, folder, scale, seconds):
        path = (folder / self.path).resolve()
        with naming(name):
            by_pool, by_use = (read_long_sheet(path, by=column) for column in ("pool", "use"))
            source = hashlib.sha256(path.read_bytes()).hexdigest()
            _check_uses(path, by_pool, by_use)
            scale = scale or (0.0, 1.0)
            _check_scale(path, by_use, scale)
        about = {"answers": path.name, "source": source, **identity()}
        count = len(by_use[FIT].scores)
        described = f"a mix of published archetypes, fitted to {count} answers ({path.name})"
        pending = Answered(path, next(iter(by_pool)), by_use[FIT], by_use[CHECK])
        return GroupReward(name, size, path.name, described, scale, None, about, seconds, pending)


@dataclass(frozen=True)
class Answered(PoolReport):
    """Answers that wait for the pool whose replies they are about."""

    path: Path
    pool: str  #: its short name
    fit: Cells
    check: Cells

    new_texts = True
    fitted = True

    def on(self, group: GroupReward, pool: Pool, held_out: Pool) -> GroupReward:
        """The group with the fitted reward."""
        with naming(group.name):
            asked = self._asked(pool, group.name)
        low, high = group.scale
        length = high - low
        matrix = archetypes(*pool.flat())
        answers = (self._in_order(self.fit, asked.rows, pool) - low) / length
        mix = fit_mix(matrix[asked.rows], answers, asked.weights)
        count = matrix.shape[1] // 2
        reward = Linear(tuple(mix[:count] - mix[count:]), float(mix[count:].sum()), low, high)
        rows = np.concatenate([asked.rows, asked.checks])
        given = np.concatenate([answers, (self._in_order(self.check, asked.checks, pool) - low) / length])
        errors = np.abs(np.clip(matrix[rows] @ mix, 0.0, 1.0) - given)
        fit = _fit(errors, np.ptp(given) / 2, len(asked.checks), length, mix, pool)
        return replace(group, function=reward, pending=None, fit=fit)

    def _asked(self, pool: Pool, group: str) -> Questions:
        """The questions of this pool, if they are those that were answered."""
        if self.pool != short_name(pool.digest):
            raise InputError(
                f"{self.path} is about the pool {self.pool!r}, and that of this run is {short_name(pool.digest)!r}. "
                "Model, prompts, sampling or seed have changed since: ask again with tuneaccord questions."
            )
        asked = choose(pool, group, len(self.fit.scores), len(self.check.scores))
        for use, cells, rows in ((FIT, self.fit, asked.rows), (CHECK, self.check, asked.checks)):
            expected = {_cell(pool, row) for row in rows}
            for prompt, reply in cells.scores:
                if (prompt, reply) not in expected:
                    raise InputError(
                        f"{self.path}: reply {reply!r} to prompt {prompt!r} is not one of the {len(rows)} questions "
                        f"with the use {use!r} that this group was asked. Answer all the questions of the file that "
                        "tuneaccord questions wrote, and no others."
                    )
        return asked

    def _in_order(self, cells: Cells, rows: np.ndarray, pool: Pool) -> np.ndarray:
        return np.array([cells.scores[_cell(pool, row)] for row in rows])


def fit_mix(matrix: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``argmin_z sum_j weights_j (A_j z - answers_j)^2`` over ``z >= 0``.

    >>> fit_mix(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, -1.0]), np.ones(2)).tolist()
    [0.5, 0.0]
    """
    root = np.sqrt(weights)
    return nnls(matrix * root[:, None], answers * root)[0]


def _fit(errors: np.ndarray, constant: float, checks: int, length: float, mix: np.ndarray, pool: Pool) -> Fit:
    """``constant`` is the largest error of the best constant on the same answers, on a scale of length one."""
    how = (
        f"the largest error on {len(errors)} answers, {checks} of which were not fitted to, where the best constant is "
        f"off by {length * constant:.3g}. At {CONFIDENCE:.0%} confidence at most {unseen_share(checks):.0%} of the "
        "pool's other replies are further off"
    )
    return Fit(length * float(errors.max()), how, digest_of({"mix": mix.tolist(), "pool": pool.digest}))


def _cell(pool: Pool, row: int) -> tuple[str, str]:
    prompt, reply = divmod(int(row), pool.shape[1])
    return pool.prompts[prompt].id, str(reply)


def _check_uses(path: Path, by_pool: dict[str, Cells], by_use: dict[str, Cells]) -> None:
    for use in (FIT, CHECK):
        if use not in by_use:
            raise InputError(f"{path} has no answer with the use {use!r}. Fill in the file of tuneaccord questions.")
    for use in by_use:
        if use not in (FIT, CHECK):
            raise InputError(f"{path}: the use must be 'fit' or 'check', got {use!r}.")
    if len(by_pool) > 1:
        raise InputError(f"{path} has answers about {len(by_pool)} pools: {', '.join(by_pool)}. Keep those of one.")


def _check_scale(path: Path, by_use: dict[str, Cells], scale: tuple[float, float]) -> None:
    low, high = scale
    for cells in by_use.values():
        for (prompt, reply), score in cells.scores.items():
            if not low <= score <= high:
                raise InputError(
                    f"{path.name} answers {score:g} for reply {reply!r} to prompt {prompt!r}, outside the scale "
                    f"[{low:g}, {high:g}]. Mend the answer, or publish another 'scale' for the group."
                )
