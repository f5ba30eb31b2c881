"""The interface of a divergence: what it costs to move a policy away from the base model.

A divergence here carries its strength, so that ``price`` is the number that is subtracted from welfare:
``D(p || q) = strength * sum_x q_x phi(p_x / q_x)``. The space decides how to use it; a divergence knows
nothing of groups' names or money.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from tuneaccord.errors import InputError

#: strengths between which squares of amounts in units of the strength stay within float64
_LEAST, _MOST = 1e-100, 1e100


class Divergence(ABC):
    """The price of a policy ``p`` against a base ``q``; the last axis runs over responses.

    Responses of base probability zero stay at zero: every method ignores their scores.
    """

    strength: float

    @abstractmethod
    def price(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        """``D(policy || base)``, strength included, summed over the last axis."""

    @abstractmethod
    def tilt(self, score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The policy that maximises ``<score, p> - D(p || base)``, and that maximum, per leading index.

        The maximum is the dual value, an upper bound whatever the policy's error, so that it certifies a gap.
        """

    @abstractmethod
    def externalities(self, scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
        """What each group's presence costs the others, shape (prompts, groups), never negative.

        For group i: ``max_p [<S - w_i r_i, p> - D(p)] - [<S - w_i r_i, p*> - D(p*)]`` where ``S`` is the
        size-weighted sum of ``scores`` (prompts, responses, groups) and ``p*`` the best policy for it.
        """

    @abstractmethod
    def slope(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        """The gradient of the price, ``strength * phi'(p_x / q_x)`` for each response; 0 where ``q_x = 0``."""

    @abstractmethod
    def response(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        """How far each probability moves with its score: ``q_x / (strength * phi''(p_x / q_x))``, the paper's kappa.

        With ``k`` for it, the best policy moves by ``dp = k * (ds - (k @ ds) / k.sum())``. It is 0 where ``p_x = 0``,
        and everywhere for a divergence that is not smooth.
        """


def check_strength(strength: float) -> float:
    """The strength as a float, or :class:`InputError` unless it is a positive number, from 1e-100 to 1e100."""
    if isinstance(strength, bool) or not isinstance(strength, int | float | np.integer | np.floating):
        raise InputError(f"strength must be a number, got {strength!r}. Try a value such as 0.5.")
    try:
        number = float(strength)
    except OverflowError:  # an int of hundreds of digits
        number = math.inf
    if not 0 < number < math.inf:
        raise InputError(
            f"strength must be a positive finite number, got {strength!r:.80}. It is the price of one unit of "
            "divergence (for KL, one nat) in units of reward; try 0.5, or a tenth of the sum of the sizes."
        )
    if not _LEAST <= number <= _MOST:
        raise InputError(
            f"strength must be from {_LEAST:g} to {_MOST:g}, got {strength!r}: amounts in units of it would overflow. "
            "Multiply rewards and strength by the same number."
        )
    return number
