"""Payments by compiled leave-one-out problems, for the divergences that have them."""

from __future__ import annotations

import numpy as np

from tuneaccord.divergence import (
    Alpha,
    ChiSquared,
    Divergence,
    JensenShannon,
    ReverseKL,
    SquaredHellinger,
    TotalVariation,
)
from tuneaccord.kernel.fused.quadratic import chi_squared_payments
from tuneaccord.kernel.fused.roots import root_payments
from tuneaccord.kernel.fused.scores import total_scores
from tuneaccord.kernel.fused.total_variation import total_variation_payments

_FAMILIES = {ReverseKL: "reverse_kl", SquaredHellinger: "hellinger", JensenShannon: "jensen_shannon", Alpha: "alpha"}


def is_compiled(divergence: Divergence) -> bool:
    """Whether there is compiled code for ``divergence``.

    >>> is_compiled(TotalVariation(1.0))
    True
    """
    return isinstance(divergence, (ChiSquared, TotalVariation, *_FAMILIES))


def solved_payments(
    scores: np.ndarray,
    base: np.ndarray | None,
    sizes: np.ndarray,
    divergence: Divergence,
    threads: int | None = None,
    solution: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Every payment, (prompts, groups), and which are missing; None for a divergence without compiled code.

    ``solution`` is the size-weighted score and the policy for it, both (prompts, responses), where they are known.

    ``scores`` is (prompts, groups, responses), contiguous; ``base`` (prompts, responses), None for a uniform one. A
    missing payment is not wrong, it was left out: take it from ``divergence.externalities``. A group that carries
    more than 99% of all scores is left out too, because the others' score would lose digits as a difference.

    >>> market = np.array([[[0.0, 1.0], [1.0, 0.5]]])
    >>> payments, missing = solved_payments(market, None, np.array([4.0, 2.0]), TotalVariation(1.0))
    >>> payments, missing.any()
    (array([[1.5, 0. ]]), np.False_)
    """
    if not is_compiled(divergence):
        return None
    score, policy = solution or (total_scores(scores, sizes, threads), None)
    if isinstance(divergence, TotalVariation):
        payments = total_variation_payments(scores, base, sizes, divergence.strength, score, threads)
        return payments, _dominating(scores, sizes)
    ours = np.full(score.shape, 1.0 / score.shape[1]) if base is None else np.asarray(base, float)
    if policy is None:
        policy, _ = divergence.tilt(score, ours)
    ratio = np.divide(policy, ours, out=np.ones_like(policy), where=ours > 0)
    if isinstance(divergence, ChiSquared):
        payments, missing = chi_squared_payments(scores, base, sizes, divergence.strength, score, ratio, threads)
        return payments, missing | _dominating(scores, sizes)
    order = divergence.order if isinstance(divergence, Alpha) else 0.5
    family = _FAMILIES[type(divergence)]
    return root_payments(scores, base, sizes, divergence.strength, family, ratio, order, threads)


def _dominating(scores, sizes):
    """Groups with nearly all of the scores, judged by a few responses of each prompt."""
    few = scores[:, :, :: max(1, scores.shape[2] // 64)].astype(float)
    mass = sizes * (few.max(axis=2) - few.min(axis=2))
    return mass > 0.99 * np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)
