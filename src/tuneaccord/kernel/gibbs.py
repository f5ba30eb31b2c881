"""The Gibbs policy and its net welfare in logarithms, which neither overflow nor vanish. Plain NumPy, row by row."""

from __future__ import annotations

import numpy as np

#: below this |lift| a log-mean is summed by expm1
_WEAK = 1.0


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


def _log_mean_exp(log_weights, lift):
    """``log sum_x weight_x exp(lift_x)`` for weights that sum to one, last axis kept."""
    exponent = log_weights + lift
    top = exponent.max(axis=-1, keepdims=True)
    far = top + np.log(np.exp(exponent - top).sum(axis=-1, keepdims=True))
    weak = np.abs(lift).max(axis=-1, keepdims=True) < _WEAK
    near = np.log1p((np.exp(log_weights) * np.expm1(np.where(weak, lift, 0.0))).sum(axis=-1, keepdims=True))
    return np.where(weak, near, far)
