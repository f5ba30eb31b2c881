"""Noise after the reports: how much can a lie gain when every reward is measured with an error?

A group reports its reward, and the mechanism works with the report plus noise of at most epsilon a response (a
learned reward model, a rounding, privacy noise). The model is then the best one for slightly wrong rewards, and a
group could gain by a report that happens to undo its own noise. Given the noise, no report can gain more than the
net welfare that the noise in the group's own reward loses,

    max_p [ASW^true(p) - ASW^true(p_hat)],

one more solve for each draw and group: the measured gain here, which an omniscient liar could have. It is at most
``2 w epsilon``; more sharply ``w`` times the range of the noise; and under KL it is second order, at most
``w**2 range**2 / (8 lambda) <= w**2 epsilon**2 / (2 lambda)``. Beside it stands the best lie that was found
among fixed lies, told before the noise, on average over the draws.

Source: arXiv 2405.16276, Theorem 4.12; the two sharper bounds are derived from Hoeffding's lemma.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.errors import InputError, nearest, whole_number
from tuneaccord.mechanism.feasible import Feasible
from tuneaccord.mechanism.misreports import RewardMisreport, SizeMisreport, SpreadMisreport
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.spaces.simplex import Simplex

NOISES = ("uniform", "signs")
_NUMBER = int | float | np.integer | np.floating

_LIES = (
    *(SizeMisreport(factor) for factor in (0.9, 1.1, 1.5)),
    *(RewardMisreport(shift) for shift in (0.9, 1.1, 1.5)),
    *(SpreadMisreport(amount) for amount in (0.02, 0.1)),
)


@dataclass(frozen=True)
class NoiseGain:
    """What one group can gain by misreporting when rewards are noisy, and the bounds on it."""

    group: str
    mean_gain: float  #: the largest possible gain of a draw, on average over the draws
    largest_gain: float  #: of any draw
    best_lie_gain: float  #: of the best fixed lie tried, on average over the draws; a lower bound
    best_lie: str
    bound: float  #: 2 w epsilon
    range_bound: float  #: w times the largest range of its noise, over the draws
    square_bound: float | None  #: the smaller of 2 w epsilon and w^2 epsilon^2 / (2 lambda); KL only


@dataclass(frozen=True)
class NoiseExperiment:
    """The result of :func:`noise_experiment`, one entry a group."""

    epsilon: float
    draws: int
    seed: int
    noise: str
    groups: tuple[NoiseGain, ...]

    def to_dict(self) -> dict:
        """Plain data."""
        return {"kind": "NoiseExperiment", **asdict(self), "groups": [asdict(one) for one in self.groups]}


def noise_experiment(
    space: Simplex, reports: Sequence[Report], epsilon: float, draws: int = 1000, seed: int = 0, noise: str = "uniform"
) -> NoiseExperiment:
    """Draw noise, settle with :class:`Welfare` and :class:`Externality`, and measure what lies can gain.

    ``noise`` is ``"uniform"`` on [-epsilon, epsilon], or ``"signs"``, always one of the two ends; independent for
    each group, prompt and response. The gains come with their bounds, in the units of the payments.

    Raises :class:`InputError` on a space that is not a :class:`Simplex`, a negative epsilon or seed, or no draws.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> found = noise_experiment(space, [ta.Report("a", 2, ta.TableReward([0.6, 0.4]))], epsilon=0.1, draws=100)
    >>> one = found.groups[0]
    >>> one.largest_gain <= one.square_bound < one.bound
    True
    """
    _check(space, epsilon, draws, seed, noise)
    epsilon, draws, seed = float(epsilon), int(draws), int(seed)
    truth = settle(space, reports)
    rng = np.random.default_rng(seed)
    shape = truth.scores.shape
    gains, ranges, lies = [], [], []
    chunk = max(1, 500_000 // truth.scores.size)
    for first in range(0, draws, chunk):
        drawn = rng.uniform(-1.0, 1.0, size=(min(chunk, draws - first), *shape))
        drawn = epsilon * (np.sign(drawn) if noise == "signs" else drawn)
        gains.append(_possible_gains(truth, drawn))
        ranges.append((drawn.max(axis=2) - drawn.min(axis=2)).swapaxes(1, 2) @ space.prompt_weights)
        lies.append(_gains_of_fixed_lies(truth, drawn))
    gains, ranges = np.concatenate(gains), np.concatenate(ranges)
    found = [
        _gathered(truth, group, epsilon, gains[:, group], ranges[:, group], [part[group] for part in lies], draws)
        for group in range(shape[2])
    ]
    return NoiseExperiment(epsilon, draws, seed, noise, tuple(found))


def _gathered(truth: Settlement, group: int, epsilon: float, gains, ranges, lies, draws: int) -> NoiseGain:
    size, divergence = float(truth.sizes[group]), truth.space.divergence
    bound, square = 2.0 * size * epsilon, None
    if isinstance(divergence, KL):
        square = min(bound, size**2 * epsilon**2 / (2.0 * divergence.strength))
    means = np.sum(lies, axis=0) / draws
    best = int(means.argmax())
    lie = "the truth" if means[best] <= 0.0 else str(_LIES[best])
    return NoiseGain(
        truth.names[group],
        float(gains.mean()),
        float(gains.max()),
        max(0.0, float(means[best])),
        lie,
        bound,
        size * float(ranges.max()),
        square,
    )


def _possible_gains(truth: Settlement, drawn: np.ndarray) -> np.ndarray:
    """What the best model for each group's true reward adds to the model of the noisy rewards: (draws, groups)."""
    divergence, base = truth.space.divergence, np.atleast_2d(truth.space.base)
    noisy = (truth.scores + drawn) @ truth.sizes
    hat = _tilt(divergence, noisy, base)
    columns = []
    for group, size in enumerate(truth.sizes):
        judged = noisy - size * drawn[..., group]
        best = _tilt(divergence, judged, base)
        columns.append(_shortfall(divergence, judged, base, hat, best) @ truth.space.prompt_weights)
    return np.stack(columns, axis=1)


