"""The compiled loop over blocks of responses behind :mod:`tuneaccord.kernel.fused.kl`.

Four groups are taken at once so that scores and weights are loaded once for four rewards. Which polynomial gives ``h``
is guessed from the blocks before and checked afterwards: groups whose rewards vary more than guessed are summed
again while their rows are in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types, uint64
from numba.extending import overload

from tuneaccord.kernel.fused.arithmetic import (
    EXACT,
    FAR,
    MID,
    NEAR,
    SUMS,
    fast_exp,
    h_any,
    h_mid,
    h_near,
    larger,
    smaller,
)

#: a float32 score beyond this is summed again in float64
_LARGE_SCORE = np.float32(8.0)
#: and so is one whose terms add up to more than this without their signs, because large ones may cancel
_LARGE_TERMS = 16.0


@njit(fastmath=SUMS, error_model="numpy")
def _add_scores(z, n, r, o0, o1, o2, o3, a0, a1, a2, a3):
    for step in range(n):
        x = uint64(step)
        z[x] += (a0 * r[o0 + x] + a1 * r[o1 + x]) + (a2 * r[o2 + x] + a3 * r[o3 + x])


@njit(fastmath=SUMS, error_model="numpy")
def _top(z, n):
    top = z[0]
    for x in range(n):
        top = larger(top, z[x])
    return top


@njit(fastmath=SUMS, error_model="numpy")
def _weights(e, z, n, top):
    """``e = exp(z - top)``; returns its sum."""
    mass = e[0] - e[0]
    for x in range(n):
        e[x] = fast_exp(z[x] - top)
    for x in range(n):
        mass += e[x]
    return mass


@njit(fastmath=SUMS, error_model="numpy")
def _size(z, n):
    largest = z[0] - z[0]
    for x in range(n):
        largest = larger(largest, abs(z[x]))
    return largest


@njit(fastmath=SUMS, error_model="numpy")
def _top_with_base(z, n, base, start):
    top = z[0] + base[start]
    for step in range(n):
        x = uint64(step)
        top = larger(top, z[x] + base[start + x])
    return top


@njit(fastmath=SUMS, error_model="numpy")
def _weights_with_base(e, z, n, base, start, top):
    mass = e[0] - e[0]
    for step in range(n):
        x = uint64(step)
        e[x] = fast_exp((z[x] + base[start + x]) - top)
    for x in range(n):
        mass += e[x]
    return mass


@njit(fastmath=SUMS, error_model="numpy")
def _lift(e, n, r, offset, origin):
    total = e[0] - e[0]
    for step in range(n):
        x = uint64(step)
        total += e[x] * (r[offset + x] - origin)
    return total


def _four_rows(polynomial):
    @njit(fastmath=SUMS, error_model="numpy")
    def four(e, n, r, o0, o1, o2, o3, c0, c1, c2, c3, a0, a1, a2, a3):
        zero = e[0] - e[0]
        d0 = d1 = d2 = d3 = h0 = h1 = h2 = h3 = far = zero
        for step in range(n):
            x = uint64(step)
            w = e[x]
            g0, g1, g2, g3 = r[o0 + x] - c0, r[o1 + x] - c1, r[o2 + x] - c2, r[o3 + x] - c3
            y0, y1, y2, y3 = g0 * a0, g1 * a1, g2 * a2, g3 * a3
            s0, s1, s2, s3 = y0 * y0, y1 * y1, y2 * y2, y3 * y3
            far = larger(far, larger(larger(s0, s1), larger(s2, s3)))
            d0 += w * g0
            d1 += w * g1
            d2 += w * g2
            d3 += w * g3
            h0 += (w * s0) * polynomial(y0)
            h1 += (w * s1) * polynomial(y1)
            h2 += (w * s2) * polynomial(y2)
            h3 += (w * s3) * polynomial(y3)
        return d0, d1, d2, d3, h0, h1, h2, h3, far

    return four


_four_near = _four_rows(h_near)
_four_mid = _four_rows(h_mid)


@njit(fastmath=SUMS, error_model="numpy")
def _one_row(e, n, r, offset, c, a):
    zero = a - a
    lift, spread, far, low = zero, zero, zero, zero
    for step in range(n):
        x = uint64(step)
        gap = r[offset + x] - c
        y = a * gap
        lift += e[x] * gap
        spread += e[x] * h_any(y)
        far = larger(far, y * y)
        low = smaller(low, y)
    return lift, spread, far, low


def _needs_float64(z, n):
    """Whether float32 scores are so large that their rounding would show."""
    raise NotImplementedError("for compiled code only")


@overload(_needs_float64)
def _needs_float64_compiled(z, n):
    if z.dtype == types.float64:
        return lambda z, n: False

    def check(z, n):
        return _size(z, n) > _LARGE_SCORE

    return check


@njit(fastmath=SUMS, error_model="numpy")
def _spread_of_all(e, z, n, shift, hot_at):
    zero = z[0] - z[0]
    total, low = zero, zero
    for x in range(n):
        y = z[x] - shift
        total += e[x] * h_any(y)
        low = smaller(low, y)
    return total if low >= -hot_at else np.inf


@njit
def _offset(origin, stride, i0, i1, i2, i3):
    # Unsigned, because indices that might be negative keep loops from being vectorised.
    return (
        uint64(origin + i0 * stride),
        uint64(origin + i1 * stride),
        uint64(origin + i2 * stride),
        uint64(origin + i3 * stride),
    )


@njit(fastmath=EXACT, error_model="numpy")
def _rows(e, n, r, origin, stride, scale, wide_scale, centre, levels, hot_at, lift, spread, hot, part):
    """The sums of every group over one block; returns a bound on the sum of all groups' ``|y|``."""
    groups = scale.size
    last = groups - 1
    reach = 0.0
    for i in range(0, groups, 4):
        i1, i2, i3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
        level = max(max(levels[i], levels[i1]), max(levels[i2], levels[i3]))
        if level < 2:
            o0, o1, o2, o3 = _offset(origin, stride, i, i1, i2, i3)
            c0, c1, c2, c3 = centre[i], centre[i1], centre[i2], centre[i3]
            a0, a1, a2, a3 = scale[i], scale[i1], scale[i2], scale[i3]
            if level == 0:
                d0, d1, d2, d3, h0, h1, h2, h3, far = _four_near(
                    e, n, r, o0, o1, o2, o3, c0, c1, c2, c3, a0, a1, a2, a3
                )
                if far > NEAR * NEAR:
                    level = 1
            if level == 1:
                d0, d1, d2, d3, h0, h1, h2, h3, far = _four_mid(e, n, r, o0, o1, o2, o3, c0, c1, c2, c3, a0, a1, a2, a3)
                if far > MID * MID:
                    level = 2
            if level < 2:
                reach += 4.0 * np.sqrt(np.float64(far))
                for j in range(i, min(i + 4, groups)):
                    levels[j] = level
                lift[i3], spread[i3] = d3, h3
                lift[i2], spread[i2] = d2, h2
                lift[i1], spread[i1] = d1, h1
                lift[i], spread[i] = d0, h0
        if level == 2:
            for j in range(i, min(i + 4, groups)):
                row = uint64(origin + j * stride)
                lift[j], spread[j], far, low = _one_row(e, n, r, row, centre[j], scale[j])
                levels[j] = 2 if far > MID * MID else (1 if far > NEAR * NEAR else 0)
                if far > FAR * FAR:
                    lift[j], spread[j], far, low = _one_row(e, n, r, row, np.float64(centre[j]), wide_scale[j])
                if low < -hot_at:
                    hot[part, j] = True
                reach += np.sqrt(np.float64(far))
    return reach


