"""The interface of a training rule: which model is chosen, given what everybody reported."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

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

    def as_priced(self, space: ModelSpace, scores: np.ndarray, optimum: Optimum) -> tuple[ModelSpace, Optimum]:
        """The space with the prices of the rule's objective, and ``optimum`` with its price there."""
        own = self.space_for(space)
        if own is space:
            return space, optimum
        values, price = own.evaluate(scores, optimum.model)
        return own, Optimum(optimum.model, optimum.support, values, price)


def appraised(space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, model: np.ndarray) -> Optimum:
    """A model of one's own choice as an :class:`Optimum`: its values and price, beside the best net welfare."""
    values, price = space.evaluate(scores, model)
    return Optimum(model, space.optimum(scores, sizes).support, values, price)
