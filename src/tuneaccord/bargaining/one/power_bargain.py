"""Bargains of power games, many at once, with every candidate for the best share proved to be among those compared.

Between two neighbouring turns both utilities are monotone. What a party or a planner wants is a turn; equal gains, or
gains in a given proportion, happen at most once between two turns of opposite direction; only the peaks of the Nash
product are looked for on a grid of each such stretch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves import Linear, Power
from tuneaccord.bargaining.one.bracketed import roots
from tuneaccord.bargaining.one.closed_forms import PowerGame
from tuneaccord.bargaining.one.power_stretches import (
    Turns,
    generalist_turns,
    performance_turns,
    specialist_turns,
    total_turns,
)
from tuneaccord.bargaining.parties import Generalist, Specialist
from tuneaccord.bargaining.rules import MaxPerformance, PowerfulGeneralist, PowerfulSpecialist, Rule
from tuneaccord.bargaining.solutions import Egalitarian, KalaiSmorodinsky, Nash, Utilitarian

_TIED = 1e-12  # relative to the largest utility
_GRID = 0.5 - 0.5 * np.cos(np.pi * np.arange(49) / 48)  # of a stretch, for the Nash product


def power_game(generalist: Generalist, specialist: Specialist) -> PowerGame | None:
    """The parties as a power game, arrays of shape (games,), if they are one in which the specialist takes part."""
    costs, revenue = (generalist.cost, specialist.cost), specialist.revenue
    if not (all(type(cost) is Power for cost in costs) and type(revenue) is Linear):
        return None
    fine = all(np.all(np.asarray(cost.exponent) > 1) for cost in costs) and np.all(np.asarray(revenue.rate) > 0)
    if not fine or np.any(specialist.entry_cost) or np.any(np.asarray(specialist.outside) > 0):
        return None
    numbers = (costs[0].scale, costs[0].exponent, costs[1].scale, costs[1].exponent, revenue.rate)
    game = PowerGame(*np.broadcast_arrays(*(np.atleast_1d(np.asarray(one, float)) for one in numbers)))
    with np.errstate(over="ignore"):
        sizes = [np.exp(log) * game.rate for log in game.logs]
    return game if all(((size < 1e120) & (size > 1e-250)).all() for size in sizes) else None


@dataclass(frozen=True, eq=False)
class PowerBargains:
    """``share`` of each game (NaN where nobody agrees to any), and the ``ideal`` gains, (games, 2)."""

    share: np.ndarray
    ideal: np.ndarray


def power_bargains(game: PowerGame, rule: Rule, outside: np.ndarray) -> PowerBargains:
    """The share that ``rule`` picks in each of many games with parameters of shape (games,).

    ``outside`` (games, 2) are the outside options, the specialist's at most 0, so that it always takes part.
    """
    turns = (generalist_turns(game), specialist_turns(game))
    gains = _Gains(game, outside)
    stretches = _stretches(turns, gains)
    edges = (
        _crossings(stretches, gains, lambda first, second, _: first) if (outside[:, 0] > 0).any() else turns[0].peaks
    )
    ideal, size = _ideal(gains, np.hstack([turns[0].peaks, turns[1].peaks, edges]))
    candidates = np.hstack([_candidates(game, rule, turns, stretches, gains, ideal), edges])
    share = _best(gains, rule, candidates, ideal, size)
    return PowerBargains(np.where((ideal > 0).any(axis=1), share, np.nan), ideal)


def _ideal(gains: _Gains, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest gains among acceptable shares, (games, 2), and the size of the utilities, (games,)."""
    both = np.stack(gains.at(shares), axis=-1)
    both = np.where(np.isnan(both), -np.inf, both)
    size = np.abs(np.where(np.isfinite(both), both, 0.0)).max(axis=(1, 2)) + np.abs(gains.outside).max(axis=1)
    fine = (both >= -_TIED * size[:, None, None]).all(axis=2, keepdims=True)
    ideal = np.where(fine, both, 0.0).max(axis=1)
    return np.where(np.abs(ideal) <= _TIED * size[:, None], 0.0, ideal), size


