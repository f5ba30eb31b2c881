"""The other divergences: the compiled tier against each divergence's own NumPy code."""

from __future__ import annotations

import numpy as np

from tuneaccord import Alpha, ChiSquared, JensenShannon, ReverseKL, SquaredHellinger, TotalVariation
from tuneaccord.kernel.fused.chi_squared import chi_squared_sums, floors
from tuneaccord.kernel.fused.solved import solved_payments
from tuneaccord.kernel.sums import ChiSquaredSums


def cases(sizes):
    """Names and divergences; smooth ones move about alike, the general case empties some responses."""
    total = float(sizes.sum())
    return {
        "chi-squared, closed form": ChiSquared(total / 2),
        "chi-squared, closed form and exact interior test": ChiSquared(total / 2),
        "chi-squared, general": ChiSquared(total / 80),
        "reverse KL": ReverseKL(total),
        "squared Hellinger": SquaredHellinger(2 * total),
        "Jensen-Shannon": JensenShannon(4 * total),
        "alpha 0.3": Alpha(total, 0.3),
        "total variation": TotalVariation(total / 40),
    }


def compiled(name, divergence, scores, sizes):
    """All payments by the compiled tier with one thread, optimum included."""
    if "closed form" not in name:
        payments, missing = solved_payments(scores, None, sizes, divergence, threads=1)
        return np.where(missing, np.nan, payments)
    sums = ChiSquaredSums(*chi_squared_sums(scores, None, sizes, threads=1))
    if "test" in name:
        floors(scores, None, sizes, sums.centre, threads=1)
    return sums.closed_form(sizes, divergence.strength).payments_by_prompt


def portable(divergence, scores, sizes, groups):
    """Some groups' payments by the divergence itself in float64: one group against the sum of all others."""
    responses = scores.shape[2]
    base = np.full((len(scores), responses), 1.0 / responses)
    score = sum(size * scores[:, i].astype(float) for i, size in enumerate(sizes))
    found = []
    for i in groups:
        reward = scores[:, i].astype(float)
        pair = np.stack([reward, score - sizes[i] * reward], axis=2)
        found.append(divergence.externalities(pair, np.array([sizes[i], 1.0]), base)[:, 0])
    return np.stack(found, axis=1)
