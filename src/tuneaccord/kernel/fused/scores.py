"""The size-weighted sum of all groups' rewards, in float64, one read."""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from tuneaccord.kernel.fused.arithmetic import EXACT, SUMS
from tuneaccord.kernel.fused.blocks import block_width, pieces, run, tasks


@njit(fastmath=SUMS, error_model="numpy")
def _add(score, at, n, r, o0, o1, o2, o3, c0, c1, c2, c3, w0, w1, w2, w3):
    for step in range(n):
        x = uint64(step)
        score[at + x] += (w0 * (r[o0 + x] - c0) + w1 * (r[o1 + x] - c1)) + (
            w2 * (r[o2 + x] - c2) + w3 * (r[o3 + x] - c3)
        )


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _scores(r, responses, sizes, parts, begin, end, score):
    groups = sizes.size
    last = groups - 1
    for part in range(begin, end):
        prompt, start, stop = parts[part, 0], parts[part, 1], parts[part, 2]
        row = prompt * groups * responses
        for i in range(0, groups, 4):
            i1, i2, i3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
            w1 = sizes[i1] if i + 1 <= last else 0.0
            w2 = sizes[i2] if i + 2 <= last else 0.0
            w3 = sizes[i3] if i + 3 <= last else 0.0
            o0, o1 = uint64(row + i * responses), uint64(row + i1 * responses)
            o2, o3 = uint64(row + i2 * responses), uint64(row + i3 * responses)
            c0, c1, c2, c3 = np.float64(r[o0]), np.float64(r[o1]), np.float64(r[o2]), np.float64(r[o3])
            n, by, at = stop - start, uint64(start), uint64(prompt * responses + start)
            _add(score, at, n, r, o0 + by, o1 + by, o2 + by, o3 + by, c0, c1, c2, c3, sizes[i], w1, w2, w3)


def total_scores(scores: np.ndarray, sizes: np.ndarray, threads: int | None = None) -> np.ndarray:
    """``sum_i size_i (r_i - r_i of the first response)``, (prompts, responses), from (prompts, groups, responses).

    >>> total_scores(np.array([[[1.0, 2.0], [3.0, 3.0]]]), np.array([2.0, 5.0]))
    array([[0., 2.]])
    """
    prompts, groups, responses = scores.shape
    flat, score = np.ascontiguousarray(scores).reshape(-1), np.zeros(prompts * responses)
    sizes = np.ascontiguousarray(sizes, float)
    parts = pieces(prompts, groups, responses, block_width(groups, responses, scores.dtype.itemsize))
    # a score's own column stays in the cache while the rows pass by
    width = int(min(responses, 4096))
    parts = np.concatenate([_cut(*part, width) for part in parts]) if responses > width else parts

    def task(begin, end):
        _scores(flat, responses, sizes, parts, begin, end, score)

    run(task, tasks(parts, groups), threads)
    return score.reshape(prompts, responses)


def _cut(prompt, start, stop, width):
    starts = np.arange(start, stop, width)
    return np.column_stack([np.full(len(starts), prompt), starts, np.minimum(starts + width, stop)])
