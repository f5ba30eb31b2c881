"""Payments under any divergence, by solving the market and each leave-one-out problem."""

from __future__ import annotations

import numpy as np

from tuneaccord.divergence import Divergence, TotalVariation
from tuneaccord.kernel.arrays import blocks, to_numpy
from tuneaccord.kernel.result import AllPayments, prompt_mean_weights

_EPS = float(np.finfo(float).eps)


def solved(scores, sizes: np.ndarray, divergence: Divergence, base, weights=None) -> AllPayments:
    """By the divergence's own methods, a lot of prompts at a time; tensors come to the CPU.

    >>> from tuneaccord import KL
    >>> solved(np.array([[[0.0, 1.0]]]), np.array([0.0]), KL(1.0), None).payments
    array([0.])
    """
    prompts, groups, responses = scores.shape
    values, payments = np.empty((2, prompts, groups))
    support, price, gap = np.empty((3, prompts))
    weights = prompt_mean_weights(weights, prompts)
    for rows, _ in blocks(scores, budget=1 << 22):
        # responses before groups, as divergences take them; centred, so that a constant costs nothing
        table = np.swapaxes(to_numpy(scores[rows]), 1, 2)
        ours = np.full((len(table), responses), 1.0 / responses) if base is None else to_numpy(base[rows])
        offset = np.take_along_axis(table, ours.argmax(axis=1)[:, None, None], axis=1)
        table = np.where(ours[..., None] > 0, table - offset, 0.0)
        policy, dual = divergence.tilt(table @ sizes, ours)
        gains, cost = np.einsum("pr,prg->pg", policy, table), divergence.price(policy, ours)
        values[rows], price[rows] = offset[:, 0] + gains, cost
        support[rows] = dual + offset[:, 0] @ sizes
        rounding = (groups + 8) * _EPS * (np.abs(table).max(axis=1) @ sizes)
        gap[rows] = np.maximum(dual - (gains @ sizes - cost), 0.0) + rounding
        payments[rows] = divergence.externalities(table, sizes, ours)
    return AllPayments(sizes, values, payments, support, price, gap, weights)


def compiled(scores: np.ndarray, sizes: np.ndarray, divergence: Divergence, base, weights, threads) -> AllPayments:
    """By numba, where it has the divergence; what it leaves out, and other divergences, by :func:`solved`."""
    from tuneaccord.kernel.fused.scores import total_scores
    from tuneaccord.kernel.fused.solved import is_compiled, solved_payments

    if not is_compiled(divergence):
        return solved(scores, sizes, divergence, base, weights)
    score, offset = total_scores(scores, sizes, threads), scores[:, :, 0].astype(float)
    ours = np.full(score.shape, 1.0 / score.shape[1]) if base is None else base
    policy, dual = divergence.tilt(score, ours)
    payments, missing = solved_payments(scores, base, sizes, divergence, threads, (score, policy))
    price, gains = divergence.price(policy, ours), np.zeros(payments.shape)
    for rows, pieces in blocks(scores):
        for piece in pieces:
            block = scores[rows, :, piece] - offset[rows, :, None]
            gains[rows] += np.matmul(block, policy[rows, piece, None])[..., 0]
    rounding = (len(sizes) + 8) * _EPS * (np.abs(score).max(axis=1) + np.abs(gains) @ sizes)
    gap = np.maximum(dual - (gains @ sizes - price), 0.0) + rounding
    weights = prompt_mean_weights(weights, len(scores))
    found = AllPayments(sizes, offset + gains, payments, dual + offset @ sizes, price, gap, weights)
    left = np.flatnonzero(missing.any(axis=1) | _tied(divergence, score, policy, ours))
    if not len(left):
        return found
    return found.with_prompts(left, solved(scores[left], sizes, divergence, None if base is None else base[left]))


def _tied(divergence, score, policy, base):
    """Prompts in which total variation takes scores for equal that differ by rounding, and numba does not."""
    if not isinstance(divergence, TotalVariation):
        return np.zeros(len(score), bool)
    held = base > 0
    top = np.where(held, score, -np.inf).max(axis=1, keepdims=True)
    emptied, best = score < top - 2.0 * divergence.strength, score == top
    raised = (policy > base) & emptied.any(axis=1, keepdims=True)
    moved = best & emptied.any(axis=1, keepdims=True)
    return (held & ((emptied != (policy == 0)) | (raised != moved))).any(axis=1)
