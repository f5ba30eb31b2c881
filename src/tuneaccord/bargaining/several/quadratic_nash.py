"""Quadratic games: the largest weighted product of gains, by Newton's method from many starts.

The logarithm of the product is ``power_0 log U_G + sum power_i (log kept_i + log(2 s sent + t_i kept_i))``: concave but
for the ``s sent^2`` in U_G. Its second derivative is a diagonal plus rank three, so that a step costs as much as a few
sums over the specialists. What is not proved is that no start would have led to a better maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.several.quadratic import Quadratic, utilitarian

STARTS = 16
_STEPS = 200


@dataclass(frozen=True, eq=False)
class _Here:
    """The logarithm of the product, its gradient, and the second derivative ``diag(bend) + sides core sides^T``.

    ``safe`` is the core without the one part that is not concave.
    """

    value: float
    slope: np.ndarray
    bend: np.ndarray
    sides: np.ndarray
    core: np.ndarray
    safe: np.ndarray


def nash(form: Quadratic, power: np.ndarray) -> list[np.ndarray]:
    """The kept rates at the local maxima that were reached, one for each start."""
    starts = [form.rates * part for part in np.linspace(0.03, 0.97, STARTS - 1)]
    starts.append(np.maximum(utilitarian(form), 0.01 * form.rates))
    return [_climb(form, power, start) for start in starts]


def _climb(form: Quadratic, power: np.ndarray, kept: np.ndarray) -> np.ndarray:
    here = _look(form, power, kept)
    for _ in range(_STEPS):
        free = (kept < form.rates) | (here.slope < 0)
        if np.abs(here.slope * kept)[free].max(initial=0.0) <= 1e-14 * power.sum():
            break
        ahead = _step(here, kept, form, power, free)
        if ahead is None:
            break
        kept, here = ahead
    return kept


def _step(here: _Here, kept: np.ndarray, form: Quadratic, power: np.ndarray, free: np.ndarray):
    """The next point and what is seen there, or None when rounding leaves nothing to gain."""
    for core in (here.core, here.safe):
        move = np.zeros(len(kept))
        move[free] = _newton(here.bend[free], here.sides[free], core, here.slope[free])
        if here.slope @ move > 0:
            break
    reach = 1.0
    lower = move < 0
    if lower.any():
        reach = min(1.0, 0.99 * float((-kept[lower] / move[lower]).min()))
    for _ in range(40):
        trial = np.minimum(kept + reach * move, form.rates)
        seen = _look(form, power, trial)
        if seen.value >= here.value + 1e-4 * here.slope @ (trial - kept):
            return trial, seen
        close = np.abs(trial - kept).max() <= 1e-7 * form.rates.max()
        if close and _left(seen, trial, form) < 0.5 * _left(here, kept, form):
            return trial, seen  # the value no longer shows what its slope still does
        reach *= 0.4
    return None


def _left(here: _Here, kept: np.ndarray, form: Quadratic) -> float:
    free = (kept < form.rates) | (here.slope < 0)
    return float(np.abs(here.slope * kept)[free].max(initial=0.0))


def _newton(bend: np.ndarray, sides: np.ndarray, core: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Solves ``(diag(bend) + sides core sides^T) move = -slope`` (Woodbury)."""
    plain, tilted = -slope / bend, sides / bend[:, None]
    small = np.eye(3) + core @ (sides.T @ tilted)
    return plain - tilted @ np.linalg.solve(small, core @ (sides.T @ plain))


def _look(form: Quadratic, power: np.ndarray, kept: np.ndarray) -> _Here:
    base, own, own_power = form.base, form.own, power[1:]
    sent_by = form.rates - kept
    sent = float(sent_by.sum())
    gain = base * sent**2 + 2.0 * float((own * sent_by * kept).sum()) - form.outside[0]
    level = 2.0 * base * sent + own * kept
    if gain <= 0 or kept.min() <= 0:
        return _Here(-np.inf, *(np.zeros(1),) * 5)
    weight = power[0] / gain
    earns = 2.0 * own * (form.rates - 2.0 * kept) - 2.0 * base * sent
    each, tilt = own_power / level, own_power * own / level**2
    core = np.zeros((3, 3))
    core[0, 2] = core[2, 0] = 2.0 * base
    core[0, 0] = -4.0 * base**2 * float((each / level).sum())
    core[1, 1] = -(weight**2) / power[0]
    full = core.copy()
    full[0, 0] += 2.0 * weight * base
    return _Here(
        value=float(power[0] * np.log(gain) + (own_power * np.log(kept * level)).sum()),
        slope=weight * earns + own_power / kept + each * own - 2.0 * base * each.sum(),
        bend=-4.0 * weight * own - own_power / kept**2 - tilt * own,
        sides=np.column_stack([np.ones(len(kept)), earns, tilt]),
        core=full,
        safe=core,
    )
