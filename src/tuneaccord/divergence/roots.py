"""The one equation behind every best policy: which natural parameter makes the policy sum to one.

For the families with powers the ratio ``p_x / q_x`` is a power ``k`` of ``b + offset_x``, and ``b`` is sought
such that the power mean ``N(b) = (sum_x weight_x (b + offset_x)^k)^(1/k)`` is 1. ``N`` is nearly linear where
the plain sum is nearly singular, which is why Newton's method gets there in a few steps; it is the secular
equation of trust-region methods. All problems of an array are solved together.
"""

from __future__ import annotations

import numpy as np

#: from here one more Newton step reaches rounding
_CLOSE = 2e-14
#: brackets narrower than this, relative to their ends, hold no other number worth trying
_NARROW = 4e-16


def power_root(
    weights: np.ndarray,
    offsets: np.ndarray,
    exponent: float,
    low: np.ndarray,
    high: np.ndarray,
    start: np.ndarray,
) -> np.ndarray:
    """``b`` with ``sum_x weight_x max(b + offset_x, 0)^exponent = 1`` in ``[low, high]``, for each row.

    ``weights`` and ``offsets`` have shape (rows, responses), the rest (rows,). Newton on the power mean, and
    bisection whenever a step leaves the bracket or fails to halve the error. Where no float64 solves the
    equation, because a response enters at an infinite slope, the answer is the upper neighbour.

    >>> one = np.ones(1)
    >>> power_root(np.array([[0.5, 0.5]]), np.array([[0.0, 0.5]]), 1.0, 0 * one, 2 * one, one)
    array([0.75])
    """
    root, active = start.astype(float), np.arange(len(start))
    low, high, before = low.astype(float), high.astype(float), np.full(len(start), np.inf)
    for _ in range(200):
        at = root[active]
        excess, newton = _newton(weights, offsets, exponent, at)
        low = np.where(excess < 0, at, low)
        high = np.where(excess > 0, at, high)
        usable = (newton > low) & (newton < high) & (np.abs(excess) <= 0.5 * before)
        narrow = high - low <= _NARROW * high
        close = narrow | (np.abs(excess) <= _CLOSE)
        inside = np.clip(newton, low, high)
        root[active] = np.where(narrow, high, np.where(usable | close, inside, _middle(low, high)))
        if close.all():
            break
        keep = ~close
        active, before = active[keep], np.abs(excess)[keep]
        low, high = low[keep], high[keep]
        if close.any():
            weights, offsets = weights[keep], offsets[keep]
    return root


def power(base: np.ndarray, exponent: float) -> np.ndarray:
    """``base ** exponent`` without the general power where a multiplication does.

    >>> power(np.array([2.0]), -2)
    array([0.25])
    """
    plain = {
        -2.0: lambda y: 1.0 / (y * y),
        -1.0: lambda y: 1.0 / y,
        0.0: np.ones_like,
        0.5: np.sqrt,
        1.0: np.array,
        2.0: np.square,
    }
    return plain[exponent](base) if exponent in plain else base**exponent


def _newton(weights, offsets, exponent, root):
    """How far the power mean is above 1, and Newton's next point."""
    natural = root[:, None] + offsets
    positive = natural > 0
    natural = np.where(positive, natural, 1.0)
    terms = np.where(positive, weights * power(natural, exponent), 0.0)
    total = terms.sum(axis=1)
    slope = (terms / natural).sum(axis=1)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # far off, and bisected then
        excess = np.expm1(np.log(total) / exponent)
        return excess, root - excess / (1.0 + excess) * total / slope


def _middle(low, high):
    return np.where(high > 4 * low, np.sqrt(low) * np.sqrt(high), 0.5 * (low + high))
