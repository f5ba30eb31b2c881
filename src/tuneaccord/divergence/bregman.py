"""The power family's ``phi`` near 1 and far from it, with full relative accuracy.

``phi_a(t) = (t^a - a t + a - 1) / (a (a - 1))`` is a difference of numbers that agree to many digits near ``t = 1``,
where it is ``(t - 1)^2 / 2``, and near the orders 0 and 1, where it is reverse KL and KL.
"""

from __future__ import annotations

import numpy as np

#: below this |t - 1| the Taylor series is summed
_NEAR = 0.2


def power_bregman(order: float, ratio: np.ndarray, step: np.ndarray) -> np.ndarray:
    """``phi_order(ratio)`` where ``step = ratio - 1``, each given to its own relative accuracy.

    Infinite at ratio 0 for orders that are not positive.

    >>> float(power_bregman(0.0, np.array(1 + 1e-9), np.array(1e-9)))  # step - log(1 + step)
    4.999999996666667e-19
    """
    if order == 2.0:
        return 0.5 * step * step
    if order == 0.5:
        return 2.0 * (step / (1.0 + np.sqrt(ratio))) ** 2
    near = np.abs(step) < _NEAR
    if near.all():
        return _series(order, step)
    far = _directly(order, np.where(near, 2.0, ratio))
    return np.where(near, _series(order, np.where(near, step, 0.0)), far)


def _series(order, step):
    coefficients = [0.5]
    size, k = 1.0, 2
    while size > 1e-17 and coefficients[-1] != 0.0:
        coefficients.append(coefficients[-1] * (order - k) / (k + 1.0))
        k += 1
        size = abs(coefficients[-1]) * _NEAR ** (k - 2)
    total = np.zeros_like(step)
    for coefficient in reversed(coefficients):
        total = total * step + coefficient
    return total * step * step


def _directly(order, ratio):
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        log = np.log(ratio)
        if order > 0.5:  # the power next to t itself, then next to 1
            value = (ratio * _expm1_over(order - 1.0, log) - (ratio - 1.0)) / order
        else:
            value = (_expm1_over(order, log) - (ratio - 1.0)) / (order - 1.0)
    return np.where(ratio > 0, value, 1.0 / order if order > 0 else np.inf)


def _expm1_over(factor, log):
    """``(exp(factor * log) - 1) / factor``."""
    return np.expm1(factor * log) / factor if factor else log
