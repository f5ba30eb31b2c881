"""Cost and revenue curves: one class a kind, each with its value, slope, inverse slope and the knots between which all
of them are monotone."""

from tuneaccord.bargaining.curves.function import Function
from tuneaccord.bargaining.curves.interface import Curve
from tuneaccord.bargaining.curves.logistic import Logistic
from tuneaccord.bargaining.curves.simple import Linear, Log, Power, Saturating, Sqrt
from tuneaccord.bargaining.curves.tabulated import Tabulated
from tuneaccord.bargaining.curves.wrapped import Capped, Fixed, Level

__all__ = [
    "Capped",
    "Curve",
    "Fixed",
    "Function",
    "Level",
    "Linear",
    "Log",
    "Logistic",
    "Power",
    "Saturating",
    "Sqrt",
    "Tabulated",
]
