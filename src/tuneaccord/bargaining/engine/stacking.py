"""Specialists with the same kinds of curves side by side, as one whose parameters are arrays.

The solvers broadcast, so a thousand specialists cost little more than one. Parameters get the shape
``(specialists,)``, or ``(rows, specialists)`` if they differ from game to game.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tuneaccord.bargaining.curves import Curve
from tuneaccord.bargaining.parties import Specialist


def stacked(specialists: Sequence[Specialist], rows: int) -> list[tuple[list[int], Specialist]]:
    """Groups of alike specialists: their positions, and all of them as one."""
    groups: dict[tuple, list[int]] = {}
    for position, one in enumerate(specialists):
        groups.setdefault((_kind(one.cost), _kind(one.revenue)), []).append(position)
    return [(places, _merged([specialists[i] for i in places], rows)) for places in groups.values()]


def columns(specialist: Specialist, shape: tuple[int, ...]) -> Specialist:
    """One specialist whose arrays of parameters are spread over ``shape`` and laid out as ``(rows, 1)``."""
    return _with_arrays(specialist, lambda array: np.broadcast_to(array, shape).reshape(-1, 1))


def _kind(curve: Curve) -> tuple:
    parts = [type(curve)]
    for field in dataclasses.fields(curve):
        value = getattr(curve, field.name)
        if isinstance(value, Curve):
            parts.append(_kind(value))
        elif not isinstance(value, (int, float, np.ndarray)):
            parts.append(value)
    return tuple(parts)


def _merged(alike: Sequence[Specialist], rows: int) -> Specialist:
    first = alike[0]
    fields = {
        "entry_cost": _numbers([one.entry_cost for one in alike], rows),
        "outside": _numbers([one.outside for one in alike], rows),
        "cost": _curve([one.cost for one in alike], rows),
        "revenue": _curve([one.revenue for one in alike], rows),
    }
    merged = dataclasses.replace(first, **fields)
    if any(np.ndim(part) == 2 for part in _arrays(merged)):
        merged = _with_arrays(merged, lambda array: np.broadcast_to(array, (rows, len(alike))))
    return merged


def _numbers(values, rows: int):
    flat = [value if np.ndim(value) == 0 else value.ravel() for value in values]
    first = flat[0] if np.ndim(flat[0]) == 0 else flat[0][0]
    if all(np.all(value == first) for value in flat):
        return float(first)
    if all(np.ndim(value) == 0 for value in flat):
        return np.array(flat, float)
    return np.stack([np.broadcast_to(value, rows) for value in flat], axis=-1)


def _curve(curves: Sequence[Curve], rows: int) -> Curve:
    changes = {}
    for field in dataclasses.fields(curves[0]):
        values = [getattr(curve, field.name) for curve in curves]
        if isinstance(values[0], Curve):
            changes[field.name] = _curve(values, rows)
        elif isinstance(values[0], (int, float, np.ndarray)) and not isinstance(values[0], bool):
            changes[field.name] = _numbers(values, rows)
    return dataclasses.replace(curves[0], **changes)


def _arrays(party):
    for field in dataclasses.fields(party):
        value = getattr(party, field.name)
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, Curve):
            yield from _arrays(value)


def _with_arrays(party, change):
    changes = {}
    for field in dataclasses.fields(party):
        value = getattr(party, field.name)
        if isinstance(value, np.ndarray):
            changes[field.name] = change(value)
        elif isinstance(value, Curve) and value.games:
            changes[field.name] = _with_arrays(value, change)
    return dataclasses.replace(party, **changes) if changes else party
