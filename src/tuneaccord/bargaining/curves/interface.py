"""What the solvers ask of a cost or revenue curve.

Between two neighbouring knots a curve's value, slope and curvature are each continuous and monotone. That is all a
solver needs in order to bound them on a whole interval from its two ends, and so to prove that no optimum was missed.

A parameter is a number, or an array of numbers, one a game, for a :class:`tuneaccord.GameFamily`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from tuneaccord.errors import InputError

_AT_ONCE = 2**18  # numbers in one array, to bound the memory


class Curve(ABC):
    """A nondecreasing function on [0, infinity): money against performance (revenue) or improvement (cost).

    ``x`` is any array of numbers at least 0; infinity gives the limit. With parameters that are arrays, ``x``
    broadcasts against them. Performance is in the units of your benchmark, money in one currency throughout.
    """

    @property
    def knots(self) -> np.ndarray:
        """Where value, slope or curvature jump or turn, inside (0, infinity), ascending: shape (..., knots)."""
        return np.empty(0)

    @property
    def setup(self) -> float | np.ndarray:
        """What is paid as soon as ``x`` is positive, however small: the jump of the value at 0."""
        return 0.0

    @property
    def known(self) -> bool:
        """Whether the knots are known; a curve given as a function of Python has them only by the user's word."""
        return True

    @property
    def convex(self) -> bool | np.ndarray:
        """Whether the slope never falls; False when in doubt. With parameters that are arrays, one answer a game."""
        return False

    @abstractmethod
    def value(self, x) -> np.ndarray:
        """The money at ``x``."""

    @abstractmethod
    def slope(self, x) -> np.ndarray:
        """The derivative at ``x``; at a kink, and at 0, the one to the right."""

    @abstractmethod
    def curvature(self, x) -> np.ndarray:
        """The second derivative at ``x``; at a kink, and at 0, the one to the right."""

    @abstractmethod
    def inverse_slope(self, slope) -> np.ndarray:
        """The largest ``x`` with that slope.

        On a :attr:`convex` curve (``Linear`` is one) the largest ``x`` whose slope is at most ``slope``: how far it
        pays to go on this cost when every unit earns ``slope``. On any other curve the largest ``x`` whose slope is
        at least ``slope`` (just before a kink counts). 0 if there is none, infinity if there is no end.
        """

    def at(self, base) -> Curve:
        """The curve of an improvement that starts at the performance ``base``; most costs do not depend on it."""
        return self

    def __call__(self, x) -> np.ndarray:
        return self.value(x)

    def slope_range(self, low, high) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest slope on ``[low, high]``; ``high`` may be infinity."""
        return _range(self.slope, low, high, self._slopes_at_knots)

    def curvature_range(self, low, high) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest curvature on ``[low, high]`` away from kinks; ``high`` may be infinity."""
        return _range(self.curvature, low, high, self._curvatures_at_knots)

    @cached_property
    def _slopes_at_knots(self):
        return self._at_knots(self.slope)

    @cached_property
    def _curvatures_at_knots(self):
        return self._at_knots(self.curvature)

    def _at_knots(self, function):
        """The knots, and the smaller and the larger of the two one-sided values there, knots first."""
        knots = np.moveaxis(np.atleast_1d(self.knots), -1, 0)
        # a knot at infinity stands for none; each game has its own
        places = np.where(np.isfinite(knots), knots, 0.0)
        sides = np.array([function(side) for knot in places for side in (_before(knot), knot)])
        sides = sides.reshape(len(knots), 2, *sides.shape[1:])
        return knots, sides.min(axis=1), sides.max(axis=1)

    def take(self, index) -> Curve:
        """The curve with ``index`` applied to every parameter that is an array."""
        return self._changed(lambda array: array[index])

    @property
    def games(self) -> tuple[int, ...]:
        """The shape of the parameters: ``()`` when all are numbers."""
        shapes = [np.shape(getattr(self, field.name)) for field in dataclasses.fields(self) if self._varies(field.name)]
        inner = [part.games for part in self._parts().values()]
        return np.broadcast_shapes(*shapes, *inner)

    def _varies(self, name: str) -> bool:
        return isinstance(getattr(self, name), (int, float, np.ndarray))

    def _parts(self) -> dict[str, Curve]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: part for name, part in fields.items() if isinstance(part, Curve)}

    def _changed(self, change) -> Curve:
        new = {
            field.name: change(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        new |= {name: part._changed(change) for name, part in self._parts().items()}
        return dataclasses.replace(self, **new) if new else self


def _range(function, low, high, at_knots):
    low, high = np.asarray(low, float), np.asarray(high, float)
    ends = function(low), function(np.where(high > low, _before(high), low))
    least, most = np.minimum(*ends), np.maximum(*ends)
    knots, smallest, largest = at_knots
    if knots.ndim == 1 and len(knots) * low.size < _AT_ONCE:
        inside = (knots > low[..., None]) & (knots < high[..., None])
        if inside.any():
            least = np.minimum(least, np.where(inside, smallest, np.inf).min(axis=-1))
            most = np.maximum(most, np.where(inside, largest, -np.inf).max(axis=-1))
        return least, most
    for knot, smaller, larger in zip(*at_knots, strict=True):
        inside = (knot > low) & (knot < high)
        if inside.any():
            least = np.where(inside, np.minimum(least, smaller), least)
            most = np.where(inside, np.maximum(most, larger), most)
    return least, most


def _before(x):
    """The number just below ``x``, to look at a kink from its left."""
    return np.where(np.isfinite(x) & (x > 0), np.nextafter(x, 0.0), x)


def positive(owner: str, name: str, given, *, zero: bool = False, most: float = np.inf):
    """``given`` as a float or an array of floats; :class:`InputError` unless all are positive (or 0) and finite."""
    wanted = f"{'at least 0' if zero else 'positive'}{' and finite' if most == np.inf else f' and at most {most:g}'}"
    try:
        array = np.asarray(given, float)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    fine = np.isfinite(array) & ((array >= 0) if zero else (array > 0)) & (array <= most)
    # an empty array is what is left when no game is taken; an empty list is a mistake
    empty = array.size == 0 and not isinstance(given, np.ndarray)
    if isinstance(given, (bool, str)) or empty or not fine.all():
        shown = f"{array[~fine].flat[0]:g}" if isinstance(given, np.ndarray) and array.ndim else f"{given!r:.60}"
        raise InputError(f"{owner}: {name} must be {wanted}, got {shown}.")
    return float(array) if array.ndim == 0 else array
