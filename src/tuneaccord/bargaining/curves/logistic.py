"""The S-shaped curve: slow, then fast, then saturated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves.interface import Curve, positive

_TURN = np.log(2.0 + np.sqrt(3.0))  # the curvature of the logistic function is extreme at plus and minus this


@dataclass(frozen=True)
class Logistic(Curve):
    """``scale * (S((x - midpoint) / width) - S(-midpoint / width))`` with ``S(z) = 1 / (1 + exp(-z))``.

    0 at 0, steepest at ``midpoint``, at most ``scale``. Convex before the midpoint and concave after it, so that a
    best investment may jump: from next to nothing to past the midpoint.

    >>> curve = Logistic(4.0, 1.0, 0.25)
    >>> float(curve.slope(1.0)), float(curve.inverse_slope(4.0))
    (4.0, 1.0)
    """

    scale: float
    midpoint: float
    width: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", positive("Logistic", "scale", self.scale))
        object.__setattr__(self, "midpoint", positive("Logistic", "midpoint", self.midpoint, zero=True))
        object.__setattr__(self, "width", positive("Logistic", "width", self.width))

    @property
    def knots(self):
        turns = np.stack(np.broadcast_arrays(*(self.midpoint + z * self.width for z in (-_TURN, 0.0, _TURN))), axis=-1)
        return np.sort(np.where(turns > 0, turns, np.inf), axis=-1) if turns.ndim > 1 else turns[turns > 0]

    def value(self, x):
        # S(z) - S(y) = S(z) S(-y) (1 - exp(y - z)) keeps its digits however far the midpoint is
        steps = np.asarray(x, float) / self.width
        ever = _rising(self.midpoint / self.width)
        return -self.scale * ever * _rising(self._scaled(x)) * np.expm1(-steps)

    def slope(self, x):
        return self.scale / self.width * _bell(self._scaled(x))

    def curvature(self, x):
        z = self._scaled(x)
        return -self.scale / self.width**2 * _bell(z) * np.tanh(0.5 * z)

    def inverse_slope(self, slope):
        height = np.maximum(4.0 * np.asarray(slope, float) * self.width / self.scale, 0.0)  # 1 at the midpoint
        with np.errstate(divide="ignore"):
            past = 2.0 * np.log1p(np.sqrt(np.maximum(1.0 - height, 0.0))) - np.log(height)
        # a slope that is the steepest one up to rounding is reached at the midpoint
        return np.where(height <= 1.0 + 1e-15, self.midpoint + self.width * np.maximum(past, 0.0), 0.0)

    def _scaled(self, x):
        return (np.asarray(x, float) - self.midpoint) / self.width


def _rising(z):
    """The logistic function, with all its digits far to the left as well."""
    small = np.exp(-np.abs(z))
    return np.where(z > 0, 1.0, small) / (1.0 + small)


def _bell(z):
    """Its derivative."""
    small = np.exp(-np.abs(z))
    return small / (1.0 + small) ** 2
