"""The rule that truthful payments exist for: welfare minus the price of leaving the base."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.mechanism.rules.interface import TrainingRule, appraised
from tuneaccord.rewards import to_number_list
from tuneaccord.spaces.space import ModelSpace, Optimum


@dataclass(frozen=True)
class Welfare(TrainingRule):
    """The model that maximises ``sum_i c_i w_i v_i - D + b``: welfare minus the price of leaving the base.

    ``weights`` are public weights ``c``, one positive number a group in the order of the reports (default: 1).
    ``boosts`` are public bonuses ``b``, one number a model of a finite set (default: none), so that a model's own
    cost or standing counts. Both must be published before anybody reports; a weight that depends on a reported
    size, such as ``1 / sum(sizes)``, is not one and breaks truthfulness.

    Raises :class:`InputError` when there are more or fewer weights than groups, or a weight is not positive.

    Source: arXiv 2405.16276, SW-Max training rules and affine maximizers.

    >>> Welfare()
    Welfare(weights=None, boosts=None)
    """

    weights: tuple[float, ...] | None = None
    boosts: tuple[float, ...] | None = None
    affine = True

    def __post_init__(self) -> None:
        for name in ("weights", "boosts"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, to_number_list(name, getattr(self, name)))
        if self.weights is not None and min(self.weights, default=1.0) <= 0:
            raise InputError(f"weights must be positive, got {min(self.weights):g}. Leave a group without weight out.")

    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        if self.weights is None and self.boosts is None:
            return space.optimum(scores, sizes)
        model = self.space_for(space).optimum(scores, self.weights_for(len(sizes)) * sizes).model
        return appraised(space, scores, sizes, model)

    def gap(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        own, chosen = self.as_priced(space, scores, optimum)
        return own.gap(scores, self.weights_for(len(sizes)) * sizes, chosen)

    def weights_for(self, groups: int) -> np.ndarray:
        if self.weights is None:
            return np.ones(groups)
        if len(self.weights) != groups:
            raise InputError(f"Welfare has {len(self.weights)} weights but there are {groups} groups.")
        return np.array(self.weights)

    def space_for(self, space: ModelSpace) -> ModelSpace:
        return space if self.boosts is None else space.boosted(np.array(self.boosts))
