"""Why several specialists' shares were picked, in words."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.plays import ABSTAINS, Plays
from tuneaccord.bargaining.rules import MaxPerformance, PowerfulGeneralist, PowerfulSpecialist
from tuneaccord.bargaining.solutions import Egalitarian, KalaiSmorodinsky, Nash, Utilitarian

_CLOSE = 1e-6  # relative: gains this close are called equal
_NAMED = 5  # more names than that are counted instead


def reason(game, rule, play: Plays, ideal: np.ndarray) -> str:
    """One or two plain sentences: what is largest at these shares, and who is held to what."""
    gains = play.utilities[0] - game.outside
    counted = ideal > 0
    sentences = [_main(game, rule, play, gains, ideal, counted)]
    ends = [
        f"{named(game.names, play.shares[0] == end)} {'sends' if end == 1 else 'keeps'} all of its revenue"
        for end in (0.0, 1.0)
        if ((play.shares[0] == end) & (play.regime[0] != ABSTAINS)).any()
    ]
    if ends:
        sentences.append("; ".join(ends) + ".")
    if (play.regime[0] == ABSTAINS).any():
        sentences.append(
            f"{named(game.names, play.regime[0] == ABSTAINS)} abstains, so that its share does not matter."
        )
    if not counted.all():
        sentences.append(f"{named(game.players, ~counted)} cannot gain at any shares and has no say.")
    return " ".join(sentences)


def _main(game, rule, play, gains, ideal, counted) -> str:
    if isinstance(rule, (Egalitarian, KalaiSmorodinsky)):
        units = ideal if isinstance(rule, KalaiSmorodinsky) else np.ones(len(ideal))
        ratios = np.where(counted, gains / np.where(counted, units, 1.0), np.inf)
        least = ratios.min()
        at_least = ratios <= least + _CLOSE * max(abs(least), 1e-300)
        what = f"{least:.4g}" if isinstance(rule, Egalitarian) else f"{least:.4g} of its largest gain"
        more = f"; {named(game.players, counted & ~at_least)} gains more" if (counted & ~at_least).any() else ""
        return f"Nobody's gain can be raised above {what} without lowering {named(game.players, at_least)}{more}."
    if isinstance(rule, Nash):
        return (
            f"The {'weighted ' if rule.power else ''}product of the gains of {named(game.players, counted)} is largest."
        )
    if isinstance(rule, Utilitarian):
        return f"The total utility is largest here: {play.utilities[0].sum():.4g}."
    if isinstance(rule, MaxPerformance):
        return f"The performances add up to the most here: {play.performance[0].sum():.4g}."
    if isinstance(rule, PowerfulGeneralist):
        return f"The generalist's utility is largest here: {play.utilities[0, 0]:.4g}."
    if isinstance(rule, PowerfulSpecialist):
        number = rule.player(game.players)
        return f"The utility of {game.players[number]} is largest here: {play.utilities[0, number]:.4g}."
    return f"The score of {rule} is largest here."


def named(names, which) -> str:
    """``"a, b and c"``, or how many they are."""
    chosen = [name for name, one in zip(names, which, strict=True) if one]
    if len(chosen) > _NAMED:
        return f"each of {len(chosen)} parties"
    return (
        chosen[0] if len(chosen) == 1 else f"each of {', '.join(chosen[:-1])} and {chosen[-1]}" if chosen else "nobody"
    )
