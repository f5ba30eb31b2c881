"""A batch of games with one specialist: closed form, lockstep search, or one game after the other."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.one.choice import lifted
from tuneaccord.bargaining.one.lockstep import settle_many, traced
from tuneaccord.bargaining.one.power_bargain import power_bargains, power_game
from tuneaccord.bargaining.one.scores import KNOWN, measured
from tuneaccord.bargaining.one.single import settle_on
from tuneaccord.bargaining.one.trace import Trace
from tuneaccord.bargaining.parties import GENERALIST, Generalist, Specialist, games, take
from tuneaccord.bargaining.plays import ABSTAINS, CONTRIBUTES, FREE_RIDES, Plays
from tuneaccord.bargaining.rules import PowerfulGeneralist, PowerfulSpecialist, Rule

_ROWS = 2**16  # plays at a time


def bargain_part(generalist: Generalist, specialist: Specialist, rule: Rule, count: int):
    """What is played in each of ``count`` games, the ideal gains, and which games agree."""
    outside = np.stack([np.broadcast_to(party.outside, count) for party in (generalist, specialist)], axis=1)
    known = power_game(generalist, specialist) if type(rule) in KNOWN else None
    if known is not None:
        known = known.spread(count)
        found = power_bargains(known, rule, outside)
        agreed = ~np.isnan(found.share)
        return (
            _with_outside(_closed_plays(known, np.where(agreed, found.share, 0.0)), agreed, outside),
            found.ideal,
            agreed,
        )
    share, ideal = _searched(generalist, specialist, rule, outside)
    agreed = ~np.isnan(share)
    plays = play_many(generalist, [specialist], np.where(agreed, share, 0.0)[:, None])
    return _with_outside(plays, agreed, outside), ideal, agreed


def _closed_plays(known, share: np.ndarray) -> Plays:
    base, improvement = known.play(share)
    utilities = np.stack(known.utilities(share), axis=1)
    return Plays(
        shares=share[:, None],
        base=base,
        improvement=improvement[:, None],
        regime=np.where(improvement > 0, CONTRIBUTES, FREE_RIDES)[:, None],
        utilities=utilities,
        error=16 * np.finfo(float).eps * np.abs(utilities).max(axis=1),
    )


def _with_outside(plays: Plays, agreed: np.ndarray, outside: np.ndarray) -> Plays:
    """Everybody's outside option where there is no agreement."""
    kept = agreed[:, None]
    return Plays(
        shares=np.where(kept, plays.shares, 0.0),
        base=np.where(agreed, plays.base, 0.0),
        improvement=np.where(kept, plays.improvement, 0.0),
        regime=np.where(kept, plays.regime, ABSTAINS),
        utilities=np.where(kept, plays.utilities, outside),
        error=np.where(agreed, plays.error, 0.0),
    )


def _searched(generalist: Generalist, specialist: Specialist, rule: Rule, outside: np.ndarray):
    count = len(outside)

    def play(number: np.ndarray, share: np.ndarray) -> Plays:
        return play_many(_taken(generalist, number), [_taken(specialist, number)], share[:, None])

    share, ideal, alone = np.full(count, np.nan), np.zeros((count, 2)), np.ones(count, bool)
    if type(rule) in KNOWN:
        share, ideal, alone = _in_lockstep(play, rule, outside)
    names = (GENERALIST, specialist.name)
    for k in np.flatnonzero(alone):
        found, ideal[k] = settle_on(Trace(lambda at, k=k: play(np.full(len(at), k), at)), rule, outside[k], names)
        share[k] = np.nan if found is None else found
    return share, ideal


def _taken(party, number: np.ndarray):
    return take(party, number) if games(party) else party


def _in_lockstep(play, rule: Rule, outside: np.ndarray):
    share, ideal, alone = [], [], []
    step = max(1, _ROWS // 128)
    for start in range(0, len(outside), step):
        here = slice(start, min(start + step, len(outside)))
        found = _lockstep_part(lambda number, at, start=start: play(number + start, at), rule, outside[here])
        for column, part in zip((share, ideal, alone), found, strict=True):
            column.append(part)
    return (np.concatenate(column) for column in (share, ideal, alone))


def _lockstep_part(play, rule: Rule, outside: np.ndarray):
    """The shares of some games, their ideal gains, and which of them have to be settled alone."""
    count = len(outside)

    def by(one: Rule, ideal: np.ndarray):
        def measure(plays, number):
            return measured(one, plays.utilities - outside[number], plays.performance[:, 0], ideal[number])

        return measure

    first = traced(play, count)
    powerful = [by(one, np.ones_like(outside)) for one in (PowerfulGeneralist(), PowerfulSpecialist())]
    tops, unsettled, _ = settle_many(play, first, powerful)
    best = [play(np.arange(count), np.nan_to_num(top)).utilities[:, i] for i, top in enumerate(tops)]
    best = np.where(np.isnan(tops).T, outside, np.stack(best, axis=1))
    ideal = lifted(best, outside)
    (share,), stuck, ties = settle_many(play, first, [by(rule, ideal)])
    nobody = ~(ideal > 0).any(axis=1)
    return np.where(nobody, np.nan, share), ideal, unsettled | ((stuck | ties) & ~nobody)
