"""The highest point of a function of one share that may jump, kink and have many peaks.

Every local maximum on a trace gets a bracket. Inside it the function is replaced by a Chebyshev polynomial, whose peaks
are roots of its derivative: where the polynomial follows the plays to rounding that settles the bracket. Where it does
not - a kink, a jump - the bracket closes in on its best point, helped by guesses of where the two sides meet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from tuneaccord.bargaining.one.trace import Trace, relative_error
from tuneaccord.bargaining.plays import Plays

_NODES = 17
PLACES = -np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
TO_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(PLACES, _NODES - 1))
_RESOLVED = 1e-12  # the last coefficients, relative to the largest
_PATIENCE = 4  # rounds after which what the plays themselves may be off is taken for resolved
_ROUNDING = 16 * np.finfo(float).eps
_BRACKETS = 6  # peaks that are pursued, and as many cells that might hide one
_EVERYWHERE = 40
_ROUNDS = 30
_CLOSE = np.concatenate([-(10.0 ** -np.arange(2.0, 15.0, 2.0)), [0.0], 10.0 ** -np.arange(14.0, 1.0, -2.0)])


@dataclass(frozen=True, eq=False)
class Objective:
    """What is to be as large as possible.

    ``score`` of some plays, shape (games,). ``columns`` are functions that are smooth where the plays are: the score
    itself, or the parts of which it is the smallest, (games, parts): it peaks where one of them does or two meet.
    ``limits`` are numbers that must not be negative where the score is finite. ``everywhere`` asks for every peak that
    shows, not only for those that may be the highest.
    """

    score: Callable[[Plays], np.ndarray]
    columns: Callable[[Plays], np.ndarray] | None = None
    limits: Callable[[Plays], np.ndarray] | None = None
    everywhere: bool = False

    def parts(self, plays: Plays, score: np.ndarray) -> np.ndarray:
        """The columns, by default the score alone."""
        return score[:, None] if self.columns is None else self.columns(plays)


@dataclass(frozen=True)
class _Bracket:
    objective: int
    low: float
    high: float
    guesses: tuple[float, ...] = ()
    age: int = 0

    def places(self) -> np.ndarray:
        nodes = 0.5 * (self.low + self.high) + 0.5 * (self.high - self.low) * PLACES
        nodes[0], nodes[-1] = self.low, self.high
        return np.concatenate([nodes, np.clip(self.guesses, self.low, self.high)])


def climb(trace: Trace, objectives: list[Objective]) -> list[np.ndarray]:
    """For each objective the shares of its peaks, ascending, the highest among them; empty if it is nowhere finite."""
    live = [one for number, objective in enumerate(objectives) for one in _brackets(trace.plays, objective, number)]
    ended: list[tuple[int, list[float]]] = []
    for _ in range(_ROUNDS):
        if not live:
            break
        places = [one.places() for one in live]
        plays = trace.look(np.concatenate(places))
        starts = np.cumsum([0, *map(len, places)])
        steps = [
            (one, *_step(one, plays.row(slice(start, stop)), objectives[one.objective]))
            for one, start, stop in zip(live, starts[:-1], starts[1:], strict=True)
        ]
        ended += [(one.objective, shares) for one, shares, narrower in steps if narrower is None]
        live = [narrower for _, _, narrower in steps if narrower is not None]
    ended += [(one.objective, [0.5 * (one.low + one.high)]) for one in live]
    return _highest(trace, objectives, ended)


def _highest(trace: Trace, objectives: list[Objective], ended: list[tuple[int, list[float]]]) -> list[np.ndarray]:
    """The best share of each bracket, by objective."""
    ended = [(number, shares) for number, shares in ended if shares]
    if not ended:
        return [np.empty(0) for _ in objectives]
    owner = np.concatenate([np.full(len(shares), i) for i, (_, shares) in enumerate(ended)])
    shares = np.concatenate([shares for _, shares in ended])
    plays = trace.look(shares)
    found: list[list[float]] = [[] for _ in objectives]
    for i, (number, _) in enumerate(ended):
        mine = np.flatnonzero(owner == i)
        found[number].append(shares[mine[highest(shares[mine], objectives[number].score(plays.row(mine)))]])
    return [np.unique(one) for one in found]


def highest(shares: np.ndarray, score: np.ndarray) -> int:
    """The position of the largest score; an end of [0, 1] that is within rounding of it comes first."""
    top = score.max()
    ends = np.flatnonzero(((shares == 0) | (shares == 1)) & (score >= top - _ROUNDING * np.abs(top)))
    return int(ends[0]) if len(ends) else int(np.argmax(score))


def _brackets(plays: Plays, objective: Objective, number: int) -> list[_Bracket]:
    share, score = plays.shares[:, 0], objective.score(plays)
    finite = np.isfinite(score)
    if not finite.any():
        return []
    least, best = score[finite].min(), score.max()
    tall = best - 1e-9 * (best - least)
    hidden = _could_hide(share, np.where(finite, score, least))
    before, after = np.append(-np.inf, score[:-1]), np.append(score[1:], -np.inf)
    peaks = np.flatnonzero(finite & (score > before) & (score >= after))
    roof = np.array([hidden[max(i - 2, 0) : i + 2].max() for i in peaks])
    peaks = peaks[(roof > tall) | (score[peaks] >= tall) | objective.everywhere]
    peaks = peaks[np.argsort(-score[peaks], kind="stable")][: _EVERYWHERE if objective.everywhere else _BRACKETS]
    pairs = [(max(i - 1, 0), min(i + 1, len(share) - 1)) for i in peaks]
    cells = np.argsort(-hidden, kind="stable")[: 0 if objective.everywhere else _BRACKETS]
    pairs += [(i, i + 1) for i in cells if hidden[i] > tall and not any(a <= i and i + 1 <= b for a, b in pairs)]
    return [_Bracket(number, float(share[a]), float(share[b])) for a, b in pairs]


def _could_hide(share: np.ndarray, score: np.ndarray) -> np.ndarray:
    """How high each cell could reach if the slopes of its neighbours went on: a peak or a jump inside would show."""
    width = np.diff(share)
    slope = np.diff(score) / width
    before, after = np.append(width[:1], width[:-1]), np.append(width[1:], width[-1:])  # no further than thrice as far
    left = score[:-1] + np.minimum(width, 3 * before) * np.maximum(np.append(0.0, slope[:-1]), 0.0)
    right = score[1:] - np.minimum(width, 3 * after) * np.minimum(np.append(slope[1:], 0.0), 0.0)
    return np.maximum(left, right)


def _step(one: _Bracket, plays: Plays, objective: Objective) -> tuple[list[float], _Bracket | None]:
    """The peaks inside a bracket if they can be told already, else a narrower bracket."""
    score = objective.score(plays)
    parts = objective.parts(plays, score)[:_NODES]
    middle, half = 0.5 * (one.low + one.high), 0.5 * (one.high - one.low)
    share = plays.shares[:, 0]
    best = int(np.argmax(score))
    if np.isfinite(parts).all() and np.isfinite(score[:_NODES]).all() and half > 1e-13:
        coefficients = TO_COEFFICIENTS @ parts
        size = np.abs(coefficients).max(axis=0)
        noise = _RESOLVED if one.age < _PATIENCE else max(_RESOLVED, 4 * relative_error(plays))
        if (np.abs(coefficients[-3:]).max(axis=0) <= noise * size).all():
            inside = _peaks(coefficients, size)
            alone = not len(inside) and not objective.everywhere
            ends = [float(share[best])] if alone or share[best] in (0.0, 1.0) else []
            return [*ends, *np.clip(middle + half * inside, one.low, one.high).tolist()], None
    _, order = np.unique(share, return_index=True)
    rank = int(np.searchsorted(share[order], share[best]))
    low, high = share[order[max(rank - 1, 0)]], share[order[min(rank + 1, len(order) - 1)]]
    if high - low <= 4e-16 or (low, high) == (one.low, one.high):
        return [float(share[best])], None
    return [], _Bracket(
        one.objective, float(low), float(high), _guesses(plays.row(order), rank, objective), one.age + 1
    )


def _peaks(coefficients: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Where a column peaks or two columns meet, in [-1, 1]."""
    columns = [_trimmed(column, top) for column, top in zip(coefficients.T, size, strict=True)]
    roots = [_roots(chebyshev.chebder(column)) for column in columns]
    for i in range(len(columns)):
        for j in range(i):
            roots.append(_roots(chebyshev.chebsub(columns[i], columns[j])))
    return np.concatenate(roots)


