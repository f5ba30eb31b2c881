"""Three concave functions of a vector of gains, each with the weights that support it.

A concave function ``F`` is the smallest of its linear upper bounds: ``F(g) <= conjugate(c) + c.g`` for every vector of
weights ``c``, with equality for the best weights. So ``max F(g) - D`` over models is ``min conjugate(c) + h(c)`` over
weights, where ``h`` is the support function that every space of models answers. ``slack`` is how far the upper bound
is from ``F``, in a form that keeps its digits when it is small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


class Form(ABC):
    """A concave function of gains (..., players)."""

    @abstractmethod
    def value(self, gains: np.ndarray) -> np.ndarray:
        """``F(gains)``; minus infinity outside its domain."""

    @abstractmethod
    def slack(self, weights: np.ndarray, gains: np.ndarray) -> float:
        """``conjugate(weights) + weights.gains - F(gains)``, never negative; infinity outside the domains."""

    def levels(self, gains: np.ndarray) -> np.ndarray:
        """``F`` first, then what breaks ties, most important first: shape (..., levels)."""
        return self.value(gains)[..., None]


@dataclass(frozen=True, eq=False)
class LogSum(Form):
    """``sum_i powers_i log g_i``; its conjugate is ``sum_i powers_i (log(powers_i / c_i) - 1)``."""

    powers: np.ndarray

    def value(self, gains):
        gains = np.asarray(gains, float)
        positive = (gains > 0).all(axis=-1)
        logs = np.log(np.where(positive[..., None], gains, 1.0))
        return np.where(positive, logs @ self.powers, -np.inf)

    def slack(self, weights, gains):
        if (gains <= 0).any() or (weights <= 0).any():
            return np.inf
        off = (weights * gains - self.powers) / self.powers
        return float(self.powers @ np.maximum(off - np.log1p(off), 0.0))


@dataclass(frozen=True, eq=False)
class Minimum(Form):
    """``min_i g_i / units_i``; its conjugate is 0 where ``weights.units = 1`` and no weight is negative."""

    units: np.ndarray

    def value(self, gains):
        return (np.asarray(gains, float) / self.units).min(axis=-1)

    def slack(self, weights, gains):
        shares = np.maximum(weights * self.units, 0.0)
        ratios = gains / self.units
        return float(shares @ (ratios - ratios.min()) / shares.sum())

    def levels(self, gains):
        """The smallest ratio, then the second smallest, and so on."""
        return np.sort(np.asarray(gains, float) / self.units, axis=-1)


@dataclass(frozen=True, eq=False)
class Total(Form):
    """``sum_i g_i``, which only weights of one support."""

    def value(self, gains):
        return np.asarray(gains, float).sum(axis=-1)

    def slack(self, weights, gains):
        return 0.0


def first_best(levels: np.ndarray, tolerance: float) -> int:
    """The row of ``levels`` (rows, levels) that is largest in lexicographic order; ties go to the first row.

    Numbers within ``tolerance`` of the largest count as equal.

    >>> first_best(np.array([[1.0, 2.0], [1.0, 3.0], [0.0, 9.0]]), tolerance=0.0)
    1
    """
    left = np.arange(len(levels))
    for column in levels.T:
        left = left[column[left] >= column[left].max() - tolerance]
    return int(left[0])