@dataclass(frozen=True, eq=False)
class _Gains:
    """Gains and their derivatives, at shares (games, ...) or at some of the games."""

    game: PowerGame
    outside: np.ndarray

    def of(self, rows, share) -> tuple[np.ndarray, np.ndarray]:
        """The gains of some games, one share each."""
        first, second = self.chosen(rows).utilities(share)
        return first - self.outside[rows, 0], second - self.outside[rows, 1]

    def at(self, shares) -> tuple[np.ndarray, np.ndarray]:
        """The gains of all games at shares (games, candidates)."""
        first, second = self.chosen((slice(None), None)).utilities(shares)
        return first - self.outside[:, :1], second - self.outside[:, 1:]

    def chosen(self, index) -> PowerGame:
        """Some of the games."""
        return PowerGame(*(getattr(self.game, name)[index] for name in PowerGame.__dataclass_fields__))


def _candidates(game: PowerGame, rule: Rule, turns, stretches: _Stretches, gains: _Gains, ideal) -> np.ndarray:
    if isinstance(rule, Utilitarian):
        return total_turns(game).peaks
    if isinstance(rule, MaxPerformance):  # all shares may tie, and then the sum decides
        return np.hstack([performance_turns(game).peaks, total_turns(game).peaks])
    if isinstance(rule, (PowerfulGeneralist, PowerfulSpecialist)):
        return turns[int(isinstance(rule, PowerfulSpecialist))].peaks
    if isinstance(rule, Nash):
        return _nash_peaks(stretches.opposite(), gains, rule.power or (1.0, 1.0))
    units = ideal if isinstance(rule, KalaiSmorodinsky) else np.ones_like(ideal)
    meets = _crossings(
        stretches.opposite(), gains, lambda first, second, rows: first * units[rows, 1] - second * units[rows, 0]
    )
    return np.hstack([turns[0].peaks, turns[1].peaks, meets])


@dataclass(frozen=True, eq=False)
class _Stretches:
    """Stretches of shares, of the games ``row``, on which both gains are monotone; ``against`` if in opposite ways."""

    row: np.ndarray
    low: np.ndarray
    high: np.ndarray
    games: int
    against: np.ndarray

    def opposite(self) -> _Stretches:
        """Those on which one gain rises and the other falls."""
        kept = self.against
        return _Stretches(self.row[kept], self.low[kept], self.high[kept], self.games, kept[kept])

    def spread(self, shares: np.ndarray) -> np.ndarray:
        """One share a stretch, as (games, most stretches of a game) padded with NaN."""
        order = np.arange(len(self.row)) - np.searchsorted(self.row, self.row)
        table = np.full((self.games, int(order.max(initial=-1)) + 1), np.nan)
        table[self.row, order] = shares
        return table


def _stretches(turns: tuple[Turns, Turns], gains: _Gains) -> _Stretches:
    ends = np.tile([0.0, 1.0], (len(turns[0].peaks), 1))
    knots = np.sort(np.hstack([ends, *(part for one in turns for part in (one.peaks, one.troughs))]), axis=1)
    low, high = knots[:, :-1], knots[:, 1:]
    first, second = gains.at(knots)
    row, column = np.nonzero(high > low)
    against = (np.sign(np.diff(first, axis=1)) * np.sign(np.diff(second, axis=1)))[row, column] < 0
    return _Stretches(row, low[row, column], high[row, column], len(low), against)


def _crossings(stretches: _Stretches, gains: _Gains, difference: Callable) -> np.ndarray:
    """Where a difference of gains that is monotone in every stretch changes sign, (games, at most)."""
    part = _Gains(gains.chosen(stretches.row), gains.outside[stretches.row])

    def value(share):
        first, second = part.of(slice(None), share)
        return difference(first, second, stretches.row)

    crossed = np.sign(value(stretches.low)) * np.sign(value(stretches.high)) < 0
    return stretches.spread(np.where(crossed, roots(value, stretches.low, stretches.high), np.nan))


