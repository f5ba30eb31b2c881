"""The generalist's problem in many games at once: what a base brings, costs, and changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.bargaining.engine.bends import Bend, some
from tuneaccord.bargaining.engine.following import rate
from tuneaccord.bargaining.engine.repliers import Replier, State
from tuneaccord.bargaining.engine.turning import turning_bases
from tuneaccord.bargaining.plays import Plays

_EPS = np.finfo(float).eps
ULPS = 8 * _EPS  #: utilities closer than this part of the money involved count as equal


@dataclass(frozen=True, eq=False)
class Stage:
    """A generalist, groups of alike specialists with their places, and a row of shares for each game."""

    generalist: Bend
    setup: float | np.ndarray
    groups: list[tuple[list[int], Replier]]
    shares: np.ndarray

    @property
    def certain(self) -> bool:
        """Whether the search over the base proves its answer."""
        return bool(self.generalist.curve.known) and all(group.certain and group.ordered for _, group in self.groups)

    @cached_property
    def turning(self) -> np.ndarray:
        """Bases at which some reply turns, (games, any number), infinite where there is none."""
        found = [turning_bases(group, self.shares[:, places]) for places, group in self.groups]
        return np.concatenate(found, axis=1)

    def cost(self, games) -> Bend:
        return self.generalist.take(games) if self.generalist.games else self.generalist

    def paid(self, games, base) -> np.ndarray:
        """What the base costs."""
        setup = self.setup[some(games)] if np.ndim(self.setup) else self.setup
        value = self.cost(games).curve.value(base)
        return value + np.where(base > 0, setup, 0.0) if np.any(setup) else value

    def share(self, games, places) -> np.ndarray:
        return self.shares[games] if len(places) == self.shares.shape[1] else self.shares[games][:, places]

    def states(self, games, base, between=None) -> list[State]:
        """The replies of each group; ``between`` gives the ends of an interval and the states there."""
        found = []
        for number, (places, group) in enumerate(self.groups):
            bounds = {} if between is None else _within(group, base, between, number)
            found.append(group.take(games).state(self.share(games, places), base[:, None], **bounds))
        return found

    def earned(self, games, states) -> np.ndarray:
        """The generalist's part of all revenues."""
        total = 0.0
        for (places, _), state in zip(self.groups, states, strict=True):
            total = total + np.einsum("ij,ij->i", self.share(games, places), state.revenue)
        return total

    def rate(self, games, base, states) -> np.ndarray:
        """The derivative of the generalist's utility."""
        total = -self.cost(games).curve.slope(base)
        for (places, group), state in zip(self.groups, states, strict=True):
            share = self.share(games, places)
            rise = rate(group.take(games), share, base[:, None], state)
            total = total + np.where(share > 0, share * rise, 0.0).sum(axis=1)
        return total

    def plays(self, base, most) -> Plays:
        """What is played from the bases on; no base is worth more than ``most``.

        Ties go by wider tolerances than while searching: who was taken to be indifferent still is.
        """
        count = self.shares.shape[1]
        improvement, utilities = np.empty(self.shares.shape), np.empty((len(base), count + 1))
        regime, errors = np.empty(self.shares.shape, int), np.empty(self.shares.shape)
        states, games = [], np.arange(len(base))
        for places, group in self.groups:
            state, utility, error = group.replies(self.share(games, places), base[:, None], ulps=ULPS)
            states.append(state)
            improvement[:, places], regime[:, places], errors[:, places] = state.improvement, state.regime, error
            utilities[:, [1 + place for place in places]] = utility
        earned, paid = self.earned(games, states), self.paid(games, base)
        utilities[:, 0] = earned - paid
        missed = np.maximum(most - utilities[:, 0], 0.0)  # by what is played, whatever the search took it for
        error = np.maximum(missed + ULPS * (earned + paid), errors.max(axis=1))
        return Plays(
            shares=self.shares,
            base=base,
            improvement=improvement,
            regime=regime,
            utilities=utilities,
            error=error if self.certain else np.full(len(base), np.nan),
        )


def _within(group: Replier, base, between, number: int):
    """Bounds on the best improvement inside an interval, from those at its ends."""
    low, high, at_low, at_high = between
    base, low, high = base[:, None], low[:, None], high[:, None]
    x_low, x_high = at_low[number].reach, at_high[number].reach
    bounds = []
    if group.revenue.concave and group.depends == "none":
        bounds.append((x_high, x_low))
    if group.cost.convex or group.depends == "level":
        bounds.append((low + x_low - base, high + x_high - base))
    if not bounds or group.depends == "free":
        return {}
    slack = 8 * _EPS * (high + x_high)
    least = bounds[0][0] if len(bounds) == 1 else np.maximum(bounds[0][0], bounds[1][0])
    most = bounds[0][1] if len(bounds) == 1 else np.minimum(bounds[0][1], bounds[1][1])
    guess = x_low + (x_high - x_low) * ((base - low) / (high - low))
    return {"low": np.maximum(least - slack, 0.0), "high": np.maximum(most + slack, 0.0), "guess": guess}
