"""The curves that the bargaining explorer offers, each with the numbers that its sliders move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuneaccord.bargaining.curves import Capped, Curve, Fixed, Linear, Log, Logistic, Power, Saturating, Sqrt
from tuneaccord.errors import InputError, nearest


@dataclass(frozen=True)
class Family:
    """A kind of curve with the numbers that a slider may move: name -> (low, high, default)."""

    words: str
    numbers: dict[str, tuple[float, float, float]]
    make: Callable[..., Curve]


_SCALE = (0.05, 5.0, 1.0)
_STEEP = (1.1, 4.0, 2.0)
COSTS = {
    "Power": Family("power: scale · x^exponent", {"scale": _SCALE, "exponent": _STEEP}, Power),
    "Linear": Family("linear: rate · x", {"rate": (0.05, 3.0, 0.9)}, Linear),
    "Fixed": Family(
        "set-up, then power",
        {"amount": (0.0, 1.0, 0.05), "scale": _SCALE, "exponent": _STEEP},
        lambda amount, scale, exponent: Fixed(amount, Power(scale, exponent)),
    ),
}
REVENUES = {
    "Linear": Family("linear: rate · x", {"rate": (0.05, 3.0, 1.0)}, Linear),
    "Power": Family("power: scale · x^exponent", {"scale": _SCALE, "exponent": (0.2, 1.0, 0.7)}, Power),
    "Sqrt": Family("square root: scale · √x", {"scale": _SCALE}, Sqrt),
    "Log": Family("logarithm: scale · log(1 + rate x)", {"scale": _SCALE, "rate": (0.1, 10.0, 2.0)}, Log),
    "Saturating": Family("saturating: cap · (1 − exp(−rate x))", {"cap": _SCALE, "rate": (0.1, 10.0, 1.5)}, Saturating),
    "Logistic": Family(
        "S-shaped: logistic",
        {"scale": _SCALE, "midpoint": (0.05, 2.0, 0.5), "width": (0.05, 1.0, 0.2)},
        Logistic,
    ),
    "Capped": Family(
        "linear up to a limit",
        {"limit": (0.05, 3.0, 1.0), "rate": (0.05, 3.0, 1.0)},
        lambda limit, rate: Capped(limit, Linear(rate)),
    ),
}


@dataclass(frozen=True)
class Choice:
    """A curve of one family with its numbers, in the family's order."""

    family: str
    numbers: tuple[float, ...]

    def curve(self, families: dict[str, Family]) -> Curve:
        """The curve itself."""
        return families[self.family].make(*self.numbers)


def standard(families: dict[str, Family], family: str) -> Choice:
    """A family with its usual numbers."""
    return Choice(family, tuple(default for _, _, default in families[family].numbers.values()))


def check_choice(owner: str, role: str, given: Choice, families: dict[str, Family]) -> None:
    if given.family not in families:
        raise InputError(f"{owner}: unknown {role} {given.family!r:.40}. {nearest(given.family, families)}")
    numbers = families[given.family].numbers
    if len(given.numbers) != len(numbers):
        raise InputError(f"{owner}: {given.family} needs {', '.join(numbers)}; got {len(given.numbers)} numbers.")
    for (name, (low, high, _)), number in zip(numbers.items(), given.numbers, strict=True):
        within(f"{owner}: {name} of its {role}", number, (low, high))


def within(what: str, given: float, ends: tuple[float, float]) -> None:
    """:class:`InputError` unless the number is between the two ends."""
    low, high = ends
    if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:
        raise InputError(f"{what} must be between {low:g} and {high:g}, got {given!r:.40}.")
