"""Two Newton methods for convex functions of a few weights, made for the duals of training rules.

Quasi-Newton methods stop where a cycle test still sees their error, so second derivatives are used throughout.
Both return the best weights seen; whoever calls them certifies the result by a duality gap of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: value, gradient and Hessian of a convex function; the value is infinite outside its domain
Oracle = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]

_STEPS = 200
_HALVINGS = 40
_EPS = np.finfo(float).eps


def minimise_with_logs(function: Oracle, powers: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The positive weights ``c`` that minimise ``function(c) - sum_i powers_i log c_i``, by damped Newton.

    At the minimum ``c_i * gradient_i = powers_i``.
    """
    weights = best = np.array(start, float)
    value, gradient, hessian = function(weights)
    value -= powers @ np.log(weights)
    least, stuck = np.inf, 0
    for _ in range(_STEPS):
        off = weights * gradient - powers
        error = float(np.abs(off / powers).max())
        if error < least:
            least, best, stuck = error, weights, 0
        else:
            stuck += least < 1e-9
        if error <= 4 * _EPS or stuck > 2:
            break
        step = -_solve(weights[:, None] * hessian * weights + np.diag(powers), off)
        length, slope = min(1.0, 0.95 / max(1e-300, -float(step.min()))), float(off @ step)
        for _ in range(_HALVINGS):
            there = weights * (1 + length * step)
            new, gradient, hessian = function(there)
            new -= powers @ np.log(there)
            if new <= value + 1e-4 * length * slope + 8 * _EPS * (abs(value) + powers.sum()):
                break
            length *= 0.5
        weights, value = there, new
    return best


def minimise_on_simplex(function: Oracle, start: np.ndarray, scale: float, precision: float = 1e-15) -> np.ndarray:
    """The distribution ``c`` that minimises ``function``, by a primal-dual interior-point method.

    It follows the minimisers of ``function(c) - barrier * sum_i log c_i`` while the barrier falls to ``precision``
    times ``scale``; there ``sum_i c_i (gradient_i - min gradient)`` is at most the number of weights times the barrier.
    """
    shares = np.array(start, float) / np.sum(start)
    if len(shares) == 1:
        return shares
    barrier = 0.1 * scale
    multipliers = barrier / shares
    here = function(shares)
    while True:
        least, stuck = np.inf, 0
        for _ in range(_STEPS):
            shares, multipliers, here, error = _barrier_step(function, shares, multipliers, here, barrier, scale)
            stuck = stuck + 1 if error > 0.9 * least else 0
            least = min(least, error)
            if error <= max(0.5 * barrier, 4 * _EPS * scale) or (stuck > 3 and error < 1e-8 * scale):
                break
        if barrier <= precision * scale:
            return shares
        barrier = max(barrier * min(0.2, float(np.sqrt(barrier / scale))), 0.99 * precision * scale)


def _barrier_step(function, shares, multipliers, here, barrier, scale):
    """One damped primal-dual step; the error left is measured at the point it started from."""
    value, gradient, hessian = here
    residual = shares * (gradient - shares @ gradient) - barrier  # the mean changes no step and costs digits
    common = float(residual.sum())  # the multiplier of sum c = 1 that fits best: sum_i c_i (gradient_i - barrier/c_i)
    error = float(np.abs(residual - shares * common).max())
    matrix = shares[:, None] * hessian * shares + np.diag(shares * multipliers)
    pull = _solve(matrix, np.column_stack([residual, shares]))
    level = float(shares @ pull[:, 0]) / float(shares @ pull[:, 1])
    step = level * pull[:, 1] - pull[:, 0]  # relative: the shares move by shares * step and keep their sum
    slope = float(residual @ step)
    length = min(1.0, 0.99 / max(1e-300, -float(step.min())))
    merit = value - barrier * np.log(shares).sum()
    for _ in range(_HALVINGS):
        there = shares * (1 + length * step)
        there /= there.sum()
        new = function(there)
        if new[0] - barrier * np.log(there).sum() <= merit + 1e-4 * length * slope + 8 * _EPS * scale:
            break
        length *= 0.5
    moved = barrier / shares - multipliers * (1 + step)
    reach = min(1.0, 0.99 / max(1e-300, -float((moved / multipliers).min())))
    target = barrier / there
    return there, np.clip(multipliers + reach * moved, 1e-6 * target, 1e6 * target), new, error


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution for a positive matrix, which rounding may have made singular."""
    size = np.sqrt(np.maximum(matrix.diagonal(), np.finfo(float).tiny))
    scaled = matrix / size[:, None] / size + 4 * _EPS * np.eye(len(matrix))
    columns = right / (size if right.ndim == 1 else size[:, None])
    solved = np.linalg.solve(scaled, columns)
    return solved / (size if right.ndim == 1 else size[:, None])
