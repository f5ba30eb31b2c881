"""Every built-in divergence as a function of its strength, by name, and markets that suit them."""

from __future__ import annotations

import numpy as np

import tuneaccord as ta

FAMILIES = {
    "KL": ta.KL,
    "ReverseKL": ta.ReverseKL,
    "ChiSquared": ta.ChiSquared,
    "TotalVariation": ta.TotalVariation,
    "SquaredHellinger": ta.SquaredHellinger,
    "JensenShannon": ta.JensenShannon,
    **{f"Alpha({order:g})": (lambda strength, order=order: ta.Alpha(strength, order)) for order in (-1, 0.5, 1.5, 3)},
}
SMOOTH = {name: family for name, family in FAMILIES.items() if name != "TotalVariation"}


def draw(rng, prompts=2, responses=5, groups=3, sizes=(1.0, 10.0)):
    """base (prompts, responses), scores (prompts, responses, groups) and sizes; uneven bases."""
    base = rng.dirichlet(np.full(responses, 0.7), size=prompts)
    return base, rng.uniform(size=(prompts, responses, groups)), np.exp(rng.uniform(*np.log(sizes), size=groups))


def scale(scores, sizes) -> float:
    """All that the groups could be worth together: what rounding in an amount of money is relative to."""
    return float(sizes @ np.abs(scores).max(axis=(0, 1)))


def settle_by_hand(divergence, base, scores, sizes):
    """policy, values, payments and h, as a space asks a divergence for them."""
    offset = scores[:, :1]
    policy, best = divergence.tilt((scores - offset) @ sizes, base)
    values = np.einsum("pr,prg->pg", policy, scores)
    return policy, values, divergence.externalities(scores, sizes, base), best + offset[:, 0] @ sizes
