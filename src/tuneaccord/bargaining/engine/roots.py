"""Sign changes of many functions at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_EPS = np.finfo(float).eps


def falling_bracket(function: Callable, low, high, at_low, at_high, *, most: int = 120):
    """The narrowest interval found inside each ``[low, high]`` on which ``function`` falls from positive to not.

    ``function(which, x)`` gives its values for the problems with those numbers; ``at_low`` and ``at_high`` are its
    values at the ends, positive and not. Chandrupatla's method: inverse quadratic interpolation where the three
    latest points allow it, halving otherwise, so that a jump is found too. Both ends come back, a few units in the
    last place apart.

    Source: T. Chandrupatla, Advances in Engineering Software 28 (1997).
    """
    # a is the latest point, b encloses the root with it, c is the one before
    a, fa, b, fb = high.copy(), at_high.copy(), low.copy(), at_low.copy()
    c, fc = b.copy(), fb.copy()
    part = np.full(len(a), 0.5)
    secant = fa / (fa - fb)
    part = np.where((secant > 0.01) & (secant < 0.99), secant, part)
    live = np.arange(len(a))
    for _ in range(most):
        if not len(live):
            break
        x = a[live] + part[live] * (b[live] - a[live])
        fx = function(live, x)
        same = (fx > 0) == (fa[live] > 0)
        c[live], fc[live] = np.where(same, a[live], b[live]), np.where(same, fa[live], fb[live])
        b[live], fb[live] = np.where(same, b[live], a[live]), np.where(same, fb[live], fa[live])
        a[live], fa[live] = x, fx
        width = np.abs(b[live] - a[live])
        slack = 2 * _EPS * np.maximum(np.abs(a[live]), np.abs(b[live]))
        on = (width > 2 * slack) & (width > 1e-300)
        part[live] = _next(*(value[live] for value in (a, fa, b, fb, c, fc)), slack / np.maximum(width, 1e-300))
        live = live[on]
    return np.minimum(a, b), np.maximum(a, b)


def _next(a, fa, b, fb, c, fc, least):
    least = np.minimum(least, 0.5)
    return np.clip(trusted_step(a, fa, b, fb, c, fc), least, 1 - least)


def trusted_step(a, fa, b, fb, c, fc):
    """The next part of the way from a to b: inverse quadratic interpolation where it is trusted, else a half."""
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    trusted = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
    quadratic = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return np.where(trusted & np.isfinite(quadratic), quadratic, 0.5)
