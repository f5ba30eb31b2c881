"""Bargains of many games at once: the search of :mod:`tuneaccord.bargaining.one.single` in lockstep.

Every game is traced at the same shares and the brackets of all games are refined together. A game whose best shares tie
over a stretch, or that is not settled after some rounds, is left to be settled alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from tuneaccord.bargaining.one.choice import TIED, WIDE
from tuneaccord.bargaining.one.peaks import PLACES, TO_COEFFICIENTS
from tuneaccord.bargaining.one.scores import Measure, score
from tuneaccord.bargaining.one.trace import FIRST, roughness
from tuneaccord.bargaining.plays import Plays, joined

_RESOLVED = 1e-12
_ROUNDS = 30
_ROUGH = 4  # cells of one game that are looked at more closely
_PEAKS = 3  # brackets of one game
_DENSE = np.cos(np.pi * np.arange(96, -1, -1) / 96)
_VALUES = chebyshev.chebvander(_DENSE, len(PLACES) - 1)

Play = Callable[[np.ndarray, np.ndarray], Plays]  #: what is played in games (numbers) at shares, arrays of one shape


@dataclass(frozen=True, eq=False)
class Traced:
    """Games at shares of their own: ``share`` (games, shares) ascending, ``plays`` one game after the other."""

    share: np.ndarray
    plays: Plays

    @property
    def number(self) -> np.ndarray:
        """The game of each play."""
        return np.repeat(np.arange(len(self.share)), self.share.shape[1])


def traced(play: Play, games: int) -> Traced:
    """Every game at the first shares, and at some more inside the cells that look least smooth."""
    count = len(FIRST)
    number = np.repeat(np.arange(games), count)
    plays = play(number, np.tile(FIRST, games))
    values = plays.utilities.reshape(games, count, 2)
    off = roughness(FIRST, values.transpose(1, 0, 2).reshape(count, 2 * games)).reshape(count - 4, games, 2)
    off = off.max(axis=2).T
    cells = np.maximum(off[:, :-1], off[:, 1:])  # cell i lies between the shares i + 2 and i + 3
    rough = np.argsort(-cells, axis=1, kind="stable")[:, :_ROUGH] + 2
    inside = (FIRST[rough][:, :, None] + np.diff(FIRST)[rough][:, :, None] * np.array([0.25, 0.5, 0.75])).reshape(
        games, -1
    )
    more = play(np.repeat(np.arange(games), inside.shape[1]), inside.ravel())
    share = np.hstack([np.tile(FIRST, (games, 1)), inside])
    order = np.argsort(share, axis=1, kind="stable")
    place = np.hstack(
        [
            np.arange(games * count).reshape(games, count),
            games * count + np.arange(inside.size).reshape(games, -1),
        ]
    )
    place = np.take_along_axis(place, order, axis=1).ravel()
    return Traced(np.take_along_axis(share, order, axis=1), joined([plays, more]).row(place))


def settle_many(play: Play, trace: Traced, measures: list[Callable[[Plays, np.ndarray], Measure]]):
    """For each measure the best share of every game, (games,), NaN where none is acceptable or it is not settled.

    A measure gets plays and the numbers of their games. Also returned: which games are not settled, and which tie.
    """
    games = len(trace.share)
    unsettled, ties = np.zeros(games, bool), np.zeros(games, bool)
    best = []
    for measure in measures:
        first = score(measure(trace.plays, trace.number)).reshape(trace.share.shape)
        owner, low, high = _brackets(trace.share, first)
        share, owner, stuck = _refined(play, measure, owner, low, high)
        unsettled[stuck] = True
        ends = np.repeat(np.arange(games), 2)
        share, owner = np.append(share, np.tile([0.0, 1.0], games)), np.append(owner, ends)
        chosen, tied = _best(play, measure, share, owner, games)
        ties |= tied | _flat(trace.share, first)
        best.append(chosen)
    return best, unsettled, ties


def _brackets(share: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The games and ends of the brackets around each game's highest peaks and the cell that may hide another."""
    games, count = first.shape
    outer = np.full((games, 1), -np.inf)
    before, after = np.hstack([outer, first[:, :-1]]), np.hstack([first[:, 1:], outer])
    height = np.where(np.isfinite(first) & (first > before) & (first >= after), first, -np.inf)
    top = np.argsort(-height, axis=1, kind="stable")[:, :_PEAKS]
    owner, place = np.nonzero(np.isfinite(np.take_along_axis(height, top, axis=1)))
    at = top[owner, place]
    low, high = share[owner, np.maximum(at - 1, 0)], share[owner, np.minimum(at + 1, count - 1)]
    hidden, tall = _hidden(share, first)
    cell = np.argmax(hidden, axis=1)
    extra = np.flatnonzero(np.take_along_axis(hidden, cell[:, None], axis=1)[:, 0] > tall)
    owner = np.concatenate([owner, extra])
    return owner, np.append(low, share[extra, cell[extra]]), np.append(high, share[extra, cell[extra] + 1])


