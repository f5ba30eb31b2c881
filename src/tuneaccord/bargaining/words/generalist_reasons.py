"""Why the generalist builds what it builds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.engine.replies import replies
from tuneaccord.bargaining.engine.stacking import stacked
from tuneaccord.bargaining.plays import ABSTAINS, REGIMES, Plays
from tuneaccord.bargaining.words.causes import Explanation, amount, same
from tuneaccord.bargaining.words.specialist_reasons import without_setup

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

_ASIDE = 1e-7  # relative: how far to either side a threshold is looked for
_STEP = 1e-5  # relative step of one-sided slopes, whose error is about its square
_NEAR = 1e-3  # relative: slopes that differ by more are two slopes
_DOUBLINGS = 200  # of a base that is to bring a specialist in


def explain_generalist(game: FineTuningGame, plays: Plays) -> Explanation:
    """Why the generalist builds the base of the one row of ``plays``."""
    shares, base = plays.shares[0], float(plays.base[0])
    if base > 0:
        told = _threshold(game, shares, base) or _balance(game, plays)
        return Explanation(told.cause, told.sentence + _tie(game, shares, plays))
    if not shares.any():
        return Explanation("no share", "It gets no share of any revenue, so it builds nothing.")
    return _set_up(game, plays) or _nobody(game, plays) or _first_unit(game, plays)


def _replied(game: FineTuningGame, shares: np.ndarray, base) -> tuple[np.ndarray, np.ndarray]:
    """The specialists' regimes and revenues at some bases, (bases, specialists), all alike ones at once."""
    base = np.atleast_1d(np.asarray(base, float))
    regime, revenue = np.empty((len(base), len(shares)), int), np.empty((len(base), len(shares)))
    for places, group in stacked(game.specialists, 1):
        found = replies(group, shares[places], base[:, None])
        regime[:, places], revenue[:, places] = found.regime, found.revenue
    return regime, revenue


def _earned(game: FineTuningGame, shares: np.ndarray, base) -> np.ndarray:
    """What the shares bring at some bases."""
    return (shares * _replied(game, shares, base)[1]).sum(axis=1)


def _threshold(game: FineTuningGame, shares: np.ndarray, base: float) -> Explanation | None:
    """The base stands where a reply changes: with less somebody would drop out, or with more stop contributing."""
    below, here, above = _replied(game, shares, base * np.array([1 - _ASIDE, 1.0, 1 + _ASIDE]))[0]
    for other, words in ((below, "just enough: with a little less"), (above, "and no more: with a little more")):
        changed = np.flatnonzero((other < here) & (shares > 0))
        if len(changed):
            who = [f"{game.names[i]} {_instead(other[i])}" for i in changed]
            comma = "," if words.startswith("just") else ""
            return Explanation("threshold", f"It builds {amount(base)}{comma} {words} {_listed(who)}.")
    return None


def _instead(regime: int) -> str:
    return {"abstains": "would abstain", "free-rides": "would only free-ride"}[REGIMES[regime]]


def _listed(parts: list[str], most: int = 3) -> str:
    rest = len(parts) - most
    return " and ".join(parts) if rest <= 0 else f"{', '.join(parts[:most])} and {rest} more specialists would change"


def _balance(game: FineTuningGame, plays: Plays) -> Explanation:
    """What one more unit of base brings and costs."""
    base = float(plays.base[0])
    before, beyond = _brings(game, plays)
    around = game.generalist.cost.slope(base * np.array([1 - _ASIDE, 1.0, 1 + _ASIDE]))
    size = max(abs(before), abs(beyond), *np.abs(around))
    if before - around[0] > -_NEAR * size and around[2] - beyond > _NEAR * size:
        kink = f"up to there one more unit brings it {amount(before)} and costs {amount(around[0])}"
        return Explanation(
            "kink",
            f"It builds {amount(base)}: {kink}, beyond it brings {amount(beyond)} and costs {amount(around[2])}.",
        )
    if abs(before - around[1]) <= _NEAR * size or abs(beyond - around[1]) <= _NEAR * size:
        return Explanation(
            "marginal",
            f"It builds {amount(base)}, where one more unit costs it {amount(around[1])} and brings it as much from "
            "its shares.",
        )
    return Explanation("best", f"It builds {amount(base)}: no other base leaves it more.")


