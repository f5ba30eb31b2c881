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

from tuneaccord.errors import InputError, nearest


@dataclass(frozen=True, eq=False)
class Optimum:
    """The model that attains ``h`` at some sizes, with what it is worth. Axes: prompts first, groups last.

    A training rule may choose another model of the space. ``values`` and ``price`` are then that model's, as
    :meth:`ModelSpace.evaluate` gives them, and ``support`` is still ``h``: the best net welfare there is, not
    what the model attains. A space computes ``h`` itself and never takes it from here.
    """

    model: np.ndarray  #: (prompts, responses) for a simplex, (1, models) with a single 1 for candidates
    support: np.ndarray  #: (prompts,)  h, the largest welfare minus price
    values: np.ndarray  #: (prompts, groups)  value of one member; the gradient of h where the model attains it
    price: np.ndarray  #: (prompts,)  divergence from the base, strength included


class ModelSpace(ABC):
    """All models that may be chosen.

    ``fixed`` says whether the set of models was fixed before anybody reported; no payment makes truth a
    dominant strategy otherwise. It is True unless whoever made the space says that it is not.
    """

    fixed: bool = True

    @property
    @abstractmethod
    def prompt_weights(self) -> np.ndarray:
        """How much each prompt counts, shape (prompts,), summing to one."""

    @abstractmethod
    def scores(self, rewards: list) -> np.ndarray:
        """The groups' rewards as one array (prompts, responses, groups); a reward may be None where it can."""

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

    @property
    @abstractmethod
    def base_model(self) -> np.ndarray | None:
        """The model before any tuning, at price zero, as :meth:`evaluate` takes it; None where it is no member."""

    @abstractmethod
    def shown(self, model: np.ndarray):
        """The model as users want it back: an array in the shape they gave, or a candidate's name."""

    @abstractmethod
    def boosted(self, boosts: np.ndarray) -> ModelSpace:
        """The same models, each with its boost taken off its price; :class:`InputError` where that has no meaning."""

    @abstractmethod
    def to_dict(self) -> dict:
        """Plain data with the class name under ``kind``; ``from_dict`` of that class rebuilds the space."""


def space_from_dict(data: dict) -> ModelSpace:
    """The space that :meth:`ModelSpace.to_dict` wrote.

    >>> space_from_dict({"kind": "Candidates", "values": [[1.0]], "prices": [0.0]}).shape
    (1, 1)
    """
    import tuneaccord

    kinds = {
        name: kind
        for name in tuneaccord.__all__
        if isinstance(kind := getattr(tuneaccord, name), type) and hasattr(kind, "from_dict")
    }
    kind = data.get("kind", "Simplex")
    if kind not in kinds or not issubclass(kinds[kind], ModelSpace):
        raise InputError(f"unknown kind of space {kind!r}. {nearest(kind, kinds)}")
    return kinds[kind].from_dict(data)
