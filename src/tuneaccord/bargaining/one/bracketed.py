"""Roots of many functions of one number at once, each inside a bracket, to the last digit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuneaccord.bargaining.engine.roots import trusted_step


def roots(function: Callable[[np.ndarray], np.ndarray], low, high, *, rounds: int = 120) -> np.ndarray:
    """Where ``function`` changes sign between ``low`` and ``high``, arrays of one shape.

    ``function`` takes and returns arrays of that shape. Where both ends have one sign, the end closer to 0 comes back.
    Chandrupatla's method: inverse quadratic steps where they are safe, bisection otherwise.

    Source: T. Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function
    without using derivatives", Advances in Engineering Software 28 (1997).

    >>> float(roots(lambda x: x * x - 2.0, np.array(0.0), np.array(2.0)))
    1.4142135623730951
    """
    a, b = np.array(high, float), np.array(low, float)
    fa, fb = function(a), function(b)
    c, fc = a, fa
    step = np.full(a.shape, 0.5)
    for _ in range(rounds):
        closer = np.where(np.abs(fa) < np.abs(fb), a, b)
        tolerance = 0.5 * np.spacing(np.abs(closer))
        width = np.abs(b - a)
        done = (width <= 2 * tolerance) | (fa == 0) | (fb == 0) | (np.sign(fa) == np.sign(fb))
        if done.all():
            break
        step = np.clip(
            step, tolerance / np.where(width > 0, width, 1.0), 1 - tolerance / np.where(width > 0, width, 1.0)
        )
        t = np.where(done, a, a + step * (b - a))
        ft = np.where(done, fa, function(t))
        same = np.sign(ft) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        keep = done
        b, fb = np.where(keep | same, b, a), np.where(keep | same, fb, fa)
        a, fa = np.where(keep, a, t), np.where(keep, fa, ft)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = trusted_step(a, fa, b, fb, c, fc)
    return np.where(np.abs(fa) < np.abs(fb), a, b)