def _brings(game: FineTuningGame, plays: Plays) -> tuple[float, float]:
    """The slope of what the shares bring, to the left and to the right of the base; only the latter at almost none."""
    base, reached = float(plays.base[0]), plays.performance[0]
    step = _STEP * float(reached[reached > 0].min(initial=np.inf))
    step = step if np.isfinite(step) else _STEP
    alone = base < 100 * step * _STEP  # so small that differences to the left drown in rounding
    places = base + step * np.arange(3.0)
    worth = _earned(game, plays.shares[0], places)
    beyond = float(-3 * worth[0] + 4 * worth[1] - worth[2]) / (2 * step)
    if alone:
        return beyond, beyond
    step = min(step, base / 4)
    worth = _earned(game, plays.shares[0], base - step * np.arange(3.0))
    return float(3 * worth[0] - 4 * worth[1] + worth[2]) / (2 * step), beyond


def _tie(game: FineTuningGame, shares: np.ndarray, plays: Plays) -> str:
    nothing, something = _earned(game, shares, [0.0, plays.base[0]])
    if same(nothing, float(plays.utilities[0, 0]), something):
        return " Building nothing would leave it as much; it builds more in a tie."
    return ""


def _set_up(game: FineTuningGame, plays: Plays) -> Explanation | None:
    """A set-up amount without which it would build."""
    setup = float(np.max(game.generalist.cost.setup))
    if not setup:
        return None
    freed = dataclasses.replace(game.generalist, cost=without_setup(game.generalist.cost))
    best = play_many(freed, game.specialists, plays.shares)
    if not best.base[0] > 0:
        return None
    gain = float(best.utilities[0, 0] - plays.utilities[0, 0])
    return Explanation(
        "set-up",
        f"Its best base, {amount(best.base[0])}, would bring it {amount(gain)} more than it costs, which does not "
        f"cover the {amount(setup)} for starting, so it builds nothing.",
    )


def _nobody(game: FineTuningGame, plays: Plays) -> Explanation | None:
    """Nobody takes part at a base of 0: what the cheapest to bring in would take."""
    if (plays.regime[0] != ABSTAINS).any():
        return None
    needed = {
        one.name: _base_for(one, share)
        for one, share in zip(game.specialists, plays.shares[0], strict=True)
        if share > 0
    }
    name = min(needed, key=needed.get)
    if np.isinf(needed[name]):
        return Explanation("nobody takes part", "No base brings a specialist in at these shares, so it builds nothing.")
    costs = amount(game.generalist.cost.value(needed[name]))
    brings = amount(_earned(game, plays.shares[0], needed[name])[0])
    return Explanation(
        "nobody takes part",
        f"To bring {name} in it would have to build {amount(needed[name])}, which costs {costs} and brings it "
        f"{brings} from its shares, so it builds nothing.",
    )


def _base_for(specialist, share: float) -> float:
    """The least base at which the specialist takes part, infinite if there is none: taking part is worth more then."""
    tops = 2.0 ** np.arange(-_DOUBLINGS, _DOUBLINGS + 1.0)
    joins = replies(specialist, np.full(tops.shape, share), tops).regime != ABSTAINS
    if not joins.any():
        return np.inf
    first = int(np.argmax(joins))
    low, high = (tops[first - 1] if first else 0.0), tops[first]
    for _ in range(60):
        middle = 0.5 * (low + high)
        if replies(specialist, share, middle).regime != ABSTAINS:
            high = middle
        else:
            low = middle
    return float(high)


def _first_unit(game: FineTuningGame, plays: Plays) -> Explanation:
    """Somebody takes part, and still nothing is built."""
    _, brings = _brings(game, plays)
    costs = float(game.generalist.cost.slope(0.0))
    reached = float(plays.performance[0].max())
    if abs(brings) * reached <= 1e-6 * float(_earned(game, plays.shares[0], 0.0)[0]) and reached > 0:
        return Explanation(
            "replaced", "What it builds would only replace what the specialists add, so it builds nothing."
        )
    if brings == 0:
        return Explanation(
            "flat revenue", "A base would not raise any revenue that it shares in, so it builds nothing."
        )
    if brings < costs:
        return Explanation(
            "first unit",
            f"One more unit of base would bring it {amount(brings)} from its shares and cost it {amount(costs)}, and "
            "no larger base pays either, so it builds nothing.",
        )
    return Explanation("best", "No base leaves it more than none.")
