"""Total variation: the best policy moves mass from the worst responses to the best, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence.interface import Divergence, check_strength
from tuneaccord.divergence.ratio import below_the_best, by_blocks, centred, distribution, leave_one_out, supported_ratio

#: scores this close, relative to the largest, are one score: sums of the same numbers in another order
_TIE = 16 * np.finfo(float).eps


@dataclass(frozen=True)
class TotalVariation(Divergence):
    """Total variation, ``D(p || q) = strength * sum_x |p_x - q_x|``, in units of reward.

    Twice the usual distance, as in the paper. Mass leaves a response exactly where its score is more than ``2
    strength`` below the best one, and goes to the best responses in proportion to the base; a response at the
    threshold stays. Responses whose scores agree up to rounding share one fate.

    The best policy jumps when scores cross the threshold or change their order, so that values and payments
    are not continuous in the reports; net welfare and utilities are. Where several responses are best, or one
    is at the threshold, other policies are just as good and come with other payments. ``response`` is 0 everywhere.

    Source: arXiv 2405.16276, section 2 (f-divergences).

    >>> policy, best = TotalVariation(strength=1.0).tilt(np.array([5.0, 4.0, 0.0]), np.array([0.25, 0.25, 0.5]))
    >>> policy.tolist(), float(best)
    ([0.75, 0.25, 0.0], 3.75)
    """

    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_strength(self.strength))

    def price(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        return self.strength * np.abs(np.asarray(policy, float) - distribution(base)).sum(axis=-1)

    def tilt(self, score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        score, base = np.broadcast_arrays(np.asarray(score, float), distribution(base))
        rows, weights = score.reshape(-1, score.shape[-1]), base.reshape(-1, score.shape[-1])
        below, top = below_the_best(rows, weights)
        best = top - (weights * np.minimum(below, 2.0 * self.strength)).sum(axis=1)
        policy = weights * self._ratios(rows, weights)
        return policy.reshape(score.shape), best.reshape(score.shape[:-1])[()]

    def externalities(self, scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
        return by_blocks(self._externalities, scores, sizes, base)

    def slope(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        ratio, supported = supported_ratio(policy, base)
        return np.where(supported, self.strength * np.sign(ratio - 1.0), 0.0)

    def response(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        return np.zeros(np.broadcast_shapes(np.shape(policy), np.shape(base)))

    def _ratios(self, score, base):
        """The ratios ``p / q`` of the best policy: 0, 1, or the same larger number for all the best."""
        below, top = below_the_best(score, base)
        tie = _TIE * np.maximum(np.abs(top[:, None]), np.abs(top[:, None] - below)).max(axis=1, keepdims=True)
        emptied = below > 2.0 * self.strength + tie
        best = (below <= np.minimum(tie, self.strength)) & (base > 0)
        moved = (base * emptied).sum(axis=1, keepdims=True)
        return np.where(best, 1.0 + moved / (base * best).sum(axis=1, keepdims=True), np.where(emptied, 0.0, 1.0))

    def _externalities(self, scores, sizes, base):
        scores = centred(scores, sizes, base)
        score = scores @ sizes
        ratio = self._ratios(score, base)
        columns = [
            (base * self._losses(ratio, below_the_best(others(), base)[0])).sum(axis=1) * worth.any(axis=1)
            for worth, others in leave_one_out(scores, sizes, score)
        ]
        return np.stack(columns, axis=1)

    def _losses(self, ratio, below):
        """What the ratio of each response loses where the response is ``below`` the best by so much."""
        allowed = 2.0 * self.strength
        cut = np.minimum(ratio, 1.0)
        added = np.maximum(ratio - 1.0, 0.0)
        return added * below + cut * np.maximum(below - allowed, 0.0) + (1.0 - cut) * np.maximum(allowed - below, 0.0)
