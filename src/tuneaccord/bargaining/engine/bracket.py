"""How much it can pay the generalist to build: a proved upper end for the search over the base."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.marginal import last_knot
from tuneaccord.bargaining.plays import ABSTAINS
from tuneaccord.errors import InputError

_TRIES = 4.0 ** np.arange(-14, 21)


def bracket(stage) -> np.ndarray:
    """A base for each game past which the generalist's utility never reaches what it has before.

    Past it each further unit costs at least what all revenues, at their slopes there, could bring; or all revenue
    there is would not pay for it. A contributor passes on no more than a free-rider does, where revenue is concave.
    """
    _refuse_unbounded(stage)
    top = _first_top(stage)
    games = np.arange(len(top))
    states = stage.states(games, top)
    possible = [_ever(group, stage.share(games, places)) for places, group in stage.groups]
    absent = np.zeros(len(top), bool)
    for state, ever in zip(states, possible, strict=True):
        absent |= (ever & (state.regime == ABSTAINS)).any(axis=1)
    reached = np.maximum(stage.earned(games, states) - stage.paid(games, top), _idle(stage))
    for _ in range(600):  # somebody may be worth drawing in by a larger base
        if not absent.any():
            break
        who = np.flatnonzero(absent)
        states = stage.states(who, 4.0 * top[who])
        most, still = -stage.paid(who, top[who]), np.zeros(len(who), bool)
        for (places, group), state, ever in zip(stage.groups, states, possible, strict=True):
            share = stage.share(who, places)
            income = group.take(who).revenue.curve.value(4.0 * top[who][:, None] + state.reach)
            most = most + (share * income).sum(axis=1)
            still |= (ever[who] & (state.regime == ABSTAINS)).any(axis=1)
        stop = most < reached[who]
        top[who[~stop]] *= 4.0
        absent[who] = still & ~stop
    return top


def _ever(group, share):
    """Whether a specialist would take part in the end, and the generalist cares."""
    most = np.where(share < 1, (1.0 - share) * group.revenue.curve.value(np.inf), 0.0)
    need = group.outside + group.entry_cost
    return (share > 0) & (most >= need - 1e-12 * np.abs(need))


def _idle(stage):
    games, base = np.arange(len(stage.shares)), np.zeros(len(stage.shares))
    return stage.earned(games, stage.states(games, base)) - stage.paid(games, base)


def _first_top(stage) -> np.ndarray:
    games = np.arange(len(stage.shares))
    tries, idle = _TRIES, _idle(stage)
    top = np.full(len(games), np.inf)
    while np.isinf(top).any():
        fine = _past(stage, games, tries, idle)
        # the least from which on all are fine
        last_bad = np.where(fine.all(axis=1), -1, fine.shape[1] - 1 - np.argmin(fine[:, ::-1], axis=1))
        found = last_bad < fine.shape[1] - 1
        top = np.where(np.isinf(top) & found, tries[np.minimum(last_bad + 1, len(tries) - 1)], top)
        tries = tries[-1] * 4.0 ** np.arange(1, 60)
        if tries[0] > 1e290:
            _endless(stage, np.flatnonzero(np.isinf(top)))
            break
        tries = tries[tries < 1e300]
    return top


def _past(stage, games, tries, idle):
    """Whether no base beyond each of ``tries`` does better than ``idle``, (games, tries)."""
    gains, limit, tail = np.zeros((len(games), len(tries))), 0.0, np.ones((len(games), len(tries)), bool)
    numbers = np.arange(len(tries))
    for places, group in stage.groups:
        share, curve = stage.share(games, places), group.revenue.curve
        varies = len(curve.games) == 2
        for number in numbers if varies else [numbers]:  # one at a time where curves differ from game to game
            base = tries[number] if varies else tries[:, None]
            slope = np.broadcast_to(
                curve.slope_range(base, np.inf)[1], (*np.shape(number), *share.shape[1:]) if not varies else share.shape
            )
            slope = np.where(np.isfinite(slope), slope, 1e300)
            gains[:, number] += (share * slope).sum(axis=1) if varies else share @ slope.T
            if not group.revenue.concave:
                late = np.broadcast_to(base >= last_knot(curve), slope.shape)
                tail[:, number] &= late.all(axis=1)
        limit = limit + np.where(share > 0, share * curve.value(np.inf), 0.0).sum(axis=1)
    cost = stage.generalist.curve
    every = np.broadcast_to(tries, tail.shape)
    cost = cost._changed(lambda array: array[:, None])
    cheapest = np.broadcast_to(cost.slope_range(every, np.inf)[0], tail.shape)
    setup = stage.setup[:, None] if np.ndim(stage.setup) else stage.setup
    paid = cost.value(every) + setup
    return (tail & (gains <= cheapest)) | (np.broadcast_to(limit, len(games))[:, None] - paid < idle[:, None])


def _refuse_unbounded(stage) -> None:
    earned = 0.0
    for places, group in stage.groups:
        share = stage.shares[:, places]
        earned = earned + (share * group.revenue.curve.slope(np.inf)).sum(axis=1)
    from tuneaccord.bargaining.engine.reach import refuse_generalist

    refuse_generalist(earned, stage.generalist.curve)


def _endless(stage, games) -> None:
    raise InputError(
        f"generalist: at the shares {stage.shares[games[0]].tolist()!r:.60} the base earns more and more than it "
        "costs without end, so no largest base exists. Try Capped(...) revenue or a cost exponent above 1."
    )
