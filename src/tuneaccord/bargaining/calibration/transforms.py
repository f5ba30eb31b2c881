"""From a benchmark's score to the performance of the fine-tuning game: a number that is 0 before anything is spent."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves.interface import positive
from tuneaccord.errors import InputError


class ScoreTransform(ABC):
    """``performance = (scale(score) - scale(start)) / unit``, rising with how good the score is.

    ``start`` is the score that counts as performance 0, usually that of the untouched model; ``None`` takes it from
    the measured runs. ``unit`` is how much of the scale makes one unit of performance, such as 0.01 for points in a
    hundred.
    """

    start: float | None
    unit: float

    @abstractmethod
    def scale(self, score) -> np.ndarray:
        """The score on a scale where more is better."""

    @abstractmethod
    def _score(self, scale) -> np.ndarray:
        """The score at a place on the scale."""

    def performance(self, score) -> np.ndarray:
        """The performance at ``score``; needs a ``start``."""
        return (self.scale(score) - self.scale(self._known())) / self.unit

    def score(self, performance) -> np.ndarray:
        """The score at ``performance``."""
        return self._score(np.asarray(performance, float) * self.unit + self.scale(self._known()))

    def starting_at(self, scale: float) -> ScoreTransform:
        """The same transform with performance 0 at a place on the scale."""
        return dataclasses.replace(self, start=float(self._score(scale)))

    def _known(self) -> float:
        if self.start is None:
            name = type(self).__name__
            raise InputError(f"{name} has no start. Give the score that counts as performance 0: {name}(start=0.5).")
        return self.start

    def _check(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "unit", positive(name, "unit", self.unit))
        if self.start is not None:
            number = isinstance(self.start, (int, float, np.number)) and not isinstance(self.start, bool)
            if not number or not np.isfinite(self.start):
                raise InputError(f"{name}: start must be a finite number or None, got {self.start!r:.60}.")
            self.scale(self.start)


@dataclass(frozen=True)
class Shift(ScoreTransform):
    """``(score - start) / unit``, for scores where more is better.

    >>> float(Shift(start=0.5, unit=0.01).performance(0.75))
    25.0
    """

    start: float | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        self._check()

    def scale(self, score):
        return np.asarray(score, float)

    def _score(self, scale):
        return np.asarray(scale, float)


@dataclass(frozen=True)
class Turned(ScoreTransform):
    """``(start - score) / unit``, for losses and error rates, where less is better.

    >>> float(Turned(start=3.0).performance(2.75))
    0.25
    """

    start: float | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        self._check()

    def scale(self, score):
        return -np.asarray(score, float)

    def _score(self, scale):
        return -np.asarray(scale, float)


@dataclass(frozen=True)
class LogOdds(ScoreTransform):
    """``(log(score / (1 - score)) - log(start / (1 - start))) / unit``, for accuracies strictly between 0 and 1.

    From 0.9 to 0.99 is as far as from 0.5 to 0.92: near the top, what is left to get wrong counts. Raises
    :class:`InputError` on a score of 0 or 1; count half a mistake more or less.

    >>> round(float(LogOdds(start=0.5).performance(0.9)), 4)
    2.1972
    """

    start: float | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        self._check()

    def scale(self, score):
        score = np.asarray(score, float)
        bad = score[~((score > 0) & (score < 1))]
        if bad.size:
            raise InputError(
                f"LogOdds needs scores strictly between 0 and 1, got {bad.flat[0]:g}. Divide percentages by 100; "
                "for other scores use Shift()."
            )
        return np.log(score) - np.log1p(-score)

    def _score(self, scale):
        return 1.0 / (1.0 + np.exp(-np.asarray(scale, float)))
