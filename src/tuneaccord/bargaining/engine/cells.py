"""Intervals of bases, and how they are cut."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.leaps import leaps
from tuneaccord.bargaining.engine.repliers import State
from tuneaccord.bargaining.engine.roots import falling_bracket
from tuneaccord.bargaining.engine.stage import Stage
from tuneaccord.bargaining.plays import ABSTAINS

_FIRST = np.array([0.0, 1e-6, 1e-4, 1e-3, 1e-2, 1 / 32, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0])
_RINGS = 2.5 ** -np.arange(1, 13)
_PARTS = 8
_EPS = np.finfo(float).eps


class Cells:
    """Intervals of bases: the game, both ends, the replies and the generalist's utility there.

    ``smooth``, ``rises`` and ``falls`` are filled in when an interval is judged.
    """

    def __init__(self, game, low, high, at_low, at_high, worth_low, worth_high, size):
        self.game, self.low, self.high = game, low, high
        self.at_low: list[State] = at_low
        self.at_high: list[State] = at_high
        self.worth_low, self.worth_high, self.size = worth_low, worth_high, size
        self.smooth = self.rises = self.falls = np.zeros(len(game), bool)

    def take(self, index) -> Cells:
        states = [[state.take(index) for state in part] for part in (self.at_low, self.at_high)]
        numbers = (part[index] for part in (self.worth_low, self.worth_high, self.size))
        taken = Cells(self.game[index], self.low[index], self.high[index], *states, *numbers)
        taken.smooth, taken.rises, taken.falls = (part[index] for part in (self.smooth, self.rises, self.falls))
        return taken

    @classmethod
    def joined(cls, parts: list[Cells]) -> Cells:
        def whole(name):
            return np.concatenate([getattr(part, name) for part in parts])

        def states(name):
            same = zip(*(getattr(part, name) for part in parts), strict=True)
            return [State(np.concatenate([state.block for state in group], axis=1)) for group in same]

        numbers = (whole(name) for name in ("worth_low", "worth_high", "size"))
        one = cls(whole("game"), whole("low"), whole("high"), states("at_low"), states("at_high"), *numbers)
        one.smooth, one.rises, one.falls = whole("smooth"), whole("rises"), whole("falls")
        return one


def first_cells(stage: Stage, top) -> Cells:
    """From 0 to ``top``, cut at the knots of the generalist's cost."""
    games = np.arange(len(top))
    fractions = _FIRST if stage.certain else np.union1d(_FIRST, np.linspace(0.0, 1.0, 65))
    columns = [top[:, None] * fractions]
    knots = np.atleast_1d(stage.generalist.curve.knots)
    if knots.size:
        columns.append(np.minimum(np.broadcast_to(knots, (len(games), knots.shape[-1])), top[:, None]))
    edges = np.sort(np.concatenate(columns, axis=1), axis=1)
    width = edges.shape[1]
    game, base = np.repeat(games, width), edges.ravel()
    left = np.flatnonzero(np.arange(edges.size) % width != width - 1)
    return _between(stage, game, base, stage.states(game, base), left)


def _between(stage: Stage, game, base, states, left) -> Cells:
    """The intervals from the points numbered ``left`` to the next ones."""
    earned, paid = stage.earned(game, states), stage.paid(game, base)
    worth, size = earned - paid, earned + paid
    at_low, at_high = ([state.take(index) for state in states] for index in (left, left + 1))
    ends = base[left], base[left + 1]
    return Cells(
        game[left], *ends, at_low, at_high, worth[left], worth[left + 1], np.maximum(size[left], size[left + 1])
    )


def cut(stage: Stage, cells: Cells) -> Cells:
    """Each interval cut into smaller ones."""
    every = np.arange(len(cells.game))
    places, number, known = [], [], np.zeros(len(every), bool)
    over, rates = crossing(stage, cells, np.flatnonzero(cells.smooth))
    turns, which = _turns(stage, cells.take(over))
    places.append(turns)
    number.append(over[which])
    known[over[which]] = True
    peaked = ~known[over]
    for which, low, high in (peaks(stage, cells, over[peaked], rates[:, peaked]), _switches(stage, cells)):
        low, high = (np.clip(part, cells.low[which], cells.high[which]) for part in (low, high))
        rings = np.concatenate([_rings(low, cells.low[which]), _rings(high, cells.high[which])], axis=1)
        places.append(rings.ravel())
        number.append(np.repeat(which, rings.shape[1]))
        known[which] = True
    left = np.flatnonzero(~known)
    places.append(_even(cells.low[left], cells.high[left]))
    number.append(np.repeat(left, _PARTS - 1))
    number, places = np.concatenate(number), np.concatenate(places)
    keep = (places > cells.low[number]) & (places < cells.high[number])
    return _cut_at(stage, cells, number[keep], places[keep])


def crossing(stage: Stage, cells: Cells, numbers, *, marks: bool = False):
    """Those intervals on which the derivative falls through 0, and what it is at both ends.

    With ``marks`` the others are marked as rising or falling by its signs.
    """
    here = cells.take(numbers)
    ends = ((here.low, here.at_low), (here.high, here.at_high))
    at_low, at_high = (stage.rate(here.game, base, states) for base, states in ends)
    over = (at_low > 0) & (at_high < 0)
    if marks:
        cells.rises[numbers] = at_low > 0
        cells.falls[numbers] = (at_low <= 0) & (at_high < 0)
    return numbers[over], np.array([np.minimum(at_low, 1e300), at_high])[:, over]


