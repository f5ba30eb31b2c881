"""Chi-squared payments: all closed-form sums in one read of the rewards, the exact minima in another.

Within a block the score ``S = sum_i size_i d_i`` with ``d_i = r_i - c_i`` is added up first, then each row gives

    first_i = sum q d_i,    second_i = sum q d_i^2,    cross_i = sum q d_i S,    lowest_i = min d_i.

The minima of the score, with everybody and without any one group, are formed in float64 whatever the rewards' type.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, uint64

from tuneaccord.kernel.fused.arithmetic import EXACT, SUMS, smaller
from tuneaccord.kernel.fused.blocks import block_width, pieces, run, tasks


@njit(fastmath=SUMS, error_model="numpy")
def _add_scores(z, n, r, o0, o1, o2, o3, c0, c1, c2, c3, w0, w1, w2, w3):
    for step in range(n):
        x = uint64(step)
        z[x] += (w0 * (r[o0 + x] - c0) + w1 * (r[o1 + x] - c1)) + (w2 * (r[o2 + x] - c2) + w3 * (r[o3 + x] - c3))


@njit(fastmath=SUMS, error_model="numpy")
def _uniform_rows(z, n, r, o0, o1, o2, o3, c0, c1, c2, c3):
    zero = z[0] - z[0]
    f0 = f1 = f2 = f3 = s0 = s1 = s2 = s3 = x0 = x1 = x2 = x3 = zero
    l0, l1, l2, l3 = r[o0] - c0, r[o1] - c1, r[o2] - c2, r[o3] - c3
    for step in range(n):
        x = uint64(step)
        score = z[x]
        d0, d1, d2, d3 = r[o0 + x] - c0, r[o1 + x] - c1, r[o2 + x] - c2, r[o3 + x] - c3
        f0 += d0
        f1 += d1
        f2 += d2
        f3 += d3
        s0 += d0 * d0
        s1 += d1 * d1
        s2 += d2 * d2
        s3 += d3 * d3
        x0 += d0 * score
        x1 += d1 * score
        x2 += d2 * score
        x3 += d3 * score
        l0, l1, l2, l3 = smaller(l0, d0), smaller(l1, d1), smaller(l2, d2), smaller(l3, d3)
    return (f0, s0, x0, l0), (f1, s1, x1, l1), (f2, s2, x2, l2), (f3, s3, x3, l3)


@njit(error_model="numpy")
def _keep(part, i, found, first, second, cross, lowest):
    first[part, i] += found[0]
    second[part, i] += found[1]
    cross[part, i] += found[2]
    lowest[part, i] = min(lowest[part, i], found[3])


@njit(fastmath=SUMS, error_model="numpy")
def _weighted_row(z, n, r, offset, c, q, at, most):
    zero = z[0] - z[0]
    first, second, cross, low = zero, zero, zero, most
    for step in range(n):
        x = uint64(step)
        weight = q[at + x]
        d = r[offset + x] - c
        part = weight * d
        first += part
        second += part * d
        cross += part * z[x]
        low = smaller(low, d if weight > zero else most)
    return first, second, cross, low


@njit(fastmath=SUMS, error_model="numpy")
def _mean_lift(n, r, offset, q, at, weighted):
    total, mass = r[offset] - r[offset], r[offset] - r[offset]
    origin = r[offset]
    if weighted:
        for step in range(n):
            x = uint64(step)
            total += q[at + x] * (r[offset + x] - origin)
            mass += q[at + x]
        return total / mass if mass > 0 else total
    for step in range(n):
        total += r[offset + uint64(step)] - origin
    return total / n


@njit
def _four(i, last):
    return i, min(i + 1, last), min(i + 2, last), min(i + 3, last)


@njit(fastmath=EXACT, error_model="numpy")
def _block_scores(z, n, r, origin, stride, sizes, centre):
    for x in range(n):
        z[x] = 0
    last = sizes.size - 1
    none = sizes[0] - sizes[0]
    for i in range(0, sizes.size, 4):
        i0, i1, i2, i3 = _four(i, last)
        w1 = sizes[i1] if i + 1 <= last else none
        w2 = sizes[i2] if i + 2 <= last else none
        w3 = sizes[i3] if i + 3 <= last else none
        o0, o1 = uint64(origin + i0 * stride), uint64(origin + i1 * stride)
        o2, o3 = uint64(origin + i2 * stride), uint64(origin + i3 * stride)
        c0, c1, c2, c3 = centre[i0], centre[i1], centre[i2], centre[i3]
        _add_scores(z, n, r, o0, o1, o2, o3, c0, c1, c2, c3, sizes[i0], w1, w2, w3)


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _sums(r, q, responses, sizes, centre, given, parts, first_part, last_part, width, out):
    mass, first, second, cross, lowest = out
    groups = sizes.size
    kind = r.dtype.type
    z = np.empty(width, r.dtype)
    own = sizes.astype(r.dtype)
    middle = np.empty(groups, r.dtype)
    weighted = q.size > 0
    most = kind(np.inf)
    for part in range(first_part, last_part):
        prompt, begin, end = parts[part, 0], parts[part, 1], parts[part, 2]
        for i in range(groups):
            middle[i] = centre[prompt, i]
            lowest[part, i] = np.inf
        for start in range(begin, end, width):
            n = min(start + width, end) - start
            origin, at = prompt * groups * responses + start, uint64(prompt * responses + start)
            if not given and start == begin:
                for i in range(groups):
                    row = uint64(origin + i * responses)
                    middle[i] = r[row] + kind(_mean_lift(n, r, row, q, at, weighted))
                    centre[prompt, i] = middle[i]
            _block_scores(z, n, r, origin, responses, own, middle)
            if weighted:
                for x in range(n):
                    mass[part] += q[at + uint64(x)]
                for i in range(groups):
                    row = uint64(origin + i * responses)
                    found = _weighted_row(z, n, r, row, middle[i], q, at, most)
                    _keep(part, i, found, first, second, cross, lowest)
                continue
            mass[part] += n
            for i in range(0, groups, 4):
                i0, i1, i2, i3 = _four(i, groups - 1)
                o0, o1 = uint64(origin + i0 * responses), uint64(origin + i1 * responses)
                o2, o3 = uint64(origin + i2 * responses), uint64(origin + i3 * responses)
                c0, c1, c2, c3 = middle[i0], middle[i1], middle[i2], middle[i3]
                n0, n1, n2, n3 = _uniform_rows(z, n, r, o0, o1, o2, o3, c0, c1, c2, c3)
                _keep(part, i0, n0, first, second, cross, lowest)
                if i + 1 < groups:
                    _keep(part, i1, n1, first, second, cross, lowest)
                if i + 2 < groups:
                    _keep(part, i2, n2, first, second, cross, lowest)
                if i + 3 < groups:
                    _keep(part, i3, n3, first, second, cross, lowest)


@njit(fastmath=SUMS, error_model="numpy")
def _least_without(z, n, r, o0, o1, c0, c1, w0, w1):
    low0, low1 = z[0] - w0 * (r[o0] - c0), z[0] - w1 * (r[o1] - c1)
    for step in range(n):
        x = uint64(step)
        low0 = smaller(low0, z[x] - w0 * (r[o0 + x] - c0))
        low1 = smaller(low1, z[x] - w1 * (r[o1 + x] - c1))
    return low0, low1


@njit(fastmath=SUMS, error_model="numpy")
def _least(z, n):
    low = z[0]
    for x in range(n):
        low = smaller(low, z[x])
    return low


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _minima(r, q, responses, sizes, centre, parts, begin_part, end_part, width, floor, without):
    groups = sizes.size
    z = np.empty(width)
    for part in range(begin_part, end_part):
        prompt, begin, end = parts[part, 0], parts[part, 1], parts[part, 2]
        middle = centre[prompt]
        floor[part] = np.inf
        without[part] = np.inf
        for start in range(begin, end, width):
            n = min(start + width, end) - start
            origin = prompt * groups * responses + start
            _block_scores(z, n, r, origin, responses, sizes, middle)
            if q.size > 0:
                at = prompt * responses + start
                for x in range(n):
                    if q[at + x] <= 0:
                        z[x] = np.inf
            floor[part] = min(floor[part], _least(z, n))
            for i in range(0, groups, 2):
                j = min(i + 1, groups - 1)
                o0, o1 = uint64(origin + i * responses), uint64(origin + j * responses)
                l0, l1 = _least_without(z, n, r, o0, o1, middle[i], middle[j], sizes[i], sizes[j])
                without[part, i] = min(without[part, i], l0)
                without[part, j] = min(without[part, j], l1)


class FusedChiSquaredSums(NamedTuple):
    """The sums of :class:`tuneaccord.kernel.sums.ChiSquaredSums`, in its order, without the exact minima."""

    mass: np.ndarray  #: (prompts,)
    first: np.ndarray  #: (prompts, groups)
    second: np.ndarray  #: (prompts, groups)
    cross: np.ndarray  #: (prompts, groups)
    centre: np.ndarray  #: (prompts, groups)
    lowest: np.ndarray  #: (prompts, groups)


def chi_squared_sums(
    scores: np.ndarray,
    base: np.ndarray | None,
    sizes: np.ndarray,
    centre: np.ndarray | None = None,
    threads: int | None = None,
) -> FusedChiSquaredSums:
    """The closed form's sums for every prompt and group; ``scores`` is (prompts, groups, responses), contiguous.

    ``base`` is (prompts, responses), None for a uniform one. Without ``centre`` a group's mean over the first
    responses is taken.

    >>> sums = chi_squared_sums(np.array([[[0.0, 1.0]]]), None, np.array([2.0]))
    >>> sums.second  # the variance of 0 and 1
    array([[0.25]])
    """
    prompts, groups, responses = scores.shape
    flat, q, sizes = _flat(scores, base, sizes)
    width = block_width(groups, responses, scores.dtype.itemsize)
    middle = np.zeros((prompts, groups), scores.dtype) if centre is None else np.array(centre, scores.dtype)

    def run_on(parts, given):
        mass, sums = np.zeros(len(parts)), np.zeros((4, len(parts), groups))

        def task(begin, end):
            _sums(flat, q, responses, sizes, middle, given, parts, begin, end, width, (mass, *sums))

        run(task, tasks(parts, groups), threads)
        return mass, *sums

    parts = pieces(prompts, groups, responses, width)
    given = centre is not None
    if not given and len(parts) > prompts:
        run_on(pieces(prompts, groups, width, width), False)
        given = True
    mass, first, second, cross, lowest = run_on(parts, given)
    share = 1.0 if base is not None else 1.0 / responses
    added = (part.reshape(prompts, -1, *part.shape[1:]).sum(axis=1) * share for part in (mass, first, second, cross))
    return FusedChiSquaredSums(*added, middle.astype(float), lowest.reshape(prompts, -1, groups).min(axis=1))


def floors(
    scores: np.ndarray, base: np.ndarray | None, sizes: np.ndarray, centre: np.ndarray, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The exact minima of the score, and of the score without each group, both relative to the centre.

    >>> floors(np.array([[[0.0, 1.0], [1.0, 0.5]]]), None, np.array([2.0, 1.0]), np.zeros((1, 2)))
    (array([1.]), array([[0.5, 0. ]]))
    """
    prompts, groups, responses = scores.shape
    flat, q, sizes = _flat(scores, base, sizes)
    width = block_width(groups, responses, scores.dtype.itemsize)
    parts = pieces(prompts, groups, responses, width)
    floor, without = np.empty(len(parts)), np.empty((len(parts), groups))
    middle = np.ascontiguousarray(centre, float)

    def task(begin, end):
        _minima(flat, q, responses, sizes, middle, parts, begin, end, width, floor, without)

    run(task, tasks(parts, groups), threads)
    return floor.reshape(prompts, -1).min(axis=1), without.reshape(prompts, -1, groups).min(axis=1)


def _flat(scores, base, sizes):
    q = np.zeros(0, scores.dtype) if base is None else np.ascontiguousarray(base, scores.dtype).reshape(-1)
    return np.ascontiguousarray(scores).reshape(-1), q, np.ascontiguousarray(sizes, float)
