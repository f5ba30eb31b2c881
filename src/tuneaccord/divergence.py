"""Divergences: what it costs to move a policy away from the base model.

A divergence here carries its strength, so that ``price`` is the number that is subtracted from welfare:
``D(p || q) = strength * sum_x q_x phi(p_x / q_x)``. This module has the one divergence with a closed-form
optimum at every strength, the Kullback-Leibler divergence. The space decides how to use it; a divergence
knows nothing of groups or money.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.kernel import kl_externalities, log_gibbs


class Divergence(ABC):
    """The price of a policy ``p`` against a base ``q``; the last axis runs over responses."""

    strength: float

    @abstractmethod
    def price(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        """``D(policy || base)``, strength included, summed over the last axis."""

    @abstractmethod
    def tilt(self, score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The policy that maximises ``<score, p> - D(p || base)``, and that maximum, per leading index."""

    @abstractmethod
    def externalities(self, scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
        """What each group's presence costs the others, shape (prompts, groups), never negative.

        For group i: ``max_p [<S - w_i r_i, p> - D(p)] - [<S - w_i r_i, p*> - D(p*)]`` where ``S`` is the
        size-weighted sum of ``scores`` (prompts, responses, groups) and ``p*`` the best policy for it.
        """


@dataclass(frozen=True)
class KL(Divergence):
    """Kullback-Leibler divergence, ``D(p || q) = strength * sum_x p_x log(p_x / q_x)``, in units of reward.

    ``strength`` is the paper's lambda: how many units of size-weighted reward one nat of divergence
    costs. The best policy for a score ``s`` is the Gibbs policy ``p_x ∝ q_x exp(s_x / strength)`` and the
    best net score is ``strength * log sum_x q_x exp(s_x / strength)``.

    Small strengths make the policy a point mass on the best response; large ones keep it at the base.
    Raises :class:`InputError` when the strength is not a positive finite number.

    Source: arXiv 2405.16276, section 2 (regularised training rule).

    >>> float(KL(strength=2.0).price(np.array([1.0, 0.0]), np.array([0.5, 0.5])))  # 2 log 2
    1.3862943611198906
    """

    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_strength(self.strength))

    def price(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        policy, base = np.asarray(policy, float), np.asarray(base, float)
        # q (t log t - t + 1) is a sum of non-negative terms: no cancellation, never negative.
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (policy - base) / base
            near = np.abs(step) < 0.5  # there the difference of the logarithms would lose digits
            log_ratio = np.where(near, np.log1p(step), np.log(policy) - np.log(base))
            terms = policy * log_ratio - (policy - base)
        terms = np.where(policy > 0, terms, base)
        return self.strength * np.maximum(terms.sum(axis=-1), 0.0)

    def tilt(self, score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_policy, best = log_gibbs(np.asarray(score, float), self.strength, _log(base))
        return np.exp(log_policy), best

    def externalities(self, scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
        scores = scores - scores[:, :1]  # a constant changes no externality, and costs digits
        log_policy, _ = log_gibbs(scores @ sizes, self.strength, _log(base))
        return kl_externalities(scores, sizes, self.strength, _log(base), log_policy)


def _log(base: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(base, float))


def check_strength(strength: float) -> float:
    """The strength as a float, or :class:`InputError` unless it is a positive finite number."""
    if isinstance(strength, bool) or not isinstance(strength, int | float | np.integer | np.floating):
        raise InputError(f"strength must be a number, got {strength!r}. Try a value such as 0.5.")
    if not 0 < strength < math.inf:
        raise InputError(
            f"strength must be a positive finite number, got {strength!r}. It is the price of one nat of "
            "divergence in units of reward; try 0.5, or a tenth of the sum of the sizes."
        )
    return float(strength)
