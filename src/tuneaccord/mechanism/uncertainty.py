"""Confidence intervals over prompts, by the bootstrap.

Values, payments and welfare are means over prompts. When the prompts are a sample of what the model will
be asked, their uncertainty is that of a mean of per-prompt numbers: prompts are resampled with
replacement, nothing is solved again. With few prompts percentile intervals are somewhat short.

On a pool of replies the payments are exact for the frozen pool; the intervals are about other prompts and
other pools. Replies are drawn independently for each prompt, so their noise is inside the per-prompt numbers
and hence in the intervals. Not in them is the bias of a finite pool: with K replies a prompt, net welfare
comes out low by about ``strength * chi2 / (2 K)``, where ``chi2``, about K divided by the effective sample
size, minus one, is that of the chosen policy from the base; payments, as a rule, by the order of one part in K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate with a percentile interval.

    >>> Interval(1.0, 0.5, 1.5, 0.95).excludes(0.0)
    True
    """

    estimate: float
    low: float
    high: float
    level: float

    def excludes(self, number: float) -> bool:
        """Whether ``number`` lies strictly outside the interval."""
        return number < self.low or number > self.high

    def to_dict(self) -> dict:
        """Plain data."""
        return {"estimate": self.estimate, "low": self.low, "high": self.high, "level": self.level}


def resampled_means(by_prompt: np.ndarray, seed: int, draws: int = 2000) -> np.ndarray:
    """Means over ``draws`` resamples of the first axis, shape (draws, ...).

    The counts depend on the seed and the number of prompts only, so that means of different quantities
    with the same seed are paired.

    >>> resampled_means(np.array([1.0, 1.0]), seed=0, draws=3)
    array([1., 1., 1.])
    """
    prompts = len(by_prompt)
    counts = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1 / prompts), size=draws)
    return np.tensordot(counts / prompts, by_prompt, axes=1)


def interval(by_prompt: np.ndarray, seed: int, level: float = 0.95, draws: int = 2000) -> Interval:
    """The mean of per-prompt numbers with its bootstrap percentile interval.

    >>> interval(np.array([1.0, 1.0, 1.0]), seed=0)
    Interval(estimate=1.0, low=1.0, high=1.0, level=0.95)
    """
    low, high = np.quantile(resampled_means(by_prompt, seed, draws), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(by_prompt)), float(low), float(high), level)


def ratio_interval(
    numerator: np.ndarray, denominator: np.ndarray, seed: int, level: float = 0.95, draws: int = 2000
) -> Interval:
    """The ratio of two means of per-prompt numbers, resampled together.

    >>> ratio_interval(np.array([1.0, 1.0]), np.array([2.0, 2.0]), seed=0).estimate
    0.5
    """
    ratios = resampled_means(numerator, seed, draws) / resampled_means(denominator, seed, draws)
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(numerator) / np.mean(denominator)), float(low), float(high), level)
