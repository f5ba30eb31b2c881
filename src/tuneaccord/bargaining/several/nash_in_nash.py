"""Nash-in-Nash: every share is a bilateral Nash bargain, given the other shares.

A fixed point, searched for by damped iteration from several starts and finished by Newton's method where the plays are
smooth. Each bilateral bargain is searched for over the whole of [0, 1]. There may be several fixed points, or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.bargain import Found
from tuneaccord.bargaining.plays import ABSTAINS, Plays, nobody_trades
from tuneaccord.bargaining.rules import NashInNash, acceptable
from tuneaccord.bargaining.several.bilateral import Bilateral
from tuneaccord.bargaining.several.joint_reasons import named
from tuneaccord.bargaining.several.quadratic import Quadratic, ideal, quadratic
from tuneaccord.bargaining.several.quadratic_in_nash import SCANNED, fixed_points, residual
from tuneaccord.bargaining.solutions import Nash

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_SWEEPS = 40
_CLOSE = 1e-7  # shares that move less than that in a sweep have settled
_SAME = 1e-5  # fixed points closer than that are one


def settle_shares(game: FineTuningGame, rule: NashInNash) -> Found:
    """The shares at a fixed point of bilateral bargains; of several, the one with the largest total utility."""
    if len(game.specialists) == 1:
        from tuneaccord.bargaining.one import single

        return single.settle_shares(game, Nash(power=(rule.power, 1.0 - rule.power)))
    form = quadratic(game)
    if form is not None and (form.outside == 0).all():
        return _quadratic(game, form, rule)
    return _general(game, rule)


def _quadratic(game: FineTuningGame, form: Quadratic, rule: NashInNash) -> Found:
    points = fixed_points(form, rule.power)
    best = max(points, key=lambda sent_by: float(form.utilities(form.rates - sent_by).sum()))
    play = game.play_many((best / form.rates)[None, :])
    search = (
        f"Quadratic costs and linear revenue: one equation for all fixed points, scanned at {SCANNED} values, shows "
        f"{_count(len(points))}; no bilateral bargain would move its share by more than "
        f"{residual(form, rule.power, best):.1e}."
    )
    return Found(play, ideal(form), "agreed", search, _reason(game, play))


def _general(game: FineTuningGame, rule: NashInNash) -> Found:
    from tuneaccord.bargaining.several.joint import searched

    gains = searched(game).ideal
    bilateral = Bilateral(game, rule.power)
    ended = [_iterate(bilateral, start) for start in _starts(len(game.specialists))]
    shares = np.array([bilateral.without_abstainers(end) for end in ended])
    moves = np.array([np.abs(bilateral.replies(one) - one).max() for one in shares])
    plays = game.play_many(shares)
    fine = acceptable(plays.utilities - game.outside)
    if not fine.any() or (gains <= 0).all():
        search = f"{len(ended)} starts of a damped iteration end where the generalist would rather walk away."
        return Found(nobody_trades(game.outside), gains, "no trade", search, "Nobody can gain from bilateral bargains.")
    settled = fine & (moves <= max(1e-5, 10.0 * moves[fine].min()))
    best = int(np.argmax(np.where(settled, plays.utilities.sum(axis=1), -np.inf)))
    play = plays.row(best)
    return Found(play, gains, "agreed", _words(shares[settled], moves[best], len(ended)), _reason(game, play))


def _starts(count: int) -> list[np.ndarray]:
    spread = np.linspace(0.2, 0.8, count)
    return [np.full(count, 0.5), np.full(count, 0.05), np.full(count, 0.95), spread, spread[::-1].copy()]


def _iterate(bilateral: Bilateral, shares: np.ndarray) -> np.ndarray:
    """Damped iteration, slower whenever it turns back, then Newton's method."""
    damping, last = 1.0, np.inf
    for _ in range(_SWEEPS):
        move = bilateral.replies(shares) - shares
        size = float(np.abs(move).max())
        if size > 0.8 * last:
            damping = max(0.5 * damping, 0.1)
        shares, last = np.clip(shares + damping * move, 0.0, 1.0), size
        if size <= 1e-4:
            finished = bilateral.newton(shares)
            if finished is not None:
                return finished
        if size <= _CLOSE:
            break
    return shares


def _words(shares: np.ndarray, move: float, starts: int) -> str:
    apart: list[np.ndarray] = []
    for one in shares:
        if all(np.abs(one - other).max() > _SAME for other in apart):
            apart.append(one)
    settled = (
        ""
        if move <= 1e-5
        else " The iteration has not settled: take these shares as approximate, or as a sign of no fixed point."
    )
    return (
        f"A damped iteration from {starts} starts ends in {_count(len(apart))}; no bilateral bargain would move its "
        f"share by more than {move:.1e}.{settled} Other fixed points are not excluded."
    )


def _count(number: int) -> str:
    return "1 fixed point" if number == 1 else f"{number} fixed points"


def _reason(game: FineTuningGame, play: Plays) -> str:
    out = play.regime[0] == ABSTAINS
    text = "Each share is the Nash bargain of the generalist with that specialist, with the others as they are."
    return f"{text} {named(game.names, out)} abstains." if out.any() else text
