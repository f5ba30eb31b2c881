"""The replies of a group of alike specialists, many bases at a time, with what the search over the base needs.

Everything has the shape ``(bases, specialists)``; a base is a column ``(bases, 1)``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.bargaining.engine.bends import Bend, bend, some, unwrapped
from tuneaccord.bargaining.engine.marginal import concave_best, concave_root
from tuneaccord.bargaining.engine.reach import furthest, refuse_unbounded
from tuneaccord.bargaining.engine.search import global_best
from tuneaccord.bargaining.parties import Specialist
from tuneaccord.bargaining.plays import ABSTAINS, CONTRIBUTES, FREE_RIDES

_EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class State:
    """Replies at some bases, one array ``(5, bases, specialists)``."""

    block: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """The best improvement before the set-up amount and taking part are considered."""
        return self.block[0]

    @property
    def ahead(self) -> np.ndarray:
        """By how much contributing that much beats free-riding; it does from 0 on, rounding included."""
        return self.block[1]

    @property
    def surplus(self) -> np.ndarray:
        """By how much the better of the two beats abstaining; it does from 0 on, rounding included."""
        return self.block[2]

    @property
    def regime(self) -> np.ndarray:
        return self.block[3]

    @property
    def revenue(self) -> np.ndarray:
        """The domain's revenue, 0 if it abstains."""
        return self.block[4]

    @property
    def improvement(self) -> np.ndarray:
        return np.where(self.block[3] == CONTRIBUTES, self.block[0], 0.0)

    def take(self, index) -> State:
        return State(self.block[:, index])


