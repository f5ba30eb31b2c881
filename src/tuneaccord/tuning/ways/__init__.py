"""The ways to obtain the shared model, by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from tuneaccord.errors import InputError, nearest
from tuneaccord.tuning.ways.way import Way, WayResult

_WAYS = {
    "reply": ("reply", "Reply"),
    "adapter": ("adapter", "AdapterWay"),
    "leave-one-out": ("adapter", "LeaveOneOut"),
    "soups": ("soups", "Soups"),
    "mixing": ("mixing", "Mixing"),
    "rl": ("rl", "ReinforcementLearning"),
    "checkpoints": ("rl", "Checkpoints"),
    "early-stopped": ("rl", "EarlyStopped"),
}

NAMES = tuple(_WAYS)

__all__ = ["NAMES", "Way", "WayResult", "way"]


def way(name: str) -> Way:
    """The way of this name.

    Raises :class:`InputError` with the nearest name when there is none.
    """
    if name not in _WAYS:
        raise InputError(f"there is no way {name!r} to obtain the model. {nearest(name, NAMES)}")
    module, attribute = _WAYS[name]
    return getattr(import_module(f"tuneaccord.tuning.ways.{module}"), attribute)()


def ways(names: Sequence[str]) -> list[Way]:
    """The ways of these names, each once, in the order of the list above."""
    wanted = {name: way(name) for name in names}
    return [wanted[name] for name in NAMES if name in wanted]
