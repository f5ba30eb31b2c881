"""Where what is played jumps along the share, to neighbouring numbers on either side."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.one.trace import Trace

_STEEP = 6.0  # times the change of the neighbouring cells
_LARGE = 1e-3  # of the range of a utility: smaller jumps are not looked for
_PARTS = np.linspace(0.0, 1.0, 18)[1:-1]
_ROUNDS = 20


def find_jumps(trace: Trace) -> list[tuple[float, float]]:
    """The jumps of the utilities, each as the two shares that it lies between; steep stretches are told from jumps.

    Both shares are put on the trace. Jumps smaller than a thousandth of the range of a utility are not looked for.
    """
    cells = _suspects(trace)
    found = []
    for _ in range(_ROUNDS):
        if not cells:
            break
        trace.look(np.concatenate([low + (high - low) * _PARTS for low, high, _ in cells]))
        cells = [_narrowed(trace, *cell) for cell in cells]
        found += [cell[:2] for cell in cells if cell is not None and np.nextafter(cell[0], 1.0) >= cell[1]]
        cells = [cell for cell in cells if cell is not None and cell[:2] not in found]
    return sorted(set(found))


def _suspects(trace: Trace) -> list[tuple[float, float, float]]:
    """Cells over which a utility changes far more than over their neighbours, and by how much of its range."""
    share, values = trace.plays.shares[:, 0], trace.plays.utilities
    change = np.abs(np.diff(values, axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-300)
    width = np.diff(share)[:, None]
    slope = change / width
    around = np.maximum(np.vstack([slope[1:2], slope[:-1]]), np.vstack([slope[1:], slope[-2:-1]]))
    steep = ((change > _LARGE) & (change > _STEEP * around * width)).any(axis=1)
    return [(float(share[i]), float(share[i + 1]), float(change[i].max())) for i in np.flatnonzero(steep)]


def _narrowed(trace: Trace, low: float, high: float, before: float) -> tuple[float, float, float] | None:
    """The part of a cell over which the utilities change most; None once the change fades with the width."""
    plays = trace.plays
    inside = (plays.shares[:, 0] >= low) & (plays.shares[:, 0] <= high)
    share, values = plays.shares[inside, 0], plays.utilities[inside]
    size = np.maximum(np.ptp(plays.utilities, axis=0), 1e-300)
    change = (np.abs(np.diff(values, axis=0)) / size).max(axis=1)
    most = int(np.argmax(change))
    if change[most] < 0.25 * before and change[most] < 10 * _LARGE:
        return None
    return float(share[most]), float(share[most + 1]), float(change[most])
