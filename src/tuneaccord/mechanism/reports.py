"""What a group tells the mechanism: its name, its size, and a reward model."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.rewards import RewardModel


@dataclass(frozen=True, eq=False)
class Report:
    """One group's report.

    ``size`` is the paper's group size, a positive number: how many members share this reward, or the
    group's stake per unit of reward. The group's valuation of a model is ``size`` times one member's value.
    ``reward`` may be left out where the space knows every model's value already (:class:`Candidates`).

    Raises :class:`InputError` on an empty name, a size that is not positive and finite, or a reward that
    is not a :class:`~tuneaccord.rewards.RewardModel`.

    >>> from tuneaccord import TableReward
    >>> Report("clinic", size=3, reward=TableReward([0.1, 0.9])).size
    3.0
    """

    name: str
    size: float
    reward: RewardModel | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a group's name must be a non-empty text, got {self.name!r}.")
        object.__setattr__(self, "size", check_size(self.name, self.size))
        if self.reward is not None and not isinstance(self.reward, RewardModel):
            raise InputError(
                f"the reward of group {self.name!r} must be a reward model such as TableReward([...]), "
                f"got {type(self.reward).__name__}."
            )


def check_size(name: str, size: float) -> float:
    """The size as a float, or :class:`InputError`."""
    if isinstance(size, bool) or not isinstance(size, int | float | np.integer | np.floating):
        raise InputError(f"the size of group {name!r} must be a number, got {size!r}. Try its number of members.")
    if not 0 < as_float(size) < math.inf:
        raise InputError(
            f"the size of group {name!r} must be a positive finite number, got {size!r:.80}. "
            "Leave a group without members out of the list."
        )
    return float(size)


def as_float(number: float) -> float:
    """The number as a float; infinity for an integer beyond the largest float.

    >>> as_float(10**400)
    inf
    """
    return math.inf if isinstance(number, int) and number > sys.float_info.max else float(number)


def check_distinct(names: Iterable[str]) -> None:
    """Raise :class:`InputError` when there is no group, or one is named twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"group {name!r} is named twice. Give each group its own name.")
        seen.add(name)
    if not seen:
        raise InputError("there is no group. Give at least one report.")
