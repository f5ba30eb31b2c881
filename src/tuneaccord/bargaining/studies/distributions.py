"""Ways to say how uncertain a number of a game is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves.interface import positive
from tuneaccord.errors import InputError


class Distribution(ABC):
    """Draws of one number."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, draws: int, value: float) -> np.ndarray:
        """``draws`` numbers, (draws,); ``value`` is the number in the game as it is."""


@dataclass(frozen=True)
class LogNormal(Distribution):
    """A positive number known to within a percentage: ``value * exp(spread * z)`` with z standard normal.

    ``spread`` is the standard deviation of the logarithm: 0.2 is about plus or minus 20%. The median is the number in
    the game, or ``median``.

    >>> LogNormal(0.2).sample(np.random.default_rng(0), 2, 10.0).round(3).tolist()
    [10.255, 9.739]
    """

    spread: float
    median: float | None = None

    def __post_init__(self) -> None:
        positive("LogNormal", "spread", self.spread)
        if self.median is not None:
            positive("LogNormal", "median", self.median)

    def sample(self, rng, draws, value):
        median = value if self.median is None else self.median
        if median <= 0:
            raise InputError(f"LogNormal needs a positive median, but the game has {value:g}. Try Uniform(low, high).")
        return median * np.exp(self.spread * rng.standard_normal(draws))


@dataclass(frozen=True)
class Normal(Distribution):
    """``mean + sd * z`` with z standard normal: for amounts that may be negative, such as an outside option.

    >>> Normal(0.0, 1.0).sample(np.random.default_rng(0), 1, 5.0).round(3).tolist()
    [0.126]
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _finite("Normal", "mean", self.mean)
        positive("Normal", "sd", self.sd)

    def sample(self, rng, draws, value):
        return self.mean + self.sd * rng.standard_normal(draws)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Anywhere between ``low`` and ``high``, equally likely.

    >>> Uniform(1.0, 2.0).sample(np.random.default_rng(0), 1, 5.0).round(3).tolist()
    [1.637]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _finite("Uniform", "low", self.low)
        _finite("Uniform", "high", self.high)
        if not self.low < self.high:
            raise InputError(f"Uniform: low must be below high, got {self.low:g} and {self.high:g}.")

    def sample(self, rng, draws, value):
        return rng.uniform(self.low, self.high, draws)


@dataclass(frozen=True)
class Triangular(Distribution):
    """From ``low`` to ``high``, most likely ``mode``: an expert's least, likeliest and largest guess.

    >>> Triangular(1.0, 2.0, 4.0).sample(np.random.default_rng(0), 1, 5.0).round(3).tolist()
    [2.524]
    """

    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "mode", "high"):
            _finite("Triangular", name, getattr(self, name))
        if not self.low <= self.mode <= self.high or self.low == self.high:
            given = f"{self.low:g}, {self.mode:g}, {self.high:g}"
            raise InputError(f"Triangular: low, mode and high must ascend, got {given}.")

    def sample(self, rng, draws, value):
        return rng.triangular(self.low, self.mode, self.high, draws)


def _finite(owner: str, name: str, given) -> None:
    number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
    if not number or not np.isfinite(given):
        raise InputError(f"{owner}: {name} must be a finite number, got {given!r:.60}.")
