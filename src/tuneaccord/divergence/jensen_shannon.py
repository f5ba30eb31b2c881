"""Jensen-Shannon divergence: its best policy solves the reverse-KL equation with other weights.

With ``s`` the distance below the best score in units of the strength and ``A = exp(-2 s)``, the best ratios are
``A_x / (b + 1 - A_x)``; that they sum to one under the base is ``sum_x (q_x A_x) / (b + (1 - A_x)) = 1``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence.bregman import power_bregman
from tuneaccord.divergence.interface import check_strength
from tuneaccord.divergence.ratio import ENOUGH, RatioDivergence
from tuneaccord.divergence.roots import power_root

#: a row is near where no slope moves further, as a logarithm
_NEAR = 0.25
#: where the logarithms are smaller than this they are expanded
_SMALL = 0.2


@dataclass(frozen=True)
class JensenShannon(RatioDivergence):
    """Jensen-Shannon divergence from the midpoint, in units of reward.

    ``D(p || q) = strength * (KL(p || m) + KL(q || m)) / 2`` with ``m = (p + q) / 2``. It never exceeds ``strength *
    log 2``, so a point mass has a finite price. No response of the base loses all its mass.
    Source: arXiv 2405.16276, section 2 (f-divergences).

    >>> price = JensenShannon(strength=1.0).price(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    >>> round(float(price), 12), round(0.75 * float(np.log(4 / 3)), 12)
    (0.215761554339, 0.215761554339)
    """

    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_strength(self.strength))

    @property
    def unit(self) -> float:
        return self.strength

    @property
    def outside(self) -> float:
        return 0.5 * np.log(2.0)

    def solve(self, shift: np.ndarray, base: np.ndarray) -> np.ndarray:
        """The logarithms of the best ratios, which may be far below the smallest float64."""
        offsets = -np.expm1(-2.0 * shift)
        best = np.minimum((base * (shift == 0)).sum(axis=1), 1.0)
        one = np.ones_like(best) * (1.0 + 1e-15)
        root = power_root(base * np.exp(-2.0 * shift), offsets, -1.0, best * (1.0 - 1e-15), one, best)
        return -2.0 * shift - np.log(root[:, None] + offsets)

    def ratios(self, natural: np.ndarray) -> np.ndarray:
        return np.exp(natural)

    def prices(self, ratio: np.ndarray, step: np.ndarray) -> np.ndarray:
        relative = step / (1.0 + ratio)
        near = np.abs(step) < _SMALL
        close = _close_losses(np.where(near, ratio, 1.0), 1.0, np.where(near, relative, 0.0))
        return np.where(near, close, self.losses(ratio, np.zeros_like(ratio)))

    def losses(self, ratio: np.ndarray, natural: np.ndarray) -> np.ndarray:
        """``[t log(t (1 + u) / (u (1 + t))) - log((1 + t) / (1 + u))] / 2`` with ``u`` the best ratio."""
        best = np.exp(natural)
        safe = np.where(best > 0, best, 1.0)
        with np.errstate(over="ignore"):  # far away, and not used
            step = (ratio - safe) / (safe * (1.0 + ratio))
        small = (best > 0) & (np.abs(step) < _SMALL)
        near = small & (np.abs(ratio - best) < _SMALL * (1.0 + best))
        close = _close_losses(np.where(near, ratio, 1.0), np.where(near, best, 1.0), np.where(near, step, 0.0))
        positive = ratio > 0
        log_ratio = np.log(np.where(positive, ratio, 1.0))
        relative = np.where(positive, log_ratio - natural + np.log1p(best) - np.log1p(ratio), 0.0)
        relative = np.where(small, np.log1p(np.where(small, step, 0.0)), relative)
        apart = 0.5 * (ratio * relative - np.log1p(ratio) + np.log1p(best))
        return np.where(near, close, np.maximum(apart, 0.0))

    def around(self, natural: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, ...]:
        ratio = np.where(base > 0, np.exp(natural), 1.0)
        pull = base * ratio * (1.0 + ratio)
        return base, ratio, pull / pull.sum(axis=1, keepdims=True)

    def nearby(self, optimum: tuple[np.ndarray, ...], gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        base, ratio, pull = optimum
        lift = np.where(base > 0, gain - (pull * gain).sum(axis=1, keepdims=True), 0.0)
        # every slope below its limit with room to spare, so that no ratio explodes
        near = (np.abs(lift) * (1.0 + ratio) <= 0.5 * _NEAR).all(axis=1)
        losses = np.zeros_like(lift)
        if near.any():
            losses[near] = _near_losses(*(rows[near] for rows in (base, ratio, lift)))
        return near, losses

    def slopes(self, ratio: np.ndarray) -> np.ndarray:
        return 0.5 * np.log(2.0 * ratio / (1.0 + ratio))

    def responses(self, ratio: np.ndarray) -> np.ndarray:
        return 2.0 * ratio * (1.0 + ratio)


def _close_losses(ratio, best, step):
    """The loss of ``ratio`` against ``best``, ``step = (ratio - best) / (best (1 + ratio))`` to all its digits."""
    shorter = step * best * (1.0 + ratio) / (1.0 + best)
    ahead = power_bregman(0.0, 1.0 + shorter, shorter) - ratio * power_bregman(0.0, 1.0 + step, step)
    return 0.5 * (step * step * best * (1.0 + ratio) / (1.0 + best) + ahead)


def _near_losses(base, ratio, lift):
    """Losses of keeping the ratios when every slope falls by ``lift`` plus a constant, found here to all digits."""
    for _ in range(4):  # the sum of the policy must not change
        step = np.expm1(2.0 * lift)
        best = ratio / (1.0 + (1.0 + ratio) * step)
        drift = (base * best * (1.0 + ratio) * step).sum(axis=1, keepdims=True)
        correction = drift / (base * 2.0 * best * (1.0 + best)).sum(axis=1, keepdims=True)
        lift = np.where(base > 0, lift - correction, 0.0)
        if (np.abs(correction) <= ENOUGH * np.abs(lift).max(axis=1, keepdims=True)).all():
            break
    step = np.expm1(2.0 * lift)
    return _close_losses(ratio, ratio / (1.0 + (1.0 + ratio) * step), step)
