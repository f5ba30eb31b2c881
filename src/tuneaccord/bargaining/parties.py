"""The parties of a fine-tuning game: what each invests in, earns, and could have elsewhere."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves import Curve
from tuneaccord.bargaining.curves.interface import positive
from tuneaccord.bargaining.curves.roles import check_cost, check_revenue
from tuneaccord.errors import InputError

GENERALIST = "generalist"  #: the generalist's name in every result


@dataclass(frozen=True)
class Generalist:
    """Builds the model that the specialists adapt: the performance ``base`` costs ``cost(base)``.

    ``outside`` is what it has without an agreement, in the money of the curves; it may be negative.

    >>> from tuneaccord import Power
    >>> Generalist(cost=Power(1.0, 2)).outside
    0.0
    """

    cost: Curve
    outside: float = 0.0

    def __post_init__(self) -> None:
        check_cost("generalist", self.cost)
        object.__setattr__(self, "outside", _number("generalist", "outside", self.outside))


@dataclass(frozen=True)
class Specialist:
    """Adapts the model to one domain: from ``base`` to ``base + x`` for ``cost(x)``, which earns ``revenue(base + x)``.

    ``entry_cost`` is paid for taking part, even with ``x = 0``; ``outside`` is what it has without an agreement, and
    what it has when it abstains. Both in the money of the curves.

    >>> from tuneaccord import Linear, Power
    >>> Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0)).entry_cost
    0.0
    """

    name: str
    cost: Curve
    revenue: Curve
    entry_cost: float = 0.0
    outside: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or self.name == GENERALIST:
            raise InputError(f"a specialist needs a name of its own, other than 'generalist', got {self.name!r:.60}.")
        check_cost(self.name, self.cost)
        check_revenue(self.name, self.revenue)
        object.__setattr__(self, "entry_cost", positive(self.name, "entry_cost", self.entry_cost, zero=True))
        object.__setattr__(self, "outside", _number(self.name, "outside", self.outside))


def take(party, index):
    """A party with ``index`` applied to every parameter that is an array, one number a game."""
    changes = {}
    for field in dataclasses.fields(party):
        value = getattr(party, field.name)
        if isinstance(value, np.ndarray):
            changes[field.name] = value[index]
        elif isinstance(value, Curve):
            changes[field.name] = value.take(index)
    return dataclasses.replace(party, **changes)


def games(party) -> tuple[int, ...]:
    """The shape of a party's parameters: ``()`` when all are numbers."""
    values = [getattr(party, field.name) for field in dataclasses.fields(party)]
    curves = [value.games for value in values if isinstance(value, Curve)]
    return np.broadcast_shapes(*curves, *(np.shape(value) for value in values if isinstance(value, np.ndarray)))


def _number(owner: str, name: str, given):
    try:
        array = np.asarray(given, float)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if isinstance(given, (bool, str)) or array.size == 0 or not np.isfinite(array).all():
        raise InputError(f"{owner}: {name} must be a finite number, got {given!r:.60}.")
    return float(array) if array.ndim == 0 else array
