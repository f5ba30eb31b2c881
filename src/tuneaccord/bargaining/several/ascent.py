"""Local ascent over several shares: sequential quadratic programming, and Newton's method for the last digits.

A goal is either a smooth function of the outputs of a :class:`~tuneaccord.bargaining.several.landscape.Landscape`, or
the smallest of some outputs in units of their own, raised as a level below all of them. Nothing here is global. Every
function takes ``ask``: from points (points, shares) to outputs and slopes (points, outputs, shares).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tuneaccord.bargaining.several.together import Ask

_AT_AN_END = 1e-9  # a share this close to 0 or 1 is there
_NEARLY = 1e-5  # and one this close whose slope points there, on its way
_STEPS = 40
_ASKED = 48  # points that one climb may look at


@dataclass(frozen=True, eq=False)
class Smooth:
    """``value`` of the outputs (..., outputs), and its derivative by them; ``held`` outputs may not fall further."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    held: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Smallest:
    """The smallest of ``outputs[players] / units[players]``; ``held`` are levels that others may not fall below."""

    players: np.ndarray
    units: np.ndarray
    held: dict[int, float] = field(default_factory=dict)

    def value(self, outputs: np.ndarray) -> np.ndarray:
        """The smallest ratio, (...)."""
        return (outputs[..., self.players] / self.units[self.players]).min(axis=-1)


Goal = Smooth | Smallest


class _Enough(Exception):
    """The search has asked often enough: it is at a kink or a jump, where slopes lead nowhere."""


