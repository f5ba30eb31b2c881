"""Everything that was looked at along one share: plays in the order of the shares, and where to look next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuneaccord.bargaining.plays import Plays

_NEAR_THE_ENDS = 10.0 ** -np.array([12.0, 10.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.5, 3.25, 3.0, 2.75, 2.5, 2.25])
_MIDDLE = np.arange(1, 96) / 96
FIRST = np.concatenate([[0.0], _NEAR_THE_ENDS, _MIDDLE, 1.0 - _NEAR_THE_ENDS[::-1], [1.0]])  #: shares to begin with
_ROUGH = 2e-3  # relative to the range of a column: a smooth curve is closer than that to the cubic of its neighbours
_AT_MOST = 48  # cells that are cut into four because they look rough


class Trace:
    """The plays of a game with one specialist at every share that was looked at.

    ``play`` answers an array of shares with :class:`Plays`, one row a share.
    """

    def __init__(self, play: Callable[[np.ndarray], Plays]) -> None:
        self._play = play
        self._new: list[Plays] = []
        self._sorted: Plays | None = None
        self.calls = 0
        self.look(FIRST)
        self._smooth_out()

    def look(self, shares) -> Plays:
        """What is played at ``shares``, in their order; all of it is remembered."""
        plays = self._play(np.asarray(shares, float))
        self._new.append(plays)
        self.calls += 1
        return plays

    def at(self, shares) -> Plays:
        """What is played at ``shares``, of which those seen before are not played again."""
        shares = np.asarray(shares, float)
        if not np.isin(shares, self.plays.shares[:, 0]).all():
            self.look(shares)
        return self.plays.row(np.searchsorted(self.plays.shares[:, 0], shares))

    @property
    def plays(self) -> Plays:
        """Everything looked at, by ascending share, each share once."""
        if self._new:
            parts = self._new if self._sorted is None else [self._sorted, *self._new]
            every = Plays(
                *(np.concatenate([getattr(one, name) for one in parts]) for name in Plays.__dataclass_fields__)
            )
            _, first = np.unique(every.shares[:, 0], return_index=True)
            self._sorted, self._new = every.row(first), []
        return self._sorted

    def _smooth_out(self) -> None:
        """Look more closely where utilities do not follow the cubic through their neighbours."""
        share, values = self.plays.shares[:, 0], self.plays.utilities
        off = roughness(share, values).max(axis=1)
        rough = np.argsort(-off, kind="stable")[: _AT_MOST // 2]
        rough = rough[off[rough] > _ROUGH] + 2
        cells = np.unique(np.concatenate([rough - 1, rough])) if len(rough) else rough
        if len(cells):
            self.look((share[cells, None] + np.diff(share)[cells, None] * np.array([0.25, 0.5, 0.75])).ravel())


def relative_error(plays: Plays) -> float:
    """How far the plays may be off, over the largest utility; a billionth where nothing is certified."""
    size = float(np.abs(plays.utilities).max(initial=0.0))
    error = float(np.max(plays.error, initial=0.0))
    return 1e-9 if np.isnan(error) else min(error / size, 1e-7) if size > 0 else 0.0


def roughness(share: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far each column of ``values`` (shares, columns) is from the cubic through its neighbours, over its range.

    For all shares but the two first and last; 0 where neighbours are too close for it to matter.
    """
    off = np.abs(values[2:-2] - _cubic(share, values)) / np.maximum(np.ptp(values, axis=0), 1e-300)
    return np.where(np.diff(share)[1:-2, None] > 1e-5, off, 0.0)


def _cubic(share: np.ndarray, values: np.ndarray) -> np.ndarray:
    """At each share but the two first and last, the cubic through the two neighbours on either side."""
    at = share[2:-2, None]
    near = np.stack([share[:-4], share[1:-3], share[3:-1], share[4:]], axis=1)
    total = 0.0
    for i, start in enumerate((0, 1, 3, 4)):
        others = np.delete(near, i, axis=1)
        weight = ((at - others) / (near[:, i : i + 1] - others)).prod(axis=1)
        total = total + weight[:, None] * values[start : len(values) - 4 + start]
    return total
