"""Draws of uncertain numbers, and the games that they make, solved: in one batch, or one by one where some fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.studies.batches import bargained_rows, played_rows, rows_of
from tuneaccord.bargaining.studies.distributions import Distribution
from tuneaccord.errors import InputError, nearest

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule

    Progress = Callable[[int, int], None] | None
    Settled = Rule | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Solved:
    """The plays of the games that could be solved, who traded there, which games these are, and why another is not."""

    players: tuple[str, ...]
    plays: Plays
    traded: np.ndarray
    fine: np.ndarray
    refusal: str = ""


def drawn_numbers(
    game: FineTuningGame, uncertain: Mapping[str, Any], rng: np.random.Generator, draws: int
) -> dict[str, np.ndarray]:
    """The numbers at each path of ``uncertain``, (draws,)."""
    if not isinstance(uncertain, Mapping) or not uncertain:
        raise InputError("say what is uncertain, such as {'medical.revenue.rate': LogNormal(0.2)}.")
    now = game.parameters()
    drawn = {}
    for path, given in uncertain.items():
        if path not in now:
            raise InputError(f"the game has no parameter {path!r}. {nearest(path, now)}")
        drawn[path] = given.sample(rng, draws, now[path]) if isinstance(given, Distribution) else _numbers(path, given)
        if drawn[path].shape != (draws,):
            raise InputError(f"{path}: got numbers of shape {drawn[path].shape} for {draws} draws. Set draws to match.")
    return drawn


def _numbers(path: str, given) -> np.ndarray:
    try:
        return np.asarray(given, float)
    except (TypeError, ValueError):
        raise InputError(
            f"{path}: give a distribution such as LogNormal(0.2) or a list of numbers, got {given!r:.60}."
        ) from None


def solve_batch(game: FineTuningGame, drawn: Mapping[str, np.ndarray], at: Settled, progress: Progress) -> Solved:
    """The game with each row of the numbers ``drawn``."""
    draws = len(next(iter(drawn.values())))
    try:
        if isinstance(at, Mapping):
            plays = played_rows(game, drawn, np.tile(game._row(at), (draws, 1)), progress=progress)
            traded = np.ones(draws, bool)
        else:
            plays, traded = bargained_rows(game, drawn, at, progress=progress)
    except InputError:  # some game has no solution: the others still have

        def maker(k):
            return lambda: game.with_parameters({path: float(numbers[k]) for path, numbers in drawn.items()})

        return solve_each([maker(k) for k in range(draws)], at, progress)
    return Solved(game.players, plays, traded, np.ones(draws, bool))


def solve_each(makers: Sequence[Callable[[], FineTuningGame]], at: Settled, progress: Progress) -> Solved:
    """The games that ``makers`` make; those that cannot be made or solved are left out."""
    plays, traded, refusals, players = [], [], [], None
    fine = np.zeros(len(makers), bool)
    for k, make in enumerate(makers):
        try:
            game = make()
            play, agreed = _settled(game, at)
        except InputError as error:
            refusals.append(str(error))
        else:
            if players not in (None, game.players):
                raise InputError(f"all games must have the same parties, got {players} and {game.players}.")
            players, fine[k] = game.players, True
            plays.append(play)
            traded.append(agreed)
        if progress:
            progress(k + 1, len(makers))
    if not plays:
        raise InputError(f"none of the {len(makers)} games has a solution; the first: {(refusals or ['no games'])[0]}")
    return Solved(players, rows_of(plays), np.array(traded), fine, refusals[0] if refusals else "")


def _settled(game: FineTuningGame, at: Settled) -> tuple[Play, bool]:
    if isinstance(at, Mapping):
        return game.play(at), True
    agreement = game.bargain(at)
    return agreement.play, agreement.status == "agreed"
