"""Training rules: which model is chosen, given what everybody reported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.spaces.space import ModelSpace, Optimum


class TrainingRule(ABC):
    """Chooses a model of the space from scores and sizes.

    ``affine = True`` obliges a rule to return, for every report that could be made, a model that attains the
    space's own ``h``: the largest ``sum_i w_i v_i - D`` over the whole space, with the sizes as the only
    weights and the space's own price, up to rounding. That is what makes :class:`Externality` truthful and
    leaves nobody worse off, so a settlement claims both only then. Leave it False for anything else, also
    for a maximum with other weights, with another price or over fewer models. The payments are then still
    what each group's presence costs the others at the chosen model, and ``Settlement.gap`` is how much net
    welfare the choice gives up.
    """

    affine: bool = False

    @abstractmethod
    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        """The chosen model, with its own values and price, and with ``h`` as its support.

        For a model of your own: ``values, price = space.evaluate(scores, model)`` and then
        ``Optimum(model, space.optimum(scores, sizes).support, values, price)``.
        """


@dataclass(frozen=True)
class Welfare(TrainingRule):
    """The model that maximises ``sum_i w_i v_i - D``: welfare minus the price of leaving the base.

    Source: arXiv 2405.16276, SW-Max training rules.

    >>> Welfare()
    Welfare()
    """

    affine = True

    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        return space.optimum(scores, sizes)
