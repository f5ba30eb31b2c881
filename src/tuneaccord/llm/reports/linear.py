"""A reward that is linear in the published features, clipped to its scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.llm.reports.features import features


@dataclass(frozen=True)
class Linear:
    """``low + (high - low) clip(constant + slopes . features, 0, 1)``; slopes in the order of ``features.NAMES``.

    >>> Linear((0.0,) * 8, constant=0.5, low=0.0, high=10.0)([], [])
    []
    """

    slopes: tuple[float, ...]
    constant: float
    low: float
    high: float

    def __call__(self, prompts: Sequence[str], replies: Sequence[str]) -> list[float]:
        """The score of each reply."""
        if not len(replies):
            return []
        wanted = np.clip(self.constant + features(prompts, replies) @ np.array(self.slopes), 0.0, 1.0)
        return np.clip(self.low + (self.high - self.low) * wanted, self.low, self.high).tolist()
