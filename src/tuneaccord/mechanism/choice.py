"""What a payment rule sees: the space, what was reported, and the model that the training rule chose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.mechanism.rules.interface import TrainingRule
from tuneaccord.spaces.space import ModelSpace, Optimum


@dataclass(frozen=True, eq=False)
class Choice:
    """A model chosen by ``rule`` for ``scores`` (prompts, responses, groups) and ``sizes`` (groups,)."""

    space: ModelSpace
    scores: np.ndarray
    sizes: np.ndarray
    rule: TrainingRule
    optimum: Optimum

    @cached_property
    def weights(self) -> np.ndarray:
        """The public weights of the rule, one a group."""
        return self.rule.weights_for(len(self.sizes))

    @cached_property
    def group_values(self) -> np.ndarray:
        """Size times value, shape (prompts, groups)."""
        return self.sizes * self.optimum.values

    @cached_property
    def externalities(self) -> np.ndarray:
        """What each group's presence costs the others at the chosen model, shape (prompts, groups).

        With public weights ``c`` and boosts ``b``: the largest ``sum_{j != i} c_j w_j v_j - D + b``, minus the same
        sum at the chosen model, divided by ``c_i``.
        """
        space, chosen = self.rule.as_priced(self.space, self.scores, self.optimum)
        return space.externalities(self.scores, self.weights * self.sizes, chosen) / self.weights

    @cached_property
    def gap(self) -> float:
        """Certified distance of the chosen model from the best one, by the rule's own objective."""
        return self.rule.gap(self.space, self.scores, self.sizes, self.optimum)
