"""The Pareto set with several specialists: a refined mesh for up to three of them, scalarisations beyond.

On the mesh a point stays if no other point beats it and, where utilities are smooth in the shares, if no direction
lifts everybody at once. Cells with corners both in and out are halved, so that edges and gaps are seen more finely than
the inside. Corners of one cell that both stay are connected; what the mesh is too coarse to separate is one piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.frontier import Frontier, Piece, undominated
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.rules import acceptable
from tuneaccord.bargaining.several.landscape import implicit
from tuneaccord.bargaining.several.mesh import Mesh

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_CELLS = {2: 24, 3: 8}  #: cells along each share to begin with
_HALVED = {2: 3, 3: 1}  #: how often the cells at an edge of the set are halved
_BALANCED = 1e-7  # relative: slopes that cancel up to this much leave no direction that lifts everybody


def pareto_set(game: FineTuningGame) -> Frontier:
    """The Pareto set of a game with two specialists or more."""
    count = len(game.specialists)
    if count not in _CELLS:
        from tuneaccord.bargaining.several.frontier_scalar import pareto_set as by_scalars

        return by_scalars(game)
    mesh = Mesh(count, _CELLS[count])
    plays = game.play_many(mesh.shares)
    stays = in_set(game, plays)
    for _ in range(_HALVED[count]):
        mesh.halve(mesh.mixed(stays))
        plays = _extended(game, plays, mesh.shares)
        stays = in_set(game, plays)
    pieces = mesh.connected(stays)
    numbers = np.cumsum(stays) - 1
    return Frontier(
        players=game.players,
        plays=plays.row(stays),
        pieces=tuple(piece(game.names, mesh.shares, one, numbers) for one in pieces),
        method=(
            f"A mesh of [0, 1]^{count} with {_CELLS[count]} cells along each share, those at the edges of the set "
            f"halved {_HALVED[count]} times; between its points nothing is proved."
        ),
        resolution=1.0 / _CELLS[count],
    )


def in_set(game: FineTuningGame, plays: Plays) -> np.ndarray:
    """Which plays are acceptable, not beaten by another one, and locally without a direction that lifts everybody.

    Of plays with the same utilities, such as for any share of an abstainer, the one with the smallest shares.
    """
    fine = acceptable(plays.utilities - game.outside)
    stays = np.zeros(len(fine), bool)
    rows = np.flatnonzero(fine)
    if len(rows):
        size = np.abs(plays.utilities[rows]).max()
        rows = rows[undominated(np.round(plays.utilities[rows] / (1e-12 * size)))]
        rows = rows[_first_of_equals(plays.utilities[rows] / size, plays.shares[rows])]
        stays[rows[_critical(game, plays.row(rows))]] = True
    return stays


def _first_of_equals(utilities: np.ndarray, shares: np.ndarray) -> np.ndarray:
    order = np.lexsort([*shares.T[::-1], shares.sum(axis=1)])
    _, first = np.unique(np.round(utilities[order], 11), axis=0, return_index=True)
    return np.sort(order[first])


def _critical(game: FineTuningGame, plays: Plays) -> np.ndarray:
    """Whether some weighting of the players has slope 0 in every share that is free to move; true if not smooth."""
    from scipy.optimize import nnls

    slopes = implicit(game, plays)
    answer = np.ones(len(slopes), bool)
    for row in np.flatnonzero(np.isfinite(slopes).all(axis=(1, 2))):
        size = np.abs(slopes[row]).max(axis=1, keepdims=True)
        if (size == 0).any():
            continue  # somebody cannot be moved: no direction lifts everybody strictly
        every = np.vstack([slopes[row] / size, np.eye(plays.shares.shape[1])[_blocked(plays.shares[row], 0.0)]])
        every = np.vstack([every, -np.eye(plays.shares.shape[1])[_blocked(plays.shares[row], 1.0)]])
        summing = np.append(np.ones(len(size)), np.zeros(len(every) - len(size)))
        wanted = np.append(np.zeros(every.shape[1]), 1.0)
        answer[row] = nnls(np.vstack([every.T, summing]), wanted)[1] <= _BALANCED
    return answer


def _blocked(shares: np.ndarray, end: float) -> np.ndarray:
    return shares == end


def _extended(game: FineTuningGame, plays: Plays, shares: np.ndarray) -> Plays:
    from tuneaccord.bargaining.plays import joined

    old = len(plays.shares)
    return plays if len(shares) == old else joined([plays, game.play_many(shares[old:])])


def piece(names: tuple[str, ...], shares: np.ndarray, rows: np.ndarray, numbers: np.ndarray) -> Piece:
    """The piece with these rows of ``shares``; ``numbers`` are the rows' numbers among the points that stay."""
    low, high = shares[rows].min(axis=0).tolist(), shares[rows].max(axis=0).tolist()
    return Piece(
        low=dict(zip(names, low, strict=True)),
        high=dict(zip(names, high, strict=True)),
        low_reason="",
        high_reason="",
        points=tuple(numbers[rows].tolist()),
    )