@dataclass(frozen=True, eq=False)
class Replier:
    """A group of alike specialists, ready to reply."""

    names: tuple[str, ...]
    revenue: Bend
    cost: Bend
    depends: str
    setup: float | np.ndarray
    entry_cost: float | np.ndarray
    outside: float | np.ndarray

    @classmethod
    def of(cls, group: Specialist, names: tuple[str, ...]) -> Replier:
        setup, cost, depends = unwrapped(group.cost)
        return cls(names, bend(group.revenue), bend(cost), depends, setup, group.entry_cost, group.outside)

    @cached_property
    def concave(self) -> bool:
        """Whether one root decides: concave revenue, convex cost."""
        return self.revenue.concave and self.cost.convex

    @cached_property
    def ordered(self) -> bool:
        """Whether the replies move one way as the base grows, so that two ends bound what is between them."""
        return self.revenue.concave or self.cost.convex or self.depends == "level"

    @cached_property
    def certain(self) -> bool:
        """Whether what is found is proved to be best."""
        return self.depends != "free" and bool(self.revenue.curve.known and self.cost.curve.known)

    @cached_property
    def varies(self) -> bool:
        """Whether parameters differ from game to game."""
        parts = (self.revenue.games, self.cost.games, *map(np.shape, self._amounts.values()))
        return any(len(part) == 2 for part in parts)

    @property
    def _amounts(self):
        return {"setup": self.setup, "entry_cost": self.entry_cost, "outside": self.outside}

    def take(self, rows) -> Replier:
        """For some of the games, where parameters differ from game to game."""
        if not self.varies:
            return self
        rows = some(rows)
        amounts = {name: value[rows] if np.ndim(value) == 2 else value for name, value in self._amounts.items()}
        return dataclasses.replace(self, revenue=_taken(self.revenue, rows), cost=_taken(self.cost, rows), **amounts)

    def only(self, place: int) -> Replier:
        """One specialist of the group."""
        if len(self.names) == 1:
            return self

        def own(array):
            return array[..., place : place + 1] if np.ndim(array) else array

        def shrunk(one: Bend) -> Bend:
            return bend(one.curve._changed(own)) if one.games else one

        amounts = {name: own(value) for name, value in self._amounts.items()}
        names = (self.names[place],)
        return dataclasses.replace(self, names=names, revenue=shrunk(self.revenue), cost=shrunk(self.cost), **amounts)

    def refuse_unbounded(self, share) -> None:
        """:class:`InputError` if somebody has no largest improvement at one of these shares."""
        refuse_unbounded(self.names, self.revenue.curve, self.cost.curve, share)

    def state(self, share, base, low=None, high=None, guess=None, ulps=2 * _EPS) -> State:
        """The replies at each base; ``low`` and ``high`` are bounds on :attr:`State.reach` if some are known."""
        return self.replies(share, base, low, high, guess, ulps)[0]

    def replies(self, share, base, low=None, high=None, guess=None, ulps=2 * _EPS):
        """The replies, the utilities, and a bound on the utility that each may have missed."""
        kept = 1.0 - share
        reach, missed = self.reached(kept, base, low, high, guess, ulps)
        revenue, cost = self.revenue.curve, self.cost.curve
        free, income = revenue.value(base), revenue.value(base + reach)
        paid = cost.value(base + reach) - cost.value(base) if self.depends == "level" else self._cost_at(base, reach)
        riding, contributing = kept * free, kept * income - paid - self.setup
        size = kept * income + paid + self.setup + self.entry_cost + np.abs(self.outside)
        block = np.empty((5, *reach.shape))
        block[0], block[1] = reach, contributing - riding + ulps * size
        contributes = (reach > 0) & (block[1] >= 0)
        surplus = np.where(contributes, contributing, riding) - self.entry_cost - self.outside
        block[2] = surplus + ulps * size
        joins = block[2] >= 0
        block[3] = np.where(joins, np.where(contributes, CONTRIBUTES, FREE_RIDES), ABSTAINS)
        block[4] = np.where(joins, np.where(contributes, income, free), 0.0)
        return State(block), self.outside + np.maximum(surplus, 0.0), missed + 4 * _EPS * size

    def _cost_at(self, base, x):
        return self.cost.curve.at(base).value(x) if self.depends == "free" else self.cost.curve.value(x)

    def reached(self, kept, base, low=None, high=None, guess=None, ulps=2 * _EPS):
        """The best improvement before set-up and taking part are considered, and a bound on the utility missed."""
        if not self.concave or self.depends == "free":
            return self._searched(kept, base, low, high, 2 * ulps)
        if self.depends == "level":
            least = base if low is None else base + low
            top = np.inf if high is None else base + high
            level = concave_best(self.revenue, self.cost, kept, 0.0, least, top)
            return np.maximum(level - base, 0.0), 0.0
        low, high = 0.0 if low is None else low, np.inf if high is None else high
        return concave_best(self.revenue, self.cost, kept, base, low, high, guess), 0.0

    def _searched(self, kept, base, low, high, ulps):
        shape = np.broadcast_shapes(np.shape(kept), np.shape(base), self.revenue.games, self.cost.games)
        flat = _flat(self, shape)
        kept, base = (np.broadcast_to(part, shape).ravel() for part in (kept, base))
        if self.depends == "free":
            return free_best(self, flat, kept, base, shape)
        start = base if self.depends == "level" else np.zeros_like(base)
        under = np.zeros_like(base) if self.depends == "level" else base
        least = start if low is None else start + np.broadcast_to(low, shape).ravel()
        if high is None:
            most = furthest(self.names, flat.revenue, flat.cost, kept, under, least)
        else:
            most = np.maximum(start + np.broadcast_to(high, shape).ravel(), least)
        x, missed = global_best(flat.revenue, flat.cost, kept, under, least, most, ulps=ulps)
        return np.maximum(x - start, 0.0).reshape(shape), missed.reshape(shape)


def _taken(one: Bend, rows) -> Bend:
    return one.take(rows) if len(one.games) == 2 else one


def _flat(replier: Replier, shape) -> Replier:
    """The curves with one parameter for each entry of ``shape``, flattened."""

    def spread(one: Bend) -> Bend:
        if not one.games:
            return one
        return bend(one.curve._changed(lambda array: np.broadcast_to(array, shape).ravel()))

    return dataclasses.replace(replier, revenue=spread(replier.revenue), cost=spread(replier.cost))


def free_best(group: Replier, flat: Replier, kept, base, shape):
    """The best improvement against a cost that depends on the base in any way: a grid, then a root. Not proved."""
    revenue, cost = flat.revenue.curve, flat.cost.curve.at(base[:, None])
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 385)])
    worth = kept[:, None] * revenue.value(base[:, None] + grid) - cost.value(grid)
    worth = np.where(np.isfinite(worth), worth, -np.inf)
    last = len(grid) - 1
    best = last - np.argmax(worth[:, ::-1], axis=1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, last)]
    x = concave_root(revenue, flat.cost.curve.at(base), kept, base, low, high)
    return x.reshape(shape), np.full(shape, np.nan)
