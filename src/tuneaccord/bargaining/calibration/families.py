"""What a kind of curve must say in order to be fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves import Curve


@dataclass(frozen=True, eq=False)
class Estimate:
    """A fitted curve with the covariance of its parameters, in the order of its fields.

    ``covariance`` is None where there is none: a table of points, or data that do not determine the parameters. Each
    of ``notes`` is a sentence on what was assumed or came out at the edge of what is allowed.
    """

    curve: Curve
    covariance: np.ndarray | None
    notes: tuple[str, ...] = ()


class Family(ABC):
    """One kind of curve, fitted to performance and money.

    ``fewest`` is how many different amounts it takes: those that determine its parameters, and one to judge it by.
    """

    fewest: int

    @abstractmethod
    def curve(self, performance: np.ndarray, money: np.ndarray) -> Curve:
        """The curve alone, for a resampled set of points."""

    @abstractmethod
    def estimate(self, performance: np.ndarray, money: np.ndarray) -> Estimate:
        """The curve with what is known of its errors."""
