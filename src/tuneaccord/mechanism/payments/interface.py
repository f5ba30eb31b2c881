"""The interface of a payment rule: what each group is charged, in the units of size times reward."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from tuneaccord.mechanism.choice import Choice


class PaymentRule(ABC):
    """Charges each group; declares what it guarantees together with an affine training rule on a fixed space."""

    never_negative: bool = False
    nobody_worse_off: bool = False
    truthful: bool = False
    individually_rational: bool = False  #: a truthful group's utility is not negative where rewards are not
    budget: str = ""  #: what holds of the sum of the payments, as a sentence; empty where nothing does

    @abstractmethod
    def charge(self, choice: Choice) -> np.ndarray:
        """One amount for each prompt and group, shape (prompts, groups)."""

    def regret_bound(self, choice: Choice) -> float:
        """The most that any misreport can gain at these reports; infinity where nothing is proved.

        With a payment whose only term that a group can move is the others' net welfare at the chosen model, a
        lie gains at most what the chosen model falls short of the best one.
        """
        if not (choice.rule.affine and self.truthful and choice.space.fixed):
            return math.inf
        return choice.gap / float(choice.weights.min())
