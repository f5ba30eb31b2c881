"""What groups get under reports of their choice, by settling the market again: the route for any rule and payment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.mechanism.payments import Externality, Free
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import TableReward, divisor_of
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex

Filed = tuple[float, np.ndarray]  #: a size and a table (prompts, responses)

#: relative to :func:`money_scale`: a thousand times the rounding of a utility
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Outcome:
    """Group values and payments by prompt under false reports, valued with the truth: (prompts, groups)."""

    group_values: np.ndarray
    payments: np.ndarray

    @property
    def utilities(self) -> np.ndarray:
        """Group value minus payment, (prompts, groups)."""
        return self.group_values - self.payments


def outcome(result: Settlement, filed: Mapping[int, Filed]) -> Outcome | None:
    """What everybody gets when the groups with these indices file other reports; None if a report is refused."""
    reports = list(result.reports)
    try:
        for index, (size, table) in filed.items():
            reward = TableReward(table, divisor_of(reports[index].reward))
            reports[index] = replace(reports[index], size=size, reward=reward)
        lied = settle(result.space, reports, result.rule, result.payment)
    except InputError:  # outside what the payment or the space accepts: nobody could file it
        return None
    values, _ = result.space.evaluate(result.scores, lied.optimum.model)
    return Outcome(result.sizes * values, lied.payments_by_prompt)


def truthful_outcome(result: Settlement) -> Outcome:
    """What everybody gets at the reports that were settled."""
    return Outcome(result.sizes * result.optimum.values, result.payments_by_prompt)


def money_scale(result: Settlement, index: int) -> float:
    """What rounding in a group's amounts is relative to: the largest sum of absolute scores times sizes, or 1.

    With public weights the sum carries them, and is divided by the group's own as its payment is.
    """
    weights = result.choice.weights
    return float((np.abs(result.scores) @ (weights * result.sizes)).max() / weights[index]) or 1.0


def is_batched(result: Settlement) -> bool:
    """Whether lies can be tried in batches: the payment is known in closed form, and prompts separate."""
    known = type(result.payment) in (Externality, Free)
    return known and type(result.rule) is Welfare and isinstance(result.space, Simplex)


def is_charged(result: Settlement) -> bool:
    """Whether the payment is the externality and not nothing, where :func:`is_batched`."""
    return type(result.payment) is Externality


def is_finite_set(result: Settlement) -> bool:
    """Whether the models are a finite list."""
    return isinstance(result.space, Candidates)
