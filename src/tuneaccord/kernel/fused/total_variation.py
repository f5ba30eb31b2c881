"""Payments under total variation: two passes over each row, every term of the sums not negative.

Without group i the score is ``s = S - size_i r_i`` with maximum M, and responses below ``T = M - 2 strength`` lose
their mass. Set against the optimum for everybody, the payment is

    sum_kept q (T - s)_+  +  sum_emptied q (s - T)_+  +  sum_top moved (M - s),

where ``kept`` and ``emptied`` are the responses that keep or lose their mass in the optimum for everybody and
``moved`` is the mass that its best responses receive. Scores are float64 whatever the rewards' type.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from tuneaccord.kernel.fused.arithmetic import EXACT, SUMS, larger
from tuneaccord.kernel.fused.blocks import row_tasks, run


@njit(fastmath=SUMS, error_model="numpy")
def _highest(score, r, o, at, n, size, origin):
    top = score[at] - size * (r[o] - origin)
    for step in range(n):
        k = uint64(step)
        top = larger(top, score[at + k] - size * (r[o + k] - origin))
    return top


@njit(fastmath=SUMS, error_model="numpy")
def _shift(score, side, r, o, at, n, size, origin, threshold):
    total = 0.0
    for step in range(n):
        k = uint64(step)
        below = threshold - (score[at + k] - size * (r[o + k] - origin))
        total += larger(side[at + k] * below, 0.0)
    return total


@njit(fastmath=SUMS, error_model="numpy")
def _weighted_shift(score, side, q, r, o, at, n, size, origin, threshold):
    total = 0.0
    for step in range(n):
        k = uint64(step)
        below = threshold - (score[at + k] - size * (r[o + k] - origin))
        total += q[at + k] * larger(side[at + k] * below, 0.0)
    return total


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _rows(r, q, score, side, moved, best, first_best, responses, groups, sizes, strength, begin, end, pay):
    for row in range(begin, end):
        prompt, i = row // groups, row % groups
        o, at = uint64(row * responses), uint64(prompt * responses)
        origin, size = np.float64(r[o]), sizes[i]
        top = _highest(score, r, o, at, responses, size, origin)
        threshold = top - 2.0 * strength
        if q.size > 0:
            total = _weighted_shift(score, side, q, r, o, at, responses, size, origin, threshold)
        else:
            total = _shift(score, side, r, o, at, responses, size, origin, threshold) / responses
        for position in range(first_best[prompt], first_best[prompt + 1]):
            k = uint64(best[position])
            total += moved[position] * (top - (score[at + k] - size * (r[o + k] - origin)))
        pay[row] = total


def total_variation_payments(
    scores: np.ndarray,
    base: np.ndarray | None,
    sizes: np.ndarray,
    strength: float,
    score: np.ndarray,
    threads: int | None = None,
) -> np.ndarray:
    """Every payment, (prompts, groups), for ``scores`` (prompts, groups, responses), contiguous.

    ``base`` is (prompts, responses), None for a uniform one; moved mass goes to the best responses in proportion to
    it. ``score`` is the sum of size times reward, (prompts, responses), up to a constant.

    >>> market, sizes = np.array([[[0.0, 1.0], [1.0, 0.5]]]), np.array([4.0, 2.0])
    >>> total_variation_payments(market, None, sizes, 1.0, np.array([[2.0, 5.0]]))
    array([[1.5, 0. ]])
    """
    prompts, groups, responses = scores.shape
    sizes = np.ascontiguousarray(sizes, float)
    q = np.full_like(score, 1.0 / responses) if base is None else np.asarray(base, float)
    if base is not None:
        score = np.where(q > 0, score, -np.inf)
    top = score.max(axis=1, keepdims=True)
    emptied, winners = score < top - 2.0 * strength, score == top
    mass = (q * emptied).sum(axis=1, keepdims=True)
    share = np.where(winners, q, 0.0)
    share *= mass / share.sum(axis=1, keepdims=True)
    where, best = np.nonzero(share)
    first_best = np.searchsorted(where, np.arange(prompts + 1))
    side = np.where(emptied, -1.0, 1.0)
    if base is not None:
        score = np.where(q > 0, score, -1e200)  # of weight zero, and never the best without some group either
    flat = np.ascontiguousarray(scores).reshape(-1)
    pay = np.zeros(prompts * groups)
    weights = np.zeros(0) if base is None else np.ascontiguousarray(q).reshape(-1)
    fixed = (flat, weights, score.reshape(-1), side.reshape(-1), share[where, best], best, first_best)

    def task(begin, end):
        _rows(*fixed, responses, groups, sizes, float(strength), begin, end, pay)

    run(task, row_tasks(prompts * groups, responses), threads)
    return pay.reshape(prompts, groups)
