"""Many games of one family at once: parties whose parameters are arrays, one number a game."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.agreement import AGREED, NO_TRADE
from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.one.family_bargain import bargain_part
from tuneaccord.bargaining.parties import GENERALIST, Generalist, Specialist, games, take
from tuneaccord.bargaining.plays import Plays, joined
from tuneaccord.bargaining.rules import NashInNash, Rule, check_players
from tuneaccord.bargaining.solutions import Nash
from tuneaccord.errors import InputError

Progress = Callable[[int, int], None]  #: called with games done and games in all
_CHUNK = 4096  # games at a time: their arrays stay in the processor's cache


@dataclass(frozen=True, eq=False)
class FamilyAgreements:
    """What each game of a family ends in, one row a game.

    ``shares`` has shape (games, 1), ``gains`` and ``ideal`` (games, 2) with the generalist first, ``status`` is
    ``"agreed"`` or ``"no trade"``; without trade everybody has the outside option and the share reads 0.
    """

    shares: np.ndarray
    plays: Plays
    gains: np.ndarray
    ideal: np.ndarray
    status: np.ndarray


@dataclass(frozen=True, eq=False)
class GameFamily:
    """Games whose parties have arrays as parameters, all of one shape (games,); numbers are shared by all games.

    Any number of specialists can be played; bargains are for one specialist. The work is cut into pieces that run on
    all processors, and memory does not grow with the number of games but for the answers.

    >>> from tuneaccord import Generalist, Linear, Nash, Power, Specialist
    >>> costs = np.array([1.0, 2.0, 4.0])
    >>> medical = Specialist("medical", cost=Power(costs, 2), revenue=Linear(1.0))
    >>> family = GameFamily(Generalist(cost=Power(2.0, 2)), [medical])
    >>> family.bargain(Nash()).shares[:, 0].round(6).tolist()
    [0.377161, 0.5, 0.622839]
    """

    generalist: Generalist
    specialists: Sequence[Specialist]

    def __post_init__(self) -> None:
        specialists = self.specialists
        one = isinstance(specialists, Specialist) or not isinstance(specialists, Sequence) or not len(specialists)
        if one or not all(isinstance(each, Specialist) for each in specialists):
            raise InputError(f"specialists must be a list of at least one Specialist, got {specialists!r:.60}.")
        if not isinstance(self.generalist, Generalist):
            raise InputError(f"generalist must be a Generalist(cost=...), got {self.generalist!r:.60}.")
        object.__setattr__(self, "specialists", tuple(specialists))
        self.games  # noqa: B018 - parameters of different lengths are refused here

    @property
    def games(self) -> int:
        """How many games there are."""
        shapes = {games(party) for party in (self.generalist, *self.specialists)} - {()}
        if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
            raise InputError(f"parameters must be numbers or arrays of one length, got the shapes {sorted(shapes)}.")
        return next(iter(shapes))[0] if shapes else 1

    def play(self, shares, *, progress: Progress | None = None) -> Plays:
        """What is played at ``shares``, (games, specialists) or one row for all games."""
        count = len(self.specialists)
        shares = np.asarray(shares, float)
        try:
            shares = np.broadcast_to(shares, (self.games, count))
        except ValueError:
            raise InputError(
                f"shares must have shape ({self.games}, {count}), one row a game, got {shares.shape}."
            ) from None
        if not ((shares >= 0) & (shares <= 1)).all():
            raise InputError(
                f"the generalist's shares must be in [0, 1], got {shares[~((shares >= 0) & (shares <= 1))][0]!r}."
            )

        def part(here: slice) -> Plays:
            generalist, *specialists = self._parties(here)
            return play_many(generalist, specialists, shares[here])

        return joined(self._pieces(part, progress))

    def bargain(self, solution: Rule, *, progress: Progress | None = None) -> FamilyAgreements:
        """The agreement of each game under ``solution``; games with one specialist only.

        ``progress`` is called now and then with the games done and the games in all.
        """
        if len(self.specialists) != 1:
            raise InputError(
                f"a family can bargain with one specialist, not {len(self.specialists)}. Try one game a time."
            )
        check_players(solution, (GENERALIST, self.specialists[0].name))
        if isinstance(solution, NashInNash):
            solution = Nash((solution.power, 1.0 - solution.power))

        def part(here: slice):
            generalist, specialist = self._parties(here)
            return bargain_part(generalist, specialist, solution, here.stop - here.start)

        parts = self._pieces(part, progress)
        plays = joined([plays for plays, _, _ in parts])
        ideal, agreed = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        outside = [np.broadcast_to(party.outside, self.games) for party in (self.generalist, *self.specialists)]
        status = np.where(agreed, AGREED, NO_TRADE)
        return FamilyAgreements(plays.shares, plays, plays.utilities - np.stack(outside, axis=1), ideal, status)

    def _parties(self, here: slice) -> list:
        return [take(party, here) for party in (self.generalist, *self.specialists)]

    def _pieces(self, work: Callable, progress: Progress | None) -> list:
        total = self.games
        pieces = [slice(start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)]
        done = []
        with ThreadPoolExecutor(max_workers=min(len(pieces), os.cpu_count() or 1)) as pool:
            for piece, answer in zip(pieces, pool.map(work, pieces), strict=True):
                done.append(answer)
                if progress:
                    progress(piece.stop, total)
        return done
