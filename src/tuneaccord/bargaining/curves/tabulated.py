"""A curve through measured points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.bargaining.curves.interface import Curve
from tuneaccord.errors import InputError


@dataclass(frozen=True)
class Tabulated(Curve):
    """The smooth curve through the points ``(x, y)``: never falling, convex where the points are, concave likewise.

    ``x`` ascends from at least 0, ``y`` (money) does not fall. The first point is joined to (0, 0) if it is not at 0.
    Past the last point the curve goes on with its last slope, or stays flat with ``beyond="flat"``: the first suits
    most costs, the second is the careful choice for a revenue. Both are guesses, since nothing was measured there.

    Between two neighbouring points are one or two parabolas that meet with equal slopes (Schumaker 1983); data from a
    parabola give it back, data on a line the line. Convexity is kept, which a monotone cubic does not promise.

    Raises :class:`InputError` naming the first pair of points that falls. Smooth noisy measurements first.

    Source: L. Schumaker, "On shape preserving quadratic spline interpolation", SIAM J. Numer. Anal. 20 (1983).

    >>> curve = Tabulated((0.0, 1.0, 2.0, 3.0), (0.0, 1.0, 4.0, 9.0))
    >>> float(curve.value(1.5)), float(curve.slope(1.5)), float(curve.inverse_slope(3.0))
    (2.25, 3.0, 1.5)
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    beyond: str = "slope"

    def __post_init__(self) -> None:
        x, y = _numbers("x", self.x), _numbers("y", self.y)
        object.__setattr__(self, "x", tuple(x.tolist()))
        object.__setattr__(self, "y", tuple(y.tolist()))
        if self.beyond not in ("slope", "flat"):
            raise InputError(f"Tabulated: beyond must be 'slope' or 'flat', got {self.beyond!r:.60}.")
        _check_points(x, y)

    @property
    def knots(self):
        return self._pieces.start[1:]

    @property
    def convex(self):
        first, last = self._pieces.first, self._pieces.last
        return bool((last >= first).all() and (first[1:] >= last[:-1]).all())

    def value(self, x):
        pieces = self._pieces
        piece, past = pieces.find(x)
        with np.errstate(over="ignore", invalid="ignore"):
            risen = past * (pieces.first[piece] + 0.5 * past * pieces.bend[piece])
        # the last piece is straight: without end, or at its level where it is flat
        endless = np.inf if pieces.last[-1] > 0 else 0.0
        return pieces.value[piece] + np.where(np.isfinite(past), risen, endless)

    def slope(self, x):
        pieces = self._pieces
        piece, past = pieces.find(x)
        ends = pieces.first[piece], pieces.last[piece]
        past = np.where(np.isfinite(past), past, 0.0)
        return np.clip(ends[0] + past * pieces.bend[piece], np.minimum(*ends), np.maximum(*ends))

    def curvature(self, x):
        return self._pieces.bend[self._pieces.find(x)[0]]

    def inverse_slope(self, slope):
        slope, pieces = np.asarray(slope, float), self._pieces
        if self.convex:
            piece = np.searchsorted(pieces.first, slope, side="right") - 1
        else:
            # nowhere from here on to the right is it steeper than this
            steepest = np.maximum.accumulate(np.maximum(pieces.first, pieces.last)[::-1])[::-1]
            piece = np.searchsorted(-steepest, -slope, side="right") - 1
        found, piece = piece >= 0, np.maximum(piece, 0)
        first, last, length = pieces.first[piece], pieces.last[piece], pieces.length[piece]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.clip((slope - first) / pieces.bend[piece], 0.0, length)
        whole = last <= slope if self.convex else last >= slope
        return np.where(found, pieces.start[piece] + np.where(whole, length, part), 0.0)

    @cached_property
    def _pieces(self) -> _Pieces:
        x, y = np.array(self.x), np.array(self.y)
        if x[0] > 0:
            x, y = np.append(0.0, x), np.append(0.0, y)
        return _Pieces(_parabolas(x, y, flat=self.beyond == "flat"))


