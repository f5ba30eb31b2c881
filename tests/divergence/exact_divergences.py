"""f-divergences by the paper's table with sixty digits: another parametrisation, root finder and subtraction.

Everything is computed from ``phi``, ``phi'``, ``g = (phi')^{-1}`` and the slope at zero as the table of
f-divergences gives them; the multiplier is found by bisection on ``mu`` itself and Newton's method, payments by
``h(w without i) - [h(w) - w_i v_i]``. Shares no line with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
from mpmath import mpf

DIGITS = 60


@dataclass(frozen=True)
class Row:
    """One row of the table: ``phi``, its slope, the inverse of the slope with its derivative, and two limits."""

    phi: Callable
    slope: Callable
    inverse: Callable
    inverse_slope: Callable
    at_zero: float = -mpmath.inf
    at_infinity: float = mpmath.inf
    phi_zero: float = 0.0


def row(divergence) -> Row:
    """The row of the table for one of the package's divergences."""
    name = type(divergence).__name__
    log, sqrt, exp = mpmath.log, mpmath.sqrt, mpmath.exp
    half = mpf(1) / 2
    if name == "Alpha":
        return _alpha(mpf(divergence.order))
    return {
        "KL": lambda: Row(lambda t: t * log(t), lambda t: log(t) + 1, lambda y: exp(y - 1), lambda y: exp(y - 1)),
        "ReverseKL": lambda: Row(
            lambda t: -log(t),
            lambda t: -1 / t,
            lambda y: -1 / y,
            lambda y: 1 / y**2,
            at_infinity=mpf(0),
            phi_zero=mpmath.inf,
        ),
        "ChiSquared": lambda: Row(
            lambda t: (t - 1) ** 2, lambda t: 2 * (t - 1), lambda y: 1 + y / 2, lambda y: half, mpf(-2), phi_zero=1
        ),
        "SquaredHellinger": lambda: Row(
            lambda t: (sqrt(t) - 1) ** 2,
            lambda t: 1 - 1 / sqrt(t),
            lambda y: (1 - y) ** -2,
            lambda y: 2 * (1 - y) ** -3,
            at_infinity=mpf(1),
            phi_zero=1,
        ),
        "JensenShannon": lambda: Row(
            lambda t: (t * log(t) - (1 + t) * log((1 + t) / 2)) / 2,
            lambda t: log(2 * t / (1 + t)) / 2,
            lambda y: exp(2 * y) / (2 - exp(2 * y)),
            lambda y: 4 * exp(2 * y) / (2 - exp(2 * y)) ** 2,
            at_infinity=log(2) / 2,
            phi_zero=log(2) / 2,
        ),
    }[name]()


def _alpha(order):
    power = 1 / (order - 1)
    return Row(
        lambda t: (t**order - order * t + order - 1) / (order * (order - 1)),
        lambda t: (t ** (order - 1) - 1) / (order - 1),
        lambda y: (1 + (order - 1) * y) ** power,
        lambda y: (1 + (order - 1) * y) ** (power - 1),
        at_zero=-power if order > 1 else -mpmath.inf,
        at_infinity=mpmath.inf if order > 1 else -power,
        phi_zero=1 / order if order > 0 else mpmath.inf,
    )


def price(divergence, policy, base) -> mpf:
    """``strength * sum q phi(p / q)`` over the base's support, which must carry the policy."""
    if type(divergence).__name__ == "TotalVariation":
        return divergence.strength * mpmath.fsum(abs(p - q) for p, q in zip(policy, base, strict=True))
    table, terms = row(divergence), []
    for p, q in zip(policy, base, strict=True):
        if q > 0:
            terms.append(q * (table.phi(p / q) if p > 0 else table.phi_zero))
    return divergence.strength * mpmath.fsum(terms)


def tilt(divergence, score, base) -> tuple[list, mpf]:
    """The policy that maximises ``<score, p> - D(p || base)`` and the maximum, for lists of mpf."""
    if type(divergence).__name__ == "TotalVariation":
        return _total_variation(divergence.strength, score, base)
    table, strength = row(divergence), mpf(divergence.strength)
    kept = [x for x, q in enumerate(base) if q > 0]
    top = max(score[x] for x in kept)
    best = mpmath.fsum(base[x] for x in kept if score[x] == top)
    shift = {x: (top - score[x]) / strength for x in kept}

    def mass(slope):
        return mpmath.fsum(base[x] * _ratio(table, slope - shift[x]) for x in kept) - 1

    def speed(slope):
        return mpmath.fsum(
            base[x] * table.inverse_slope(slope - shift[x]) for x in kept if slope - shift[x] > table.at_zero
        )

    low, high = table.slope(mpf(1)), table.slope(1 / best)
    slope = high
    for _ in range(2000):
        value = mass(slope)
        low, high = (slope, high) if value < 0 else (low, slope)
        if abs(value) < mpf(10) ** (5 - DIGITS) or high - low <= abs(high) * mpf(10) ** (2 - DIGITS):
            break
        newton = slope - value / speed(slope)
        slope = newton if low < newton < high and _ % 3 else (low + high) / 2
    policy = [base[x] * _ratio(table, slope - shift[x]) if x in shift else mpf(0) for x in range(len(base))]
    total = mpmath.fsum(policy)
    policy = [p / total for p in policy]
    return policy, mpmath.fdot(policy, [score[x] if x in shift else mpf(0) for x in range(len(base))]) - price(
        divergence, policy, base
    )


def market(divergence, base, scores, sizes):
    """policy (prompts, responses), values and payments (prompts, groups), and h (prompts,), as float64.

    ``scores`` is (prompts, responses, groups). The base is divided by its sum, which is 1 to float64 only.
    """
    with mpmath.workdps(DIGITS):
        rows = [_prompt(divergence, q, r, sizes) for q, r in zip(base, scores, strict=True)]
        return [np.array([[float(x) for x in row[k]] for row in rows]) for k in range(3)] + [
            np.array([float(row[3]) for row in rows])
        ]


def _prompt(divergence, base, rewards, sizes):
    base, sizes = [mpf(q) for q in base.tolist()], [mpf(w) for w in np.asarray(sizes, float).tolist()]
    total = mpmath.fsum(base)
    base = [q / total for q in base]
    rewards = [[mpf(r) for r in column] for column in np.transpose(rewards).tolist()]
    score = [mpmath.fdot(sizes, r) for r in zip(*rewards, strict=True)]
    policy, best = tilt(divergence, score, base)
    values = [mpmath.fdot(policy, r) for r in rewards]
    payments = []
    for w, r, v in zip(sizes, rewards, values, strict=True):
        _, without = tilt(divergence, [s - w * x for s, x in zip(score, r, strict=True)], base)
        payments.append(without - (best - w * v))
    return policy, values, payments, best


def _ratio(table, slope):
    return table.inverse(slope) if slope > table.at_zero else mpf(0)


def _total_variation(strength, score, base):
    kept = [x for x, q in enumerate(base) if q > 0]
    top = max(score[x] for x in kept)
    best = [x for x in kept if score[x] == top]
    emptied = [x for x in kept if score[x] < top - 2 * strength]
    moved, share = mpmath.fsum(base[x] for x in emptied), mpmath.fsum(base[x] for x in best)
    policy = [mpf(0) if x in emptied else q * (1 + moved / share) if x in best else q for x, q in enumerate(base)]
    return policy, mpmath.fdot(
        policy, [score[x] if x in kept else mpf(0) for x in range(len(base))]
    ) - 2 * strength * moved
