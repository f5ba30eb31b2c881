"""Several specialists: the shares that a rule picks, by local ascent from many starts.

Specialists are coupled through the base only, but the utilities are not concave in the shares, and jump where somebody
starts to abstain. So the search is not a proof: it reports how many starts it made and how many distinct local optima
they ended in. Quadratic games have better methods (:mod:`tuneaccord.bargaining.several.joint_quadratic`).
"""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.bargain import Found
from tuneaccord.bargaining.plays import ABSTAINS, Plays, nobody_trades
from tuneaccord.bargaining.rules import MaxPerformance, ShareRule, acceptable, levels
from tuneaccord.bargaining.several.ascent import Goal, Smallest, Smooth, climb, sharpen
from tuneaccord.bargaining.several.forced import Forced, may_bind
from tuneaccord.bargaining.several.goals import goal_of, own
from tuneaccord.bargaining.several.joint_quadratic import settle_quadratic
from tuneaccord.bargaining.several.joint_reasons import reason
from tuneaccord.bargaining.several.landscape import Landscape
from tuneaccord.bargaining.several.lexicographic import raise_minimum
from tuneaccord.bargaining.several.polling import breed, glance, poll
from tuneaccord.bargaining.several.quadratic import quadratic
from tuneaccord.bargaining.several.together import Ask, together
from tuneaccord.bargaining.solutions import BargainingSolution, Utilitarian

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

STARTS = 6  #: climbs for the rule
IDEAL_STARTS = 3  #: climbs for each player's largest gain
_APART = 0.15  # starts differ by that much in some share
_TIED = 1e-12  # relative: a few thousand roundings
_SAME = 1e-5  # local optima whose shares differ by less are one


def settle_shares(game: FineTuningGame, rule: BargainingSolution | ShareRule) -> Found:
    """The shares that ``rule`` picks in a game with two specialists or more."""
    form = quadratic(game)
    found = None if form is None else settle_quadratic(game, form, rule)
    if found is not None:
        return found
    return searched(game).copy().settle(rule)


@lru_cache(maxsize=4)
def searched(game: FineTuningGame) -> Search:
    """The search before any rule. People ask for one solution after the other; each goes on from its own copy, so that
    the answers do not depend on the order."""
    return Search(game)