class _Pieces:
    """The parabolas side by side; the last one is straight and has no end."""

    def __init__(self, rows: list[tuple[float, float, float, float]]) -> None:
        self.start, self.value, self.first, self.last = np.array(rows).T
        self.length = np.append(np.diff(self.start), np.inf)
        self.bend = (self.last - self.first) / self.length

    def find(self, x) -> tuple[np.ndarray, np.ndarray]:
        """The piece that each ``x`` lies on, and how far past its start."""
        x = np.asarray(x, float)
        piece = np.maximum(np.searchsorted(self.start, x, side="right") - 1, 0)
        return piece, x - self.start[piece]


def _parabolas(x: np.ndarray, y: np.ndarray, *, flat: bool) -> list[tuple[float, float, float, float]]:
    """Start, value, first and last slope of each piece."""
    secants = np.diff(y) / np.diff(x)
    rows = []
    firsts, lasts = _slopes(x, y, secants)
    for low, high, value, secant, first, last in zip(x[:-1], x[1:], y[:-1], secants, firsts, lasts, strict=True):
        # one parabola is enough when its slope at the middle is the secant
        if abs(first + last - 2.0 * secant) <= 8 * np.finfo(float).eps * max(first, last):
            rows.append((low, value, first, last))
            continue
        if (first - secant) * (last - secant) < 0:  # the slope can change in one direction
            part, middle = (last - secant) / (last - first), secant
        else:
            part, middle = 0.5, 2.0 * secant - 0.5 * (first + last)
        knot = low + part * (high - low)
        if low < knot < high:
            rows.append((low, value, first, middle))
            rows.append((knot, value + 0.5 * (first + middle) * (knot - low), middle, last))
        else:  # straight but for the last digits
            rows.append((low, value, secant, secant))
    end = 0.0 if flat else lasts[-1]
    return [*rows, (x[-1], y[-1], end, end)]


def _slopes(x, y, secants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last slope on each interval.

    At a point they are the same, between the neighbouring secants and at most twice the smaller one, so that nothing
    falls. Points on a straight line stay on it, and there may be a kink where it ends.
    """
    if len(secants) == 1:
        return secants, secants
    widths, left, right = np.diff(x), secants[:-1], secants[1:]
    inner = (widths[1:] * left + widths[:-1] * right) / (widths[1:] + widths[:-1])
    inner = np.minimum(inner, 2.0 * np.minimum(left, right))
    rounding = 8 * np.finfo(float).eps * (secants.max() + y[-1] / widths.min())
    straight = np.abs(left - right) <= rounding  # at which inner points the curve goes straight on
    onwards = np.append(straight, False) | np.append(False, straight)  # intervals on a straight stretch
    firsts = np.where(onwards[:-1], np.minimum(left, 2.0 * right), inner)
    lasts = np.where(onwards[1:], np.minimum(right, 2.0 * left), inner)
    # the outermost intervals are one parabola each
    firsts = np.append(2.0 * secants[0] - lasts[0], firsts)
    lasts = np.append(lasts, 2.0 * secants[-1] - firsts[-1])
    return np.where(onwards, secants, firsts), np.where(onwards, secants, lasts)


def _numbers(name: str, given: Sequence[float]) -> np.ndarray:
    try:
        array = np.asarray(given, float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if isinstance(given, str) or array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise InputError(f"Tabulated: {name} must be a list of finite numbers, got {given!r:.60}.")
    return array


def _check_points(x: np.ndarray, y: np.ndarray) -> None:
    if len(x) != len(y):
        raise InputError(f"Tabulated: x and y must have the same length, got {len(x)} and {len(y)}.")
    if x[0] < 0 or (x[0] == 0 and len(x) == 1):
        wanted = "must not be negative" if x[0] < 0 else "needs a point past 0"
        raise InputError(f"Tabulated: x {wanted}, got {x[0]:g}.")
    if y[0] < 0:
        raise InputError(f"Tabulated: y must not be negative, got {y[0]:g} at x = {x[0]:g}.")
    for i in range(len(x) - 1):
        if x[i + 1] <= x[i]:
            raise InputError(
                f"Tabulated: x must ascend, got {x[i]:g} and then {x[i + 1]:g}. Sort and merge the points."
            )
        if y[i + 1] < y[i]:
            raise InputError(
                f"Tabulated: y must not fall, got {y[i]:g} at x = {x[i]:g} and {y[i + 1]:g} at x = {x[i + 1]:g}. "
                "Fit a monotone curve to noisy measurements first."
            )
