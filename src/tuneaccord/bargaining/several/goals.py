"""What each rule makes as large as possible, as a function of everybody's gains and the sum of performances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.forms import Minimum
from tuneaccord.bargaining.rules import MaxPerformance, PowerfulSpecialist, ShareRule
from tuneaccord.bargaining.several.ascent import Goal, Smallest, Smooth
from tuneaccord.bargaining.solutions import BargainingSolution, Nash

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


def goal_of(rule: BargainingSolution | ShareRule, game: FineTuningGame, ideal: np.ndarray, held: dict) -> Goal:
    """What a rule makes as large as possible, as a function of gains and performance."""
    if isinstance(rule, MaxPerformance):
        return own(len(ideal), held)
    if isinstance(rule, PowerfulSpecialist):
        return own(rule.player(game.players), held)
    if isinstance(rule, ShareRule):
        return own(0, held)
    counted = np.flatnonzero(rule.counted(ideal))
    form = rule.form(ideal)
    if isinstance(form, Minimum):
        units = np.ones(len(ideal) + 1)
        units[counted] = form.units
        return Smallest(counted, units, {player: level for player, level in held.items() if player not in counted})
    if isinstance(rule, Nash):
        return _product(counted, form.powers, ideal, held)
    chosen = np.append(np.ones(len(ideal)), 0.0)
    return Smooth(lambda outputs: outputs @ chosen, lambda outputs: np.broadcast_to(chosen, outputs.shape), held)


def own(number: int, held: dict) -> Smooth:
    """One output by itself; that after the players' gains is the performance."""

    def slope(outputs):
        return np.broadcast_to((np.arange(outputs.shape[-1]) == number).astype(float), outputs.shape)

    return Smooth(lambda outputs: outputs[..., number], slope, held)


def _product(counted: np.ndarray, powers: np.ndarray, ideal: np.ndarray, held: dict) -> Smooth:
    """The logarithm of the product, continued by its tangent where somebody gains next to nothing."""
    least = 1e-9 * ideal[counted]

    def value(outputs):
        gains = np.maximum(outputs[..., counted], least)
        return (np.log(gains) + np.minimum(outputs[..., counted] - gains, 0.0) / least) @ powers

    def slope(outputs):
        slopes = np.zeros(outputs.shape)
        slopes[..., counted] = powers / np.maximum(outputs[..., counted], least)
        return slopes

    return Smooth(value, slope, held)
