"""Random markets and their payments by the textbook formula in 350 digits: a route that shares no code."""

from __future__ import annotations

import mpmath
import numpy as np


def random_market(rng, extreme: bool):
    """Scores (prompts, groups, responses), sizes, strength and base; with constants, ties and zero base entries."""
    prompts, groups, responses = rng.integers(1, 4), rng.integers(1, 6), rng.integers(1, 10)
    if extreme:
        sizes, strength = 10 ** rng.uniform(0, 6, size=groups), 10 ** rng.uniform(-6, 6)
    else:
        sizes = rng.uniform(1, 10, size=groups)
        strength = sizes.sum() * 10 ** rng.uniform(-3, 3)
    scores = rng.uniform(size=(prompts, groups, responses))
    if rng.random() < 0.3:
        scores = np.round(scores)
    if rng.random() < 0.3:
        scores[:, 0] = scores[:, 0, :1]
    base = rng.dirichlet(np.ones(responses), size=prompts)
    if responses > 2 and rng.random() < 0.4:
        base[:, rng.integers(responses)] = 0.0
        base /= base.sum(axis=1, keepdims=True)
    return scores, sizes, strength, base


def exact(scores, sizes, strength, base):
    """Payments and values (prompts, groups), support and price (prompts,), under KL."""
    with mpmath.workdps(350):
        rows = [
            _prompt(*pair, [mpmath.mpf(float(w)) for w in sizes], mpmath.mpf(float(strength)))
            for pair in zip(scores, base, strict=True)
        ]
    return [np.array(column, dtype=float) for column in zip(*rows, strict=True)]


def _prompt(table, base, sizes, strength):
    held = [x for x, q in enumerate(base) if q > 0]
    q = [mpmath.mpf(float(base[x])) for x in held]
    rewards = [[mpmath.mpf(float(row[x])) for x in held] for row in table]
    best, policy = _best(rewards, sizes, strength, q)
    values = [mpmath.fdot(policy, row) for row in rewards]
    payments = []
    for i, size in enumerate(sizes):
        others = [0 if j == i else w for j, w in enumerate(sizes)]
        payments.append(float(_best(rewards, others, strength, q)[0] - (best - size * values[i])))
    price = mpmath.fdot(sizes, values) - best
    return payments, [float(value) for value in values], float(best), float(price)


def _best(rewards, sizes, strength, q):
    z = [mpmath.fdot(sizes, column) / strength for column in zip(*rewards, strict=True)]
    weights = [share * mpmath.exp(one) for share, one in zip(q, z, strict=True)]
    total = mpmath.fsum(weights)
    return strength * mpmath.log(total / mpmath.fsum(q)), [weight / total for weight in weights]


def relative_errors(got, expected, scores, sizes, strength):
    """Of each number, in units of what a score's own rounding in float64 may do to it.

    Scores range over ``reach`` units of the strength, and rounding moves them by 1e-16 of that. Payments below
    1e-25 of the strength count as zero.
    """
    reach = float((np.ptp(scores.astype(float), axis=2) @ sizes).max()) / strength
    return np.abs(got - expected) / np.maximum(np.abs(expected), 1e-25 * strength) / (1.0 + reach / 100.0)
