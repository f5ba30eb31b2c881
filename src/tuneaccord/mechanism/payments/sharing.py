"""Sharing a bill: everybody pays a part of what the model costs, and truth is not protected.

These are the payments of cost accounting. They add up to the bill, which no payment that makes truth a
dominant strategy does for every report, and each of them can be manipulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.mechanism.payments.interface import PaymentRule
from tuneaccord.mechanism.reports import as_float

_WAYS = ("equal", "size", "value")


@dataclass(frozen=True)
class CostShare(PaymentRule):
    """Each group pays its share of a bill: an equal one, or in proportion to its size or to its value.

    ``p_i = bill * s_i / sum_j s_j`` with ``s_i`` equal to 1, ``w_i`` or ``w_i v_i`` (the mean over prompts). With
    ``bill=None`` the bill is the price ``D`` of the chosen model, prompt by prompt; a given bill, in the units of
    size times reward, is charged in every prompt alike, so that its mean over prompts is the bill. The payments
    add up to the bill. Nothing else is promised: groups gain by lying, and may pay more than the model is worth
    to them. Use :class:`Externality` when reports cannot be trusted.

    Raises :class:`InputError` on a misspelt ``by``, a bill that is negative or not finite, a model whose price
    is negative, and by value when a group's value is negative or all are zero.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> reports = [ta.Report("a", 3, ta.TableReward([1.0, 0.0])), ta.Report("b", 1, ta.TableReward([0.0, 1.0]))]
    >>> ta.settle(space, reports, payment=ta.CostShare("size", bill=8.0)).payments
    {'a': 6.0, 'b': 2.0}
    """

    by: Literal["equal", "size", "value"] = "equal"
    bill: float | None = None
    never_negative = True

    def __post_init__(self) -> None:
        if self.by not in _WAYS:
            raise InputError(f"CostShare goes by equal, size or value, got {self.by!r}. {nearest(self.by, _WAYS)}")
        if self.bill is not None:
            object.__setattr__(self, "bill", check_amount("bill", self.bill))

    @property
    def budget(self) -> str:
        """What the payments add up to."""
        if self.bill is None:
            return "The payments add up to the bill, the price of the chosen model."
        return f"The payments add up to the bill of {self.bill:g}."

    def charge(self, choice):
        bills = choice.optimum.price if self.bill is None else np.full(len(choice.group_values), self.bill)
        if (bills < 0).any():
            raise InputError(
                f"the price of the chosen model is {bills.min():g}: a negative price leaves nothing to share. "
                "Give the bill itself, CostShare(bill=...)."
            )
        return bills[:, None] * self._shares(choice)

    def _shares(self, choice) -> np.ndarray:
        """One share a group, summing to one."""
        if self.by == "value":
            parts = choice.space.prompt_weights @ choice.group_values
            if parts.min() < 0 or parts.sum() == 0:
                raise InputError(
                    f"shares by value need values that are not negative and not all zero, got {parts.tolist()}. "
                    "Report rewards on a scale that starts at 0, or try CostShare('size')."
                )
        else:
            parts = choice.sizes if self.by == "size" else np.ones_like(choice.sizes)
        parts = parts / parts.max()  # sums of tiny or huge numbers stay in range
        return parts / parts.sum()


def check_amount(name: str, given: float, smallest: float = 0.0) -> float:
    """``given`` as a float, or :class:`InputError` unless it is a finite number of at least ``smallest``.

    >>> check_amount("bill", 3)
    3.0
    """
    number = isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool)
    if not number or not smallest <= as_float(given) < math.inf:
        raise InputError(f"{name} must be a finite number of at least {smallest:g}, got {given!r:.80}.")
    return float(given)
