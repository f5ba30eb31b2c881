"""What one group gets under one report, on a space of models that no report can move.

Two spaces. On the frozen pool (:class:`PoolOutcomes`) every policy over the replies is allowed and the training rule
has a closed form prompt by prompt. On a table of measured soups (:class:`SoupOutcomes`) the rule picks a row. Both
are judged with the group's true size and reward, whatever it reported; choice and payment are exact arithmetic.

Every amount comes with resamples of the prompts. On the pool the means of per-prompt amounts are resampled; on a
table, the table itself, and the row is chosen anew on each resample. The resamples are paired: with the same seed
a lie and the truth see the same prompts, so the band of their difference is far narrower than their own bands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.settlement import settle
from tuneaccord.mechanism.uncertainty import resampled_means
from tuneaccord.spaces.simplex import Simplex, table_rewards
from tuneaccord.tuning.experiments.claims import Claim, scores_of, sizes_of
from tuneaccord.tuning.table import MeasuredTable

DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Amounts:
    """One group's true value (size included), its payment, and everybody's true net welfare.

    Each is an array: the estimate first, then one number for each resample of the prompts. ``model`` names the row
    of a table that was chosen.
    """

    value: np.ndarray
    payment: np.ndarray
    net_welfare: np.ndarray
    model: str | None = None

    @property
    def utility(self) -> np.ndarray:
        """Value minus payment."""
        return self.value - self.payment


class Outcomes(ABC):
    """A space of models on which groups that make claims are settled."""

    @abstractmethod
    def amounts(self, truth: Sequence[Claim], group: int, claim: Claim) -> Amounts:
        """What ``group`` gets when it claims ``claim`` and everybody else tells the truth."""

    @abstractmethod
    def best_without(self, truth: Sequence[Claim], group: int) -> float:
        """The largest net welfare of the others in a market without the group: a route of its own."""


def told(truth: Sequence[Claim], group: int, claim: Claim) -> list[Claim]:
    """All reports, one of them replaced."""
    return [claim if index == group else one for index, one in enumerate(truth)]


@dataclass(frozen=True, eq=False)
class PoolOutcomes(Outcomes):
    """All policies over a frozen pool; ``scores`` (prompts, replies, criteria) on the scale [0, 1]."""

    scores: np.ndarray
    divergence: Divergence
    seed: int = 0
    draws: int = DRAWS

    def amounts(self, truth, group, claim):
        settlement = self._settled(told(truth, group, claim))
        values = np.einsum("pk,pkg->pg", settlement.optimum.model, scores_of(self.scores, truth))
        sizes = sizes_of(truth)
        by_prompt = np.stack(
            [
                sizes[group] * values[:, group],
                settlement.payments_by_prompt[:, group],
                values @ sizes - settlement.optimum.price,
            ],
            axis=1,
        )
        return Amounts(*np.vstack([by_prompt.mean(axis=0), resampled_means(by_prompt, self.seed, self.draws)]).T)

    def best_without(self, truth, group):
        return self._settled([claim for index, claim in enumerate(truth) if index != group]).net_welfare

    def _settled(self, claims: Sequence[Claim]):
        rewards = table_rewards(scores_of(self.scores, claims))
        space = Simplex.uniform(*self.scores.shape[:2], self.divergence)
        return settle(space, [Report(c.name, c.size, reward) for c, reward in zip(claims, rewards, strict=True)])


@dataclass(frozen=True, eq=False)
class SoupOutcomes(Outcomes):
    """A frozen table of measured models; its columns are the criteria.

    A claim is made about the rows' values: what a model is worth to a group is the weighted sum of what it is worth
    by each criterion, clipped to [0, 1].
    """

    table: MeasuredTable
    seed: int = 0
    draws: int = DRAWS

    def amounts(self, truth, group, claim):
        claims = told(truth, group, claim)
        real, said = scores_of(self.resamples[0], truth), scores_of(self.resamples[0], claims)
        prices, size = self.resamples[1], claim.size
        net = said @ sizes_of(claims) - prices
        chosen = net.argmax(axis=1)
        others = net - size * said[:, :, group]
        welfare = real @ sizes_of(truth) - prices
        rows = np.arange(len(chosen))
        return Amounts(
            self.group_values(truth, group)[rows, chosen],
            np.maximum(others.max(axis=1) - others[rows, chosen], 0.0),
            welfare[rows, chosen],
            self.table.names[chosen[0]],
        )

    def group_values(self, truth: Sequence[Claim], group: int) -> np.ndarray:
        """The group's true value of every model, size included, shape (1 + draws, models)."""
        return truth[group].size * scores_of(self.resamples[0], truth)[:, :, group]

    def best_without(self, truth, group):
        claims = [claim for index, claim in enumerate(truth) if index != group]
        values, prices = (part[0] for part in self.resamples)
        return float((scores_of(values, claims) @ sizes_of(claims) - prices).max())

    @cached_property
    def resamples(self) -> tuple[np.ndarray, np.ndarray]:
        """Values (1 + draws, models, criteria) and prices (1 + draws, models): the table, then its resamples."""
        return tuple(
            np.concatenate([part.mean(axis=0)[None], resampled_means(part, self.seed, self.draws)])
            for part in (self.table.values, self.table.prices)
        )