class Search:
    """What several rules can share: the landscape of a game and everybody's largest gain."""

    def __init__(self, game: FineTuningGame) -> None:
        self.game, self.land = game, Landscape(game)
        self.climbs, self.distinct = 0, []
        self.held = {0: 0.0} if game.generalist.outside > 0 else {}  # a generalist that may walk away
        self.ideal = self._ideal()

    def copy(self) -> Search:
        """The same, to be continued alone."""
        new = copy(self)
        new.land, new.distinct = self.land.copy(), []
        return new

    def settle(self, rule: BargainingSolution | ShareRule) -> Found:
        """The best shares found."""
        if (self.ideal <= 0).all():
            return self._no_trade("No shares lift anybody above the outside option, so there is nothing to agree on.")
        goal = goal_of(rule, self.game, self.ideal, self.held)
        shares = self._climb_from_the_best(rule, goal)
        if shares is None:
            return self._no_trade("At any shares somebody would rather keep the outside option.")
        shares = self._settle_ties(rule, self._look_around(rule, goal, shares))
        play = self.game.play_many(shares[None, :])
        if isinstance(rule, Utilitarian) and (play.utilities[0] - self.game.outside).sum() < 0:
            return self._no_trade("Any shares leave all parties together with less than their outside options.")
        most = self._largest_gains()  # the search may have come across more than before
        return Found(play, most, "agreed", self._words(), reason(self.game, rule, play, most))

    def run(self, jobs: list, performance: bool = False) -> list:
        """What ``jobs`` return, all searching at once; see :func:`together`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of steps clipped to the bounds, which bounds are for
            return together(jobs, lambda points: self.land.slopes(points, performance))

    def _ideal(self) -> np.ndarray:
        goals = [own(player, self.held) for player in range(1 + self.land.count)]
        starts = [
            (goal, start) for goal in goals for start in self.starts(self._score(goal, self.land.plays), IDEAL_STARTS)
        ]
        if starts:
            ends = self.run([partial(_climb, goal=goal, start=start) for goal, start in starts])
            self.land.look(np.array(ends + self._forced(starts)))
            tops = [self.land.plays.shares[int(np.argmax(self._score(goal, self.land.plays)))] for goal in goals]
            sharp = [partial(_sharpen, goal=goal, shares=top) for goal, top in zip(goals, tops, strict=True)]
            self.land.look(np.array(self.run(sharp)))
        for player, goal in enumerate(goals):
            self._poll_player(goal, player)
        return self._largest_gains()

    def _largest_gains(self) -> np.ndarray:
        """Everybody's best over all acceptable shares looked at; 0 if that is within rounding of the outside option."""
        gains = self.land.outputs(self.land.plays)[:, :-1]
        fine = acceptable(gains)
        best = gains[fine].max(axis=0) if fine.any() else np.zeros(gains.shape[1])
        size = np.maximum(np.abs(self.land.plays.utilities).max(axis=0), np.abs(self.game.outside))
        return np.where(np.abs(best) <= _TIED * size, 0.0, best)

    def _poll_player(self, goal: Smooth, seed: int) -> None:
        def best(points):
            return _champion(self._score(goal, self.land.look(points))[:, None])

        scores = self._score(goal, self.land.plays)
        start = self.land.plays.shares[int(np.argmax(scores))]
        if np.isfinite(scores).any() and glance(best, start) is not None:
            bred = breed(lambda points: self._score(goal, self.land.look(points)), start, seed=seed, rounds=20)
            poll(best, bred, least=1e-9, seed=seed, rounds=12)

    def _climb_from_the_best(self, rule, goal: Goal) -> np.ndarray | None:
        starts = self.starts(self._ranked(rule, self.land.plays)[:, 0], STARTS)
        if not starts:
            return None
        performance = isinstance(rule, MaxPerformance)
        ends = self.run([partial(_climb, goal=goal, start=start) for start in starts], performance)
        self.climbs, self.distinct = len(ends), _distinct(ends)
        sharp = self.run([partial(_sharpen, goal=goal, shares=end) for end in self.distinct], performance)
        forced = self._forced([(goal, start) for start in starts], performance)
        every = np.array([*sharp, *self.distinct, *forced, *starts])
        return every[self._best(rule, every)]

    def _forced(self, starts: list[tuple[Goal, np.ndarray]], performance: bool = False) -> list[np.ndarray]:
        """The ends of climbs that keep those in who take part at the start, as far as they do not lose by it."""
        if not may_bind(self.game):
            return []
        patterns = self.land.look(np.array([start for _, start in starts])).regime != ABSTAINS
        size = float(np.abs(self.land.plays.utilities).max())
        ends = []
        for pattern in np.unique(patterns[patterns.any(axis=1)], axis=0):
            forced = Forced(self.game, pattern, size)
            jobs = [
                partial(_climb, goal=replace(goal, held=goal.held | forced.held), start=forced.inside(start))
                for (goal, start), own in zip(starts, patterns, strict=True)
                if (own == pattern).all()
            ]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                found = together(jobs, lambda points, forced=forced: forced.slopes(points, performance))
            ends += [forced.whole(end) for end in found]
        return ends

    def _look_around(self, rule, goal: Goal, shares: np.ndarray) -> np.ndarray:
        """Glances around; where that shows better shares, at a kink or a jump that slopes do not see, it goes on."""
        best = partial(self._best, rule)
        for seed in range(2):
            if glance(best, shares) is None:
                break
            bred = breed(lambda points: self._ranked(rule, self.land.look(points))[:, 0], shares, seed=seed, rounds=30)
            polled = poll(best, bred, least=1e-10, seed=seed, rounds=8)
            performance = isinstance(rule, MaxPerformance)
            climbed = self.run([partial(_climb, goal=goal, start=polled)], performance)[0]
            sharp = self.run([partial(_sharpen, goal=goal, shares=climbed)], performance)[0]
            every = np.array([sharp, polled, climbed, shares])
            shares = every[self._best(rule, every)]
        return shares

    def _settle_ties(self, rule, shares: np.ndarray) -> np.ndarray:
        """The smallest share of each specialist in turn that ties: 0 for one that abstains anyway."""
        parts = np.array([0.0, 0.5, 0.9, 0.999])
        rows = np.repeat(shares[None, :], len(parts) * self.land.count, axis=0)
        column = np.repeat(np.arange(self.land.count), len(parts))
        rows[np.arange(len(rows)), column] *= np.tile(parts, self.land.count)
        tied = self._tied(rule, np.vstack([rows, shares]))[:-1] & (shares[column] > 0)
        for i in np.unique(column[tied]):
            low, high = 0.0, shares[i]
            for _ in range(8):
                trial = np.repeat(shares[None, :], 17, axis=0)
                trial[:, i] = np.linspace(low, high, 17)
                first = int(np.argmax(self._tied(rule, trial)))
                shares = trial[first]
                if first == 0:
                    break
                low, high = trial[first - 1, i], trial[first, i]
        return shares

    def _tied(self, rule, points: np.ndarray) -> np.ndarray:
        """Which points tie with the last one in all but the size of the shares."""
        ranked = self._ranked(rule, self.land.look(points))[:, :-1]
        finite = np.abs(np.where(np.isfinite(ranked), ranked, 0.0)).max(axis=0)
        return (ranked >= ranked[-1] - _TIED * finite).all(axis=1)

    def _best(self, rule, points: np.ndarray) -> int:
        return _champion(self._ranked(rule, self.land.look(points))[:, :-1])

    def _ranked(self, rule, plays: Plays) -> np.ndarray:
        return levels(rule, plays, self.game.outside, self.ideal, self.game.players)

    def _score(self, goal: Goal, plays: Plays) -> np.ndarray:
        outputs = self.land.outputs(plays)
        return np.where(acceptable(outputs[:, :-1]), goal.value(outputs), -np.inf)

    def starts(self, scores: np.ndarray, most: int) -> list[np.ndarray]:
        """The shares looked at with the best scores that are apart from each other."""
        shares = self.land.plays.shares
        chosen: list[np.ndarray] = []
        for row in np.argsort(-scores, kind="stable"):
            if len(chosen) == most or not np.isfinite(scores[row]):
                break
            if all(np.abs(shares[row] - other).max() > _APART for other in chosen):
                chosen.append(shares[row])
        return chosen

    def _no_trade(self, why: str) -> Found:
        return Found(nobody_trades(self.game.outside), self.ideal, "no trade", self._words(), why)

    def _words(self) -> str:
        error = self.land.plays.error
        known = (
            f"each play is within {error.max():.1e} of the best investments"
            if np.isfinite(error).all()
            else "the investments are not certified everywhere"
        )
        return (
            f"Looked at {len(error)} vectors of shares; {self.climbs} climbs from the best that are apart end in "
            f"{len(self.distinct)} distinct local optima; {known}. That no better shares exist is not proved."
        )


