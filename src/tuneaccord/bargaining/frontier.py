"""The Pareto set of bargains: every vector of shares that nobody can improve on without somebody losing."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneaccord.bargaining.plays import Plays

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


@dataclass(frozen=True)
class Piece:
    """One connected stretch of the Pareto set.

    ``low`` and ``high`` are the least and the largest share of each specialist in it; with one specialist they are its
    two ends and ``low_reason`` and ``high_reason`` say why it ends there (the peak of a player, a level at which
    another stretch starts to dominate, a jump, or the end of [0, 1]). ``points`` are the numbers of its points.
    """

    low: dict[str, float]
    high: dict[str, float]
    low_reason: str
    high_reason: str
    points: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Frontier:
    """The Pareto set of a game.

    ``plays`` has one row a point: its shares, what is played and everybody's utility. ``method`` says how the points
    were found, ``resolution`` how far apart they are in shares at most.
    """

    players: tuple[str, ...]
    plays: Plays
    pieces: tuple[Piece, ...]
    method: str
    resolution: float

    @property
    def points(self) -> list[dict[str, Any]]:
        """Each point as plain data: ``shares``, ``utilities`` and ``regimes`` by name."""
        from tuneaccord.bargaining.plays import REGIMES

        names = self.players[1:]
        return [
            {
                "shares": dict(zip(names, shares, strict=True)),
                "utilities": dict(zip(self.players, utilities, strict=True)),
                "regimes": {name: REGIMES[code] for name, code in zip(names, codes, strict=True)},
            }
            for shares, utilities, codes in zip(
                self.plays.shares.tolist(), self.plays.utilities.tolist(), self.plays.regime.tolist(), strict=True
            )
        ]

    def plot(self):
        """A Matplotlib figure of the set; needs the ``plots`` extra."""
        from tuneaccord.reporting.bargain_figures import frontier_figure

        return frontier_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        import dataclasses

        return {
            "points": self.points,
            "pieces": [dataclasses.asdict(piece) for piece in self.pieces],
            "method": self.method,
            "resolution": self.resolution,
        }


def frontier(game: FineTuningGame) -> Frontier:
    """The Pareto set of ``game``."""
    if len(game.specialists) == 1:
        from tuneaccord.bargaining.one.frontier_single import pareto_set
    else:
        from tuneaccord.bargaining.several.frontier_joint import pareto_set
    return pareto_set(game)


def undominated(utilities: np.ndarray) -> np.ndarray:
    """Which rows of ``utilities`` (points, players) no other row beats: at least as good for all, better for one.

    With up to three players by one sweep, in ``N log N``; with more by blocks against what is left.
    """
    rows, where = np.unique(utilities, axis=0, return_inverse=True)  # ascending, equal rows together
    rows = rows[::-1]  # whoever beats a row now comes before it
    width = rows.shape[1]
    kept = _staircase(rows) if width <= 3 else _blocks(rows)
    return kept[::-1][where.ravel()]


def _staircase(rows: np.ndarray) -> np.ndarray:
    """For rows in descending order: the first column takes care of itself, the others keep a staircase."""
    second = rows[:, 1] if rows.shape[1] > 1 else np.zeros(len(rows))
    third = rows[:, 2] if rows.shape[1] > 2 else np.zeros(len(rows))
    kept = np.zeros(len(rows), bool)
    across: list[float] = []  # ascending, with the height of each step descending
    heights: list[float] = []
    for row, (x, y) in enumerate(zip(second.tolist(), third.tolist(), strict=True)):
        spot = bisect_left(across, x)
        if spot < len(across) and heights[spot] >= y:
            continue
        kept[row] = True
        end = spot + 1 if spot < len(across) and across[spot] == x else spot
        start = spot
        while start > 0 and heights[start - 1] <= y:
            start -= 1
        across[start:end], heights[start:end] = [x], [y]
    return kept


def _blocks(rows: np.ndarray, size: int = 256) -> np.ndarray:
    best = np.empty((0, rows.shape[1]))
    kept = np.zeros(len(rows), bool)
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        left = np.flatnonzero(~_beaten(block, best))
        left = left[~_beaten(block[left], block[left])]
        kept[start + left] = True
        best = np.vstack([best, block[left]])
    return kept


def _beaten(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether another, different row is at least as good in every column."""
    as_good = np.ones((len(rows), len(others)), bool)
    same = np.ones((len(rows), len(others)), bool)
    for column in range(rows.shape[1]):
        as_good &= others[None, :, column] >= rows[:, None, column]
        same &= others[None, :, column] == rows[:, None, column]
    return (as_good & ~same).any(axis=1)
