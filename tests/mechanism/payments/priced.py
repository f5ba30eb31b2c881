"""Markets that each payment accepts, and lies that it cannot refuse."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from markets import numbers, reports_of

import tuneaccord as ta
from tuneaccord.divergence import KL, Alpha, ChiSquared, JensenShannon, ReverseKL, SquaredHellinger, TotalVariation
from tuneaccord.mechanism.misreports import Misreport

ROUNDING = 1e-12  # of the market's scale


def alpha(strength):
    return Alpha(strength, 1.5)


DIVERGENCES = [KL, ChiSquared, TotalVariation, ReverseKL, SquaredHellinger, JensenShannon, alpha]


@dataclass(frozen=True, eq=False)
class Replaced(Misreport):
    """Report this size and this table."""

    size: float
    table: np.ndarray

    def report(self, settlement, group):
        return self.size, self.table


@dataclass(frozen=True)
class Case:
    """A payment with the reports it is for: how rewards are normalised and which sizes are allowed."""

    payment: ta.PaymentRule
    make: type = KL
    normalised: str | None = None
    sizes: tuple[float, float] = (0.5, 4.0)
    strengths: tuple[float, float] = (0.1, 10.0)

    def table(self, rng, shape) -> np.ndarray:
        table = rng.uniform(size=shape) ** rng.choice([0.2, 1.0, 5.0])
        table = table * (rng.uniform(size=shape) < 0.8) + 1e-3
        divisor = {"max": table.max(axis=1), "sum": table.sum(axis=1)}.get(self.normalised, np.ones(len(table)))
        return table / divisor[:, None] * (1 if self.normalised else 0.99)

    def size(self, rng) -> float:
        return float(rng.uniform(*self.sizes))

    def market(self, rng, groups=3, prompts=2, responses=4, payment=None) -> ta.Settlement:
        base = rng.dirichlet(np.ones(responses), size=prompts)
        strength = float(np.exp(rng.uniform(*np.log(self.strengths))))
        space = ta.Simplex(base, self.make(strength), rng.dirichlet(np.ones(prompts)))
        tables = [self.table(rng, base.shape) for _ in range(groups)]
        reports = reports_of([self.size(rng) for _ in range(groups)], tables)
        return ta.settle(space, reports, payment=payment or self.payment)

    def lie(self, rng, result) -> Misreport:
        return Replaced(self.size(rng), self.table(rng, result.space.shape))


def charged(result: ta.Settlement, payment: ta.PaymentRule) -> np.ndarray:
    """What another payment would have charged for the same choice, a group each."""
    return numbers(ta.settle(result.space, result.reports, result.rule, payment).payments)


def with_tables(result: ta.Settlement, index: int, size: float, table: np.ndarray) -> ta.Settlement:
    """Settled again with one report replaced."""
    reports = list(result.reports)
    reports[index] = replace(reports[index], size=size, reward=ta.TableReward(table))
    return ta.settle(result.space, reports, result.rule, result.payment)
