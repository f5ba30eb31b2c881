"""One specialist: the share that a rule picks, searched for over the whole of [0, 1].

With power costs and a revenue proportional to performance everything is known in closed form. Otherwise the utilities
may jump, kink and have several peaks in the share: they are traced, every peak of the rule's score is pursued to
rounding (:mod:`tuneaccord.bargaining.one.peaks`), and the best is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.bargain import Found
from tuneaccord.bargaining.forms import Minimum
from tuneaccord.bargaining.one.choice import Choice, lifted
from tuneaccord.bargaining.one.closed_forms import PowerGame
from tuneaccord.bargaining.one.nash_bound import nash_slack
from tuneaccord.bargaining.one.peaks import Objective, climb
from tuneaccord.bargaining.one.power_bargain import power_bargains, power_game
from tuneaccord.bargaining.one.scores import KNOWN
from tuneaccord.bargaining.one.trace import FIRST, Trace
from tuneaccord.bargaining.plays import Plays, nobody_trades
from tuneaccord.bargaining.rules import ShareRule, acceptable, levels
from tuneaccord.bargaining.solutions import BargainingSolution, KalaiSmorodinsky, Nash

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


def settle_shares(game: FineTuningGame, rule: BargainingSolution | ShareRule) -> Found:
    """The share that ``rule`` picks in a game with one specialist."""
    known = power_game(game.generalist, game.specialists[0]) if type(rule) in KNOWN else None
    if known is not None:
        return _closed(game, rule, known)
    trace = Trace(lambda shares: game.play_many(shares[:, None]))
    share, ideal = settle_on(trace, rule, game.outside, game.players)
    if share is None:
        return no_trade(game, ideal, search_text(trace))
    return _found(game, rule, share, ideal, search_text(trace))


def _found(game: FineTuningGame, rule, share: float, ideal: np.ndarray, search: str) -> Found:
    # two more plays, half a point away on either side, say in words what one point of share would change
    from tuneaccord.bargaining.one.single_reasons import NEAR, reason

    shares = np.array([share, max(share - NEAR, 0.0), min(share + NEAR, 1.0)])
    plays = game.play_many(shares[:, None])
    return Found(plays.row(0), ideal, "agreed", search, reason(game, rule, plays, ideal))


def _closed(game: FineTuningGame, rule, known: PowerGame) -> Found:
    found = power_bargains(known, rule, game.outside[None, :])
    share, ideal = float(found.share[0]), found.ideal[0]
    search = "Closed form: every candidate is the only root in a known bracket, so no better share exists."
    if np.isnan(share):
        return no_trade(game, ideal, search)
    if isinstance(rule, Nash) and (ideal > 0).all():
        slack = nash_slack(known, rule.power or (1.0, 1.0), game.outside, share)
        search = (
            "Closed form: the roots of the derivative on every stretch of shares where one gains and the other loses. "
            f"By bounds on all others no share raises the product of gains (to the powers) by a part above {slack:.1e}."
        )
    return _found(game, rule, share, ideal, search)


def settle_on(trace: Trace, rule, outside: np.ndarray, players) -> tuple[float | None, np.ndarray]:
    """The share that ``rule`` picks, None if nobody would gain by any acceptable one, and everybody's ideal gain."""

    def gains(plays: Plays) -> np.ndarray:
        return plays.utilities - outside

    def own(i: int) -> Objective:
        return Objective(lambda plays: np.where(acceptable(gains(plays)), plays.utilities[:, i], -np.inf), None, gains)

    def choice(ideal: np.ndarray) -> Choice:
        return Choice(
            trace, lambda plays: levels(rule, plays, outside, ideal, players), _parts(rule, outside, ideal), gains
        )

    rough = ideal_gains(trace, outside)
    together = (rough > 0).any() and not isinstance(rule, KalaiSmorodinsky)
    chooser = choice(rough)
    peaks = climb(trace, [own(0), own(1), *([chooser.first] if together else [])])
    ideal = ideal_gains(trace, outside)
    if not (ideal > 0).any():
        return None, ideal
    if not together or ((ideal > 0) != (rough > 0)).any():
        chooser = choice(ideal)
        peaks = climb(trace, [chooser.first])
    return chooser.share(peaks[-1]), ideal


def ideal_gains(trace: Trace, outside: np.ndarray) -> np.ndarray:
    """The most that each player gains at an acceptable share seen so far; 0 if that is within rounding of nothing."""
    utilities = trace.plays.utilities
    utilities = utilities[acceptable(utilities - outside)]
    return lifted(utilities.max(axis=0), outside) if len(utilities) else np.zeros(len(outside))


def _parts(rule, outside: np.ndarray, ideal: np.ndarray):
    """For a rule that looks at the smallest ratio: the ratios, which are smooth where their minimum is not."""
    if not isinstance(rule, BargainingSolution):
        return None
    kept = rule.counted(ideal)
    form = rule.form(ideal)
    if not isinstance(form, Minimum) or kept.sum() < 2:
        return None
    return lambda plays: (plays.utilities - outside)[:, kept] / form.units


def no_trade(game: FineTuningGame, ideal: np.ndarray, search: str) -> Found:
    """Everybody keeps the outside option."""
    why = (
        "No share lifts anybody above the outside option without taking somebody else below it, "
        "so there is nothing to agree on."
    )
    return Found(nobody_trades(game.outside), ideal, "no trade", search, why)


def search_text(trace: Trace) -> str:
    """How the share was found, and what is not known of better ones."""
    plays = trace.plays
    share, error = plays.shares[:, 0], plays.error
    spacing = float(np.diff(np.unique(np.append(FIRST, share))).max())
    if np.isfinite(error).all():
        known = f"each play is within {error.max():.1e} of the best investments"
    else:
        known = "the investments are not certified, for a curve's knots are unknown or its shape allows no bound"
    return (
        f"Traced at {len(share)} shares at most {spacing:.4f} apart, every peak pursued to rounding; {known}. "
        "A peak narrower than the spacing that shows in none of these plays would be missed."
    )
