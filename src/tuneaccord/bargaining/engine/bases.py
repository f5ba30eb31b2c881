"""Stage two for any curves: branch and bound over the base.

On an interval of bases each domain's revenue either has a derivative within known bounds, or may jump but stays below
a known top. From both follows the most that the generalist can have there. Intervals that cannot reach the best value
known are dropped. The others are cut: where the derivative changes sign around that root, ever finer towards it;
where a specialist joins or leaves, there; else evenly. They are settled when what they could still add is nothing to
speak of, and the best of their peaks is the answer.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.bends import Bend
from tuneaccord.bargaining.engine.bracket import bracket
from tuneaccord.bargaining.engine.cells import Cells, crossing, cut, first_cells, peaks
from tuneaccord.bargaining.engine.following import ranges
from tuneaccord.bargaining.engine.repliers import Replier
from tuneaccord.bargaining.engine.search import below
from tuneaccord.bargaining.engine.stage import ULPS, Stage
from tuneaccord.bargaining.plays import Plays

_EPS = np.finfo(float).eps
_ENOUGH = 2e-11  # of the money involved: the most that is left open where the derivative exists
_PASSES = 80
_MOST = 2000  # intervals a game: more of them are left as they are, and the error says what that may cost


def searched_plays(generalist: Bend, setup, groups: list[tuple[list[int], Replier]], shares) -> Plays:
    """The outcome of each row of ``shares``, for any curves."""
    stage = Stage(generalist, setup, groups, shares)
    return stage.plays(*_search(stage))


class _Best:
    """The best value known in each game, and how much rounding there is in it."""

    def __init__(self, games: int):
        self.value, self.ulps = np.full(games, -np.inf), np.zeros(games)

    def take_note(self, cells: Cells):
        before = self.value.copy()
        for value in (cells.worth_low, cells.worth_high):
            np.maximum.at(self.value, cells.game, value)
        self.ulps[self.value > before] = 0.0
        reached = np.maximum(cells.worth_low, cells.worth_high) >= self.value[cells.game]
        np.maximum.at(self.ulps, cells.game[reached], ULPS * cells.size[reached])

    def slack(self, game, size):
        """Values closer than this to the best are equal to it: a far base costs more, and more of it is rounding."""
        return np.maximum(self.ulps[game], ULPS * size)


def _search(stage: Stage):
    """The base of each game, and the most that any base may be worth."""
    best = _Best(len(stage.shares))
    cells = first_cells(stage, bracket(stage))
    idle = cells.take(cells.low == 0)
    settled, bounds = [], []
    for number in range(_PASSES):
        best.take_note(cells)
        last = number == _PASSES - 1 or len(cells.game) > _MOST * len(stage.shares)
        cells, done, bound = _judge(stage, cells, best, last=last)
        settled.append(done)
        bounds.append(bound)
        if not len(cells.game):
            break
        cells = cut(stage, cells)
    base = _choose(stage, Cells.joined(settled), best, idle)
    most = best.value
    for done, bound in zip(settled, bounds, strict=True):
        np.maximum.at(most, done.game, bound)
    return base, most


def _judge(stage: Stage, cells: Cells, best: _Best, last: bool):
    """Drop or settle intervals; returns those still open, and the settled ones with their bounds."""
    bound, least, most, smooth = _bounds(stage, cells)
    alive = bound >= best.value[cells.game] - best.slack(cells.game, cells.size)
    one_way = smooth & ((least >= 0) | (most <= 0))
    gap = bound - best.value[cells.game]
    narrow = cells.high - cells.low <= 4 * _EPS * cells.high
    done = one_way | narrow | (gap <= _ENOUGH * cells.size) | last
    done &= alive
    settled = cells.take(done)
    settled.smooth, settled.rises, settled.falls = (
        part[done] for part in (smooth, smooth & (least > 0), smooth & (most < 0))
    )
    left = alive & ~done
    cells = cells.take(left)
    cells.smooth = smooth[left]
    # what rises or falls all the way is decided by its ends
    return cells, settled, np.where(one_way, -np.inf, bound)[done]


def _bounds(stage: Stage, cells: Cells):
    """The most that the generalist can have on each interval, bounds on the derivative, and whether there is one."""
    low, high = cells.low, cells.high
    cost = stage.cost(cells.game).curve
    before = np.maximum(np.nextafter(high, 0.0), low)
    slopes = cost.slope(low), cost.slope(before)
    least, most = -np.maximum(*slopes), -np.minimum(*slopes)
    # a set-up cost of the generalist is paid inside, though not at a lower end of 0
    at_low, at_high = -stage.paid(cells.game, np.maximum(low, 1e-300)), -stage.paid(cells.game, high)
    top, rough, smooth = at_low, 0.0, np.ones(len(low), bool)
    for number, (places, group) in enumerate(stage.groups):
        share = stage.share(cells.game, places)
        states = cells.at_low[number], cells.at_high[number]
        found = ranges(group.take(cells.game), share, low[:, None], high[:, None], *states)
        tops = share * found.top
        top = top + tops.sum(axis=1)
        derivatives = [np.where(share > 0, share * part, 0.0) for part in (found.least, found.most)]
        ends = [share * state.revenue for state in states]
        if not found.smooth.all():
            rough = rough + np.where(found.smooth, 0.0, tops).sum(axis=1)
            derivatives = [np.where(found.smooth, part, 0.0) for part in derivatives]
            ends = [np.where(found.smooth, part, 0.0) for part in ends]
            smooth &= (found.smooth | (share == 0)).all(axis=1)
        least, most = least + derivatives[0].sum(axis=1), most + derivatives[1].sum(axis=1)
        at_low, at_high = at_low + ends[0].sum(axis=1), at_high + ends[1].sum(axis=1)
    bound = rough + below(at_low, at_high, least, most, high - low)
    return np.minimum(bound, np.maximum(top, rough + at_low)), least, most, smooth


def _choose(stage: Stage, cells: Cells, best: _Best, idle: Cells):
    """The best peak of each game: of those that are equal up to rounding the one with the larger base.

    An end of an interval on which the utility rises to the other end is no peak, even if it is equal up to rounding.
    """
    inner_game, inner_base, inner_value, inner_size, no_peak = _inner_peaks(stage, cells)
    slack = ULPS * cells.size
    low = cells.rises & (cells.worth_high >= cells.worth_low - slack)
    high = cells.falls & (cells.worth_low >= cells.worth_high - slack)
    no_peak = [no_peak, _key(cells.game, cells.low)[low], _key(cells.game, cells.high)[high]]
    game = np.concatenate([cells.game, cells.game, inner_game])
    base = np.concatenate([cells.low, cells.high, inner_base])
    value = np.concatenate([cells.worth_low, cells.worth_high, inner_value])
    ends = ((cells.worth_low, cells.low), (cells.worth_high, cells.high))
    size = np.concatenate([*(worth + 2 * stage.paid(cells.game, end) for worth, end in ends), inner_size])
    peak = ~np.isin(_key(game, base), np.concatenate(no_peak))
    peak[2 * len(cells.game) :] = True
    if np.any(stage.setup):  # building nothing saves the set-up cost, however the utility rises from there
        ends = ((game, idle.game), (base, idle.low), (value, idle.worth_low), (size, idle.size))
        game, base, value, size = (np.concatenate(pair) for pair in ends)
        peak = np.append(peak, np.ones(len(idle.game), bool))
    found = np.full(len(best.value), -np.inf)
    np.maximum.at(found, game[peak], value[peak])
    # should rounding have left no peak as good as what was reached, any end will do
    fine = peak | (found < best.value - 4 * best.ulps)[game]
    np.maximum.at(found, game[fine], value[fine])
    close = fine & (value >= found[game] - best.slack(game, size))
    chosen = np.full(len(found), -1.0)
    np.maximum.at(chosen, game[close], base[close])
    return chosen


def _inner_peaks(stage: Stage, cells: Cells):
    """Peaks inside settled intervals: game, base, worth and money involved, and the ends that are therefore none."""
    unsure = np.flatnonzero(cells.smooth & ~(cells.rises | cells.falls))
    unsure, rates = crossing(stage, cells, unsure, marks=True)
    here = cells.take(unsure)
    inner = here.high - here.low > 8 * _EPS * here.high
    here, unsure = here.take(inner), unsure[inner]
    ends = np.concatenate([_key(here.game, here.low), _key(here.game, here.high)])
    _, _, high = peaks(stage, cells, unsure, rates[:, inner])
    states = stage.states(here.game, high, between=(here.low, here.high, here.at_low, here.at_high))
    earned, paid = stage.earned(here.game, states), stage.paid(here.game, high)
    return here.game, high, earned - paid, earned + paid, ends


def _key(game, base):
    return game + 1j * base