@njit(fastmath=EXACT, error_model="numpy")
def _scores(z, n, r, origin, stride, scale):
    """The scores of the block's responses, in units of the strength."""
    for x in range(n):
        z[x] = 0
    groups = scale.size
    last = groups - 1
    none = scale[0] - scale[0]
    for i in range(0, groups, 4):
        i1, i2, i3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
        a1 = scale[i1] if i + 1 <= last else none
        a2 = scale[i2] if i + 2 <= last else none
        a3 = scale[i3] if i + 3 <= last else none
        o0, o1, o2, o3 = _offset(origin, stride, i, i1, i2, i3)
        _add_scores(z, n, r, o0, o1, o2, o3, scale[i], a1, a2, a3)


@njit(fastmath=EXACT, error_model="numpy")
def _block(z, e, n, r, origin, stride, base, base_at, scale):
    """Weights of a block; returns its top and its mass. ``z`` keeps the score without the base."""
    _scores(z, n, r, origin, stride, scale)
    if base.size > 0:
        top = _top_with_base(z, n, base, uint64(base_at))
        if top == -np.inf:
            return np.float64(top), 0.0
        return np.float64(top), np.float64(_weights_with_base(e, z, n, base, uint64(base_at), top))
    top = _top(z, n)
    return np.float64(top), np.float64(_weights(e, z, n, top))


