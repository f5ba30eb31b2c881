"""Random games of every curve kind, for tests and benchmarks of anybody's solver.

Every game drawn has a best investment for everybody: where a cost grows no faster than its counterpart's revenue, the
revenue is drawn among those that flatten. Nothing else is promised; several local optima, corners, jumps and games
without trade all occur.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneaccord.bargaining.curves import (
    Capped,
    Curve,
    Fixed,
    Level,
    Linear,
    Log,
    Logistic,
    Power,
    Saturating,
    Sqrt,
    Tabulated,
)
from tuneaccord.bargaining.game import FineTuningGame
from tuneaccord.bargaining.parties import Generalist, Specialist
from tuneaccord.errors import InputError, nearest, whole_number

#: kinds of cost, and which kinds of revenue leave a best investment against them: any, flattening, or flat in the end
COSTS = {
    "power": "any",
    "fixed": "any",
    "level": "any",
    "linear": "flattening",
    "tabulated": "flattening",
    "log": "flat",
    "sqrt": "flat",
    "saturating": "flat",
    "logistic": "flat",
}
#: kinds of revenue, and how they end
REVENUES = {
    "linear": "any",
    "power": "flattening",
    "log": "flattening",
    "sqrt": "flattening",
    "saturating": "flattening",
    "logistic": "flattening",
    "tabulated": "flat",
    "capped": "flat",
}
_ENDS = ("any", "flattening", "flat")


def random_game(
    rng: np.random.Generator,
    *,
    specialists: int = 1,
    costs: Sequence[str] = tuple(COSTS),
    revenues: Sequence[str] = tuple(REVENUES),
    exponents: tuple[float, float] = (1.05, 4.0),
    extras: float = 0.3,
) -> FineTuningGame:
    """A random game whose specialists are called ``"d0"``, ``"d1"``, ...

    ``costs`` and ``revenues`` are the kinds to draw from (the keys of ``COSTS`` and ``REVENUES``); a revenue that
    would leave no best investment is replaced by one that flattens, capped if none of the kinds does. ``exponents``
    bounds those of the power costs. ``extras`` is the chance of each of: an entry cost, a set-up cost, a cap, an
    outside option (of the generalist too); 0 for none. Money and performance are of the order of 1.

    For several local optima try ``costs=("power",), exponents=(1.05, 2.0), revenues=("logistic",)``.

    >>> game = random_game(np.random.default_rng(0), specialists=2, costs=["power"], revenues=["linear"], extras=0.0)
    >>> game.names, type(game.generalist.cost).__name__
    (('d0', 'd1'), 'Power')
    """
    for name, given, valid in (("costs", costs, COSTS), ("revenues", revenues, REVENUES)):
        for kind in given:
            if kind not in valid:
                raise InputError(f"{name} has no kind {kind!r}. {nearest(kind, valid)}")
    count = whole_number("specialists", specialists, least=1)
    kinds = [_pick_cost(rng, costs) for _ in range(count + 1)]
    parties = []
    for i, kind in enumerate(kinds[1:]):
        needed = max(COSTS[kinds[0]], COSTS[kind], key=_ENDS.index)
        parties.append(
            Specialist(
                f"d{i}",
                cost=_with_setup(rng, draw_cost(rng, kind, exponents), extras),
                revenue=_revenue(rng, revenues, needed, extras),
                entry_cost=_sometimes(rng, extras, 0.0, 0.5),
                outside=_sometimes(rng, extras, -0.2, 0.4),
            )
        )
    cost = _with_setup(rng, draw_cost(rng, kinds[0], exponents), 0.3 * extras)
    return FineTuningGame(Generalist(cost, outside=_sometimes(rng, extras, -0.2, 0.4)), parties)


def draw_cost(rng: np.random.Generator, kind: str, exponents: tuple[float, float] = (1.05, 4.0)) -> Curve:
    """A random cost curve of one of the ``COSTS``, with a slope of the order of 1 near 1."""
    if kind == "fixed":
        return Fixed(rng.uniform(0.05, 0.5), draw_cost(rng, "power", exponents))
    if kind == "level":
        return Level(draw_cost(rng, "power", exponents))
    if kind == "power":
        exponent = rng.uniform(*exponents)
        # near an exponent of 1 the best investment moves by a power of 1 / (exponent - 1) of this factor
        slope = np.exp(rng.uniform(-1.0, 1.0) * min(1.0, 2.0 * (exponent - 1.0)))
        return Power(slope / (exponent * rng.uniform(0.3, 2.0) ** (exponent - 1.0)), exponent)
    if kind == "tabulated":
        x = np.cumsum(rng.uniform(0.1, 1.0, size=6))
        slopes = np.sort(rng.uniform(0.0, 3.0, size=6))
        slopes[-1] += 20.0  # steeper than any revenue drawn here
        return Tabulated(tuple(x), tuple(np.cumsum(slopes * np.diff(x, prepend=0.0))))
    return _simple(rng, kind, np.exp(rng.uniform(-1.0, 1.0)))


def draw_revenue(rng: np.random.Generator, kind: str) -> Curve:
    """A random revenue curve of one of the ``REVENUES``, with a slope of the order of 1 near 1."""
    slope = np.exp(rng.uniform(-0.7, 0.7))
    if kind == "power":
        exponent = rng.uniform(0.2, 0.95)
        return Power(slope / exponent, exponent)
    if kind == "tabulated":
        x = np.cumsum(rng.uniform(0.2, 1.0, size=6))
        rising = rng.uniform(0.0, 2.0, size=6) * slope
        if rng.uniform() < 0.5:
            rising = np.sort(rising)[::-1]
        return Tabulated(tuple(x), tuple(np.cumsum(rising * np.diff(x, prepend=0.0))), beyond="flat")
    if kind == "capped":
        inner = rng.choice(["linear", "power", "log", "sqrt", "saturating", "logistic"])
        return Capped(rng.uniform(0.5, 3.0), draw_revenue(rng, inner))
    return _simple(rng, kind, slope)


def _simple(rng, kind: str, slope: float) -> Curve:
    rate = np.exp(rng.uniform(-1.0, 1.0))
    if kind == "linear":
        return Linear(slope)
    if kind == "log":
        return Log(slope * (1.0 + rate) / rate, rate)
    if kind == "sqrt":
        return Sqrt(2.0 * slope)
    if kind == "saturating":
        return Saturating(slope * np.exp(rate) / rate, rate)
    midpoint = rng.uniform(0.3, 2.0)
    width = midpoint * rng.uniform(0.08, 0.4)
    return Logistic(4.0 * slope * width * rng.uniform(1.0, 2.0), midpoint, width)


def _pick_cost(rng, costs: Sequence[str]) -> str:
    # one cost that outgrows no revenue limits the revenues of the whole game: draw those less often
    weights = np.array([{"any": 1.0, "flattening": 0.5, "flat": 0.15}[COSTS[kind]] for kind in costs])
    return str(rng.choice(list(costs), p=weights / weights.sum()))


def _revenue(rng, revenues: Sequence[str], needed: str, extras: float) -> Curve:
    fitting = [kind for kind in revenues if _ENDS.index(REVENUES[kind]) >= _ENDS.index(needed)]
    curve = draw_revenue(rng, str(rng.choice(fitting or list(revenues))))
    return Capped(rng.uniform(0.5, 3.0), curve) if not fitting or rng.uniform() < 0.5 * extras else curve


def _with_setup(rng, cost: Curve, chance: float) -> Curve:
    amount = _sometimes(rng, chance, 0.02, 0.4)
    return Fixed(amount, cost) if amount else cost


def _sometimes(rng, chance: float, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if rng.uniform() < chance else 0.0
