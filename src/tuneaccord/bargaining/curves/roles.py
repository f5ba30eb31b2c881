"""What a curve must be like to serve as a cost or as a revenue."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.curves.interface import Curve
from tuneaccord.bargaining.curves.simple import Power
from tuneaccord.errors import InputError


def check_cost(owner: str, curve: Curve) -> None:
    """:class:`InputError` unless ``curve`` can be ``owner``'s cost: no investment costs nothing."""
    _check_curve(owner, "cost", curve)
    at_zero = np.max([np.max(curve.at(base).value(0.0)) for base in (0.0, 1.0)])
    if at_zero > 0:
        raise InputError(
            f"{owner}: the cost of no investment must be 0, got {at_zero:g}. "
            "Try Fixed(amount, curve) for a cost of starting, or entry_cost for one of taking part."
        )


def check_revenue(owner: str, curve: Curve) -> None:
    """:class:`InputError` unless ``curve`` can be ``owner``'s revenue: no jump at 0, no power above 1 without end."""
    _check_curve(owner, "revenue", curve)
    if np.any(curve.setup):
        raise InputError(f"{owner}: Fixed is for costs. Write revenue without it.")
    if isinstance(curve, Power) and np.any(np.asarray(curve.exponent) > 1.0):
        raise InputError(
            f"{owner}: a revenue Power must have an exponent of at most 1, got {np.max(curve.exponent):g}. "
            "Try Logistic, or Capped(limit, Power(...)), for one that rises faster and faster at first."
        )


def _check_curve(owner: str, name: str, given: object) -> None:
    if not isinstance(given, Curve):
        raise InputError(f"{owner}: {name} must be a curve such as Power(1.0, 2), got {given!r:.60}.")