def _hidden(share: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How high each cell could reach if the slopes of its neighbours went on, and how high the trace does."""
    finite = np.isfinite(first)
    least = np.where(finite, first, np.inf).min(axis=1, keepdims=True)
    filled = np.where(finite, first, np.where(np.isfinite(least), least, 0.0))
    width = np.diff(share, axis=1)
    slope = np.diff(filled, axis=1) / width
    none = np.zeros((len(share), 1))
    before, after = np.hstack([width[:, :1], width[:, :-1]]), np.hstack([width[:, 1:], width[:, -1:]])
    left = filled[:, :-1] + np.minimum(width, 3 * before) * np.maximum(np.hstack([none, slope[:, :-1]]), 0.0)
    right = filled[:, 1:] - np.minimum(width, 3 * after) * np.minimum(np.hstack([slope[:, 1:], none]), 0.0)
    return np.maximum(left, right), np.where(finite.any(axis=1), filled.max(axis=1), np.inf)


def _refined(play: Play, measure, owner, low, high):
    """A share for each bracket that settles, with its game; and the games of those that do not."""
    shares, owners = [], []
    for age in range(_ROUNDS):
        if not len(owner):
            break
        at = 0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * PLACES
        at[:, 0], at[:, -1] = low, high
        number = np.repeat(owner, len(PLACES))
        measured = measure(play(number, at.ravel()), number)
        parts = measured.parts.reshape(*at.shape, -1)
        scored = score(measured).reshape(at.shape)
        best = np.argmax(scored, axis=1)
        coefficients = np.einsum("ij,bjk->bik", TO_COEFFICIENTS, np.where(np.isfinite(parts), parts, 0.0))
        size = np.abs(coefficients).max(axis=1)
        resolved = _RESOLVED if age < 4 else 100 * _RESOLVED  # the plays may be off by that much
        smooth = (np.abs(coefficients[:, -3:]).max(axis=1) <= resolved * size).all(axis=1)
        smooth &= np.isfinite(scored).all(axis=1) & np.isfinite(parts).all(axis=(1, 2)) & (high - low > 1e-13)
        peak = _peak(coefficients[smooth])
        shares.append(0.5 * (low + high)[smooth] + 0.5 * (high - low)[smooth] * peak)
        owners.append(owner[smooth])
        row = np.arange(len(owner))
        new_low, new_high = at[row, np.maximum(best - 1, 0)], at[row, np.minimum(best + 1, len(PLACES) - 1)]
        small = ~smooth & (new_high - new_low <= 4e-16)
        shares.append(at[row, best][small])
        owners.append(owner[small])
        going = ~smooth & ~small
        owner, low, high = owner[going], new_low[going], new_high[going]
    return np.concatenate([*shares, np.empty(0)]), np.concatenate([*owners, np.empty(0, int)]).astype(int), owner


def _peak(coefficients: np.ndarray) -> np.ndarray:
    """Where the smallest of the polynomials (brackets, degree, parts) is largest, in [-1, 1]."""
    values = np.einsum("ij,bjk->bik", _VALUES, coefficients).min(axis=2)
    top = np.argmax(values, axis=1)
    low, high = _DENSE[np.maximum(top - 1, 0)], _DENSE[np.minimum(top + 1, len(_DENSE) - 1)]
    ways = []
    slopes = chebyshev.chebder(coefficients, axis=1)
    for part in range(coefficients.shape[2]):
        ways.append(_root(slopes[:, :, part], low, high))
        ways += [_root(coefficients[:, :, part] - coefficients[:, :, other], low, high) for other in range(part)]
    ways = np.stack([*ways, _DENSE[top]])
    heights = np.stack([_chebyshev(coefficients, way).min(axis=1) for way in ways])
    heights[-1] -= 1e-15 * np.abs(heights[-1])  # a place of the grid only if no root is as good
    return np.take_along_axis(ways, np.argmax(heights, axis=0)[None], axis=0)[0]


def _chebyshev(coefficients: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Polynomials (brackets, degree, parts) at one place each."""
    angles = np.arccos(np.clip(at, -1.0, 1.0))[:, None] * np.arange(coefficients.shape[1])
    return np.einsum("bi,bik->bk", np.cos(angles), coefficients)


def _root(coefficients: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A root of each polynomial (brackets, degree) between two places, or one of them: bisection, then Newton."""
    bend = chebyshev.chebder(coefficients, axis=1) if coefficients.shape[1] > 1 else np.zeros_like(coefficients)

    def value(polynomial, at):
        return _chebyshev(polynomial[:, :, None], at)[:, 0]

    first = value(coefficients, low)
    for _ in range(12):
        middle = 0.5 * (low + high)
        same = np.sign(value(coefficients, middle)) == np.sign(first)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    at = 0.5 * (low + high)
    for _ in range(4):
        steep = value(bend, at)
        move = np.where(steep == 0, 0.0, value(coefficients, at) / np.where(steep == 0, 1.0, steep))
        at = np.clip(at - move, np.maximum(low - 1e-9, -1.0), np.minimum(high + 1e-9, 1.0))
    return at


def _best(play: Play, measure, share, owner, games: int):
    """The best share of each game, and whether two that are far apart tie."""
    measured = measure(play(owner, share), owner)
    scored = score(measured)
    top = np.full(games, -np.inf)
    np.maximum.at(top, owner, scored)
    size = np.maximum(np.abs(np.where(np.isfinite(top), top, 0.0)), measured.least)
    near = np.isfinite(scored) & (scored >= top[owner] - TIED * size[owner])
    close = np.isfinite(scored) & (scored >= top[owner] - 4e-15 * size[owner])
    # of shares that cannot be told apart an end of [0, 1] comes first, then the highest
    rank = np.lexsort((-scored, ~(close & ((share == 0) | (share == 1))), owner))
    first = np.full(games, -1)
    first[owner[rank][::-1]] = rank[::-1]
    chosen = np.where(np.isfinite(top), share[first], np.nan)
    far = near & (np.abs(share - chosen[owner]) > 1e-3)
    tied = np.zeros(games, bool)
    tied[owner[far]] = True
    return chosen, tied


def _flat(share: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Which games tie with their best over neighbouring shares."""
    apart = np.isin(share, WIDE)
    wide = first[apart].reshape(len(first), -1)
    top = first.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        near = np.isfinite(wide) & (wide >= top - TIED * np.abs(np.where(np.isfinite(top), top, 0.0)))
    return (near[:, :-2] & near[:, 1:-1] & near[:, 2:]).any(axis=1)
