"""Running sums of many prompts, for tables that are read in batches: one family for each closed form.

A family says where to centre a prompt that appears for the first time, what the sums of a block are, and what
the finished sums give; :class:`Totals` finds each prompt's row and merges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from tuneaccord.divergence import KL, ChiSquared
from tuneaccord.errors import InputError
from tuneaccord.kernel import chi_squared, portable
from tuneaccord.kernel.inputs import log_of
from tuneaccord.kernel.sums import BlockSums, ChiSquaredSums, KLSums

#: prompts there is room for at first; doubled as they come
_ROOM = 1024


class Totals:
    """The sums of each prompt so far. ``centres`` restricts them to some prompts and says where to centre."""

    def __init__(self, family: KLFamily | ChiSquaredFamily, centres: Mapping[str, np.ndarray] | None = None):
        self.family, self.centres = family, centres
        self.numbers: dict[str, int] = {}
        self.sums: BlockSums = family.empty(_ROOM)
        self.replies = np.zeros(_ROOM)
        self.weights = np.full(_ROOM, np.nan)  #: the base probability so far, NaN without a base
        self.missing = np.zeros((_ROOM, len(family.sizes)), bool)

    def add(self, prompts: list[str], scores: np.ndarray, base: np.ndarray | None) -> None:
        """A block of replies for each of some prompts: ``scores`` (prompts, groups, replies)."""
        fresh = [place for place, prompt in enumerate(prompts) if prompt not in self.numbers]
        for place in fresh:
            self.numbers[prompts[place]] = len(self.numbers)
        while len(self.numbers) > len(self.replies):
            self._double()
        rows = np.array([self.numbers[prompt] for prompt in prompts])
        if fresh and self.centres is None:
            self.sums.centre[rows[fresh]] = self.family.centre(scores[fresh], None if base is None else base[fresh])
        elif fresh:
            self.sums.centre[rows[fresh]] = [self.centres[prompts[place]] for place in fresh]
        block, missing = self.family.block(scores, base, self.sums.centre[rows])
        merged = self.sums.at(rows).merge(block)
        for field in fields(merged):
            getattr(self.sums, field.name)[rows] = getattr(merged, field.name)
        self.missing[rows] |= missing
        self.replies[rows] += scores.shape[-1]
        if base is not None:
            self.weights[rows] = np.nan_to_num(self.weights[rows]) + base.sum(axis=1)

    def _double(self) -> None:
        size = len(self.replies)
        self.sums = type(self.sums).join([self.sums, self.family.empty(size)])
        self.replies = np.concatenate([self.replies, np.zeros(size)])
        self.weights = np.concatenate([self.weights, np.full(size, np.nan)])
        self.missing = np.concatenate([self.missing, np.zeros_like(self.missing)])


@dataclass(frozen=True, eq=False)
class KLFamily:
    """KL: sums of exponentials."""

    sizes: np.ndarray
    strength: float

    def empty(self, prompts: int) -> KLSums:
        return KLSums.empty(np.zeros((prompts, len(self.sizes))))

    def centre(self, scores, base):
        return portable.sample_centre(scores, None if base is None else log_of(base), self.sizes, self.strength)[0]

    def block(self, scores, base, centre):
        log_base = np.zeros((len(scores), scores.shape[-1])) if base is None else log_of(base)
        return portable.kl_sums(scores, log_base, self.sizes, self.strength, centre)

    def finish(self, totals: Totals):
        """Result, missing payments, and better centres (the same ones where they will do)."""
        sums, used = _used(totals)
        total = np.where(np.isnan(totals.weights[used]), totals.replies[used], totals.weights[used])
        found, doubtful = sums.shifted(-np.log(total)).settle(self.sizes, self.strength)
        missing = totals.missing[used] | doubtful
        far = np.abs(self.sizes / self.strength * (found.values_by_prompt - sums.centre)) > 0.25
        return found, missing, np.where(far & missing, found.values_by_prompt, sums.centre)


@dataclass(frozen=True, eq=False)
class ChiSquaredFamily:
    """Chi-squared: variances, covariances, and the minima that say whether they suffice."""

    sizes: np.ndarray
    strength: float

    def empty(self, prompts: int) -> ChiSquaredSums:
        zeros = np.zeros((prompts, len(self.sizes)))
        never = np.full_like(zeros, np.inf)
        return ChiSquaredSums(
            np.zeros(prompts),
            zeros,
            zeros.copy(),
            zeros.copy(),
            zeros.copy(),
            never,
            np.full(prompts, np.inf),
            never.copy(),
        )

    def centre(self, scores, base):
        return portable.sample_centre(scores, None if base is None else log_of(base), 0.0 * self.sizes, 1.0)[0]

    def block(self, scores, base, centre):
        weights = np.ones((len(scores), scores.shape[-1])) if base is None else base
        sums = chi_squared.chi_squared_sums(scores, weights, self.sizes, centre)
        floor, without = chi_squared.floors(scores, weights, self.sizes, centre)
        return replace(sums, floor=floor, floor_without=without), np.zeros(centre.shape, bool)

    def finish(self, totals: Totals):
        """Result, missing payments, and better centres (the same ones where they will do)."""
        sums, _ = _used(totals)
        doubtful = sums.doubtful()
        found = sums.closed_form(self.sizes, self.strength)
        missing = doubtful | ~sums.interior(self.sizes, self.strength)[:, None]
        return found, missing, np.where(doubtful, sums.centre + sums.first / sums.mass[:, None], sums.centre)


def _used(totals: Totals):
    if not totals.numbers:
        raise InputError("the reward table has no rows.")
    used = np.arange(len(totals.numbers))
    for prompt, weight in zip(totals.numbers, totals.weights, strict=False):
        check_base(prompt, weight)
    return totals.sums.at(used), used


def check_base(prompt: str, total: float) -> None:
    """Raises :class:`InputError` unless a prompt's base probabilities sum to one; NaN stands for no base.

    >>> check_base("p1", 1.0)
    """
    if abs(total - 1.0) > 1e-9:  # NaN, no base, passes
        raise InputError(f"the base of prompt {prompt!r} sums to {total:.12g}, expected 1. Divide it by its sum.")


#: the divergences whose payments come from sums
FAMILIES = {KL: KLFamily, ChiSquared: ChiSquaredFamily}
