"""A table of measured models, and money from it.

Each row is a model measured on the held-out prompts: every group's value and the divergence from the base, by
prompt. The table of means over prompts is frozen and becomes :class:`~tuneaccord.spaces.candidates.Candidates`;
choice and payments are exact arithmetic on it. What is uncertain is whether other prompts and other replies would
have given this table: prompts are resampled, the table of each resample is settled anew, and the intervals are those of
its payments. Replies are drawn independently for each prompt, so their noise is in the rows and in the intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.mechanism.uncertainty import Interval, interval, resampled_means
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.tuning.comparison import Row


@dataclass(frozen=True, eq=False)
class MeasuredTable:
    """Rows measured on the same prompts, the base first; ``strength`` is the price of one nat.

    ``fixed`` says whether the models were made before anybody reported: only then is truth dominant on the table.
    Raises :class:`InputError` when the first row is not at distance 0 or rows have other prompts.
    """

    rows: tuple[Row, ...]
    groups: tuple[str, ...]
    strength: float
    fixed: bool

    def __post_init__(self) -> None:
        if not self.rows or np.any(self.rows[0].kl != 0):
            raise InputError("the first row of a table of models must be the base, with a KL of 0 on every prompt.")
        shapes = {row.values.shape for row in self.rows}
        if shapes != {(len(self.rows[0].kl), len(self.groups))}:
            raise InputError(
                f"every model must be measured on the same prompts for all {len(self.groups)} groups; got values of "
                f"shapes {sorted(shapes)}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in order."""
        return tuple(row.name for row in self.rows)

    @property
    def values(self) -> np.ndarray:
        """Values by prompt, shape (prompts, models, groups)."""
        return np.stack([row.values for row in self.rows], axis=1)

    @property
    def prices(self) -> np.ndarray:
        """``strength * KL`` by prompt, shape (prompts, models)."""
        return self.strength * np.stack([row.kl for row in self.rows], axis=1)

    def candidates(self) -> Candidates:
        """The frozen table: means over prompts."""
        return self._candidates(self.values.mean(axis=0), self.prices.mean(axis=0))

    def settle(self, sizes: Sequence[float]) -> Settlement:
        """Choice and payments on the frozen table, at these sizes."""
        return settle(self.candidates(), self._reports(sizes))

    def resampled_payments(self, sizes: Sequence[float], seed: int, draws: int = 500) -> dict[str, Interval]:
        """For each group the payment on the frozen table, with a 95% interval over resampled prompts.

        The model is chosen anew on every resample, so the interval has the uncertainty of the choice in it.
        """
        frozen = self.settle(sizes)
        values, prices = resampled_means(self.values, seed, draws), resampled_means(self.prices, seed, draws)
        reports = self._reports(sizes)
        redrawn = np.array(
            [
                list(settle(self._candidates(v, p), reports).payments.values())
                for v, p in zip(values, prices, strict=True)
            ]
        )
        low, high = np.quantile(redrawn, [0.025, 0.975], axis=0)
        return {
            name: Interval(frozen.payments[name], float(low[i]), float(high[i]), 0.95)
            for i, name in enumerate(self.groups)
        }

    def gap(self, sizes: Sequence[float], best: np.ndarray, seed: int) -> Interval:
        """By how much the chosen model falls short of ``best``, the largest net welfare of each prompt."""
        chosen = self.rows[self.candidates().index(self.settle(sizes).model)]
        return interval(best - chosen.net_welfare(np.asarray(sizes, float), self.strength), seed)

    def _candidates(self, values: np.ndarray, prices: np.ndarray) -> Candidates:
        return Candidates(values, prices, self.names, base=0, fixed=self.fixed)

    def _reports(self, sizes: Sequence[float]) -> list[Report]:
        return [Report(name, size=float(size)) for name, size in zip(self.groups, sizes, strict=True)]
