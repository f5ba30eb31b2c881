"""Curves of one formula that bend one way only: power, linear, logarithm, square root, saturating exponential."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves.interface import Curve, positive


@dataclass(frozen=True)
class Power(Curve):
    """``scale * x ** exponent``: a cost with an exponent of at least 1, or a revenue with one of at most 1.

    ``scale`` is money per unit of ``x ** exponent``. Raises :class:`InputError` unless both are positive. A cost
    whose exponent is 1 or less has no best investment against a revenue that never flattens: the game says so.

    >>> curve = Power(2.0, 2)
    >>> float(curve.value(3.0)), float(curve.slope(3.0)), float(curve.inverse_slope(12.0))
    (18.0, 12.0, 3.0)
    """

    scale: float
    exponent: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", positive("Power", "scale", self.scale))
        object.__setattr__(self, "exponent", positive("Power", "exponent", self.exponent))

    @property
    def convex(self):
        return np.asarray(self.exponent) >= 1.0

    def value(self, x):
        return _powered(self.scale, x, self.exponent)

    def slope(self, x):
        return _powered(self.scale * self.exponent, x, self.exponent - 1.0)

    def curvature(self, x):
        bend = self.scale * self.exponent * (self.exponent - 1.0)
        # 0 times infinity where the exponent is 1: no curvature
        return np.where(bend == 0.0, 0.0, _powered(bend, x, self.exponent - 2.0))

    def inverse_slope(self, slope):
        with np.errstate(over="ignore"):
            ratio = np.maximum(np.asarray(slope, float) / (self.scale * self.exponent), 0.0)
        bend = np.asarray(self.exponent - 1.0)
        power = _power(ratio, 1.0 / np.where(bend == 0.0, 1.0, bend))
        return np.where(bend == 0.0, np.where(ratio >= 1.0, np.inf, 0.0), power)


def _power(x, exponent):
    x = np.asarray(x, float)
    with np.errstate(divide="ignore", over="ignore"):  # the limits at 0 and infinity are meant
        return x**exponent


def _powered(factor, x, exponent):
    x = np.asarray(x, float)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # limits, and beyond 1e308 is infinity
        return factor * x**exponent


def _times(factor, x):
    with np.errstate(over="ignore"):  # beyond 1e308 is infinity
        return factor * x


@dataclass(frozen=True)
class Linear(Curve):
    """``slope * x``, that is ``Linear(rate)``: the same money for every unit.

    >>> float(Linear(2.0).value(3.0))
    6.0
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", positive("Linear", "rate", self.rate, zero=True))

    @property
    def convex(self):
        return True

    def value(self, x):
        with np.errstate(invalid="ignore"):
            return np.where(np.equal(self.rate, 0.0), 0.0, _times(self.rate, np.asarray(x, float)))

    def slope(self, x):
        return self.rate + np.zeros(np.shape(x))

    def curvature(self, x):
        return np.zeros(np.broadcast_shapes(np.shape(self.rate), np.shape(x)))

    def inverse_slope(self, slope):
        return np.where(np.asarray(slope, float) >= self.rate, np.inf, 0.0)


@dataclass(frozen=True)
class Log(Curve):
    """``scale * log(1 + rate * x)``: each doubling of a large ``x`` brings the same.

    ``rate`` is per unit of ``x``.

    >>> float(Log(2.0, 1.0).slope(0.0))
    2.0
    """

    scale: float
    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", positive("Log", "scale", self.scale))
        object.__setattr__(self, "rate", positive("Log", "rate", self.rate))

    def value(self, x):
        return self.scale * np.log1p(_times(self.rate, np.asarray(x, float)))

    def slope(self, x):
        return self.scale * self.rate / (1.0 + _times(self.rate, np.asarray(x, float)))

    def curvature(self, x):
        return -self.scale * (self.rate / (1.0 + _times(self.rate, np.asarray(x, float)))) ** 2

    def inverse_slope(self, slope):
        return np.maximum(_ratio(self.scale * self.rate, slope) - 1.0, 0.0) / self.rate


def _ratio(steepest, slope):
    """How many times steeper a curve starts: infinity for a slope of 0 or less, which it has for ever."""
    slope = np.asarray(slope, float)
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(slope > 0, steepest / np.abs(slope), np.inf)


@dataclass(frozen=True)
class Sqrt(Curve):
    """``scale * sqrt(x)``: four times the performance for twice the money.

    >>> float(Sqrt(3.0).value(4.0))
    6.0
    """

    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", positive("Sqrt", "scale", self.scale))

    def value(self, x):
        return self.scale * np.sqrt(np.asarray(x, float))

    def slope(self, x):
        return _times(0.5 * self.scale, _power(x, -0.5))

    def curvature(self, x):
        return _times(-0.25 * self.scale, _power(x, -1.5))

    def inverse_slope(self, slope):
        return _power(np.maximum(2.0 * np.asarray(slope, float) / self.scale, 0.0), -2.0)


@dataclass(frozen=True)
class Saturating(Curve):
    """``cap * (1 - exp(-rate * x))``: steep at first, never above ``cap``.

    >>> float(Saturating(5.0, 1.0).value(np.inf))
    5.0
    """

    cap: float
    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "cap", positive("Saturating", "cap", self.cap))
        object.__setattr__(self, "rate", positive("Saturating", "rate", self.rate))

    def value(self, x):
        return -self.cap * np.expm1(_times(-self.rate, np.asarray(x, float)))

    def slope(self, x):
        return self.cap * self.rate * np.exp(_times(-self.rate, np.asarray(x, float)))

    def curvature(self, x):
        return -self.rate * self.slope(x)

    def inverse_slope(self, slope):
        return np.log(np.maximum(_ratio(self.cap * self.rate, slope), 1.0)) / self.rate
