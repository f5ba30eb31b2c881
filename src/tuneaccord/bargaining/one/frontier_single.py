"""The Pareto set of a game with one specialist: intervals of shares, found and not assumed connected.

Both utilities are traced over [0, 1] with every peak and jump that shows. A share belongs to the set unless another one
is at least as good for both and better for one; the ends of the stretches that are left are narrowed down together with
the shares that dominate beyond them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.frontier import Frontier, Piece
from tuneaccord.bargaining.one.choice import TIED
from tuneaccord.bargaining.one.jumps import find_jumps
from tuneaccord.bargaining.one.peaks import Objective, climb
from tuneaccord.bargaining.one.power_bargain import power_game
from tuneaccord.bargaining.one.power_stretches import generalist_turns, specialist_turns
from tuneaccord.bargaining.one.trace import Trace, relative_error
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.rules import acceptable

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_ROUNDS = 14
_PARTS = np.linspace(0.0, 1.0, 10)[1:-1]
_SAME = 2e-12  # relative to the utilities
_ENOUGH = 5000  # shares on a trace
_NEAR = 1e-5  # shares this close to a peak cannot be told from it by the values
_CELLS = 200  # that are cut at a time
_POINTS = 65  # of a piece at least


def pareto_set(game: FineTuningGame) -> Frontier:
    """The Pareto set of a game with one specialist."""
    trace = Trace(lambda shares: game.play_many(shares[:, None]))
    marks = _Marks(tuple(find_jumps(trace)), _peaks(trace, game), game.outside)
    trace.look(marks.peaks)
    for _ in range(_ROUNDS):
        more = _next_to_the_ends(trace, marks)
        if not len(more) or len(trace.plays.shares) > _ENOUGH:
            break
        trace.look(more)
    _fill(trace, marks)
    return _frontier(trace, game, marks)


@dataclass(frozen=True, eq=False)
class _Marks:
    """The jumps, each as the shares on either side, the peaks of the utilities, and the outside options."""

    jumps: tuple[tuple[float, float], ...]
    peaks: np.ndarray
    outside: np.ndarray

    def kept(self, plays: Plays) -> tuple[np.ndarray, np.ndarray]:
        """Which shares are in the set, and for each other a better one (itself if it is not acceptable)."""
        fine = acceptable(plays.utilities - self.outside)
        kept, by = _undominated(plays.utilities, fine, max(_SAME, 8 * relative_error(plays)))
        share = plays.shares[:, 0]
        lows = np.array([low for low, _ in self.jumps])
        for peak in self.peaks:  # rounding hides what is better where a utility is flat: the peak itself is the end
            near = np.abs(share - peak) <= _NEAR
            if ((lows >= peak - _NEAR) & (lows <= peak + _NEAR)).any():
                continue
            left, right = (
                bool(kept[~near & side][pick]) if (~near & side).any() else False
                for side, pick in ((share < peak, -1), (share > peak, 0))
            )
            if left != right:
                kept = np.where(near, (share <= peak) if left else (share >= peak), kept)
            elif not left and kept[near].any():
                kept = np.where(near, share == peak, kept)
        return kept, by


def _peaks(trace: Trace, game: FineTuningGame) -> np.ndarray:
    """Every peak of a utility: from the closed form if there is one."""
    known = power_game(game.generalist, game.specialists[0])
    if known is not None:
        found = np.concatenate([turns(known).peaks[0] for turns in (generalist_turns, specialist_turns)])
        return found[~np.isnan(found)]

    def own(i: int) -> Objective:
        def score(plays):
            return np.where(acceptable(plays.utilities - game.outside), plays.utilities[:, i], -np.inf)

        return Objective(score, None, lambda plays: plays.utilities - game.outside, everywhere=True)

    found = np.concatenate([[0.0, 1.0], *climb(trace, [own(0), own(1)])])
    first = [i for i, peak in enumerate(found) if not (np.abs(found[:i] - peak) <= _NEAR).any()]
    return found[first]  # a peak seen twice counts once


def _undominated(values: np.ndarray, fine: np.ndarray, same: float) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of ``values`` (shares, 2) no fine row beats, and for each row one that does, or else itself.

    A row beats another if it is not worse by more than ``same`` for either and better by five times that for one.
    """
    size = _sizes(values)
    by = np.arange(len(values))
    for i in (0, 1):  # among those no worse for the other, who is best for i?
        mine, other = values[:, i] / size[i], np.where(fine, values[:, 1 - i] / size[1 - i], -np.inf)
        order = np.argsort(-other, kind="stable")
        top = np.maximum.accumulate(mine[order])
        leader = order[np.maximum.accumulate(np.where(mine[order] >= top, np.arange(len(order)), 0))]
        count = np.searchsorted(-other[order], -(values[:, 1 - i] / size[1 - i]) + same, side="right")
        rival = leader[np.maximum(count - 1, 0)]
        by = np.where((count > 0) & fine[rival] & (mine[rival] > mine + 5 * same), rival, by)
    return fine & (by == np.arange(len(values))), by


