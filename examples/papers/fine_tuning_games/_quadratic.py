"""One specialist with quadratic costs and linear revenue: the share of each solution in closed form.

The game is ``U_G = share r - c0 a0**2``, ``U_D = (1 - share) r - c1 x**2`` with ``r = b (a0 + x)``. With
``rho = c0 / c1`` and in units of ``b**2 / (4 c0)``

    U_G = 2 rho s + (1 - 2 rho) s**2        U_D = (1 - s) (rho + (2 - rho) s)

at the generalist's share ``s``, so that every share below depends on ``rho`` alone. The model is that of arXiv
2308.04399; the closed forms are derived here. :func:`searched` finds the same shares without them.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.optimize import brentq

import tuneaccord as ta

SOLUTIONS = {
    "powerful specialist": ta.PowerfulSpecialist(),
    "egalitarian": ta.Egalitarian(),
    "Nash": ta.Nash(),
    "Kalai-Smorodinsky": ta.KalaiSmorodinsky(),
    "utilitarian": ta.Utilitarian(),
    "maximal performance": ta.MaxPerformance(),
    "powerful generalist": ta.PowerfulGeneralist(),
}


def game(rho: float, scale: float = 1.0, rate: float = 1.0) -> ta.FineTuningGame:
    """The game with ``c0 = scale``, ``c1 = scale / rho`` and ``b = rate``."""
    specialist = ta.Specialist("medical", cost=ta.Power(scale / rho, 2), revenue=ta.Linear(rate))
    return ta.FineTuningGame(ta.Generalist(cost=ta.Power(scale, 2)), [specialist])


def utilities(rho: float, share):
    """``(U_G, U_D)`` in units of ``b**2 / (4 c0)``."""
    return 2 * rho * share + (1 - 2 * rho) * share**2, (1 - share) * (rho + (2 - rho) * share)


def ideal(rho: float) -> tuple[float, float]:
    """The largest ``U_G`` and the largest ``U_D``."""
    return (1.0 if rho <= 1 else rho**2 / (2 * rho - 1)), (rho if rho >= 1 else 1 / (2 - rho))


def closed(name: str, rho: float) -> float:
    """The share in closed form."""
    return _CLOSED[name](rho)


def _powerful_generalist(rho):
    return 1.0 if rho <= 1 else rho / (2 * rho - 1)


def _powerful_specialist(rho):
    return 0.0 if rho >= 1 else (1 - rho) / (2 - rho)


def _egalitarian(rho):
    root = sqrt(rho**2 - rho + 1)
    return rho / (2 * rho - 1 + root) if rho >= 0.5 else (1 - 2 * rho + root) / (3 * (1 - rho))


def _nash(rho):
    cubic = [-4 * rho**2 + 10 * rho - 4, 9 * rho**2 - 15 * rho + 3, 5 * rho - 6 * rho**2, rho**2]
    slope = np.polyder(cubic)
    roots = [root.real for root in np.roots(cubic) if abs(root.imag) < 1e-6 and 0 < root.real < 1]
    best = max(roots, key=lambda share: np.prod(utilities(rho, share)))
    for _ in range(3):  # Newton: the eigenvalues behind np.roots are good to about 1e-13
        best -= np.polyval(cubic, best) / np.polyval(slope, best)
    return float(best)


def _kalai_smorodinsky(rho):
    most_g, most_d = ideal(rho)
    a = most_d * (1 - 2 * rho) + most_g * (2 - rho)
    b = 2 * rho * most_d - most_g * (2 - 2 * rho)
    c = -rho * most_g
    root = sqrt(b * b - 4 * a * c)
    # the same root twice: the form whose sum has no cancellation
    return -2 * c / (b + root) if b >= 0 else (root - b) / (2 * a)


def _max_performance(rho):
    return 0.5 if rho == 1 else float(rho < 1)  # equal costs: any share, and the largest total utility breaks the tie


_CLOSED = {
    "powerful specialist": _powerful_specialist,
    "egalitarian": _egalitarian,
    "Nash": _nash,
    "Kalai-Smorodinsky": _kalai_smorodinsky,
    "utilitarian": lambda rho: 1 / (1 + rho),
    "maximal performance": _max_performance,
    "powerful generalist": _powerful_generalist,
}


def searched(name: str, rho: float) -> float:
    """The share found by looking: a condition's sign changes on a grid, polished; the best of them and the ends."""
    condition, score = _CONDITIONS[name](rho)
    grid = np.linspace(0.0, 1.0, 2001)
    signs = np.sign(condition(grid))
    found = [0.0, 1.0, *grid[signs == 0]]
    found += [
        brentq(condition, grid[i], grid[i + 1], xtol=1e-16, rtol=1e-15)
        for i in np.flatnonzero(signs[:-1] * signs[1:] < 0)
    ]
    return max(found, key=score)


def _slopes(rho, share):
    return 2 * rho + 2 * (1 - 2 * rho) * share, 2 - 2 * rho - 2 * (2 - rho) * share


def _peak_of(weight_g, weight_d):
    def problem(rho):
        def slope(share):
            up, down = _slopes(rho, share)
            return weight_g * up + weight_d * down

        return slope, lambda share: weight_g * utilities(rho, share)[0] + weight_d * utilities(rho, share)[1]

    return problem


def _product(rho):
    def slope(share):
        (gain_g, gain_d), (up, down) = utilities(rho, share), _slopes(rho, share)
        return up * gain_d + gain_g * down

    return slope, lambda share: np.prod(utilities(rho, share))


def _equal(units):
    def problem(rho):
        most_g, most_d = units(rho)

        def gap(share):
            gain_g, gain_d = utilities(rho, share)
            return gain_g / most_g - gain_d / most_d

        return gap, lambda share: min(utilities(rho, share)[0] / most_g, utilities(rho, share)[1] / most_d)

    return problem


def _largest(rho):
    """The two largest utilities, by looking."""
    return tuple(
        _CONDITIONS[name](rho)[1](searched(name, rho)) for name in ("powerful generalist", "powerful specialist")
    )


def _performance(rho):
    # a0 + x in units of b / (2 c0); it is flat when the costs are equal, and then the sum of utilities decides
    slope, total = _peak_of(1, 1)(rho)
    return (slope if rho == 1 else lambda share: 1 - rho + 0 * share), (
        total if rho == 1 else lambda share: share + rho * (1 - share)
    )


_CONDITIONS = {
    "powerful specialist": _peak_of(0, 1),
    "egalitarian": _equal(lambda rho: (1.0, 1.0)),
    "Nash": _product,
    "Kalai-Smorodinsky": _equal(_largest),
    "utilitarian": _peak_of(1, 1),
    "maximal performance": _performance,
    "powerful generalist": _peak_of(1, 0),
}
