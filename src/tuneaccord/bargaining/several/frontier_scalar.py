"""Points of the Pareto set with many specialists, each the best shares under one way to weigh the players.

Three ways, for none alone reaches every point: weighted sums of gains (only points that a plane can touch), levels in
units of the players' own (any point), and the largest sum of gains that leaves nobody worse off than some sampled
shares do (epsilon constraints). A point is dropped if another one beats it. All by local ascent: that no other shares
beat a point is not proved.

Two points are in one piece if a chain of straight lines between neighbours leads from one to the other along which
nobody could gain more than a little together.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.frontier import Frontier
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.rules import acceptable
from tuneaccord.bargaining.several.ascent import Smallest, Smooth, climb
from tuneaccord.bargaining.several.frontier_joint import in_set, piece
from tuneaccord.bargaining.several.joint import Search, searched

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_EACH = 32  #: weightings of each of the three kinds
_NEIGHBOURS = 6  #: lines from each point
_STOPS = np.array([0.25, 0.5, 0.75])  #: where the lines are looked at
_LITTLE = 0.01  #: of everybody's largest gain: what a line may be beaten by


def pareto_set(game: FineTuningGame, seed: int = 0) -> Frontier:
    """Points of the Pareto set of a game with any number of specialists."""
    search = searched(game).copy()
    rng = np.random.default_rng(seed)
    counted = np.flatnonzero(search.ideal > 0)
    ends = [_best_of_each(search)]
    if len(counted):
        weights = rng.dirichlet(np.ones(len(counted)), size=_EACH)
        jobs = [job for one in weights for job in _weighed(search, one)] + _lifted(search, rng)
        ends.append(np.array(search.run(jobs)))
    plays = game.play_many(np.vstack(ends))
    plays = plays.row(in_set(game, plays))
    everything = np.arange(len(plays.shares))
    pieces = [piece(game.names, plays.shares, rows, everything) for rows in _linked(game, search.ideal, plays)]
    return Frontier(
        players=game.players,
        plays=plays,
        pieces=tuple(pieces),
        method=(
            f"{_EACH} weighted sums, {_EACH} weighted levels and {_EACH} epsilon constraints, each by local ascent; "
            f"points are in one piece if a chain of lines links them along which no point beats another by more than "
            f"{_LITTLE:.0%} of what each can gain."
        ),
        resolution=_spacing(plays.shares),
    )


def _best_of_each(search: Search) -> np.ndarray:
    """The shares looked at that are best for each player."""
    plays = search.land.plays
    fine = acceptable(plays.utilities - search.game.outside)
    utilities = np.where(fine[:, None], plays.utilities, -np.inf)
    return plays.shares[np.argmax(utilities, axis=0)]


def _weighed(search: Search, weights: np.ndarray) -> list:
    """Climbs to the best weighted sum of relative gains, and to the highest level in units of the weights."""
    counted, units = _relative(search)
    total = np.zeros(len(units))
    total[counted] = weights / units[counted]
    own = units.copy()
    own[counted] *= np.maximum(weights, 1e-3)
    outputs = search.land.outputs(search.land.plays)
    fine = acceptable(outputs[:, :-1])
    scores = outputs @ total, (outputs[:, counted] / own[counted]).min(axis=1)
    goals = _sum(total, search.held), Smallest(counted, own, _others(search.held, counted))
    starts = [search.land.plays.shares[int(np.argmax(np.where(fine, score, -np.inf)))] for score in scores]
    return [partial(climb, goal=goal, start=start) for goal, start in zip(goals, starts, strict=True)]


def _lifted(search: Search, rng: np.random.Generator) -> list:
    """Climbs from sampled shares on to the largest sum of relative gains that takes nothing from anybody."""
    plays = search.land.plays
    outputs = search.land.outputs(plays)
    counted, units = _relative(search)
    total = np.where(np.isin(np.arange(len(units)), counted), 1.0 / units, 0.0)
    rows = np.flatnonzero(acceptable(outputs[:, :-1]))
    jobs = []
    for row in rng.choice(rows, size=min(_EACH, len(rows)), replace=False):
        held = search.held | {int(player): float(outputs[row, player]) for player in counted}
        jobs.append(partial(climb, goal=_sum(total, held), start=plays.shares[row]))
    return jobs


def _sum(weights: np.ndarray, held: dict[int, float]) -> Smooth:
    return Smooth(lambda outputs: outputs @ weights, lambda outputs: np.broadcast_to(weights, outputs.shape), held)


def _others(held: dict[int, float], counted: np.ndarray) -> dict[int, float]:
    return {player: level for player, level in held.items() if player not in counted}


def _relative(search: Search) -> tuple[np.ndarray, np.ndarray]:
    """The players that can gain, and what everybody's outputs are measured in."""
    counted = np.flatnonzero(search.ideal > 0)
    units = np.ones(len(search.ideal) + 1)
    units[counted] = search.ideal[counted]
    return counted, units


def _linked(game: FineTuningGame, ideal: np.ndarray, plays: Plays) -> list[np.ndarray]:
    """The points, grouped by lines along which next to nobody beats anybody."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    shares, count = plays.shares, len(plays.shares)
    apart = np.abs(shares[:, None, :] - shares[None, :, :]).max(axis=-1)
    near = np.argsort(apart, axis=1, kind="stable")[:, 1 : 1 + _NEIGHBOURS]
    first, second = np.repeat(np.arange(count), near.shape[1]), near.ravel()
    kept = np.ones(len(first), bool)
    if len(first) and (ideal > 0).any():
        lines = shares[first, None, :] + _STOPS[:, None] * (shares[second] - shares[first])[:, None, :]
        between = game.play_many(lines.reshape(-1, shares.shape[1])).utilities
        units = np.where(ideal > 0, ideal, np.inf)
        beaten = np.array([((plays.utilities - one) / units)[:, ideal > 0].min(axis=1).max() for one in between])
        kept = (beaten <= _LITTLE).reshape(len(first), -1).all(axis=1)
    links = coo_matrix((np.ones(int(kept.sum())), (first[kept], second[kept])), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _spacing(shares: np.ndarray) -> float:
    """How far the loneliest point is from the next one, in shares."""
    if len(shares) < 2:
        return 1.0
    apart = np.abs(shares[:, None, :] - shares[None, :, :]).max(axis=-1)
    return float((apart + 2.0 * np.eye(len(shares))).min(axis=1).max())
