"""All leave-one-out optima under KL from one optimum, without subtracting large numbers.

The textbook payment ``lambda log(Z_-i / Z) + w_i v_i`` is a difference of numbers that agree to many
digits when a group is small, and it loses all of them. Here the same quantity is summed as the
divergence between the two policies,

    externality_i = lambda KL(p* || p_-i) = lambda sum_x p*_x h(log p*_x / p_-i,x),   h(y) = exp(-y) - 1 + y >= 0,

whose terms are never negative, exactly 0 for a constant reward, and right in their last digits for small
groups. The ratio comes from the group's own reward, ``log p*/p_-i = y + log E[exp(-y)]`` with
``y = w_i (r_i - v_i) / lambda`` and E under the optimum; a mistake in its constant enters the sum only
in second order. A group that carries most of the total score is the exception: its leave-one-out policy
is formed from the other groups' rewards directly. This version is plain NumPy, one group at a time, all
prompts at once.
"""

from __future__ import annotations

import numpy as np

#: below this |y| the Taylor polynomial of h is used, accurate to rounding with 15 terms
_TAYLOR = 0.5
#: below this |y| differences to the optimum are more exact than leave-one-out problems solved afresh
_WEAK = 1.0


def centred_exponential(y: np.ndarray) -> np.ndarray:
    """``exp(-y) - 1 + y`` for ``|y| <= 1/2``, to full relative accuracy.

    >>> float(centred_exponential(np.array(1e-9)))  # y**2 / 2 - y**3 / 6
    4.999999998333333e-19
    """
    series = np.ones_like(y)
    for k in range(16, 2, -1):
        series = 1.0 - y / k * series
    return 0.5 * y * y * series


def log_gibbs(score: np.ndarray, strength: float, log_base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log of ``p ∝ q exp(score / strength)`` and ``strength * log sum q exp(score / strength)``, per row.

    ``log_base`` may be minus infinity; the score there does not matter.

    >>> log_gibbs(np.array([3.0, 3.0]), 1.0, np.log([0.5, 0.5]))[1]
    array(3.)
    """
    supported = np.isfinite(log_base)
    top = np.where(supported, score, -np.inf).max(axis=-1, keepdims=True)
    lift = np.where(supported, (score - top) / strength, 0.0)
    log_mass = _log_mean_exp(log_base, lift)
    return log_base + lift - log_mass, (top + strength * log_mass)[..., 0]


def kl_externalities(
    scores: np.ndarray, sizes: np.ndarray, strength: float, log_base: np.ndarray, log_policy: np.ndarray
) -> np.ndarray:
    """What each group's presence costs the others, shape (prompts, groups); see the module's formula.

    ``scores`` is (prompts, responses, groups); ``log_policy`` the optimum's log-probabilities.
    """
    mass = sizes * np.abs(scores).max(axis=(0, 1))
    columns = []
    for group in range(len(sizes)):
        log_ratio = _log_ratio(sizes[group] / strength * scores[:, :, group], log_policy)
        log_without = log_policy - log_ratio
        strong = np.abs(log_ratio).max(axis=1) > _WEAK
        if mass[group] > 0.5 * mass.sum() and strong.any():
            others = np.delete(scores, group, axis=2) @ np.delete(sizes, group)
            log_without[strong] = log_gibbs(others, strength, log_base)[0][strong]
            log_ratio[strong] = _difference(log_policy, log_without)[strong]
        columns.append(strength * _divergence(log_policy, log_without, log_ratio))
    return np.stack(columns, axis=1)


def _log_ratio(gain, log_policy):
    """``log p*/p_-i`` for a group whose size times reward, in units of the strength, is ``gain``."""
    # Centring at the likeliest response makes a constant reward exactly zero.
    gain = gain - np.take_along_axis(gain, log_policy.argmax(axis=1)[:, None], axis=1)
    y = gain - (np.exp(log_policy) * gain).sum(axis=1, keepdims=True)
    y = np.where(np.isfinite(log_policy), y, 0.0)
    return y + _log_mean_exp(log_policy, -y)


def _divergence(log_policy, log_without, log_ratio):
    """``KL(p* || p_-i)`` per row, as a sum of terms that are not negative."""
    policy = np.exp(log_policy)
    # p_-i itself and not p* exp(-log_ratio), whose factors may vanish and overflow
    far = np.exp(log_without) - policy + policy * log_ratio
    near = policy * centred_exponential(np.clip(log_ratio, -_TAYLOR, _TAYLOR))
    return np.where(np.abs(log_ratio) < _TAYLOR, near, far).sum(axis=1)


def _difference(log_policy, other):
    supported = np.isfinite(log_policy)
    return np.subtract(log_policy, other, out=np.zeros_like(log_policy), where=supported)


def _log_mean_exp(log_weights, lift):
    """``log sum_x weight_x exp(lift_x)`` for weights that sum to one, last axis kept."""
    exponent = log_weights + lift
    top = exponent.max(axis=-1, keepdims=True)
    far = top + np.log(np.exp(exponent - top).sum(axis=-1, keepdims=True))
    weak = np.abs(lift).max(axis=-1, keepdims=True) < _WEAK
    near = np.log1p((np.exp(log_weights) * np.expm1(np.where(weak, lift, 0.0))).sum(axis=-1, keepdims=True))
    return np.where(weak, near, far)
