"""Stage one: which shares the parties agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.agreement import Agreement
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.rules import NashInNash, Rule, check_players

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


@dataclass(frozen=True, eq=False)
class Found:
    """The shares that a search ends with.

    ``play`` has one row; ``ideal`` is the most that each player can gain over any shares, (players,); ``status`` is
    ``"agreed"`` or ``"no trade"``; ``search`` says how the shares were found and what is known of better ones.
    """

    play: Plays
    ideal: np.ndarray
    status: str
    search: str
    reason: str


def bargain(game: FineTuningGame, rule: Rule) -> Agreement:
    """The agreement that ``rule`` picks; see :meth:`FineTuningGame.bargain`."""
    check_players(rule, game.players)
    found = _search(game, rule)
    play = game.described(found.play)
    named = dict(zip(game.players, (found.play.utilities[0] - game.outside).tolist(), strict=True))
    return Agreement(
        solution=rule,
        shares=play.shares,
        play=play,
        gains=named,
        ideal=dict(zip(game.players, found.ideal.tolist(), strict=True)),
        status=found.status,
        error=play.error,
        search=found.search,
        reason=found.reason,
    )


def _search(game: FineTuningGame, rule: Rule) -> Found:
    if isinstance(rule, NashInNash):
        from tuneaccord.bargaining.several.nash_in_nash import settle_shares
    elif len(game.specialists) == 1:
        from tuneaccord.bargaining.one.single import settle_shares
    else:
        from tuneaccord.bargaining.several.joint import settle_shares
    return settle_shares(game, rule)
