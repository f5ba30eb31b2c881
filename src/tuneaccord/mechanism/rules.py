"""Training rules: which model is chosen, given what everybody reported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.rewards import to_numbers
from tuneaccord.spaces.space import ModelSpace, Optimum


class TrainingRule(ABC):
    """Chooses a model of the space from scores and sizes.

    ``affine = True`` obliges a rule to return, for every report that could be made, a model that attains the
    largest ``sum_i c_i w_i v_i - D + b`` over the whole space, up to rounding, where the public weights ``c`` are
    :meth:`weights_for` (1 unless overridden) and the boosts ``b`` are those of :meth:`space_for` (none unless
    overridden); neither may depend on a report. That is what makes :class:`Externality` truthful and leaves
    nobody worse off, so a settlement claims both only then. Leave it False for anything else, also for a maximum
    with another price or over fewer models. The payments are then still what each group's presence costs the
    others at the chosen model.
    """

    affine: bool = False

    @abstractmethod
    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        """The chosen model, with its own values and price, and with ``h`` as its support.

        A group of size 0 is absent. For a model of your own: ``values, price = space.evaluate(scores, model)`` and
        then ``Optimum(model, space.optimum(scores, sizes).support, values, price)``.
        """

    def gap(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        """Certified distance of the chosen model from the best one by the rule's objective; net welfare by default."""
        return space.gap(scores, sizes, optimum)

    def weights_for(self, groups: int) -> np.ndarray:
        """The public weight of each group in the rule's objective."""
        return np.ones(groups)

    def space_for(self, space: ModelSpace) -> ModelSpace:
        """The space with the prices of the rule's objective."""
        return space


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
            given = getattr(self, name)
            if given is None:
                continue
            numbers = to_numbers(name, given)
            if numbers.ndim != 1 or not np.isfinite(numbers).all() or (name == "weights" and (numbers <= 0).any()):
                kind = "positive finite" if name == "weights" else "finite"
                raise InputError(f"{name} must be a list of {kind} numbers, got {given!r:.80}.")
            object.__setattr__(self, name, tuple(numbers.tolist()))

    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        if self.weights is None and self.boosts is None:
            return space.optimum(scores, sizes)
        model = self.space_for(space).optimum(scores, self.weights_for(len(sizes)) * sizes).model
        return appraised(space, scores, sizes, model)

    def gap(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        own = self.space_for(space)
        values, price = own.evaluate(scores, optimum.model)
        chosen = Optimum(optimum.model, optimum.support, values, price)
        return own.gap(scores, self.weights_for(len(sizes)) * sizes, chosen)

    def weights_for(self, groups: int) -> np.ndarray:
        if self.weights is None:
            return np.ones(groups)
        if len(self.weights) != groups:
            raise InputError(f"Welfare has {len(self.weights)} weights but there are {groups} groups.")
        return np.array(self.weights)

    def space_for(self, space: ModelSpace) -> ModelSpace:
        return space if self.boosts is None else space.boosted(np.array(self.boosts))


def appraised(space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, model: np.ndarray) -> Optimum:
    """A model of one's own choice as an :class:`Optimum`: its values and price, beside the best net welfare."""
    values, price = space.evaluate(scores, model)
    return Optimum(model, space.optimum(scores, sizes).support, values, price)
