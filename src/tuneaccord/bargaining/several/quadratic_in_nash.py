"""Nash-in-Nash in quadratic games, at any number of specialists: all its fixed points from one scalar equation.

With ``sent_i = share_i b_i`` and the others sending ``rest``, the generalist gains from domain i
``sent_i (2 s rest + s sent_i + 2 t_i kept_i)`` and the specialist ``kept_i (2 s (rest + sent_i) + t_i kept_i)``. All
four factors are linear and positive, so the logarithm of the bilateral product is concave and one root is its maximum.
At a fixed point ``rest = sent - sent_i``: given ``sent`` each ``sent_i`` is a root, and their sum must be ``sent``.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.several.quadratic import Quadratic

SCANNED = 129  #: values of ``sent``


def best_replies(form: Quadratic, power: float, rest: np.ndarray) -> np.ndarray:
    """What each domain sends under its own bilateral bargain when the others send ``rest``, (..., specialists)."""
    return _root(form, power, lambda sent_by: rest, np.broadcast_to(form.rates, np.shape(rest)))


def fixed_points(form: Quadratic, power: float) -> list[np.ndarray]:
    """What each domain sends, at every fixed point that the scan shows."""
    from scipy.optimize import brentq

    def consistent(sent):
        sent = np.asarray(sent, float)[..., None]
        return _root(form, power, lambda sent_by: sent - sent_by, np.minimum(form.rates, sent))

    def excess(sent):
        return float(consistent(sent).sum() - sent)

    values = form.most_sent * np.linspace(0.0, 1.0, SCANNED)[1:]
    signs = np.concatenate([consistent(part).sum(axis=-1) - part for part in np.array_split(values, 8)]) > 0
    found = []
    for i in range(len(values) - 1):
        if signs[i] != signs[i + 1]:
            sent = brentq(excess, values[i], values[i + 1], xtol=1e-300, rtol=1e-15)
            found.append(consistent(sent))
    return found


def residual(form: Quadratic, power: float, sent_by: np.ndarray) -> float:
    """How far, in shares, the best reply of any domain is from what it sends."""
    off = best_replies(form, power, sent_by.sum() - sent_by) - sent_by
    return float(np.abs(off / form.rates).max())


def _root(form: Quadratic, power: float, rest, top: np.ndarray) -> np.ndarray:
    """The root of the product's slope in ``sent_by`` on (0, top), by bisection; ``top`` if it rises throughout."""
    base, own, rates = form.base, form.own, form.rates
    low, high = np.zeros_like(top), np.array(top, float)
    for _ in range(60):
        sent_by = 0.5 * (low + high)
        kept, others = rates - sent_by, rest(sent_by)
        with np.errstate(divide="ignore"):
            rising = power * (
                1.0 / sent_by + (base - 2.0 * own) / (2.0 * base * others + base * sent_by + 2.0 * own * kept)
            ) + (1.0 - power) * (-1.0 / kept + (2.0 * base - own) / (2.0 * base * (others + sent_by) + own * kept))
        low, high = np.where(rising > 0, sent_by, low), np.where(rising > 0, high, sent_by)
    return 0.5 * (low + high)
