"""Which way a curve bends, and bounds on its slope and curvature over intervals."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.bargaining.curves import Curve, Fixed, Level

_ROUNDING = 1e-12  # a slope that changes by less than this part of itself at a knot is taken to be continuous there


@dataclass(frozen=True, eq=False)
class Bend:
    """A curve with what the solvers need to know of its shape.

    ``convex``, ``concave`` and ``straight`` hold for every game at once. ``plain`` says that there are no knots at
    all, so that both ends of an interval bound everything on it. ``kinks`` are pairs of a knot and by how much the
    slope jumps there; ``stops`` are the knots that are kinks or ends of a straight stretch.
    """

    curve: Curve
    convex: bool
    concave: bool
    straight: bool
    plain: bool
    kinks: tuple = ()
    stops: tuple = ()

    @cached_property
    def games(self) -> tuple[int, ...]:
        """The shape of the parameters."""
        return self.curve.games

    def slopes(self, low, high, at_low, at_high):
        """Bounds on the slope over ``[low, high]``, given the slopes at both."""
        if self.plain:
            return np.minimum(at_low, at_high), np.maximum(at_low, at_high)
        return self.curve.slope_range(low, high)

    def curvatures(self, low, high, at_low, at_high):
        """Bounds on the curvature over ``[low, high]``, given those at both; infinite if there is a kink."""
        if self.plain:
            return np.minimum(at_low, at_high), np.maximum(at_low, at_high)
        least, most = self.curve.curvature_range(low, high)
        for knot, jump in self.kinks:
            inside = (knot >= low) & (knot <= high)
            least = np.where(inside & (jump < 0), -np.inf, least)
            most = np.where(inside & (jump > 0), np.inf, most)
        return least, most

    def take(self, index) -> Bend:
        """For the games with these numbers, where parameters are arrays with one row a game."""
        if not self.games:
            return self
        index = some(index)
        kinks = tuple((knot[index], jump[index]) for knot, jump in self.kinks)
        stops = tuple(knot[index] for knot in self.stops)
        return dataclasses.replace(self, curve=self.curve.take(index), kinks=kinks, stops=stops)


def some(index):
    """``index``, or the first row where it selects nothing: one row broadcasts against none, and curves need one."""
    if isinstance(index, slice) or (np.any(index) if np.asarray(index).dtype == bool else np.size(index)):
        return index
    return slice(0, 1)


def bend(curve: Curve) -> Bend:
    """What ``curve`` looks like on [0, infinity)."""
    least, most = curve.curvature_range(0.0, np.inf)
    jumps = list(_jumps(curve))
    kinks = tuple((knot, jump) for knot, jump, _ in jumps if jump.any())
    up, down = any((jump > 0).any() for _, jump in kinks), any((jump < 0).any() for _, jump in kinks)
    plain = np.size(curve.knots) == 0
    straight = plain and bool(np.all(least == 0) and np.all(most == 0))
    return Bend(
        curve=curve,
        convex=straight or (bool(np.all(curve.convex)) and not down),
        concave=bool(np.all(most <= 0)) and not up,
        straight=straight,
        plain=plain,
        kinks=kinks,
        stops=tuple(knot for knot, jump, straight in jumps if jump.any() or straight.any()),
    )


def unwrapped(cost: Curve) -> tuple[float | np.ndarray, Curve, str]:
    """A cost as its set-up amount, the curve beneath, and how that depends on the base.

    The last is ``"none"``, ``"level"`` (the curve is then of the level that is reached) or ``"free"``.
    """
    setup = 0.0
    while isinstance(cost, Fixed):
        setup, cost = setup + cost.amount, cost.curve
    if isinstance(cost, Level):
        return setup, cost.curve, "level"
    return setup, cost, "none" if cost.at(1.0) is cost else "free"


def _jumps(curve: Curve):
    for knot in np.moveaxis(np.atleast_1d(curve.knots), -1, 0):
        finite = np.where(np.isfinite(knot), knot, 1.0)
        right, left = curve.slope(finite), curve.slope(np.nextafter(finite, 0.0))
        jump = np.where(np.isfinite(knot), right - left, 0.0)
        straight = (curve.curvature(finite) == 0) | (curve.curvature(np.nextafter(finite, 0.0)) == 0)
        large = np.abs(jump) > _ROUNDING * (np.abs(right) + np.abs(left))
        yield knot, np.where(large, jump, 0.0), straight & np.isfinite(knot)
