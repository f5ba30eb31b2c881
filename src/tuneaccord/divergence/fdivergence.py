"""A divergence of your own: five facts about ``phi``, and everything else is found from them."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from tuneaccord.divergence.interface import check_strength
from tuneaccord.divergence.ratio import RatioDivergence
from tuneaccord.errors import InputError

_TINY = np.finfo(float).tiny
#: ratios whose difference is below this share of the larger are compared through the slope
_NEAR = 0.1
#: the relative step of the numerical derivative of the slope
_STEP = 1e-3
_TRIED = np.array([0.3, 1.0, 2.5])


class FDivergence(RatioDivergence):
    """A user's own divergence, ``D(p || q) = strength * sum_x q_x phi(p_x / q_x)``, in units of reward.

    Write one frozen dataclass with a field ``strength`` and five members: :meth:`phi`, its derivative
    :meth:`phi_slope`, the inverse of that derivative :meth:`phi_slope_inverse`, and the limits of the derivative,
    :attr:`slope_at_zero` and :attr:`slope_at_infinity` (they may be infinite). ``phi`` must be strictly convex and
    smooth on positive ratios, with ``phi(1) = 0``; a kink such as total variation's is not covered.
    The functions get float64 arrays and must work elementwise; ``phi`` is also asked about the ratio 0, where
    a limit is taken if it answers with not-a-number. Further fields are the parameters of a family.

    Best policies come from the one-dimensional dual, ``p_x = q_x g((S_x - mu) / strength)`` with ``g`` the inverse
    slope, by bracketed root finding on the ratio of the best response. They agree with the built-in
    families to rounding of ``phi``; payments of very small groups, some ``1e-8`` of the strength, keep fewer
    digits than the built-in ones, which know their ``phi`` better.

    Raises :class:`InputError` when the strength is not a positive finite number, or when the five members
    contradict each other at a few ratios.

    Source: arXiv 2405.16276, section 2 (any convex f).

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Pearson(FDivergence):
    ...     strength: float
    ...     slope_at_zero = -2.0
    ...     slope_at_infinity = np.inf
    ...     def phi(self, ratio):
    ...         return (ratio - 1) ** 2
    ...     def phi_slope(self, ratio):
    ...         return 2 * (ratio - 1)
    ...     def phi_slope_inverse(self, slope):
    ...         return 1 + slope / 2
    >>> policy, best = Pearson(strength=1.0).tilt(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    >>> policy.round(12).tolist(), round(float(best), 12)  # as ChiSquared(1.0)
    ([0.625, 0.375], 0.5625)
    """

    @property
    @abstractmethod
    def slope_at_zero(self) -> float:
        """The limit of ``phi'`` as the ratio falls to 0; a response loses all its mass only if it is finite."""

    @property
    @abstractmethod
    def slope_at_infinity(self) -> float:
        """The limit of ``phi'`` as the ratio grows."""

    @abstractmethod
    def phi(self, ratio: np.ndarray) -> np.ndarray:
        """The price of a ratio ``p_x / q_x``, in units of the strength; 0 at ratio 1."""

    @abstractmethod
    def phi_slope(self, ratio: np.ndarray) -> np.ndarray:
        """The derivative of :meth:`phi`, increasing, at positive ratios."""

    @abstractmethod
    def phi_slope_inverse(self, slope: np.ndarray) -> np.ndarray:
        """The ratio at which :meth:`phi_slope` is ``slope``; asked between the two limits only."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_strength(self.strength))
        slopes = self.phi_slope(_TRIED)
        steps = np.array([1 - 1e-4, 1 + 1e-4])
        for claim, got, expected in (
            ("phi(1) is 0", self.phi(np.ones(1)), 0.0),
            ("phi_slope_inverse inverts phi_slope", self.phi_slope_inverse(slopes), _TRIED),
            ("phi_slope is the derivative of phi", self._difference(steps), slopes),
            ("phi_slope stays below slope_at_infinity", np.maximum(slopes - self.slope_at_infinity, 0.0), 0.0),
            ("phi_slope stays above slope_at_zero", np.maximum(self.slope_at_zero - slopes, 0.0), 0.0),
        ):
            if not np.allclose(got, expected, rtol=1e-5, atol=1e-6):
                raise InputError(
                    f"{type(self).__name__} contradicts itself: {claim} fails at the ratios {_TRIED.tolist()}: "
                    f"got {np.asarray(got).tolist()}, expected {np.asarray(expected).tolist()}. Check the five members."
                )

    @property
    def unit(self) -> float:
        return self.strength

    @property
    def outside(self) -> float:
        return self.slope_at_infinity - self._slope_at_one()

    def solve(self, shift: np.ndarray, base: np.ndarray) -> np.ndarray:
        """The slopes that the best policy's ratios have, those of the scores themselves where a ratio is 0."""
        best = (base * (shift == 0)).sum(axis=1)
        root = _increasing_root(lambda logs, rows: self._log_mass(logs, shift[rows], base[rows]), -np.log(best))
        return self.phi_slope(np.exp(root))[:, None] - shift

    def ratios(self, natural: np.ndarray) -> np.ndarray:
        inside = natural > self.slope_at_zero
        slopes = np.where(inside, natural, self._slope_at_one())
        return np.where(inside, self.phi_slope_inverse(slopes), 0.0)

    def prices(self, ratio: np.ndarray, step: np.ndarray) -> np.ndarray:
        return self.losses(ratio, np.full_like(ratio, self._slope_at_one()))

    def losses(self, ratio: np.ndarray, natural: np.ndarray) -> np.ndarray:
        best = self.ratios(natural)
        apart = self._phi(ratio) - self._phi(best) - natural * (ratio - best)
        near = np.abs(ratio - best) < _NEAR * best
        if not near.any():
            return np.maximum(apart, 0.0)
        close = self._close_losses(np.where(near, ratio, 1.0), np.where(near, best, 1.0))
        return np.where(near, close, np.maximum(apart, 0.0))

    def around(self, natural: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, ...]:
        return ()

    def nearby(self, optimum: tuple[np.ndarray, ...], gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """No row: the five members do not say how to subtract two ratios that are almost the same."""
        return np.zeros(len(gain), bool), np.zeros_like(gain)

    def slopes(self, ratio: np.ndarray) -> np.ndarray:
        return self.phi_slope(np.maximum(ratio, _TINY))

    def responses(self, ratio: np.ndarray) -> np.ndarray:
        """By a numerical derivative of the slope, to some ten digits, fewer where it is close to its limit."""
        with np.errstate(all="ignore"):
            once, twice = (
                self.phi_slope(ratio * (1 + k * _STEP)) - self.phi_slope(ratio * (1 - k * _STEP)) for k in (1, 2)
            )
            answer = 12.0 * _STEP * ratio / (8.0 * once - twice)
        return np.where(np.isfinite(answer) & (answer > 0), answer, 0.0)

    def _close_losses(self, ratio, best):
        """``integral of phi'(u) - phi'(best)`` from the best ratio to this one: fewer digits cancel than in ``phi``."""
        points, weights = np.polynomial.legendre.leggauss(8)
        start, total = self.phi_slope(best), np.zeros_like(ratio)
        for point, weight in zip(0.5 * (points + 1.0), 0.5 * weights, strict=True):
            total += weight * (self.phi_slope(best + point * (ratio - best)) - start)
        return np.maximum(total * (ratio - best), 0.0)

    def _log_mass(self, log_ratio, shift, base):
        """The logarithm of the mass of the best policy whose best response has this ratio."""
        top = np.exp(log_ratio)[:, None]
        ratio = np.where(shift == 0, top, np.minimum(self.ratios(self.phi_slope(top) - shift), top))
        return np.log((base * ratio).sum(axis=1))

    def _phi(self, ratio):
        with np.errstate(all="ignore"):
            value = np.asarray(self.phi(ratio), float)
        return np.where(np.isnan(value), self.phi(np.maximum(ratio, _TINY)), value)

    def _slope_at_one(self):
        return float(self.phi_slope(np.ones(1))[0])

    def _difference(self, steps):
        low, high = (self.phi(_TRIED * step) for step in steps)
        return (high - low) / (_TRIED * (steps[1] - steps[0]))


def _increasing_root(function, high):
    """Where increasing functions cross 0 between 0 and ``high``: Illinois steps, guarded by bisection."""
    low, high = np.zeros_like(high), np.maximum(high, 0.0)
    root, active = high.copy(), np.arange(len(high))
    left, right = function(low, active), function(high, active)
    root[left >= 0] = 0.0
    keep = (left < 0) & (right > 0)
    active, low, high, left, right = active[keep], low[keep], high[keep], left[keep], right[keep]
    side, true_left, true_right = np.zeros(len(active)), left, right
    for count in range(1, 200):
        if not len(active):
            break
        bisect = count % 4 == 0
        at = 0.5 * (low + high) if bisect else low + (high - low) * (-left / (right - left))
        at = np.where((at > low) & (at < high), at, 0.5 * (low + high))
        value = function(at, active)
        below = value < 0
        # the end that stays is pulled down when it stays twice, or it would stay forever
        left = np.where(below, value, np.where(side > 0, 0.5 * left, left))
        right = np.where(below, np.where(side < 0, 0.5 * right, right), value)
        true_left, true_right = np.where(below, value, true_left), np.where(below, true_right, value)
        low, high, side = np.where(below, at, low), np.where(below, high, at), np.where(below, -1.0, 1.0)
        root[active] = np.where(-true_left < true_right, low, high)
        keep = (np.abs(value) > 1e-16) & (high - low > 4e-16 * high)
        root[active[value == 0]] = at[value == 0]
        active, low, high, left, right = active[keep], low[keep], high[keep], left[keep], right[keep]
        side, true_left, true_right = side[keep], true_left[keep], true_right[keep]
    return root
