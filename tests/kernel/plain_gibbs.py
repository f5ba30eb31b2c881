"""All KL payments by plain NumPy, one group at a time and in logarithms: a second route, slower and simpler.

The policy without a group comes from the group's own reward, ``log p*/p_-i = y + log E[exp(-y)]`` with
``y = w_i (r_i - v_i) / lambda`` and E under the optimum; a mistake in its constant enters the sum only in second
order. A group that carries most of the total score is the exception: its leave-one-out policy is formed from the
other groups' rewards directly.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.kernel.gibbs import log_gibbs

#: below this |y| the Taylor polynomial of h is used, accurate to rounding with 15 terms
_TAYLOR = 0.5
#: below this |y| differences to the optimum are more exact than leave-one-out problems solved afresh
_WEAK = 1.0


def centred_exponential(y: np.ndarray) -> np.ndarray:
    """``exp(-y) - 1 + y`` for ``|y| <= 1/2``, to full relative accuracy."""
    series = np.ones_like(y)
    for k in range(16, 2, -1):
        series = 1.0 - y / k * series
    return 0.5 * y * y * series


def kl_externalities(
    scores: np.ndarray, sizes: np.ndarray, strength: float, log_base: np.ndarray, log_policy: np.ndarray
) -> np.ndarray:
    """What each group's presence costs the others, shape (prompts, groups); one strong group at most.

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