@njit(error_model="numpy")
def _touch(r, start, stop):
    """Reads one reward in each cache line, in the order of memory."""
    total = 0.0
    for line in range(start, stop, 64 // r.itemsize):
        total += r[uint64(line)]
    return total


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def run_blocks(r, base, responses, wide_scale, centre, given, parts, first, last, width, hot_at, out, hot):
    top, mass, spread_all, lift, spread = out
    groups = wide_scale.size
    kind = r.dtype.type
    z = np.empty(width, r.dtype)
    wide = np.empty(width, np.float64)
    e = np.empty(width, r.dtype)
    middle = np.empty(groups, r.dtype)
    levels = np.zeros(groups, np.int64)
    block_lift = np.empty(groups)
    block_spread = np.empty(groups)
    scale = wide_scale.astype(r.dtype)
    # Four short rows at once are too many short streams for the processor to fetch ahead; one long stream is not.
    short = responses * r.itemsize <= 1024 and groups * responses * r.itemsize <= 1 << 19
    touched = 0.0
    precise = False
    for part in range(first, last):
        prompt, begin, end = parts[part, 0], parts[part, 1], parts[part, 2]
        for i in range(groups):
            middle[i] = centre[prompt, i]
        ready = given
        if short:
            touched += _touch(r, prompt * groups * responses, (prompt + 1) * groups * responses)
        peak, total, total_all = -np.inf, 0.0, 0.0
        for start in range(begin, end, width):
            n = min(start + width, end) - start
            origin, base_at = prompt * groups * responses + start, prompt * responses + start
            while True:
                if not precise:
                    block_top, block_mass = _block(z, e, n, r, origin, responses, base, base_at, scale)
                    precise = _needs_float64(z, n)
                if precise:
                    block_top, block_mass = _block(wide, e, n, r, origin, responses, base, base_at, wide_scale)
                if block_top == -np.inf:
                    break
                if not ready:
                    ready = True
                    for i in range(groups):
                        row = uint64(origin + i * responses)
                        middle[i] = r[row] + kind(_lift(e, n, r, row, r[row]) / block_mass)
                        centre[prompt, i] = middle[i]
                shift, terms = 0.0, 0.0
                for i in range(groups):
                    shift += wide_scale[i] * middle[i]
                    terms += abs(wide_scale[i] * middle[i])
                if precise:
                    block_all = _spread_of_all(e, wide, n, shift, hot_at)
                else:
                    block_all = _spread_of_all(e, z, n, kind(shift), hot_at)
                terms += _rows(
                    e,
                    n,
                    r,
                    origin,
                    responses,
                    scale,
                    wide_scale,
                    middle,
                    levels,
                    hot_at,
                    block_lift,
                    block_spread,
                    hot,
                    part,
                )
                if precise or r.itemsize == 8 or terms <= _LARGE_TERMS:
                    break
                precise = True
            if block_top == -np.inf:
                continue
            ours = 1.0 if block_top <= peak else np.exp(peak - block_top)
            theirs = 1.0 if block_top >= peak else np.exp(block_top - peak)
            peak = max(peak, block_top)
            total = ours * total + theirs * block_mass
            total_all = ours * total_all + theirs * block_all
            for i in range(groups):
                lift[part, i] = ours * lift[part, i] + theirs * block_lift[i]
                spread[part, i] = ours * spread[part, i] + theirs * block_spread[i]
        top[part], mass[part], spread_all[part] = peak, total, total_all
    return touched