class _Look:
    """Outputs and slopes at the last point, asked for several times by the same step, and the best point so far."""

    def __init__(self, ask: Ask, goal: Goal) -> None:
        self._ask, self._goal, self._last, self._left = ask, goal, (b"", None), _ASKED
        self.best, self._highest = None, -np.inf

    def __call__(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = np.clip(shares, 0.0, 1.0)
        if self._last[0] != shares.tobytes():
            if not self._left:
                raise _Enough
            outputs, slopes = self._ask(shares[None, :])
            self._left -= 1
            self._last = (shares.tobytes(), (outputs[0], slopes[0]))
            self._remember(shares, outputs[0])
        return self._last[1]

    def _remember(self, shares: np.ndarray, outputs: np.ndarray) -> None:
        value = float(self._goal.value(outputs))
        units = self._goal.units if isinstance(self._goal, Smallest) else np.ones(len(outputs))
        holds = all(outputs[player] / units[player] >= level for player, level in self._goal.held.items())
        if self.best is None or (holds and value > self._highest):
            self.best, self._highest = shares, value if holds else -np.inf


def climb(ask: Ask, goal: Goal, start: np.ndarray) -> np.ndarray:
    """The shares that a sequential quadratic program ends in, started from ``start``."""
    look = _Look(ask, goal)
    try:
        ends = np.clip((_smooth if isinstance(goal, Smooth) else _smallest)(look, goal, start), 0.0, 1.0)
    except _Enough:
        ends = look.best
    return np.where(ends < _AT_AN_END, 0.0, np.where(ends > 1.0 - _AT_AN_END, 1.0, ends))


def _smooth(look: _Look, goal: Smooth, start: np.ndarray) -> np.ndarray:
    outputs, slopes = look(start)
    size = max(float(np.abs(goal.slope(outputs) @ slopes).max()), 1e-300)

    def down(shares):
        outputs, slopes = look(shares)
        return -float(goal.value(outputs)) / size, -(goal.slope(outputs) @ slopes) / size

    return _minimise(down, start, len(start), _limits(look, goal.held, len(start)))


def _smallest(look: _Look, goal: Smallest, start: np.ndarray) -> np.ndarray:
    count, units = len(start), goal.units[goal.players]
    outputs, _ = look(start)
    first = float(goal.value(outputs))
    size = max(abs(first), 1e-12 * float(np.abs(outputs).max()), 1e-300)

    def down(point):
        return -point[-1] / size, np.append(np.zeros(count), -1.0 / size)

    def spare(point):
        return (look(point[:count])[0][goal.players] / units - point[-1]) / size

    def spare_slopes(point):
        inner = look(point[:count])[1][goal.players] / units[:, None]
        return np.column_stack([inner, -np.ones(len(units))]) / size

    limits = [*_limits(look, goal.held, count, goal.units), {"type": "ineq", "fun": spare, "jac": spare_slopes}]
    return _minimise(down, np.append(start, first), count, limits)[:count]


def _limits(look: _Look, held: dict[int, float], count: int, units=None) -> list[dict]:
    if not held:
        return []
    rows, levels = np.array(list(held)), np.array(list(held.values()))
    scale = np.ones(len(rows)) if units is None else units[rows]

    def slopes(point):
        inner = look(point[:count])[1][rows] / scale[:, None]
        return np.column_stack([inner, np.zeros((len(rows), len(point) - count))])

    return [{"type": "ineq", "fun": lambda point: look(point[:count])[0][rows] / scale - levels, "jac": slopes}]


def _minimise(down, start: np.ndarray, count: int, limits: list[dict]) -> np.ndarray:
    from scipy.optimize import minimize

    found = minimize(
        down,
        start,
        jac=True,
        bounds=[(0.0, 1.0)] * count + [(None, None)] * (len(start) - count),
        constraints=limits,
        method="SLSQP",
        options={"ftol": 1e-11, "maxiter": _STEPS},
    )
    return found.x[:count] if np.isfinite(found.x).all() else start[:count]


def sharpen(ask: Ask, goal: Goal, shares: np.ndarray) -> np.ndarray:
    """Newton's method on the conditions that hold at ``shares``: the same shares at the ends, the same players tied."""
    look = _Look(ask, goal)
    shares = _to_the_ends(look, goal, shares)
    for _ in range(3):
        free = (shares > 0.0) & (shares < 1.0)
        if not free.any():
            break
        step = (_newton_smooth if isinstance(goal, Smooth) else _newton_tied)(ask, look, goal, shares, free)
        if step is None or not np.isfinite(step).all() or np.abs(step).max() > 1e-3:
            break
        shares = shares.copy()
        shares[free] = np.clip(shares[free] + step, 0.0, 1.0)
        if np.abs(step).max() < 1e-9:  # the next step would be of the order of its square
            break
    return shares


def _to_the_ends(look: _Look, goal: Goal, shares: np.ndarray) -> np.ndarray:
    """Shares that were on their way to an end and stopped short of it."""
    outputs, slopes = look(shares)
    rising = goal.slope(outputs) @ slopes if isinstance(goal, Smooth) else _weighted(goal, outputs, slopes)
    short = np.where((shares < _NEARLY) & (rising < 0), 0.0, shares)
    return np.where((short > 1.0 - _NEARLY) & (rising > 0), 1.0, short)


def _tied(goal: Smallest, outputs: np.ndarray) -> np.ndarray:
    ratios = outputs[goal.players] / goal.units[goal.players]
    return goal.players[ratios <= ratios.min() + 1e-5 * max(abs(ratios.min()), 1e-300)]


def _weighted(goal: Smallest, outputs: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    tied = _tied(goal, outputs)
    rows = slopes[tied] / goal.units[tied, None]
    return balance(rows) @ rows


def _newton_smooth(ask: Ask, look: _Look, goal: Smooth, shares, free) -> np.ndarray | None:
    outputs, slopes = look(shares)
    bend = _bend(ask, shares, free, lambda outputs, slopes: (goal.slope(outputs)[:, None, :] @ slopes)[:, 0])
    if bend is None or (np.linalg.eigvalsh(bend) >= 0).any():
        return None
    return -np.linalg.solve(bend, (goal.slope(outputs) @ slopes)[free])


def _newton_tied(ask: Ask, look: _Look, goal: Smallest, shares, free) -> np.ndarray | None:
    outputs, slopes = look(shares)
    tied = _tied(goal, outputs)
    level = (outputs[tied] / goal.units[tied]).min()
    rows = (slopes[tied] / goal.units[tied, None])[:, free]
    weights = balance(rows)
    bend = _bend(ask, shares, free, lambda _, many: (weights / goal.units[tied]) @ many[:, tied])
    if bend is None:
        return None
    several, count = len(tied), int(free.sum())
    system = np.zeros((count + 1 + several, count + 1 + several))
    system[:count, :count] = bend
    system[:count, count + 1 :] = rows.T
    system[count, count + 1 :] = 1.0
    system[count + 1 :, :count] = rows
    system[count + 1 :, count] = -1.0
    wanted = np.concatenate([np.zeros(count), [1.0], level - outputs[tied] / goal.units[tied]])
    return np.linalg.lstsq(system, wanted, rcond=1e-12)[0][:count]


def balance(rows: np.ndarray, ends: np.ndarray | None = None) -> np.ndarray:
    """Weights (not negative, sum 1) under which the rows cancel best, helped by the rows ``ends`` of any weight."""
    from scipy.optimize import nnls

    every = rows if ends is None else np.vstack([rows, ends])
    size = max(float(np.abs(rows).max(initial=0.0)), 1e-300)
    summing = np.append(np.ones(len(rows)), np.zeros(len(every) - len(rows)))
    weights, _ = nnls(np.vstack([every.T / size, summing]), np.append(np.zeros(rows.shape[1]), 1.0))
    return weights[: len(rows)] / max(weights[: len(rows)].sum(), 1e-300)


def _bend(ask: Ask, shares: np.ndarray, free: np.ndarray, slope) -> np.ndarray | None:
    """The second derivative in the free shares, by differences of the first."""
    step = np.minimum(1e-4, 0.5 * np.minimum(shares, 1.0 - shares))[free]
    moves = step[:, None] * np.eye(len(shares))[free]
    every = slope(*ask(np.vstack([shares + moves, shares - moves])))[:, free]
    columns = (every[: len(step)] - every[len(step) :]) / (2.0 * step[:, None])
    bend = 0.5 * (columns + columns.T)
    return bend if np.isfinite(bend).all() else None
