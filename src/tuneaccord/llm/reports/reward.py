"""A group with its size and its reward model, and the one policy on scales.

The scale ``[low, high]`` is published in the configuration, because the scale is part of the deal: nobody may shout
louder by using larger numbers. A score outside is refused, and no score is ever normalised by what a group, or
anybody else, has reported. Only a report that is fitted here is clipped to the scale, since its author cannot help
where a fit ends up.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.errors import RewardError
from tuneaccord.llm.timelimit import OutOfTime, within

if TYPE_CHECKING:
    from tuneaccord.llm.pool import Pool
    from tuneaccord.llm.reports.fit import Fit

Function = Callable[[Sequence[str], Sequence[str]], Sequence[float]]

#: the longest that one call of a reward model may take, unless the configuration says otherwise
SECONDS = 1800.0
#: replies in one call
BATCH = 256


@dataclass(frozen=True)
class GroupReward:
    """A group with its size and its reward model, ready to score replies.

    A report that is given on the frozen pools (``pending``) is ready once these are drawn: see :meth:`on`.
    """

    name: str
    size: float
    reward: str
    description: str
    scale: tuple[float, float]
    function: Function | None  #: none where no text can be scored, or none yet
    identity: dict  #: what decides the scores, wherever the files are
    seconds: float = SECONDS  #: the longest that one call may take
    pending: PoolReport | None = None  #: what to do when the pools are drawn
    sheets: Mapping[str, np.ndarray] | None = None  #: filled in by the group: a pool's digest -> (prompts, replies)
    fit: Fit | None = None  #: how far a fitted report may be off

    @property
    def new_texts(self) -> bool:
        """Whether any reply can be scored, and not only those of the frozen pools."""
        return self.function is not None or (self.pending is not None and self.pending.new_texts)

    @property
    def scale_policy(self) -> str:
        """What happens to a score outside the scale: ``refused``, or ``clipped`` for a report that is fitted."""
        return "clipped" if self.fit is not None or (self.pending is not None and self.pending.fitted) else "refused"

    def on(self, pool: Pool, held_out: Pool) -> GroupReward:
        """The group with a report that was given on the frozen pools taken up; others are as they are.

        Raises :class:`~tuneaccord.errors.TuneaccordError` when the report is about other pools.
        """
        return self if self.pending is None else self.pending.on(self, pool, held_out)

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
        """One finite number on the group's scale for each reply.

        Raises :class:`RewardError`, naming the group, when the reward model raises, takes longer than ``seconds``,
        or returns anything else; and when the report is a sheet, which scores no other text.
        """
        if self.function is None and self.new_texts:
            raise RewardError(
                f"group {self.name!r} reported {self.reward}, which is fitted once the frozen pools are drawn. Draw "
                "them first: group.on(pool, held_out)."
            )
        if self.function is None:
            raise RewardError(
                f"group {self.name!r} reported {self.reward}, which scores the replies of the frozen pools and no "
                "other text. Ask it for a function, a model, preference pairs or answers instead."
            )
        return checked(self, self._call(prompts, replies), replies)

    def _call(self, prompts: Sequence[str], replies: Sequence[str]) -> object:
        called = f"the reward of group {self.name!r} ({self.reward})"
        try:
            # what a reward prints must not mix with a command's JSON
            with contextlib.redirect_stdout(sys.stderr), within(self.seconds):
                return self.function(list(prompts), list(replies))
        except OutOfTime:
            raise RewardError(
                f"{called} took longer than {self.seconds:g} s to score {len(replies)} replies. Make it faster, or "
                "give it more time with reward_seconds."
            ) from None
        except (Exception, SystemExit) as error:
            raise RewardError(
                f"{called} raised {_said(error)}{_place(error, self.function)}. It gets two lists of texts, prompts "
                "and replies, and returns one number for each reply."
            ) from error


def _said(error: BaseException) -> str:
    """The kind of an error and the beginning of its text, if it has one."""
    text = f"{error}".strip()
    return f"{type(error).__name__}: {text:.300}".rstrip(".") if text else type(error).__name__


def _place(error: BaseException, function: Function) -> str:
    """The last line of the reward's own file that the error went through."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (in line {lines[-1]} of {Path(file).name})" if lines else ""


class PoolReport(ABC):
    """A report that is given on the frozen pools, and can be used only once they are drawn."""

    new_texts: bool  #: whether it can then score any reply
    fitted: bool  #: whether it is a fit

    @abstractmethod
    def on(self, group: GroupReward, pool: Pool, held_out: Pool) -> GroupReward:
        """The group, ready to score. Raises :class:`~tuneaccord.errors.TuneaccordError` for other pools."""


class Form(ABC):
    """A form that a report can have, as the configuration gives it."""

    @abstractmethod
    def read(
        self, name: str, size: float, folder: Path, scale: tuple[float, float] | None, seconds: float
    ) -> GroupReward:
        """The group with this report; relative paths are relative to ``folder``.

        Raises :class:`~tuneaccord.errors.TuneaccordError` in one line that names the group.
        """


def checked(group: GroupReward, given: object, replies: Sequence[str]) -> np.ndarray:
    """What a reward model returned, as one number on the scale for each of ``replies``.

    Raises :class:`RewardError` that names the group and, for a number off the scale, the reply.
    """
    called = f"the reward of group {group.name!r} ({group.reward})"
    scores = _numbers(given)
    if scores is None or scores.shape != (len(replies),):
        raise RewardError(f"{called} must return one number for each of {len(replies)} replies, got {given!r:.80}.")
    low, high = group.scale
    bad = ~((scores >= low) & (scores <= high))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise RewardError(
            f"{called} gave {scores[first]} to the reply {replies[first]!r:.60}, outside its scale "
            f"[{low:g}, {high:g}]. Return finite numbers on that scale, or publish another one under the group's "
            "'scale'."
        )
    return scores


def _numbers(given: object) -> np.ndarray | None:
    """What a reward model returned as numbers; texts that look like numbers are none."""
    try:
        numbers = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):  # ragged lists, tensors that want a gradient
        return None
    return numbers.astype(float) if numbers.dtype.kind in "biuf" else None
