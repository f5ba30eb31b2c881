"""Derivatives of a function of which only values are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

_HALVINGS, _ORDERS = 12, 5


def derivatives(function: Callable, x: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple:
    """The first and the second derivative at ``x``, without a look outside ``[left, right)``.

    Central and forward differences at twelve step sizes, each extrapolated to a step of 0 (Ridders 1982); of all the
    extrapolations the one that changed least is taken, counting what rounding may do to it. About 12 digits of the
    first derivative and 8 of the second for a smooth function; fewer where the function is noisy.

    Source: C. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 4 (1982).

    >>> slope, bend = derivatives(np.exp, np.array(1.0), np.array(0.0), np.array(np.inf))
    >>> bool(abs(slope - np.e) < 1e-11), bool(abs(bend - np.e) < 1e-6)
    (True, True)
    """
    widest = 0.25 * np.maximum(x, 1.0)
    central = np.minimum(widest, np.minimum(x - left, right - x) * (1.0 - 1e-9))
    forward = np.minimum(widest, 0.5 * (right - x) * (1.0 - 1e-9))
    here = function(x)
    with np.errstate(all="ignore"):
        tables = [_central(function, x, here, central), _forward(function, x, here, forward)]
        first, second = (_steadiest(*column) for column in zip(*tables, strict=True))
        if not (x == 0.0).any():
            return first[0], second[0]
        corner = _corner(function, x, here, forward)
        return tuple(
            np.where(x == 0.0, _steadiest(*pair)[0], pair[0][0]) for pair in zip((first, second), corner, strict=True)
        )


def _central(function, x, here, widest):
    firsts, seconds = [], []
    for k in range(_HALVINGS):
        # the step as it is after rounding, in both directions
        step = (x + widest * 0.5**k) - x
        after, before = function(x + step), function(x - step)
        noise = np.finfo(float).eps * np.maximum(np.abs(after), np.abs(before))
        firsts.append(((after - before) / (2.0 * step), noise / step))
        seconds.append((((after - here) - (here - before)) / step**2, 4.0 * noise / step**2))
    return _extrapolated(firsts, 4.0), _extrapolated(seconds, 4.0)


def _forward(function, x, here, widest):
    firsts = []
    for k in range(-1, _HALVINGS):
        step = (x + widest * 0.5**k) - x
        after = function(x + step)
        firsts.append(((after - here) / step, 2.0 * np.finfo(float).eps * np.abs(after) / step, step))
    seconds = [
        (2.0 * (wide - narrow) / (far - near), 4.0 * noise / near)
        for (wide, _, far), (narrow, noise, near) in itertools.pairwise(firsts)
    ]
    return _extrapolated([(slope, noise) for slope, noise, _ in firsts], 2.0), _extrapolated(seconds, 2.0)


def _corner(function, x, here, widest):
    """At 0, where a function may start like a power that is no whole number: Aitken's extrapolation suits any power."""
    steps = [widest * 0.5**k for k in range(44)]
    values = [function(x + step) for step in steps]
    slopes = np.array([(value - here) / step for value, step in zip(values, steps, strict=True)])
    noise = np.array([4.0 * np.finfo(float).eps * np.abs(v) / step for v, step in zip(values, steps, strict=True)])
    narrow = np.array(steps[1:])
    bends, bend_noise = 2.0 * (slopes[:-1] - slopes[1:]) / narrow, 2.0 * noise[1:] / narrow
    return _aitken(slopes, noise), _aitken(bends, bend_noise)


def _aitken(sequence, noise):
    """The limit of a sequence whose steps shrink by one ratio, infinite if it grows by one; and how much it is off."""
    steps = np.diff(sequence, axis=0)
    bend = np.diff(steps, axis=0)
    limits = sequence[2:] - np.where(bend == 0.0, 0.0, steps[1:] ** 2 / bend)
    # rounding in a step is magnified by steps / bend, squared
    magnified = noise[2:] * (1.0 + 4.0 * np.nan_to_num(np.abs(steps[1:] / bend)) ** 2)
    off = np.abs(np.diff(limits, axis=0)) + magnified[1:]
    best = np.argmin(np.where(np.isnan(off), np.inf, off), axis=0)[None]
    limit = np.take_along_axis(limits[1:], best, axis=0)[0]
    grows = (np.abs(sequence[1:]) > 1.001 * np.abs(sequence[:-1])) & (noise[1:] < 1e-4 * np.abs(sequence[1:]))
    endless = grows[8:20].all(axis=0)
    error = np.where(endless, 0.0, np.take_along_axis(off, best, axis=0)[0])
    return np.where(endless, np.copysign(np.inf, sequence[20]), limit), error


def _extrapolated(column, ratio: float):
    """The best entry of Richardson's table and how much it may be off; each halving divides the error by ``ratio``."""
    best, least = column[0][0], np.full_like(column[0][0], np.inf)
    previous = [column[0][0]]
    for value, noise in column[1:]:
        row = [value]
        for order in range(1, min(len(previous), _ORDERS) + 1):
            row.append(row[-1] + (row[-1] - previous[order - 1]) / (ratio**order - 1.0))
            off = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - previous[order - 1])) + noise
            better = off < least
            best, least = np.where(better, row[-1], best), np.where(better, off, least)
        previous = row
    return best, least


def _steadiest(one, other):
    better = ~(other[1] < one[1])
    return np.where(better, one[0], other[0]), np.where(better, one[1], other[1])