def _turns(stage: Stage, cells: Cells):
    """Turning bases inside the intervals, with a place close by on either side, and the interval of each."""
    turning = stage.turning[cells.game]
    slack = 32 * _EPS * cells.high[:, None]
    inside = (turning > cells.low[:, None] + slack) & (turning < cells.high[:, None] - slack)
    which, column = np.nonzero(inside)
    bases = turning[which, column]
    slack = 16 * _EPS * cells.high[which]
    return np.concatenate([bases - slack, bases, bases + slack]), np.tile(which, 3)


def _rings(near, far):
    """From ``near`` towards ``far``, each step 0.4 times the one before, seen from ``near``."""
    return np.column_stack([near, near[:, None] + (far - near)[:, None] * _RINGS])


def _even(low, high):
    low, high = low[:, None], high[:, None]
    steps = np.arange(1, _PARTS) / _PARTS
    steep = np.where(low > 0, low * (high / low) ** steps, high * 8.0 ** np.arange(1 - _PARTS, 0))
    return np.where(high > 16 * low, steep, low + (high - low) * steps).ravel()


def peaks(stage: Stage, cells: Cells, numbers, rates):
    """Where the derivative falls through 0 on those intervals, as narrow brackets."""
    here = cells.take(numbers)

    def function(which, base):
        part = here.take(which)
        states = stage.states(part.game, base, between=(part.low, part.high, part.at_low, part.at_high))
        return stage.rate(part.game, base, states)

    return numbers, *falling_bracket(function, here.low, here.high, *rates)


def _switches(stage: Stage, cells: Cells):
    """Intervals on which a specialist starts or stops taking part or contributing, and where, as narrow brackets."""
    rough = np.flatnonzero(~cells.smooth)
    if not len(rough):
        return rough, cells.low[:0], cells.high[:0]
    here = cells.take(rough)
    found = []
    for number, (state_low, state_high) in enumerate(zip(here.at_low, here.at_high, strict=True)):
        joins = (state_low.regime == ABSTAINS) & (state_high.regime != ABSTAINS)
        turns = (state_low.ahead >= 0) != (state_high.ahead >= 0)
        leap = np.abs(state_high.reach - state_low.reach) > 4 * (here.high - here.low)[:, None]
        for kind, switch in ((2, joins), (1, turns & ~joins), (0, leap & ~joins & ~turns)):
            game, column = np.nonzero(switch)
            found.append(np.column_stack([game, np.full(len(game), number), np.full(len(game), kind), column]))
    found = np.concatenate(found)
    # one switch an interval; the others are for later
    found = found[np.unique(found[:, 0], return_index=True)[1]]
    return rough[found[:, 0]], *_located(stage, here.take(found[:, 0]), found[:, 1:])


def _located(stage: Stage, cells: Cells, switches):
    lows, highs = np.empty(len(switches)), np.empty(len(switches))
    for number, kind in np.unique(switches[:, :2], axis=0):
        these = np.flatnonzero((switches[:, :2] == (number, kind)).all(axis=1))
        part, column = cells.take(these), switches[these, 2]
        find = _leap if kind == 0 else _turn
        lows[these], highs[these] = find(stage, part, number, kind, column)
    return lows, highs


def _leap(stage: Stage, cells: Cells, number, kind, column):
    """Where a best improvement leaps."""
    places, group = stage.groups[number]
    row = np.arange(len(column))
    lows, highs = np.empty(len(column)), np.empty(len(column))
    share = stage.share(cells.game, places)[row, column]
    ends = (states[number].reach[row, column] for states in (cells.at_low, cells.at_high))
    ends = [cells.low, cells.high, *ends]
    for one in np.unique(column):
        here = column == one
        alone = group.only(one).take(cells.game[here])
        lows[here], highs[here] = leaps(alone, share[here], *(end[here] for end in ends))
    return lows, highs


def _turn(stage: Stage, cells: Cells, number, kind, column):
    """Where a specialist starts to take part, or starts or stops to contribute."""
    row = np.arange(len(column))
    at_low, at_high = (states[number].block[kind, row, column] for states in (cells.at_low, cells.at_high))
    sign = np.where(at_low > at_high, 1.0, -1.0)

    def function(which, base):
        inner = cells.take(which)
        states = stage.states(inner.game, base, between=(inner.low, inner.high, inner.at_low, inner.at_high))
        return sign[which] * states[number].block[kind, np.arange(len(which)), column[which]]

    return falling_bracket(function, cells.low, cells.high, sign * at_low, sign * at_high)


def _cut_at(stage: Stage, cells: Cells, number, places) -> Cells:
    """The intervals cut at ``places``, given in any order with the number of the interval that each is in."""
    repeated = cells.take(number)
    between = repeated.low, repeated.high, repeated.at_low, repeated.at_high
    inner = stage.states(repeated.game, places, between=between)
    every = np.arange(len(cells.game))
    number = np.concatenate([every, every, number])
    base = np.concatenate([cells.low, cells.high, places])
    order = np.lexsort((base, number))
    states = []
    for parts in zip(cells.at_low, cells.at_high, inner, strict=True):
        states.append(State(np.concatenate([part.block for part in parts], axis=1)[:, order]))
    number, base = number[order], base[order]
    left = np.flatnonzero((number[1:] == number[:-1]) & (base[1:] > base[:-1]))
    return _between(stage, cells.game[number], base, states, left)
