"""How good outcomes of games with one specialist are under a rule, for many games with ideal gains of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.rules import MaxPerformance, PowerfulGeneralist, PowerfulSpecialist, Rule, acceptable
from tuneaccord.bargaining.solutions import Egalitarian, KalaiSmorodinsky, Nash, Utilitarian

KNOWN = (Nash, Egalitarian, KalaiSmorodinsky, Utilitarian, PowerfulGeneralist, PowerfulSpecialist, MaxPerformance)


@dataclass(frozen=True, eq=False)
class Measure:
    """Outcomes as a rule sees them.

    ``parts`` (outcomes, parts) are smooth where the play is, and the smallest of them is the score; ``fine`` says which
    outcomes everybody would accept; ``least`` is the least size against which scores are compared.
    """

    parts: np.ndarray
    fine: np.ndarray
    least: float = 0.0


def score(measure: Measure) -> np.ndarray:
    """The score of each outcome; minus infinity where it is not acceptable."""
    return np.where(measure.fine, measure.parts.min(axis=1), -np.inf)


def measured(rule: Rule, gains: np.ndarray, performance: np.ndarray, ideal: np.ndarray) -> Measure:
    """Outcomes with these ``gains`` (outcomes, 2) under ``rule``, in games with these ``ideal`` gains (outcomes, 2)."""
    fine = acceptable(gains)
    if isinstance(rule, (PowerfulGeneralist, PowerfulSpecialist)):
        one = int(isinstance(rule, PowerfulSpecialist))
        return Measure(np.where(ideal > 0, gains, 0.0)[:, one : one + 1], fine)  # else rounding is all there is to gain
    if isinstance(rule, Utilitarian):
        return Measure(gains.sum(axis=1, keepdims=True), fine)
    if isinstance(rule, MaxPerformance):
        return Measure(performance[:, None], fine)
    counted = ideal > 0
    if isinstance(rule, Nash):
        with np.errstate(divide="ignore"):
            logs = np.where(counted, np.array(rule.power or (1.0, 1.0)) * np.log(np.maximum(gains, 0.0)), 0.0)
        return Measure(logs.sum(axis=1, keepdims=True), fine, 1.0)
    ratios = gains / np.where(counted, ideal, 1.0) if isinstance(rule, KalaiSmorodinsky) else gains
    both = counted.all(axis=1, keepdims=True)
    return Measure(np.where(both | counted, ratios, ratios[:, ::-1]), fine)
