"""The rules' shares in a quadratic game with several specialists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.bargain import Found
from tuneaccord.bargaining.forms import first_best
from tuneaccord.bargaining.rules import MaxPerformance, PowerfulGeneralist, PowerfulSpecialist, ShareRule
from tuneaccord.bargaining.several import quadratic as closed
from tuneaccord.bargaining.several.joint_reasons import reason
from tuneaccord.bargaining.several.quadratic import Quadratic
from tuneaccord.bargaining.several.quadratic_levels import SCANNED, raise_levels
from tuneaccord.bargaining.several.quadratic_nash import STARTS, nash
from tuneaccord.bargaining.solutions import BargainingSolution, Egalitarian, KalaiSmorodinsky, Nash, Utilitarian

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


def settle_quadratic(game: FineTuningGame, form: Quadratic, rule: BargainingSolution | ShareRule) -> Found | None:
    """The shares that ``rule`` picks, or None if it is not one of the rules solved here."""
    most = closed.ideal(form)
    answer = _kept(game, form, rule, most)
    if answer is None:
        return None
    kept, search = answer
    play = game.play_many(form.shares(kept)[None, :])
    return Found(play, most, "agreed", search, reason(game, rule, play, most))


def _kept(game, form: Quadratic, rule, most: np.ndarray) -> tuple[np.ndarray, str] | None:
    kind = type(rule)
    if kind is Utilitarian:
        return closed.utilitarian(form), (
            "Closed form for quadratic costs and linear revenue: total utility is strictly concave in the rates that "
            "the specialists keep, so its first-order conditions have one solution, the maximum."
        )
    if kind is PowerfulGeneralist:
        return closed.powerful_generalist(form), (
            "Quadratic costs and linear revenue: the first-order conditions have one solution, the maximum, the root "
            "of one equation."
        )
    if kind is PowerfulSpecialist:
        number = rule.player(game.players) - 1
        return closed.powerful_specialist(form, number), (
            "Closed form for quadratic costs and linear revenue: every other share is 1, and its utility is a "
            "quadratic in its own."
        )
    if kind is MaxPerformance:
        return closed.max_performance(form), (
            "Closed form for quadratic costs and linear revenue: performance is linear in the shares."
        )
    if kind in (Egalitarian, KalaiSmorodinsky):
        return _leveled(form, np.ones(len(most)) if kind is Egalitarian else most)
    if kind is Nash and (form.outside[1:] == 0).all():
        rule.form(most)  # as many powers as players?
        return _nash(form, np.ones(len(most)) if rule.power is None else np.array(rule.power))
    return None


def _leveled(form: Quadratic, units: np.ndarray) -> tuple[np.ndarray, str]:
    peaks = np.array(raise_levels(form, units))
    utilities = form.utilities(peaks)
    levels = np.sort((utilities - form.outside) / units, axis=1)
    best = first_best(np.column_stack([levels, utilities.sum(axis=1), peaks.sum(axis=1)]), 1e-12 * levels[:, 0].max())
    return peaks[best], (
        "Quadratic costs and linear revenue: for each revenue rate of the generalist the best level is exact; "
        f"{SCANNED} rates were scanned, which shows {_count(len(peaks), 'local maximum', 'local maxima')}, bisected to "
        "rounding. One narrower than the spacing would be missed."
    )


def _nash(form: Quadratic, power: np.ndarray) -> tuple[np.ndarray, str]:
    peaks = np.array(nash(form, power))
    utilities = form.utilities(peaks)
    scores = np.log(np.maximum(utilities - form.outside, 1e-300)) @ power
    tolerance = 1e-12 * max(1.0, float(np.abs(scores).max()))
    best = first_best(np.column_stack([scores, utilities.sum(axis=1), peaks.sum(axis=1)]), tolerance)
    distinct = len(np.unique(np.round(peaks / form.rates, 6), axis=0))
    return peaks[best], (
        f"Quadratic costs and linear revenue: Newton's method from {STARTS} starts ends in "
        f"{_count(distinct, 'local maximum', 'local maxima')}. A better one that no start leads to is not excluded."
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