def _shortfall(divergence, score, base, hat, best) -> np.ndarray:
    score = score - score.max(axis=-1, keepdims=True)
    prices = [divergence.price(policy, np.broadcast_to(base, policy.shape)) for policy in (best, hat)]
    lost = np.maximum((score * (best - hat)).sum(axis=-1) - (prices[0] - prices[1]), 0.0)
    if not isinstance(divergence, KL):
        return lost
    stable = divergence.price(hat, best)  # lambda KL(hat || best): no difference of large numbers
    return np.where(np.isfinite(stable), stable, lost)  # infinite where a probability of the best one underflows


def _gains_of_fixed_lies(truth: Settlement, drawn: np.ndarray) -> list[np.ndarray]:
    """For each group the gain of each lie, summed over the draws; the same noise is added to truth and lie."""
    divergence, base = truth.space.divergence, np.atleast_2d(truth.space.base)
    noisy = (truth.scores + drawn) @ truth.sizes
    found = []
    for group, size in enumerate(truth.sizes):
        own, noise = truth.scores[:, :, group], drawn[..., group]
        judged = noisy - size * noise
        honest = _welfare(divergence, judged, base, noisy)
        sums = []
        for lie in _LIES:
            claimed, table = lie.report(truth, group)
            score = noisy - size * (own + noise) + claimed * (Feasible.of(truth, group).divided(table) + noise)
            gain = _welfare(divergence, judged, base, score) - honest
            sums.append(float((gain @ truth.space.prompt_weights).sum()))
        found.append(np.array(sums))
    return found


def _welfare(divergence, judged, base, score) -> np.ndarray:
    """Net welfare by the ``judged`` score of the model that another score leads to."""
    policy = _tilt(divergence, score, base)
    judged = judged - judged.max(axis=-1, keepdims=True)
    return (policy * judged).sum(axis=-1) - divergence.price(policy, np.broadcast_to(base, policy.shape))


def _tilt(divergence, score, base) -> np.ndarray:
    return divergence.tilt(score, np.broadcast_to(base, score.shape))[0]


def _check(space, epsilon, draws, seed, noise) -> None:
    if not isinstance(space, Simplex):
        raise InputError(f"the experiment needs a Simplex, got {type(space).__name__}.")
    if isinstance(epsilon, bool) or not isinstance(epsilon, _NUMBER) or not 0 <= epsilon < math.inf:
        raise InputError(f"epsilon must be a number that is not negative, got {epsilon!r}. Try 0.05.")
    whole_number("draws", draws, least=1)
    whole_number("seed", seed, least=0)
    if noise not in NOISES:
        raise InputError(f"there is no noise {noise!r}. {nearest(noise, NOISES)}")
