"""The divergences whose slope is a power: reverse KL, chi-squared, squared Hellinger, and all orders between.

They are one family (Cressie and Read 1984; Tsallis), ``phi(t) = (t^a - a t + a - 1) / (a (a - 1))``, whose best
policy is ``p_x = q_x y_x^(1/(a-1))`` with ``y_x = b + (a - 1) (S_x - S_best) / strength``, clipped at 0 if ``a > 1``.
The unknown is ``b``, the natural parameter of the best response: it keeps its digits where the multiplier
itself would be close to a singularity. Order 1 is KL, which has a closed form and its own file.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence.bregman import power_bregman
from tuneaccord.divergence.interface import check_strength
from tuneaccord.divergence.ratio import ENOUGH, RatioDivergence
from tuneaccord.divergence.roots import power, power_root
from tuneaccord.errors import InputError

#: a row is near where no logarithm of a ratio or of its parameter moves further
_NEAR = 0.25
#: a best response that could only be had at a smaller parameter gets what mass the others leave
_SMALLEST = 1e-200
_LOWEST, _HIGHEST, _AROUND_KL = -5.0, 5.0, 1e-2


class PowerDivergence(RatioDivergence):
    """A member of the power family: everything but its order and its unit. Abstract."""

    @property
    @abstractmethod
    def power_order(self) -> float:
        """The order ``a`` of the family."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_strength(self.strength))

    @property
    def outside(self) -> float:
        order = self.power_order
        return 1.0 / (1.0 - order) if order < 1 else math.inf

    def solve(self, shift: np.ndarray, base: np.ndarray) -> np.ndarray:
        order = self.power_order
        offsets = (1.0 - order) * shift
        best = (base * (shift == 0)).sum(axis=1)  # the mass of the best responses
        best = np.minimum(best, 1.0)
        mean = (base * offsets).sum(axis=1)
        find = _find_above_one if order > 1 else _find_below_one
        return find(base, offsets, 1.0 / (order - 1.0), best, mean)[:, None] + offsets

    def ratios(self, natural: np.ndarray) -> np.ndarray:
        return power(np.maximum(natural, 0.0), 1.0 / (self.power_order - 1.0))

    def prices(self, ratio: np.ndarray, step: np.ndarray) -> np.ndarray:
        return power_bregman(self.power_order, ratio, step)

    def losses(self, ratio: np.ndarray, natural: np.ndarray) -> np.ndarray:
        """``[t^a - a t y + (a - 1) u y] / (a (a - 1))`` with ``u`` the best ratio for ``y``: ``u y phi(t / u)``."""
        order = self.power_order
        best = self.ratios(natural)
        inside = best > 1e-150  # smaller ones lose nothing visible, and would overflow
        safe = np.where(inside, best, 1.0)
        moved = np.where(inside, ratio, 1.0)
        losses = safe * natural * power_bregman(order, moved / safe, (moved - safe) / safe)
        if inside.all():
            return losses
        # where the best ratio is 0 the slope asked for may lie below that of 0, by -y / (a - 1)
        taken = np.where(ratio > 0, ratio, 1.0)
        left = np.where(ratio > 0, taken * (power(taken, order - 1.0) / order - natural) / (order - 1.0), 0.0)
        return np.where(inside, losses, np.maximum(left, 0.0))

    def around(self, natural: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, ...]:
        order, alive = self.power_order, (natural > 0) & (base > 0)
        y = np.where(alive, natural, np.where(base > 0, natural, -1.0))
        ratio = np.where(alive, power(np.where(alive, y, 1.0), 1.0 / (order - 1.0)), 0.0)
        pull = base * ratio / np.where(alive, y, 1.0)  # dp / d(slope)
        return base, y, ratio, pull / pull.sum(axis=1, keepdims=True)

    def nearby(self, optimum: tuple[np.ndarray, ...], gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        base, y, ratio, pull = optimum
        order, alive = self.power_order, y > 0
        lift = gain - (pull * gain).sum(axis=1, keepdims=True)
        shift = (1.0 - order) * lift
        if order == 2.0:  # the ratio is linear in the score: this is exact however far it moves
            near = (((y + shift > 0) == alive) | (base == 0)).all(axis=1)
            lift = np.where(alive & near[:, None], lift, 0.0)  # elsewhere its square might overflow
            return near, 0.5 * lift * lift
        reach = _NEAR / max(1.0, abs(1.0 / (order - 1.0)))
        little = np.where(shift > 0, shift < np.expm1(reach) * y, shift > np.expm1(-reach) * y)
        near = (np.where(alive, little, (y + shift <= 0) | (base == 0))).all(axis=1)
        losses = np.zeros_like(lift)
        if near.any():
            losses[near] = _near_losses(order, *(rows[near] for rows in (base, y, ratio, lift)))
        return near, losses

    def slopes(self, ratio: np.ndarray) -> np.ndarray:
        return (power(ratio, self.power_order - 1.0) - 1.0) / (self.power_order - 1.0)

    def responses(self, ratio: np.ndarray) -> np.ndarray:
        return power(ratio, 2.0 - self.power_order)


@dataclass(frozen=True)
class ReverseKL(PowerDivergence):
    """Reverse Kullback-Leibler divergence, ``D(p || q) = strength * sum_x q_x log(q_x / p_x)``, in units of reward.

    No response of the base ever loses all its mass, and a response that scores far above the others gets
    less of it than under KL: tails fall like ``1 / score``. Source: arXiv 2405.16276, section 2 (f-divergences).

    >>> price = ReverseKL(strength=2.0).price(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    >>> round(float(price), 12), round(float(np.log(4 / 3)), 12)
    (0.287682072452, 0.287682072452)
    """

    strength: float

    @property
    def power_order(self) -> float:
        return 0.0

    @property
    def unit(self) -> float:
        return self.strength

    def slopes(self, ratio: np.ndarray) -> np.ndarray:
        return -1.0 / ratio


@dataclass(frozen=True)
class ChiSquared(PowerDivergence):
    """Chi-squared divergence, ``D(p || q) = strength * sum_x q_x (p_x / q_x - 1)^2``, in units of reward.

    The best policy is linear in the score, ``p_x = q_x (1 + (S_x - mean) / (2 strength))``, until a response loses
    all its mass. As long as none does, with or without a group, that group costs the others ``w^2 Var_q(r) / (4
    strength)``, whatever they report. Source: arXiv 2405.16276, section 2 (f-divergences).

    >>> policy, best = ChiSquared(strength=1.0).tilt(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    >>> policy.tolist(), float(best)  # 1/2 + Var / 4
    ([0.625, 0.375], 0.5625)
    """

    strength: float

    @property
    def power_order(self) -> float:
        return 2.0

    @property
    def unit(self) -> float:
        return 2.0 * self.strength


@dataclass(frozen=True)
class SquaredHellinger(PowerDivergence):
    """Squared Hellinger distance, ``D(p || q) = strength * sum_x (sqrt(p_x) - sqrt(q_x))^2``, in units of reward.

    It never exceeds ``2 strength``, so a point mass has a finite price. No response of the base loses all its
    mass. Source: arXiv 2405.16276, section 2 (f-divergences).

    >>> float(SquaredHellinger(strength=1.0).price(np.array([1.0, 0.0]), np.array([0.25, 0.75])))  # 2 - 2 sqrt(1/4)
    1.0
    """

    strength: float

    @property
    def power_order(self) -> float:
        return 0.5

    @property
    def unit(self) -> float:
        return 0.5 * self.strength


@dataclass(frozen=True)
class Alpha(PowerDivergence):
    """The divergence of order ``a``, ``strength * sum_x q_x (t_x^a - a t_x + a - 1) / (a (a - 1))``, ``t = p / q``.

    Order 2 is chi-squared with half its strength, order 1/2 twice squared Hellinger; towards 1 it becomes KL
    and towards 0 reverse KL. Above 1 responses can lose all their mass; above 2 the policy is only as exact
    as the square root of rounding for responses on the verge of that, while maxima and prices keep their digits.

    Raises :class:`InputError` for order 0 (use :class:`ReverseKL`), for orders within a hundredth of 1 (use
    :class:`KL`; the formula loses digits there), and beyond -5 and 5, where ratios overflow.

    Source: Cressie and Read, Multinomial goodness-of-fit tests (1984); arXiv 2405.16276 allows any convex f.

    >>> float(Alpha(strength=2.0, order=2.0).price(np.array([0.75, 0.25]), np.array([0.5, 0.5])))  # as ChiSquared(1)
    0.25
    """

    strength: float
    order: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "order", _check_order(self.order))

    @property
    def power_order(self) -> float:
        return self.order

    @property
    def unit(self) -> float:
        return self.strength


