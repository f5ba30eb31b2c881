"""The Kullback-Leibler divergence, whose best policy has a closed form at every strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence.bregman import power_bregman
from tuneaccord.divergence.interface import Divergence, check_strength
from tuneaccord.divergence.ratio import distribution
from tuneaccord.kernel import careful, portable
from tuneaccord.kernel.gibbs import log_gibbs


@dataclass(frozen=True)
class KL(Divergence):
    """Kullback-Leibler divergence, ``D(p || q) = strength * sum_x p_x log(p_x / q_x)``, in units of reward.

    ``strength`` is the paper's lambda: how many units of size-weighted reward one nat of divergence
    costs. The best policy for a score ``s`` is the Gibbs policy ``p_x ∝ q_x exp(s_x / strength)`` and the
    best net score is ``strength * log sum_x q_x exp(s_x / strength)``.

    Small strengths make the policy a point mass on the best response; large ones keep it at the base.
    Raises :class:`InputError` when the strength is not a positive finite number.

    Source: arXiv 2405.16276, section 2 (regularised training rule).

    >>> float(KL(strength=2.0).price(np.array([1.0, 0.0]), np.array([0.5, 0.5])))  # 2 log 2
    1.3862943611198906
    """

    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_strength(self.strength))

    def price(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        policy, base = np.broadcast_arrays(np.asarray(policy, float), distribution(base))
        # q (t log t - t + 1) is a sum of non-negative terms: no cancellation, never negative
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            step = (policy - base) / base
            near = np.abs(step) < 0.5  # there the difference of the logarithms would lose digits
            far = policy * (np.log(policy) - np.log(base)) - (policy - base)
        step = np.where(near, step, 0.0)
        terms = np.where(near, base * power_bregman(1.0, 1.0 + step, step), np.where(policy > 0, far, base))
        return self.strength * terms.sum(axis=-1)

    def tilt(self, score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_base = _log(base)
        log_policy, best = log_gibbs(np.asarray(score, float), self.strength, log_base)
        # exp(log q) is not always q: where nothing moved, the base stays as it is, at a price of exactly 0
        return np.where(log_policy == log_base, distribution(base), np.exp(log_policy)), best

    def externalities(self, scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
        scores, sizes = np.asarray(scores, float), np.asarray(sizes, float)
        base = np.broadcast_to(base, scores.shape[:2])
        if not (base > 0).all():  # so that nothing there can overflow
            scores = np.where((base > 0)[..., None], scores, 0.0)
        market = np.swapaxes(scores, 1, 2), _log(base), sizes, self.strength
        return careful.completed(*portable.settled(*market), *market).payments_by_prompt

    def slope(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        policy, base = np.asarray(policy, float), np.asarray(base, float)
        ratio = np.divide(policy, base, out=np.ones_like(policy), where=base > 0)
        # minus infinity has no use in an ascent: the smallest ratio that floating point holds stands for 0
        return np.where(base > 0, self.strength * (np.log(np.maximum(ratio, np.finfo(float).tiny)) + 1.0), 0.0)

    def response(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        return np.asarray(policy, float) / self.strength


def _log(base: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(distribution(base))
