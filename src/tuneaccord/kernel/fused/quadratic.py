"""Chi-squared payments when some response loses all of its probability: the general case, row by row.

With ``y = 1 + (S - mu) / (2 strength)`` the optimum is ``t = p* / q = max(y, 0)``. Without group i, ``y`` moves by
``sigma - a_i (r_i - c_i)`` with ``a_i = size_i / (2 strength)``, where sigma keeps the sum at one: Newton's method
on a convex piecewise linear function. The payment in units of the strength is the sum of terms that are
not negative,

    sum q [(t - t')^2 + 2 t max(-y', 0)],

with a dash for the optimum without the group; an error of sigma enters in second order.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from tuneaccord.kernel.fused.arithmetic import EXACT, SUMS, larger
from tuneaccord.kernel.fused.blocks import row_tasks, run

_TOLERANCE = {np.dtype(np.float32): 1e-8, np.dtype(np.float64): 1e-15}
_CHUNK = 4096
_MOST_STEPS = 60


@njit(fastmath=SUMS, error_model="numpy")
def _sums(r, o, q, y, at, n, a, c, sigma):
    zero = a - a
    change, slope, payment = zero, zero, zero
    for step in range(n):
        k = uint64(step)
        old, weight = y[at + k], q[at + k]
        move = sigma - a * (r[o + k] - c)
        new = old + move
        t = larger(old, zero)
        # the move itself where both are positive: a difference of the two would lose its digits
        gap = move if (old > zero) & (new > zero) else larger(new, zero) - t
        change += weight * gap
        slope += weight if new > zero else zero
        payment += weight * (gap * gap + (t + t) * larger(-new, zero))
    return change, slope, payment


@njit(fastmath=SUMS, error_model="numpy")
def _lift(r, o, weight, at, n, origin):
    total = origin - origin
    for step in range(n):
        k = uint64(step)
        total += weight[at + k] * (r[o + k] - origin)
    return total


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _rows(r, q, y, kept, stiffness, responses, groups, scale, begin, end, tolerance, pay, hot):
    kind = r.dtype.type
    for row in range(begin, end):
        prompt, i = row // groups, row % groups
        o, at = uint64(row * responses), uint64(prompt * responses)
        lift = 0.0
        for start in range(0, responses, _CHUNK):
            size = min(_CHUNK, responses - start)
            lift += _lift(r, o + uint64(start), kept, at + uint64(start), size, r[o])
        c, sigma = r[o] + kind(lift / stiffness[prompt]), 0.0
        hot[row] = True
        for _ in range(_MOST_STEPS):
            change, slope, payment = 0.0, 0.0, 0.0
            for start in range(0, responses, _CHUNK):
                size, here, there = min(_CHUNK, responses - start), o + uint64(start), at + uint64(start)
                f, g, b = _sums(r, here, q, y, there, size, kind(scale[i]), c, kind(sigma))
                change += f
                slope += g
                payment += b
            if change * change <= tolerance * slope * payment:
                hot[row] = False
                pay[row] = payment
                break
            if slope <= 0.0:
                break
            sigma -= change / slope


def chi_squared_payments(
    scores: np.ndarray,
    base: np.ndarray | None,
    sizes: np.ndarray,
    strength: float,
    score: np.ndarray,
    ratio: np.ndarray,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Every payment, (prompts, groups), and which of them did not converge.

    ``scores`` is (prompts, groups, responses), contiguous; ``base`` (prompts, responses) or None for a uniform one;
    ``score`` the sum of size times reward and ``ratio`` the optimum's ``p* / q``, both (prompts, responses).

    >>> market, sizes = np.array([[[0.0, 1.0]]]), np.array([8.0])
    >>> ratio = np.array([[0.0, 2.0]])  # everything on the second response
    >>> chi_squared_payments(market, None, sizes, 1.0, np.array([[0.0, 8.0]]), ratio)[0]  # the whole price
    array([[1.]])
    """
    prompts, groups, responses = scores.shape
    dtype = scores.dtype
    q = np.full((prompts, responses), 1.0 / responses) if base is None else np.asarray(base, float)
    held = np.where(q > 0, score, -np.inf)
    best = held.argmax(axis=1)[:, None]
    y = np.take_along_axis(np.asarray(ratio, float), best, 1) + (score - held.max(axis=1, keepdims=True)) / (
        2.0 * strength
    )
    y = np.where(q > 0, y, 1.0)
    kept = q * (y > 0)
    pay, hot = np.zeros(prompts * groups), np.zeros(prompts * groups, bool)
    arrays = [np.ascontiguousarray(part, dtype).reshape(-1) for part in (scores, q, y, kept)]
    fixed = (*arrays, kept.sum(axis=1), responses, groups, np.asarray(sizes, float) / (2.0 * strength))

    def task(begin, end):
        _rows(*fixed, begin, end, _TOLERANCE[dtype], pay, hot)

    run(task, row_tasks(prompts * groups, responses), threads)
    return strength * pay.reshape(prompts, groups), hot.reshape(prompts, groups)
