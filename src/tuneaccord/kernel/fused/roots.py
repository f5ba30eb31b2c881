"""Payments where the optimum is the root of one equation: reverse KL, squared Hellinger, Jensen-Shannon, alpha.

Let ``t = p* / q`` be the optimum for everybody. Without group i, in units of the strength, the slope of the divergence
at every response moves by ``D = sigma - a_i (r_i - c_i)``, where one number sigma keeps the probabilities' sum at one.
Each family gives, for one row of rewards and without a difference of large numbers, the change of that sum, its
slope in sigma, and

    sum q [phi(t) + phi*(s) - t s],   s = phi'(t) + D,

which is the payment in units of the strength at the right sigma and more at any other (weak duality): an error
of sigma enters in second order only, and the payment is accepted when that term is below rounding. A row stays in the
cache for all its passes, and nothing here depends on how sigma was started.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from tuneaccord.kernel.fused.arithmetic import EXACT, SUMS, h_any, shortfall, smaller
from tuneaccord.kernel.fused.blocks import row_tasks, run

FAMILIES = ("reverse_kl", "hellinger", "jensen_shannon", "alpha")
#: below this ``1 + x`` or ``1 - x`` a response changes too much for these formulas
_LEAST = {np.dtype(np.float32): 0.05, np.dtype(np.float64): 1e-4}
#: what the second-order term may be, relative to the payment
_TOLERANCE = {np.dtype(np.float32): 1e-8, np.dtype(np.float64): 1e-15}
_CHUNK = 4096
_MOST_STEPS = 30


@njit(fastmath=SUMS, error_model="numpy")
def _reverse_kl(r, o, q, u, at, n, a, c, sigma):
    zero, one = a - a, (a - a) + r.dtype.type(1)
    change, slope, payment, least = zero, zero, zero, one
    for step in range(n):
        k = uint64(step)
        x = (a * (r[o + k] - c) - sigma) * u[at + k]
        room = one + x
        t = u[at + k] / room
        weight = q[at + k]
        change -= weight * (t * x)
        slope += weight * (t * t)
        payment += weight * shortfall(x)
        least = smaller(least, room)
    return change, slope, payment, least


@njit(fastmath=SUMS, error_model="numpy")
def _hellinger(r, o, q, u, at, n, a, c, sigma):
    zero, one, two = a - a, r.dtype.type(1), r.dtype.type(2)
    change, slope, payment, least = zero, zero, zero, one
    for step in range(n):
        k = uint64(step)
        root = u[at + k]
        x = (a * (r[o + k] - c) - sigma) * root
        room = one + x
        part = one / room
        weight = q[at + k] * root
        t = root * part
        change -= weight * (x * (two + x)) * (t * part)
        slope += weight * ((t * t) * part)
        payment += weight * (x * x) * part
        least = smaller(least, room)
    return change, two * slope, payment, least


@njit(fastmath=SUMS, error_model="numpy")
def _jensen_shannon(r, o, q, u, at, n, a, c, sigma):
    zero, one, two = a - a, r.dtype.type(1), r.dtype.type(2)
    change, slope, payment, least = zero, zero, zero, one
    for step in range(n):
        k = uint64(step)
        shift = two * (sigma - a * (r[o + k] - c))
        spread = h_any(-shift)
        growth = shift + spread
        ratio, weight = u[at + k], q[at + k]
        x = ratio * growth
        room = one - x
        part = one / room
        t = (ratio + x) * part
        change += weight * (x * (one + ratio)) * part
        slope += weight * (t * (one + t))
        payment += weight * (ratio * spread + shortfall(-x))
        least = smaller(least, room)
    return change, two * slope, payment / two, least


@njit(fastmath=SUMS, error_model="numpy")
def _alpha(r, o, p, u, at, n, a, c, sigma, order):
    # with v = log(t / t without i): order * v by one logarithm, and t^order = t / u
    zero, one = a - a, r.dtype.type(1)
    change, slope, payment, least = zero, zero, zero, one
    rest = one - order
    power = order / rest
    for step in range(n):
        k = uint64(step)
        x = (rest * (a * (r[o + k] - c) - sigma)) * u[at + k]
        room = one + x
        part = one / room
        short = shortfall(x)
        v = power * (x - short)
        bent = h_any(v)
        weight = p[at + k]
        change += weight * ((bent - v - x) * part)
        slope += weight * ((one + (bent - v)) * (part * part)) * u[at + k]
        payment += (weight / u[at + k]) * (bent / order + short / rest)
        least = smaller(least, room)
    return change, slope, payment, least


@njit(fastmath=SUMS, error_model="numpy")
def _reverse_kl_change(r, o, q, u, at, n, a, c, sigma):
    zero, one = a - a, r.dtype.type(1)
    change, slope, least = zero, zero, one
    for step in range(n):
        k = uint64(step)
        x = (a * (r[o + k] - c) - sigma) * u[at + k]
        room = one + x
        t = u[at + k] / room
        change -= q[at + k] * (t * x)
        slope += q[at + k] * (t * t)
        least = smaller(least, room)
    return change, slope, least


@njit(fastmath=SUMS, error_model="numpy")
def _jensen_shannon_change(r, o, q, u, at, n, a, c, sigma):
    zero, one, two = a - a, r.dtype.type(1), r.dtype.type(2)
    change, slope, least = zero, zero, one
    for step in range(n):
        k = uint64(step)
        shift = two * (sigma - a * (r[o + k] - c))
        ratio = u[at + k]
        x = ratio * (shift + h_any(-shift))
        room = one - x
        part = one / room
        t = (ratio + x) * part
        change += q[at + k] * (x * (one + ratio)) * part
        slope += q[at + k] * (t * (one + t))
        least = smaller(least, room)
    return change, two * slope, least


@njit(fastmath=EXACT, error_model="numpy")
def _change(family, r, o, q, u, at, n, a, c, sigma):
    """The first, second and last number of :func:`_pass`, for less."""
    change, slope, least = 0.0, 0.0, 1.0
    kind = r.dtype.type
    for start in range(0, n, _CHUNK):
        size, here, there = min(_CHUNK, n - start), o + uint64(start), at + uint64(start)
        if family == 0:
            f, g, low = _reverse_kl_change(r, here, q, u, there, size, kind(a), c, kind(sigma))
        else:
            f, g, low = _jensen_shannon_change(r, here, q, u, there, size, kind(a), c, kind(sigma))
        change += f
        slope += g
        least = min(least, low)
    return change, slope, least


@njit(fastmath=EXACT, error_model="numpy")
def _pass(family, order, r, o, q, u, at, n, a, c, sigma):
    change, slope, payment, least = 0.0, 0.0, 0.0, 1.0
    kind = r.dtype.type
    for start in range(0, n, _CHUNK):
        size, here, there = min(_CHUNK, n - start), o + uint64(start), at + uint64(start)
        if family == 0:
            f, g, b, low = _reverse_kl(r, here, q, u, there, size, kind(a), c, kind(sigma))
        elif family == 1:
            f, g, b, low = _hellinger(r, here, q, u, there, size, kind(a), c, kind(sigma))
        elif family == 2:
            f, g, b, low = _jensen_shannon(r, here, q, u, there, size, kind(a), c, kind(sigma))
        else:
            f, g, b, low = _alpha(r, here, q, u, there, size, kind(a), c, kind(sigma), kind(order))
        change += f
        slope += g
        payment += b
        least = min(least, low)
    return change, slope, payment, least


@njit(fastmath=SUMS, error_model="numpy")
def _moments(r, o, weight, at, n, origin):
    first, second = r.dtype.type(0), r.dtype.type(0)
    for step in range(n):
        k = uint64(step)
        gap = r[o + k] - origin
        first += weight[at + k] * gap
        second += weight[at + k] * gap * gap
    return first, second


@njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _solve_rows(
    family, order, r, q, u, kappa, stiffness, responses, groups, scale, begin, end, least, tolerance, pay, hot
):
    kind = r.dtype.type
    for row in range(begin, end):
        prompt, i = row // groups, row % groups
        o, at = uint64(row * responses), uint64(prompt * responses)
        a = scale[i]
        first, second = 0.0, 0.0
        for start in range(0, responses, _CHUNK):
            size = min(_CHUNK, responses - start)
            f, s = _moments(r, o + uint64(start), kappa, at + uint64(start), size, r[o])
            first += f
            second += s
        mean = first / stiffness[prompt]
        c = r[o] + kind(mean)
        sigma = 0.0
        hot[row] = True
        if family == 0 or family == 2:
            # cheap passes until one more step of sigma is expected to be enough
            enough = np.sqrt(tolerance) * a * a * max(second - first * mean, 0.0)
            for _ in range(_MOST_STEPS):
                change, slope, low = _change(family, r, o, q, u, at, responses, a, c, sigma)
                if not (low > least):
                    break
                sigma -= change / slope
                if change * change <= enough * slope:
                    break
        for _ in range(_MOST_STEPS):
            change, slope, payment, low = _pass(family, order, r, o, q, u, at, responses, a, c, sigma)
            if not (low > least):
                break
            if change * change <= 2.0 * tolerance * slope * payment:
                hot[row] = False
                pay[row] = payment
                break
            sigma -= change / slope


def root_payments(
    scores: np.ndarray,
    base: np.ndarray | None,
    sizes: np.ndarray,
    strength: float,
    family: str,
    ratio: np.ndarray,
    order: float = 0.5,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Every payment, (prompts, groups), and which of them these formulas cannot give.

    ``scores`` is (prompts, groups, responses), contiguous; ``base`` (prompts, responses) or None for a uniform one;
    ``family`` one of :data:`FAMILIES`, with ``order`` for alpha; ``ratio`` the optimum's ``p* / q`` where ``q > 0``,
    (prompts, responses). Left out are groups that change some
    probability by more than a factor of about 20 (float32) or 1e4 (float64), and responses without probability.

    >>> market = np.array([[[0.0, 1.0], [0.5, 0.5]]])
    >>> ratio = np.array([[0.5, 1.5]])  # the optimum under reverse KL with strength 0.75: 1 / t falls by 1 / 0.75
    >>> payments, hot = root_payments(market, None, np.array([1.0, 1.0]), 0.75, "reverse_kl", ratio)
    >>> payments.round(6), hot.any()  # 0.75 log(2 / sqrt(3)), and nothing for a constant reward
    (array([[0.107881, 0.      ]]), np.False_)
    """
    prompts, groups, responses = scores.shape
    dtype, weight, root, kappa = scores.dtype, *_weights(base, np.asarray(ratio, float), family, order)
    scale = np.asarray(sizes, float) / strength
    pay, hot = np.zeros(prompts * groups), np.zeros(prompts * groups, bool)
    arrays = [np.ascontiguousarray(part, dtype).reshape(-1) for part in (scores, weight, root, kappa)]
    fixed = (FAMILIES.index(family), float(order), *arrays, kappa.sum(axis=1), responses, groups, scale)

    def task(begin, end):
        _solve_rows(*fixed, begin, end, _LEAST[dtype], _TOLERANCE[dtype], pay, hot)

    run(task, row_tasks(prompts * groups, responses), threads)
    return strength * pay.reshape(prompts, groups), hot.reshape(prompts, groups)


def _weights(base, ratio, family, order):
    """The weights of the sums, the factor of ``x``, and how far the probabilities move with their scores."""
    q = np.full(ratio.shape, 1.0 / ratio.shape[1]) if base is None else np.asarray(base, float)
    ratio = np.where(q > 0, ratio, 1.0)
    if family == "reverse_kl":
        return q, ratio, q * ratio**2
    if family == "hellinger":
        root = np.sqrt(ratio)
        return q, root, 2.0 * q * ratio * root
    if family == "jensen_shannon":
        return q, ratio, 2.0 * q * ratio * (1.0 + ratio)
    with np.errstate(divide="ignore", over="ignore"):
        root = ratio ** (1.0 - order)
    return q * ratio, root, q * ratio * root