def _sizes(values: np.ndarray) -> np.ndarray:
    """What differences in each column count against; who never has more than rounding is better off nowhere."""
    size = np.abs(values).max(axis=0)
    return np.maximum(np.where(size <= TIED * size.max(), size.max(), size), 1e-300)


def _runs(kept: np.ndarray, share: np.ndarray, jumps) -> list[tuple[int, int]]:
    """First and last position of each stretch of kept shares, cut at the jumps."""
    cut = np.isin(share[:-1], [low for low, _ in jumps])
    starts = np.flatnonzero(kept & np.append(True, ~kept[:-1] | cut))
    stops = np.flatnonzero(kept & np.append(~kept[1:] | cut, True))
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _next_to_the_ends(trace: Trace, marks: _Marks) -> np.ndarray:
    """Shares between each end and its dominated neighbour, and around the shares that dominate there."""
    plays = trace.plays
    share = plays.shares[:, 0]
    kept, by = marks.kept(plays)
    cells = set()
    for first, last in _runs(kept, share, marks.jumps):
        for here, there in ((first, first - 1), (last, last + 1)):
            if 0 <= there < len(share) and not kept[there]:
                cells.add(min(here, there))
                rival = int(by[there])
                cells |= {max(rival - 1, 0), min(rival, len(share) - 2)}
    cells = np.array(sorted(cells), int)[:_CELLS]
    cells = cells[np.diff(share)[cells] > 1e-14] if len(cells) else cells
    return (share[cells, None] + np.diff(share)[cells, None] * _PARTS).ravel()


def _fill(trace: Trace, marks: _Marks) -> None:
    """Enough points for a picture of every piece."""
    share = trace.plays.shares[:, 0]
    runs = _runs(marks.kept(trace.plays)[0], share, marks.jumps)
    few = [np.linspace(share[first], share[last], _POINTS)[1:-1] for first, last in runs if share[last] > share[first]]
    if few:
        trace.look(np.concatenate(few))


def _frontier(trace: Trace, game: FineTuningGame, marks: _Marks) -> Frontier:
    plays, name = trace.plays, game.names[0]
    share = plays.shares[:, 0]
    kept, by = marks.kept(plays)
    numbers = np.cumsum(kept) - 1
    pieces = []
    for first, last in _runs(kept, share, marks.jumps):
        reasons = [
            _reason(game, plays, by, marks.jumps, here, there) for here, there in ((first, first - 1), (last, last + 1))
        ]
        pieces.append(
            Piece(
                low={name: float(share[first])},
                high={name: float(share[last])},
                low_reason=reasons[0],
                high_reason=reasons[1],
                points=tuple(range(int(numbers[first]), int(numbers[last]) + 1)),
            )
        )
    steps = [np.diff(share[first : last + 1]).max(initial=0.0) for first, last in _runs(kept, share, marks.jumps)]
    method = f"traced at {len(share)} shares, every peak and jump that shows and every end narrowed down"
    return Frontier(game.players, plays.row(kept), tuple(pieces), method, float(max(steps, default=0.0)))


def _reason(game: FineTuningGame, plays: Plays, by, jumps, here: int, there: int) -> str:
    """Why a piece ends at the share ``here`` and does not go on to its neighbour ``there``."""
    share = plays.shares[:, 0]
    if not 0 <= there < len(share):
        return "end of [0, 1]"
    if any(low in (share[here], share[there]) and high in (share[here], share[there]) for low, high in jumps):
        return "jump"
    if not acceptable(plays.utilities[there] - game.outside):
        return "outside option of the generalist"
    rival = int(by[there])
    if rival == there or abs(share[rival] - share[here]) <= 10 * _NEAR:
        inward = np.flatnonzero((share - share[here]) * (share[here] - share[there]) >= 0)
        inner = inward[np.argmin(np.abs(np.abs(share[inward] - share[here]) - 100 * _NEAR))]
        falls = (plays.utilities[here] - plays.utilities[inner]) / _sizes(plays.utilities)
        return f"peak of {game.players[int(np.argmax(falls))]}"
    return f"level: a share of {share[rival]:.4g} is as good for both, and better beyond"
