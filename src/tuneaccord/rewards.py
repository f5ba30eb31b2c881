"""Reward models: what a group says it wants, as one finite number for each (prompt, response).

On a finite space a reward is a table. Reward models that read text live in ``tuneaccord.llm.scoring``
and turn into tables once a pool of replies is frozen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuneaccord.errors import InputError

Scale = Literal["sum", "max"]

_ON_SCALE = 1e-12  # a table that was divided once stays as it is, to its last digit


class RewardModel(ABC):
    """One finite number for each (prompt, response) of a space."""

    @abstractmethod
    def on(self, shape: tuple[int, int]) -> np.ndarray:
        """The rewards as a float64 array of ``shape`` (prompts, responses)."""


@dataclass(frozen=True, eq=False)
class TableReward(RewardModel):
    """A reward given as a table of numbers.

    ``scores`` has shape (responses,) or (prompts, responses), in the order of the space. ``scale``
    applies per prompt: ``"sum"`` divides by the prompt's sum, ``"max"`` by its maximum (the paper's two
    normalisations, both for non-negative scores), ``None`` leaves the numbers as they are. Dividing by a
    number that comes from the report keeps truth dominant only if the divided reward is what the group
    really values; on a published scale such as [0, 1], leave ``scale`` out.

    Raises :class:`InputError` on NaN, infinity, a wrong shape, or a scale that cannot be applied.

    >>> TableReward([1.0, 3.0], scale="sum").on((1, 2))
    array([[0.25, 0.75]])
    """

    scores: np.ndarray
    scale: Scale | None = None

    def __post_init__(self) -> None:
        scores = to_numbers("scores", self.scores)
        if scores.ndim not in (1, 2) or scores.size == 0:
            raise InputError(f"scores must have shape (responses,) or (prompts, responses), got {scores.shape}.")
        if not np.isfinite(scores).all():
            place = ", ".join(str(int(i)) for i in np.argwhere(~np.isfinite(scores))[0])
            raise InputError(
                f"every score must be a finite number, got {scores[~np.isfinite(scores)][0]} at [{place}]. "
                "Give unanswered responses a number, or leave the response out of the space."
            )
        if self.scale not in (None, "sum", "max"):
            raise InputError(f"scale must be 'sum', 'max' or None, got {self.scale!r}.")
        scores.flags.writeable = False
        object.__setattr__(self, "scores", scores)

    def on(self, shape: tuple[int, int]) -> np.ndarray:
        table = np.atleast_2d(self.scores)
        if table.shape != tuple(shape):
            raise InputError(
                f"a reward table has shape {table.shape} but the space has (prompts, responses) = {tuple(shape)}. "
                "Give one score for each prompt and response, in the space's order."
            )
        if self.scale is None:
            return table
        divisor = table.sum(axis=1) if self.scale == "sum" else table.max(axis=1)
        if (table < 0).any() or (divisor <= 0).any():
            raise InputError(
                f"scale={self.scale!r} needs non-negative scores with a positive {self.scale} in every prompt. "
                "Shift the scores so that the smallest is 0, or leave scale out."
            )
        divisor = np.where(np.abs(divisor - 1) < _ON_SCALE, 1.0, divisor)
        return table / divisor[:, None]


def divisor_of(reward: RewardModel) -> Scale | None:
    """By which number of its own the reward is divided, if by any.

    >>> divisor_of(TableReward([1.0, 3.0], scale="sum"))
    'sum'
    """
    return reward.scale if isinstance(reward, TableReward) else None


def to_number_list(name: str, given) -> tuple[float, ...]:
    """One finite number for each of several things in order, or :class:`InputError`.

    >>> to_number_list("weights", [1, 2])
    (1.0, 2.0)
    """
    try:
        numbers = to_numbers(name, given)
    except InputError:
        numbers = np.empty((0, 0))
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise InputError(f"{name} must be a list of finite numbers in order, such as [1.0, 2.0]; got {given!r:.80}.")
    return tuple(numbers.tolist())


def to_numbers(name: str, given) -> np.ndarray:
    """A new float64 array, or :class:`InputError` for ragged rows and for anything but real numbers."""
    try:
        array = np.array(given)
        if array.dtype.kind in "biufO":  # text that spells a number is a mistake, not a number
            return array.astype(float)
    except (TypeError, ValueError):
        pass
    raise InputError(
        f"{name} must be a rectangular table of numbers, one row a prompt and one column a response; got {given!r:.80}."
    )