def _nash_peaks(stretches: _Stretches, gains: _Gains, power) -> np.ndarray:
    """Where the derivative of the log of the product turns from positive to negative, while both gain."""
    part = _Gains(gains.chosen(stretches.row), gains.outside[stretches.row])
    low, high = stretches.low, stretches.high
    for i in (0, 1):  # keep what lets player i gain

        def gain(share, i=i):
            return part.of(slice(None), share)[i]

        edge = roots(gain, low, high)
        left, right = gain(low), gain(high)
        low, high = np.where((left < 0) & (right > 0), edge, low), np.where((left > 0) & (right < 0), edge, high)
    grid = low[:, None] + (high - low)[:, None] * _GRID[1:-1]
    slope = _nash_slope(_Gains(part.chosen((slice(None), None)), part.outside), power, grid, None)
    one, cell = np.nonzero((slope[:, :-1] > 0) & (slope[:, 1:] <= 0))
    first, last = np.flatnonzero(slope[:, 0] <= 0), np.flatnonzero(slope[:, -1] > 0)
    number = np.concatenate([one, first, last])
    left = np.concatenate([grid[one, cell], low[first], grid[last, -1]])
    right = np.concatenate([grid[one, cell + 1], grid[first, 0], high[last]])
    end = np.concatenate([grid[one, cell], low[first], high[last]])  # where the product is largest if no root is inside
    order = np.argsort(number, kind="stable")
    number, left, right, end = number[order], left[order], right[order], end[order]
    few = _Gains(part.chosen(number), part.outside[number])

    def at(share):
        return _nash_slope(few, power, share, slice(None))

    share = np.where((at(left) > 0) & (at(right) <= 0), roots(at, left, right), end)
    return _Stretches(stretches.row[number], left, right, stretches.games, number >= 0).spread(share)


def _nash_slope(gains: _Gains, power, share, rows) -> np.ndarray:
    """``w0 G' D + w1 G D'``, of the sign of the derivative of the log of the product where both gain."""
    game = gains.game
    first, second = game.utilities(share)
    outside = gains.outside[:, :, None] if rows is None else gains.outside
    first, second = first - outside[:, 0], second - outside[:, 1]
    rising, falling = game.slopes(share)
    return power[0] * rising * second + power[1] * first * falling


def _best(gains: _Gains, rule: Rule, shares: np.ndarray, ideal: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The best candidate of each game; ties go to the larger sum, then to the smaller share."""
    if shares.shape[1] == 0:
        return np.full(len(shares), np.nan)
    first, second = gains.at(shares)
    score = _score(gains, rule, shares, first, second, ideal)
    fine = (np.minimum(first, second) >= -_TIED * size[:, None]) & ~np.isnan(shares)
    score = np.where(fine, score, -np.inf)
    unit = np.maximum(
        np.abs(np.where(np.isfinite(score), score, 0.0)).max(axis=1), 1.0 if isinstance(rule, Nash) else 0.0
    )
    top = score.max(axis=1)
    tied = score >= (top - _TIED * unit)[:, None]
    total = np.where(tied, first + second, -np.inf)
    tied &= total >= (total.max(axis=1) - _TIED * size)[:, None]
    return np.where(np.isfinite(top), np.where(tied, shares, np.inf).min(axis=1), np.nan)


def _score(gains: _Gains, rule: Rule, shares, first, second, ideal) -> np.ndarray:
    if isinstance(rule, PowerfulGeneralist):
        return first
    if isinstance(rule, PowerfulSpecialist):
        return second
    if isinstance(rule, Utilitarian):
        return first + second
    if isinstance(rule, MaxPerformance):
        base, improvement = gains.chosen((slice(None), None)).play(shares)
        return base + improvement
    if isinstance(rule, Nash):
        power = rule.power or (1.0, 1.0)
        fine = (first > 0) & (second > 0)
        logs = power[0] * np.log(np.where(fine, first, 1.0)) + power[1] * np.log(np.where(fine, second, 1.0))
        return np.where(fine, logs, -np.inf)
    if isinstance(rule, Egalitarian):
        return np.minimum(first, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(first / ideal[:, :1], second / ideal[:, 1:])
