"""Ways to settle the shares that look beyond the vector of gains, or at one player only.

The solutions of :mod:`tuneaccord.bargaining.solutions` (Nash, Kalai-Smorodinsky, egalitarian, utilitarian) rank vectors
of gains. Those here rank outcomes: a powerful party's own utility, or the performance of what is built.
:class:`NashInNash` ranks nothing: it is a fixed point of bilateral bargains.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.solutions import BargainingSolution, Nash
from tuneaccord.errors import InputError, nearest

_ROUNDING = 1e-12  # a few thousand float64 roundings


class ShareRule(ABC):
    """Ranks the outcomes of a fine-tuning game by more than the gains."""

    @abstractmethod
    def score(self, plays: Plays, gains: np.ndarray, players: tuple[str, ...]) -> np.ndarray:
        """How good each outcome is, shape (games,)."""


@dataclass(frozen=True)
class PowerfulGeneralist(ShareRule):
    """The generalist dictates the shares: the largest utility of its own, as long as taking part is worth it to others.

    Source: arXiv 2308.04399, "powerful-G".

    >>> PowerfulGeneralist()
    PowerfulGeneralist()
    """

    def score(self, plays, gains, players):
        return gains[..., 0]


@dataclass(frozen=True)
class PowerfulSpecialist(ShareRule):
    """One specialist dictates all shares: the largest utility of its own. ``name`` may be left out if there is one.

    Source: arXiv 2308.04399, "powerful-D".

    >>> PowerfulSpecialist("medical").name
    'medical'
    """

    name: str | None = None

    def score(self, plays, gains, players):
        return gains[..., self.player(players)]

    def player(self, players: tuple[str, ...]) -> int:
        """The position among the players (the generalist is 0); :class:`InputError` if the name is not there."""
        specialists = players[1:]
        if self.name is None and len(specialists) == 1:
            return 1
        if self.name is None:
            raise InputError(
                f"PowerfulSpecialist needs a name when there are {len(specialists)} specialists. "
                f"Try PowerfulSpecialist({specialists[0]!r})."
            )
        if self.name == GENERALIST:
            raise InputError("PowerfulSpecialist is for specialists. Try PowerfulGeneralist().")
        if self.name not in specialists:
            raise InputError(f"there is no specialist {self.name!r}. {nearest(self.name, specialists)}")
        return 1 + specialists.index(self.name)


@dataclass(frozen=True)
class MaxPerformance(ShareRule):
    """The largest performance: the sum of what the domains reach over those that take part.

    >>> MaxPerformance()
    MaxPerformance()
    """

    def score(self, plays, gains, players):
        return plays.performance.sum(axis=-1)


@dataclass(frozen=True)
class NashInNash:
    """Each share is the Nash bargain of the generalist with that specialist, given the other shares.

    ``share_i`` maximises ``(U_G - U_G without i) ** power * (U_i - outside_i) ** (1 - power)``; the generalist's threat
    is what it would play and earn if domain i were gone and the other shares stayed. ``power`` is the generalist's,
    strictly between 0 and 1. With one specialist it is ``Nash(power=(power, 1 - power))``.

    Source: H. Horn and A. Wolinsky, "Bilateral monopolies and incentives for merger", RAND Journal 19 (1988).

    >>> NashInNash().power
    0.5
    """

    power: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.power, bool) or not isinstance(self.power, (int, float)) or not 0 < self.power < 1:
            raise InputError(f"NashInNash: power must be a number strictly between 0 and 1, got {self.power!r:.60}.")


def rubinstein_power(discount_generalist: float, discount_specialist: float) -> tuple[float, float]:
    """The bargaining powers, summing to 1, that alternating offers tend to as they become frequent.

    ``(log d_D, log d_G) / (log d_G + log d_D)``: the party that discounts less has more power. The factors are per unit
    of time, strictly between 0 and 1: how much of a gain is left when it comes one unit later. For one specialist use
    ``Nash(power=rubinstein_power(...))``, for several ``NashInNash(rubinstein_power(...)[0])``. Raises
    :class:`InputError` for a factor outside (0, 1); nothing follows for parties that do not mind waiting at all.

    Source: A. Rubinstein, "Perfect equilibrium in a bargaining model", Econometrica 50 (1982); K. Binmore,
    A. Rubinstein and A. Wolinsky, "The Nash bargaining solution in economic modelling", RAND Journal 17 (1986).

    >>> tuple(round(power, 6) for power in rubinstein_power(0.81, 0.9))
    (0.333333, 0.666667)
    """
    given = {"discount_generalist": discount_generalist, "discount_specialist": discount_specialist}
    for name, factor in given.items():
        if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 < factor < 1:
            raise InputError(f"rubinstein_power: {name} must be a number strictly between 0 and 1, got {factor!r:.60}.")
    generalist, specialist = -np.log(discount_generalist), -np.log(discount_specialist)
    impatience = generalist + specialist
    return float(specialist / impatience), float(generalist / impatience)


Rule = BargainingSolution | ShareRule | NashInNash  #: what ``game.bargain`` takes


def check_players(rule: Rule, players: tuple[str, ...]) -> None:
    """:class:`InputError` unless ``rule`` is a solution that fits the players: its name is there, its powers are one a
    player."""
    if isinstance(rule, type):
        raise InputError(f"a solution needs brackets: try {rule.__name__}().")
    if not isinstance(rule, (BargainingSolution, ShareRule, NashInNash)):
        raise InputError(f"a solution is one of Nash(), KalaiSmorodinsky(), ..., NashInNash(), got {rule!r:.60}.")
    if isinstance(rule, PowerfulSpecialist):
        rule.player(players)
    if isinstance(rule, Nash) and rule.power is not None and len(rule.power) != len(players):
        raise InputError(
            f"the power of Nash must have one number a player, {', '.join(players)}: {len(players)} in all, "
            f"got {len(rule.power)}."
        )


def acceptable(gains: np.ndarray) -> np.ndarray:
    """Whether everybody gains at least nothing, (...) from (..., players): who would lose does not agree."""
    return (gains >= -_ROUNDING * np.abs(gains).max(axis=-1, initial=0.0, keepdims=True)).all(axis=-1)


def levels(rule: BargainingSolution | ShareRule, plays: Plays, outside: np.ndarray, ideal: np.ndarray, players):
    """How good each outcome is, most important level first, shape (games, levels); minus infinity if not acceptable.

    The rule's own levels, then the tie rule: the larger total utility, then the smaller shares. ``ideal`` is the most
    that each player can gain over all acceptable shares.
    """
    gains = plays.utilities - outside
    if isinstance(rule, BargainingSolution):
        own = rule.ranking(gains, ideal)
    else:
        # who cannot gain has only rounding to gain: no difference there decides
        own = rule.score(plays, np.where(ideal > 0, gains, 0.0), players)[:, None]
    every = np.column_stack([own, plays.utilities.sum(axis=1), -plays.shares.sum(axis=1)])
    return np.where(acceptable(gains)[:, None], every, -np.inf)
