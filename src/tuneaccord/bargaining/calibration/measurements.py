"""Measured numbers, checked: what was spent or earned at which score, and in which run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.calibration.transforms import ScoreTransform
from tuneaccord.errors import InputError


@dataclass(frozen=True, eq=False)
class Points:
    """Performance and money of each measurement, and the number of the run that it belongs to."""

    performance: np.ndarray
    money: np.ndarray
    run: np.ndarray

    def take(self, rows) -> Points:
        """Some of the measurements; the same one may be taken twice."""
        return Points(self.performance[rows], self.money[rows], self.run[rows])

    @property
    def runs(self) -> int:
        """The number of runs."""
        return len(np.unique(self.run))


def column(name: str, given: Sequence[float], least: float | None = None) -> np.ndarray:
    """``given`` as an array of finite numbers, at least ``least``; :class:`InputError` naming the row otherwise."""
    try:
        array = np.asarray(given, float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a list of numbers, got {given!r:.60}.") from None
    if array.ndim != 1:
        raise InputError(f"{name} must be a list of numbers, got an array of shape {array.shape}.")
    bad = ~np.isfinite(array) if least is None else ~(np.isfinite(array) & (array >= least))
    if bad.any():
        row = int(bad.argmax())
        wanted = "a finite number" if least is None else f"a finite number of at least {least:g}"
        raise InputError(f"{name} must be {wanted}, got {array[row]:g} in row {row + 1}.")
    return array


def labels(run: Sequence | None, count: int) -> np.ndarray:
    """The number of each measurement's run; without names every measurement is a run of its own."""
    if run is None:
        return np.arange(count)
    names = [str(one) for one in run]
    if len(names) != count:
        raise InputError(f"run must name the run of each of the {count} measurements, got {len(names)} names.")
    return np.unique(names, return_inverse=True)[1]


def same_length(first: str, a: np.ndarray, second: str, b: np.ndarray) -> None:
    """:class:`InputError` unless both columns have the same length, which is not 0."""
    if len(a) != len(b):
        raise InputError(f"{first} and {second} must have the same length, got {len(a)} and {len(b)}.")
    if not len(a):
        raise InputError(f"there are no measurements: {first} and {second} are empty.")


def check_transform(transform: object) -> ScoreTransform:
    """``transform``, or :class:`InputError` if it is none."""
    if not isinstance(transform, ScoreTransform):
        raise InputError(f"transform must be Shift(), Turned() or LogOdds(), got {transform!r:.60}.")
    return transform
