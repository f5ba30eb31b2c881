"""Cost curves from measured runs. The spending was chosen, the score is what came out: the errors are the score's.

The usual regression of log spending on log performance would take them to be the spending's, and find costs that rise
too slowly with performance: noise in the regressor flattens a slope. Here log performance is regressed on log spending
and the result solved for the spending.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.calibration.families import Estimate, Family
from tuneaccord.bargaining.calibration.monotone import concave_rising
from tuneaccord.bargaining.curves import Curve, Linear, Power, Tabulated
from tuneaccord.errors import InputError

_HUGE = 600.0  #: the logarithm of a scale beyond which float64 ends: the slope is rounding


class PowerCost(Family):
    """``spend = scale * performance ** exponent``, exponent at least 1, least squares of ``log(performance)``."""

    fewest = 3

    def curve(self, performance, money):
        return self.estimate(performance, money).curve

    def estimate(self, performance, money):
        reached, spent = _logs(performance, money)
        centre, spread = spent.mean(), ((spent - spent.mean()) ** 2).sum()
        slope = ((spent - centre) * reached).sum() / spread
        if slope <= 0 or abs(centre - reached.mean() / slope) > _HUGE:
            raise InputError("more spending did not buy a better score, so there is no cost curve.")
        if slope >= 1:
            linear = LinearCost().estimate(performance, money)
            variance = np.zeros((2, 2))
            variance[0, 0] = linear.covariance[0, 0]
            note = f"performance rises as spending to the power {slope:.3g}; the exponent of the cost is held at 1"
            return Estimate(Power(linear.curve.rate, 1.0), variance, (*linear.notes, note))
        residuals = reached - reached.mean() - slope * (spent - centre)
        exponent = 1.0 / slope
        log_scale = centre - exponent * reached.mean()
        variance = (residuals**2).sum() / max(len(spent) - 2, 1)
        # from the independent mean of log performance and slope, by the derivatives of scale and exponent
        scale = np.exp(log_scale)
        derivatives = np.array([[-scale * exponent, scale * reached.mean() * exponent**2], [0.0, -(exponent**2)]])
        covariance = derivatives @ np.diag([variance / len(spent), variance / spread]) @ derivatives.T
        return Estimate(Power(scale, exponent), covariance)


class LinearCost(Family):
    """``spend = rate * performance``, least squares of ``log(performance)``."""

    fewest = 2

    def curve(self, performance, money):
        return self.estimate(performance, money).curve

    def estimate(self, performance, money):
        reached, spent = _logs(performance, money)
        rate = np.exp((spent - reached).mean())
        variance = (spent - reached).var(ddof=1) / len(spent) if len(spent) > 1 else 0.0
        return Estimate(Linear(rate), np.array([[rate**2 * variance]]))


class TabulatedCost(Family):
    """Through the corners of the concave rising regression of performance on spending: convex, and no formula."""

    fewest = 3

    def curve(self, performance, money):
        corners, reached = concave_rising(money, performance)
        rises = np.diff(reached, prepend=0.0) > 1e-9 * reached[-1]  # a plateau at the end is no part of a cost curve
        if reached[-1] <= 0 or not rises.any():
            raise InputError("more spending did not buy a better score, so there is no cost curve.")
        return Tabulated((0.0, *reached[rises].tolist()), (0.0, *corners[rises].tolist()))

    def estimate(self, performance, money):
        return Estimate(self.curve(performance, money), None)


COSTS: dict[str, Family] = {"Power": PowerCost(), "Linear": LinearCost(), "Tabulated": TabulatedCost()}


def reached(curve: Curve, money) -> np.ndarray:
    """The performance that ``money`` buys on a cost curve; of a table by halving an interval.

    >>> float(reached(Power(2.0, 2), 8.0).round(9))
    2.0
    """
    money = np.asarray(money, float)
    if isinstance(curve, Power):
        return (money / curve.scale) ** (1.0 / curve.exponent)
    if isinstance(curve, Linear):
        return money / curve.rate
    low, high = np.zeros(money.shape), np.ones(money.shape)
    for _ in range(200):
        short = curve.value(high) < money
        if not short.any():
            break
        low, high = np.where(short, high, low), np.where(short, 2.0 * high, high)
    for _ in range(60):  # to the last digit
        middle = 0.5 * (low + high)
        short = curve.value(middle) < money
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return 0.5 * (low + high)


def _logs(performance, money) -> tuple[np.ndarray, np.ndarray]:
    wrong = performance <= 0
    if wrong.any():
        raise InputError(
            f"spending {money[wrong][0]:g} bought no performance ({performance[wrong][0]:.3g}), which has no "
            "logarithm: measure it better or leave it out, give another start, or take kind='Tabulated'."
        )
    return np.log(performance), np.log(money)
