"""KL payments of single groups by the careful route, for NumPy and torch.

The fast sums multiply ``exp(z)`` by ``exp(-y)``, and one of the two may vanish or overflow when a group is strong
against the strength. Here both policies are formed in logarithms, for the few groups and prompts that need it,
and a group that carries most of the score is taken out by summing the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tuneaccord.kernel.arrays import double, like, namespace, to_numpy
from tuneaccord.kernel.portable import centred_exponential
from tuneaccord.kernel.result import AllPayments

#: below this |y| a log-mean is summed by expm1, and above it a leave-one-out problem may be solved afresh
_NEAR = 1.0
#: rewards in hand at a time
_LOT = 1 << 20


def completed(found: AllPayments, missing: np.ndarray, scores, log_base, sizes, strength) -> AllPayments:
    """``found`` with the ``missing`` payments (prompts, groups) filled in."""
    if not missing.any():
        return found
    exact = kl_payments(scores, log_base, sizes, strength, found.values_by_prompt, missing)
    return replace(found, payments_by_prompt=np.where(missing, exact, found.payments_by_prompt))


def kl_payments(scores, log_base, sizes: np.ndarray, strength: float, centre: np.ndarray, wanted: np.ndarray):
    """``strength * KL(p* || p without i)`` where ``wanted`` (prompts, groups), and zero elsewhere.

    >>> market = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    >>> kl_payments(market, None, np.array([1.0, 1e4]), 1.0, np.zeros((1, 2)), np.array([[False, True]])).round(4)
    array([[0.    , 1.3133]])
    """
    payments = np.zeros(wanted.shape)
    prompts = np.flatnonzero(wanted.any(axis=1))
    lot = max(1, _LOT // (scores.shape[1] * scores.shape[2]))
    for start in range(0, len(prompts), lot):
        ours = prompts[start : start + lot]
        base = None if log_base is None else log_base[ours]
        payments[ours] = _lot(scores[ours], base, sizes / strength, centre[ours], wanted[ours])
    return strength * payments


def _lot(scores, log_base, scale, centre, wanted):
    xp = namespace(scores)
    y = (double(scores) - like(centre, scores)[..., None]) * like(scale, scores)[:, None]
    if log_base is None:
        log_base = xp.zeros_like(y[:, 0])
    held = xp.isfinite(log_base)
    y = xp.where(held[:, None], y, 0.0)
    log_policy = _normal(log_base + y.sum(1), xp)
    reach = xp.amax(xp.abs(y), -1)
    payments = np.zeros(wanted.shape)
    for group in np.flatnonzero(wanted.any(axis=0)):
        log_ratio = _log_ratio(y[:, group], log_policy, held, xp)
        log_without = log_policy - log_ratio
        strong = xp.amax(xp.abs(log_ratio), -1) > _NEAR
        alone = strong & (reach[:, group] > 0.5 * reach.sum(-1))
        if bool(alone.any()):
            rest = [j for j in range(y.shape[1]) if j != group]
            fresh = _normal(log_base + y[:, rest].sum(1), xp)
            log_without = xp.where(alone[:, None], fresh, log_without)
            gap = xp.where(held, log_policy, 0.0) - xp.where(held, log_without, 0.0)
            log_ratio = xp.where(alone[:, None], gap, log_ratio)
        payments[:, group] = to_numpy(_divergence(log_policy, log_without, log_ratio, xp))
    return np.where(wanted, payments, 0.0)


def _normal(z, xp):
    """The logarithm of the distribution proportional to ``exp(z)``."""
    z = z - xp.amax(z, -1)[:, None]
    return z - xp.log(xp.exp(z).sum(-1))[:, None]


def _log_ratio(y, log_policy, held, xp):
    """``log p* / p without i``, for the group with ``y = size (r - c) / strength``."""
    policy = xp.exp(log_policy)
    rows = range(len(y))
    y = y - y[rows, xp.argmax(log_policy, -1)][:, None]  # a constant reward becomes exactly zero
    y = xp.where(held, y - (policy * y).sum(-1)[:, None], 0.0)
    return y + _log_mean_exp(log_policy, -y, xp)[:, None]


def _log_mean_exp(log_weights, lift, xp):
    exponent = log_weights + lift
    top = xp.amax(exponent, -1)
    far = top + xp.log(xp.exp(exponent - top[:, None]).sum(-1))
    near = xp.abs(lift) < _NEAR
    small = xp.log1p((xp.exp(log_weights) * xp.expm1(xp.where(near, lift, 0.0))).sum(-1))
    return xp.where(near.all(-1), small, far)


def _divergence(log_policy, log_without, log_ratio, xp):
    """``KL(p* || p without i)`` of each prompt, by terms that are not negative."""
    policy = xp.exp(log_policy)
    far = xp.exp(log_without) - policy + policy * log_ratio
    near = policy * centred_exponential(xp.clip(log_ratio, -0.5, 0.5), xp)
    return xp.where(xp.abs(log_ratio) < 0.5, near, far).sum(-1)