def _trimmed(column: np.ndarray, size: float) -> np.ndarray:
    """Without the last coefficients, which are rounding."""
    large = np.flatnonzero(np.abs(column) > 3e-15 * size)
    return column[: large[-1] + 1] if len(large) else column[:1]


def _roots(column: np.ndarray) -> np.ndarray:
    if len(column) < 2:
        return np.empty(0)
    roots = chebyshev.chebroots(column)
    real = roots.real[(np.abs(roots.imag) < 1e-6) & (np.abs(roots.real) <= 1.0 + 1e-9)]
    slope = chebyshev.chebder(column)
    for _ in range(2):  # Newton, for the last digits
        steep = chebyshev.chebval(real, slope)
        real = real - np.where(steep == 0, 0.0, chebyshev.chebval(real, column) / np.where(steep == 0, 1.0, steep))
    return np.clip(real[np.abs(real) <= 1.0 + 1e-6], -1.0, 1.0)


def _guesses(plays: Plays, rank: int, objective: Objective) -> tuple[float, ...]:
    """Where the two sides of a kink or jump next to the best point meet, and shares ever closer to it."""
    share, values = plays.shares[:, 0], plays.utilities
    limits = np.empty((len(share), 0)) if objective.limits is None else objective.limits(plays)
    guesses = []
    for left in (rank - 1, rank):
        if left < 0 or left + 1 >= len(share) or share[left + 1] <= share[left]:
            continue
        width = share[left + 1] - share[left]
        near = [
            here / (here - there)
            for here, there in zip(limits[left], limits[left + 1], strict=True)
            if np.sign(here) * np.sign(there) < 0
        ]
        if left >= 2 and left + 3 < len(share):
            places = (share[left - 2 : left + 4] - share[left]) / width
            near += [_meeting(places, column) for column in values[left - 2 : left + 4].T]
        for one in near:
            guesses += [] if one is None else (share[left] + width * (one + _CLOSE)).tolist()
    return tuple(guesses)


def _meeting(places: np.ndarray, values: np.ndarray) -> float | None:
    """Where in [0, 1] the parabola through the first three places meets the one through the last three."""
    if np.diff(places).min() <= 0:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # places far closer to each other than to the rest
        a, b, c = _parabola(places[:3], values[:3]) - _parabola(places[3:], values[3:])
        square = b * b - 4 * a * c
    if not square >= 0 or (a == 0 and b == 0):
        return None
    q = -0.5 * (b + np.copysign(np.sqrt(square), b))
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.array([q / a, c / q])
    inside = roots[(roots >= 0) & (roots <= 1)]
    return float(inside[0]) if len(inside) else None


def _parabola(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    first = np.diff(y) / np.diff(x)
    a = (first[1] - first[0]) / (x[2] - x[0])
    b = first[0] - a * (x[0] + x[1])
    return np.array([a, b, y[0] - x[0] * (b + a * x[0])])
