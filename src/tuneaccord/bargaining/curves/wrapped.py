"""Curves made of a curve: with a set-up amount, cut off at a limit, or paid by the level that is reached."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves.interface import Curve, positive
from tuneaccord.errors import InputError


class _Around(Curve):
    """A curve made of a ``curve``, and like it in everything that is not said otherwise."""

    curve: Curve

    @property
    def knots(self):
        return self.curve.knots

    @property
    def setup(self):
        return self.curve.setup

    @property
    def known(self):
        return self.curve.known

    @property
    def convex(self):
        return self.curve.convex

    def at(self, base):
        inner = self.curve.at(base)
        return self if inner is self.curve else dataclasses.replace(self, curve=inner)

    def value(self, x):
        return self.curve.value(x)

    def slope(self, x):
        return self.curve.slope(x)

    def curvature(self, x):
        return self.curve.curvature(x)

    def inverse_slope(self, slope):
        return self.curve.inverse_slope(slope)


@dataclass(frozen=True)
class Fixed(_Around):
    """A cost of ``amount`` paid only when ``x > 0``, plus ``curve``: nobody invests a little.

    >>> from tuneaccord import Linear
    >>> cost = Fixed(1.0, Linear(2.0))
    >>> float(cost.value(0.0)), float(cost.value(3.0))
    (0.0, 7.0)
    """

    amount: float
    curve: Curve

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", positive("Fixed", "amount", self.amount, zero=True))
        _curve("Fixed", self.curve)

    @property
    def setup(self):
        return self.amount + self.curve.setup

    def value(self, x):
        return np.where(np.asarray(x, float) > 0, self.amount, 0.0) + self.curve.value(x)


@dataclass(frozen=True)
class Capped(_Around):
    """``curve`` up to ``limit`` and flat after: more performance than ``limit`` earns nothing more.

    >>> from tuneaccord import Linear
    >>> float(Capped(2.0, Linear(3.0)).value(5.0))
    6.0
    """

    limit: float
    curve: Curve

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", positive("Capped", "limit", self.limit))
        _curve("Capped", self.curve)

    @property
    def knots(self):
        limit = np.asarray(self.limit, float)[..., None]
        inner = np.atleast_1d(self.curve.knots)
        shape = np.broadcast_shapes(limit.shape[:-1], inner.shape[:-1])
        inner = np.broadcast_to(inner, (*shape, inner.shape[-1]))
        every = np.concatenate([np.where(inner < limit, inner, np.inf), np.broadcast_to(limit, (*shape, 1))], axis=-1)
        every = np.sort(every, axis=-1)
        return every if every.ndim > 1 else every[np.isfinite(every)]

    @property
    def convex(self):
        return False

    def value(self, x):
        return self.curve.value(np.minimum(x, self.limit))

    def slope(self, x):
        return np.where(np.asarray(x, float) < self.limit, self.curve.slope(np.minimum(x, self.limit)), 0.0)

    def curvature(self, x):
        return np.where(np.asarray(x, float) < self.limit, self.curve.curvature(np.minimum(x, self.limit)), 0.0)

    def inverse_slope(self, slope):
        slope = np.asarray(slope, float)
        convex = np.asarray(self.curve.convex)
        rising = self.curve.slope(np.nextafter(self.limit, 0.0)) >= slope  # still, just before the limit
        inner = np.where(convex, 0.0, self.curve.inverse_slope(slope))
        # a slope that the inner curve has last past the limit: look for the last place before it
        earlier = ~rising & ~convex & (inner > self.limit)
        if earlier.any():
            inner = np.where(earlier, self._earlier(slope), inner)
        return np.where(slope <= 0, np.inf, np.where(rising, self.limit, inner))

    def _earlier(self, slope):
        """The largest ``x`` with at least that slope: between two knots, for there the slope goes one way."""
        low = high = left = np.zeros(np.broadcast_shapes(np.shape(slope), self.games))
        for knot in np.moveaxis(np.atleast_1d(self.knots), -1, 0):
            right = np.minimum(knot, self.limit)
            begins, ends = self.slope(left) >= slope, self.slope(np.nextafter(right, 0.0)) >= slope
            low = np.where(ends, right, np.where(begins, left, low))
            high = np.where(ends | begins, right, high)
            left = right
        for _ in range(64):
            middle = 0.5 * (low + high)
            enough = self.slope(middle) >= slope
            low, high = np.where(enough, middle, low), np.where(enough, high, middle)
        return low


@dataclass(frozen=True)
class Level(_Around):
    """A specialist's cost by the level it reaches: ``curve(base + x) - curve(base)``, cheaper to start high up.

    Alone it is ``curve`` itself; in a game the cost of an improvement depends on where it starts.

    >>> from tuneaccord import Power
    >>> cost = Level(Power(1.0, 2))
    >>> float(cost.at(1.0).value(2.0))
    8.0
    """

    curve: Curve

    def __post_init__(self) -> None:
        _curve("Level", self.curve)
        if np.any(self.curve.setup):
            raise InputError("Level: put the set-up amount outside, as in Fixed(1.0, Level(Power(1.0, 2))).")

    def at(self, base):
        return _From(np.asarray(base, float), self.curve)


@dataclass(frozen=True, eq=False)
class _From(_Around):
    """``curve(start + x) - curve(start)``."""

    start: np.ndarray
    curve: Curve

    @property
    def knots(self):
        moved = np.atleast_1d(self.curve.knots) - np.asarray(self.start)[..., None]
        return np.sort(np.where(moved > 0, moved, np.inf), axis=-1)

    def value(self, x):
        return self.curve.value(self.start + x) - self.curve.value(self.start)

    def slope(self, x):
        return self.curve.slope(self.start + x)

    def curvature(self, x):
        return self.curve.curvature(self.start + x)

    def inverse_slope(self, slope):
        return np.maximum(self.curve.inverse_slope(slope) - self.start, 0.0)


def _curve(owner: str, given) -> None:
    if not isinstance(given, Curve):
        raise InputError(f"{owner}: curve must be a curve such as Power(1.0, 2), got {given!r:.60}.")