def _climb(ask: Ask, goal: Goal, start: np.ndarray) -> np.ndarray:
    return raise_minimum(ask, goal, start) if isinstance(goal, Smallest) else climb(ask, goal, start)


def _sharpen(ask: Ask, goal: Goal, shares: np.ndarray) -> np.ndarray:
    return sharpen(ask, goal, shares)


def _distinct(ends: list[np.ndarray]) -> list[np.ndarray]:
    apart: list[np.ndarray] = []
    for end in ends:
        if all(np.abs(end - other).max() > _SAME for other in apart):
            apart.append(end)
    return apart


def _champion(ranked: np.ndarray) -> int:
    """The best row in lexicographic order; the first one unless another is clearly better.

    Near a smooth maximum a loss in one level that is only rounding buys its root in the next. So a later level counts
    only between rows that tie to the last digits, and when it is better by more than that.
    """
    best = 0
    for row in range(1, len(ranked)):
        for old, new, size in zip(ranked[best], ranked[row], _sizes(ranked), strict=True):
            if new > old + size:
                best = row
            if new < old - 1e-2 * size or new > old + size:
                break
    return best


def _sizes(ranked: np.ndarray) -> np.ndarray:
    """What a row must be better by, in each level."""
    finite = np.abs(np.where(np.isfinite(ranked), ranked, 0.0)).max(axis=0)
    return np.append(_TIED * finite[:1], 1e-5 * finite[1:])