def _check_order(order: float) -> float:
    if isinstance(order, bool) or not isinstance(order, int | float | np.integer | np.floating):
        raise InputError(f"order must be a number, got {order!r}. Try 0.5 or 2.")
    if order == 0:
        raise InputError(f"order must not be 0, got {order!r}. Order 0 is reverse KL: use ReverseKL(strength).")
    if abs(order - 1) < _AROUND_KL:
        raise InputError(
            f"order must not be within {_AROUND_KL:g} of 1, got {order!r}. "
            "Order 1 is Kullback-Leibler: use KL(strength)."
        )
    if not _LOWEST <= order <= _HIGHEST:
        raise InputError(f"order must be from {_LOWEST:g} to {_HIGHEST:g}, got {order!r}. Try 0.5 or 2.")
    return float(order)


def _find_below_one(base, offsets, exponent, best, mean):
    """Orders below 1: Newton from the left, where the concave power mean cannot overshoot."""
    low = np.maximum(np.maximum(best ** (-1.0 / exponent), 1.0 - mean), _SMALLEST)
    low = np.minimum(low, 1.0)
    return power_root(base, offsets, exponent, low * (1.0 - 1e-15), np.ones_like(low) * (1.0 + 1e-15), low)


def _find_above_one(base, offsets, exponent, best, mean):
    """Orders above 1: first the linear equation, whose root is on the side from which Newton's steps are safe."""
    highest = np.minimum(1.0 / best, 1.0 - mean)  # offsets are negative
    linear = power_root(base, offsets, 1.0, np.full_like(mean, 1.0 - 1e-15), highest * (1.0 + 1e-15), highest)
    if exponent == 1.0:
        return linear
    with np.errstate(over="ignore"):
        high = np.minimum(best ** (-1.0 / exponent), 1.0 - offsets.min(axis=1))
    low = np.full_like(mean, 1.0)
    low, high = (low, np.minimum(high, linear)) if exponent > 1 else (linear, np.maximum(high, linear))
    return power_root(base, offsets, exponent, low * (1.0 - 1e-15), high * (1.0 + 1e-15), np.clip(linear, low, high))


def _near_losses(order, base, y, ratio, lift):
    """Losses of keeping the ratios when every slope falls by ``lift`` plus a constant, found here to all digits."""
    exponent, alive, policy = 1.0 / (order - 1.0), ratio > 0, base * ratio
    y, lift = np.where(alive, y, 1.0), np.where(alive, lift, 0.0)
    pull = policy / y
    for _ in range(4):  # the sum of the policy must not change
        step = (1.0 - order) * lift / y
        change = np.expm1(exponent * np.log1p(step))
        speed = (pull * (1.0 + change) / (1.0 + step)).sum(axis=1, keepdims=True)
        correction = (policy * change).sum(axis=1, keepdims=True) / speed
        lift = np.where(alive, lift + correction, 0.0)
        if (np.abs(correction) <= ENOUGH * np.abs(lift).max(axis=1, keepdims=True)).all():
            break
    step = (1.0 - order) * lift / y
    log_change = exponent * np.log1p(step)
    back = np.expm1(-log_change)
    return ratio * y * (1.0 + step) / (1.0 + back) * power_bregman(order, 1.0 + back, back)
