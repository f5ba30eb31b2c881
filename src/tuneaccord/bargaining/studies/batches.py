"""Many games that differ in a few numbers: played or bargained in one go where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.parameters import changed_parties
from tuneaccord.bargaining.parties import take
from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.plays import REGIMES, Plays, joined

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule

Progress = Callable[[int, int], None]
_CHUNK = 20_000  # games at a time, so that progress shows and memory stays small


def played_rows(
    game: FineTuningGame, changes: Mapping[str, np.ndarray], shares: np.ndarray, *, progress: Progress | None = None
) -> Plays:
    """The plays at ``shares`` (games, specialists), game by game with the numbers ``changes``, each (games,)."""
    parties = changed_parties(game.generalist, game.specialists, changes)
    done = []
    for start in range(0, len(shares), _CHUNK):
        part = slice(start, start + _CHUNK)
        generalist, *specialists = (take(party, part) for party in (parties[0], *parties[1]))
        done.append(play_many(generalist, specialists, shares[part]))
        if progress:
            progress(min(start + _CHUNK, len(shares)), len(shares))
    return joined(done)


def bargained_rows(
    game: FineTuningGame, changes: Mapping[str, np.ndarray], solution: Rule, *, progress: Progress | None = None
) -> tuple[Plays, np.ndarray]:
    """What is played under ``solution``, and whether anybody could gain, game by game."""
    from tuneaccord.bargaining.rules import NashInNash

    if len(game.specialists) == 1 and not isinstance(solution, NashInNash):
        from tuneaccord.bargaining.family import GameFamily

        agreed = GameFamily(*changed_parties(game.generalist, game.specialists, changes)).bargain(solution)
        return agreed.plays, agreed.status == "agreed"
    games = len(next(iter(changes.values())))
    done = []
    for k in range(games):
        one = game.with_parameters({path: float(numbers[k]) for path, numbers in changes.items()})
        done.append(one.bargain(solution))
        if progress:
            progress(k + 1, games)
    return rows_of([agreement.play for agreement in done]), np.array(
        [agreement.status == "agreed" for agreement in done]
    )


def rows_of(plays: list[Play]) -> Plays:
    """Several plays among the same parties, one row each."""
    codes = {name: code for code, name in enumerate(REGIMES)}

    def table(field):
        return np.array([list(getattr(play, field).values()) for play in plays])

    return Plays(
        shares=table("shares"),
        base=np.array([play.base_performance for play in plays]),
        improvement=table("improvements"),
        regime=np.array([[codes[name] for name in play.regimes.values()] for play in plays]),
        utilities=table("utilities"),
        error=np.array([np.nan if play.error is None else play.error for play in plays]),
    )
