"""Games of every curve family, each with its formulas written out again for the routes that must not share code.

``cost``, ``adapting`` (of the improvement and the base) and ``revenue`` take a module of functions first:
:data:`FLOATS` for one number, NumPy for arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

import tuneaccord as ta

FLOATS = SimpleNamespace(sqrt=math.sqrt, log1p=math.log1p, exp=math.exp, tanh=math.tanh, minimum=min)


@dataclass(frozen=True)
class Case:
    """A game with one specialist, called ``medical``, and the same in plain formulas; investments are below ``top``,
    and the revenue bends sharply at ``kink``."""

    game: ta.FineTuningGame
    cost: Callable
    adapting: Callable
    revenue: Callable
    top: float
    entry: float = 0.0
    setup: float = 0.0
    kink: float | None = None
    shared: bool = False  #: whether the formulas are the package's own curves after all

    def earned(self, m, share, base, x):
        """``(U_G, U_D)`` if the specialist takes part, without the set-up amount."""
        money = self.revenue(m, base + x)
        return share * money - self.cost(m, base), (1 - share) * money - self.adapting(m, x, base) - self.entry


def _case(cost, adapting, revenue, formulas, top, **more) -> Case:
    specialist = ta.Specialist("medical", cost=adapting, revenue=revenue, entry_cost=more.get("entry", 0.0))
    return Case(ta.FineTuningGame(ta.Generalist(cost=cost), [specialist]), *formulas, top, **more)


def _power(scale, exponent):
    return lambda m, x, base=0.0: scale * x**exponent


def _linear(m, a):
    return a


def _logistic(m, a):
    return 1.0 * (m.tanh((a - 1.0) / 0.5) - math.tanh(-2.0))


_X = (0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4)
_COSTS = (0.0, 0.05, 0.22, 0.5, 0.9, 1.45, 2.1)
_INCOME = (0.0, 0.7, 1.15, 1.5, 1.75, 1.9, 2.0)


def cases() -> dict[str, Case]:
    """The families by name."""
    power = ta.Power
    table, prices = ta.Tabulated(_X, _COSTS), ta.Tabulated(_X, _INCOME, beyond="flat")
    return {
        "quadratic, linear": _case(
            power(1.0, 2), power(2.0, 2), ta.Linear(1.0), (_power(1, 2), _power(2, 2), _linear), 2
        ),
        "powers, linear": _case(
            power(1.0, 1.6), power(1.4, 2.4), ta.Linear(1.0), (_power(1, 1.6), _power(1.4, 2.4), _linear), 2
        ),
        "powers, square root": _case(
            power(0.5, 1.7),
            power(0.8, 1.5),
            ta.Sqrt(1.5),
            (_power(0.5, 1.7), _power(0.8, 1.5), lambda m, a: 1.5 * m.sqrt(a)),
            4,
        ),
        "powers, logarithm": _case(
            power(0.5, 2),
            power(0.4, 1.4),
            ta.Log(2.0, 1.5),
            (_power(0.5, 2), _power(0.4, 1.4), lambda m, a: 2 * m.log1p(1.5 * a)),
            5,
        ),
        "powers, saturating": _case(
            power(0.3, 2),
            power(0.5, 1.5),
            ta.Saturating(2.0, 1.0),
            (_power(0.3, 2), _power(0.5, 1.5), lambda m, a: 2 - 2 * m.exp(-a)),
            5,
        ),
        "powers, logistic": _case(
            power(0.4, 1.3),
            power(0.5, 1.3),
            ta.Logistic(2.0, 1.0, 0.25),
            (_power(0.4, 1.3), _power(0.5, 1.3), _logistic),
            4,
        ),
        "powers, capped": _case(
            power(0.6, 1.5),
            power(0.9, 2),
            ta.Capped(0.8, ta.Linear(1.2)),
            (_power(0.6, 1.5), _power(0.9, 2), lambda m, a: 1.2 * m.minimum(a, 0.8)),
            2,
            kink=0.8,
        ),
        "set-up amount, square root": _case(
            power(0.5, 2),
            ta.Fixed(0.15, power(0.6, 2)),
            ta.Sqrt(1.5),
            (_power(0.5, 2), _power(0.6, 2), lambda m, a: 1.5 * m.sqrt(a)),
            3,
            setup=0.15,
        ),
        "entry cost, logarithm": _case(
            power(0.4, 2),
            power(0.5, 2),
            ta.Log(2.0, 1.0),
            (_power(0.4, 2), _power(0.5, 2), lambda m, a: 2 * m.log1p(a)),
            4,
            entry=0.3,
        ),
        "cost by level, square root": _case(
            power(0.5, 2),
            ta.Level(power(0.4, 2)),
            ta.Sqrt(2.0),
            (_power(0.5, 2), lambda m, x, base: 0.4 * ((base + x) ** 2 - base**2), lambda m, a: 2 * m.sqrt(a)),
            3,
        ),
        "measured tables": _case(
            table,
            table,
            prices,
            (lambda m, a: table.value(a), lambda m, x, base: table.value(x), lambda m, a: prices.value(a)),
            3,
            shared=True,
        ),
    }


def crowd(count: int, seed: int = 0, general: bool = False) -> ta.FineTuningGame:
    """A game of ``count`` specialists: quadratic costs and linear revenues, or revenues of four families in turn."""
    rng = np.random.default_rng(seed)
    specialists = []
    for i, (cost, rate) in enumerate(rng.uniform(0.5, 2.0, (count, 2)).tolist()):
        revenue = (ta.Sqrt(rate), ta.Log(rate, 1.2), ta.Saturating(rate, 1.0), ta.Power(rate, 0.7))[i % 4]
        specialists.append(
            ta.Specialist(
                f"domain {i}",
                cost=ta.Power(cost, 1.6 if general else 2),
                revenue=revenue if general else ta.Linear(rate),
            )
        )
    return ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0 * count, 2)), specialists)
