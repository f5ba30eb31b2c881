"""The interface of a space of models.

For money, a space is one convex function of the groups' sizes ``w``, its support function

    h(w) = max over models of  sum_i w_i v_i(model) - D(model),

where ``v_i`` is group i's value and ``D`` the price of leaving the base. The chosen model attains
``h(w)``, the groups' values are its gradient, and what a group's presence costs the others is the Bregman
divergence ``h(w without i) - [h(w) - w_i v_i]``. A space answers these three and nothing else: which of
these numbers becomes a payment is decided in ``tuneaccord.mechanism``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Optimum:
    """The model that attains ``h`` at some sizes, with what it is worth. Axes: prompts first, groups last.

    A training rule may choose another model of the space. ``values`` and ``price`` are then that model's, as
    :meth:`ModelSpace.evaluate` gives them, and ``support`` is still ``h``: the best net welfare there is, not
    what the model attains. A space computes ``h`` itself and never takes it from here.
    """

    model: np.ndarray  #: (prompts, responses) for a simplex
    support: np.ndarray  #: (prompts,)  h, the largest welfare minus price
    values: np.ndarray  #: (prompts, groups)  value of one member; the gradient of h where the model attains it
    price: np.ndarray  #: (prompts,)  divergence from the base, strength included


class ModelSpace(ABC):
    """All models that may be chosen. The base model is one of them, at price zero."""

    @property
    @abstractmethod
    def prompt_weights(self) -> np.ndarray:
        """How much each prompt counts, shape (prompts,), summing to one."""

    @abstractmethod
    def scores(self, rewards: list) -> np.ndarray:
        """The groups' rewards as one array, groups last."""

    @abstractmethod
    def optimum(self, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        """The model that attains ``h(sizes)``."""

    @abstractmethod
    def externalities(self, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> np.ndarray:
        """What each group's presence costs the others at ``optimum.model``, shape (prompts, groups).

        ``h(w without i) - [sum_{j != i} w_j v_j - D]``; never negative, because ``h`` is a maximum. Where the
        model attains ``h(w)`` this is ``h(w without i) - [h(w) - w_i v_i]``.
        """

    @abstractmethod
    def evaluate(self, scores: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (prompts, groups) and price (prompts,) of any model of the space."""

    @abstractmethod
    def gap(self, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        """An upper bound on how far the net welfare of ``optimum.model`` is from ``h``, found by duality."""
