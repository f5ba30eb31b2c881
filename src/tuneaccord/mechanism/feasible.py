"""Which reports a group may file: the simplex, [0, 1] with a largest entry of 1, or a published interval.

Every prompt is reported by itself. ``TableReward.scale`` decides: ``"sum"`` leaves the simplex, ``"max"`` the
unit box with a 1 in every prompt, and no scale the published interval, widened to the group's own range where
its true rewards lie outside. Tables have responses on their last axis; the axes before are free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.rewards import Scale, divisor_of, to_numbers


@dataclass(frozen=True)
class Feasible:
    """The reports that one group may file for a prompt.

    >>> Feasible("sum").project(np.array([0.9, 0.5]))
    array([0.7, 0.3])
    """

    scale: Scale | None = None
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, settlement, group: int, scale: tuple[float, float] = (0.0, 1.0)) -> Feasible:
        """What the group with this index may report; ``scale`` is the published interval."""
        low, high = checked_scale(scale)
        divisor = divisor_of(settlement.reports[group].reward)
        if divisor is not None:
            return cls(divisor)
        own = settlement.scores[:, :, group]
        return cls(None, min(low, float(own.min())), max(high, float(own.max())))

    def project(self, tables: np.ndarray) -> np.ndarray:
        """The nearest report; with ``"max"``, clipped and the largest entry raised to 1."""
        if self.scale == "sum":
            return on_simplex(tables)
        tables = np.clip(tables, self.low, self.high)
        return _with_a_one(tables) if self.scale == "max" else tables

    def divided(self, tables: np.ndarray) -> np.ndarray:
        """The tables as they count, after the group's divisor."""
        if self.scale is None:
            return tables
        divisor = tables.sum(axis=-1) if self.scale == "sum" else tables.max(axis=-1)
        return tables / divisor[..., None]

    def extremes(self, chosen: np.ndarray) -> np.ndarray:
        """The reports that are as high as can be on ``chosen`` (booleans) and as low as can be elsewhere."""
        if self.scale != "sum":
            return self.project(np.where(chosen, self.high, self.low))
        count = chosen.sum(axis=-1, keepdims=True)
        return np.where(count > 0, chosen / np.maximum(count, 1), 1.0 / chosen.shape[-1])

    def random(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Reports drawn at random, half of them spread out and half of them mostly at the ends of the range."""
        sharp = rng.uniform(size=(*shape[:-1], 1)) < 0.5
        if self.scale == "sum":
            masses = rng.exponential(size=shape)
            masses = np.where(sharp, masses**6, masses)
            return masses / masses.sum(axis=-1, keepdims=True)
        drawn = rng.uniform(size=shape)
        drawn = np.where(sharp, np.round(drawn), drawn)
        return self.project(self.low + (self.high - self.low) * drawn)


def checked_scale(scale: tuple[float, float]) -> tuple[float, float]:
    """The published range of rewards as two finite floats, or :class:`InputError`.

    >>> checked_scale((0, 1))
    (0.0, 1.0)
    """
    try:
        numbers = to_numbers("scale", scale)
    except InputError:
        numbers = np.empty(0)
    if numbers.shape != (2,) or not np.isfinite(numbers).all() or not numbers[0] < numbers[1]:
        raise InputError(f"scale must be two finite numbers, low before high, got {scale!r}. Try (0, 1).")
    return float(numbers[0]), float(numbers[1])


def prefixes(reward: np.ndarray, count: int | None = None) -> np.ndarray:
    """Booleans (thresholds, ..., responses): the best response, the best two, ... up to all of them but one.

    At most ``count`` of them, evenly spaced.

    >>> prefixes(np.array([0.2, 0.9, 0.5])).astype(int)
    array([[0, 1, 0],
           [0, 1, 1]])
    """
    rank = np.argsort(np.argsort(-reward, axis=-1, kind="stable"), axis=-1)
    lengths = _spread(reward.shape[-1] - 1, count) + 1
    return rank < lengths.reshape(-1, *[1] * reward.ndim)


def singles(reward: np.ndarray, count: int | None = None) -> np.ndarray:
    """Booleans (vertices, ..., responses) with one response each, at most ``count`` of them, the most wanted first."""
    rank = np.argsort(np.argsort(-reward, axis=-1, kind="stable"), axis=-1)
    places = np.arange(min(reward.shape[-1], count or reward.shape[-1]))
    return rank == places.reshape(-1, *[1] * reward.ndim)


def on_simplex(points: np.ndarray) -> np.ndarray:
    """The Euclidean projection on the simplex, along the last axis.

    >>> on_simplex(np.array([2.0, 0.0]))
    array([1., 0.])
    """
    descending = -np.sort(-points, axis=-1)
    ranks = np.arange(1, points.shape[-1] + 1)
    levels = (np.cumsum(descending, axis=-1) - 1.0) / ranks
    kept = np.maximum((descending > levels).sum(axis=-1, keepdims=True), 1)
    return np.maximum(points - np.take_along_axis(levels, kept - 1, axis=-1), 0.0)


def _with_a_one(tables: np.ndarray) -> np.ndarray:
    largest = tables.argmax(axis=-1)[..., None]
    return np.where(np.arange(tables.shape[-1]) == largest, 1.0, tables)


def _spread(count: int, most: int | None) -> np.ndarray:
    if most is None or count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))
