"""Quadratic games: the largest level that everybody's gain, measured in units of its own, can be raised to.

The egalitarian solution has units of 1, Kalai-Smorodinsky the ideal gains. At a given ``sent`` a specialist needs to
keep ``needed_i(level)`` and the generalist gets the most from what is left over if it is poured where it earns most;
both are exact, so the largest level at that ``sent`` is one root. What remains is the best ``sent``: one dimension,
scanned for every change of sign of the level's derivative, which is known. What the scan of finitely many ``sent``
could miss is the only thing that is not proved.

At the best ``sent`` the kept rates are unique (the generalist's utility is strictly concave in them), so there is
nothing left for the lexicographic continuation to raise, except between equally high levels at different ``sent``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.several.quadratic import Quadratic

SCANNED = 65  #: values of ``sent``


@dataclass(frozen=True, eq=False)
class Level:
    """The largest level at one ``sent``, the sign of its derivative there, and what everybody keeps."""

    value: float
    rising: bool
    kept: np.ndarray


def raise_levels(form: Quadratic, units: np.ndarray) -> list[np.ndarray]:
    """The kept rates at every local maximum of the level over ``sent``."""
    values = form.most_sent * (np.arange(SCANNED) + 0.5) / SCANNED
    found = [level_at(form, units, sent) for sent in values]
    ends = [0.0, *values.tolist(), form.most_sent]
    rising = [True, *(one.rising for one in found), False]
    return [_peak(form, units, ends[i], ends[i + 1]) for i in range(len(ends) - 1) if rising[i] and not rising[i + 1]]


def _peak(form: Quadratic, units: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bisects the derivative's sign, right at a smooth peak and at a crossing alike."""
    one = None
    while one is None or low < 0.5 * (low + high) < high:
        middle = 0.5 * (low + high)
        one = level_at(form, units, middle)
        low, high = (middle, high) if one.rising else (low, middle)
    return one.kept


def level_at(form: Quadratic, units: np.ndarray, sent: float) -> Level:
    """The largest level when the generalist earns ``sent`` a unit."""
    from scipy.optimize import brentq

    kept_in_all = form.most_sent - sent
    own_units, own_outside = units[1:], form.outside[1:]
    alone = form.rates * (2.0 * form.base * sent + form.own * form.rates)
    cap = float(((alone - own_outside) / own_units).min())  # the first specialist to keep everything

    def needed(level):
        wanted = np.maximum(own_outside + level * own_units, 0.0)
        return wanted / (form.base * sent + np.sqrt((form.base * sent) ** 2 + form.own * wanted))

    capped = needed(cap).sum() <= kept_in_all
    top = cap if capped else brentq(lambda level: needed(level).sum() - kept_in_all, 0.0, cap, xtol=1e-300, rtol=1e-15)

    def spare(level):
        kept, _ = pour(form, np.minimum(needed(level), form.rates), kept_in_all)
        return _generalist(form, sent, kept) - form.outside[0] - level * units[0]

    if spare(top) >= 0.0:
        kept, _ = pour(form, np.minimum(needed(top), form.rates), kept_in_all)
        return Level(top, capped or _more_base_helps(form, sent, kept), kept)
    level = brentq(spare, 0.0, top, xtol=1e-300, rtol=1e-15)
    least = np.minimum(needed(level), form.rates)
    kept, poured = pour(form, least, kept_in_all)
    return Level(level, _rises_with_the_generalist(form, sent, kept, poured), kept)


def pour(form: Quadratic, least: np.ndarray, total: float) -> tuple[np.ndarray, float]:
    """The kept rates between ``least`` and everything, ``total`` in sum, that the generalist earns most from.

    It earns ``2 t_i (b_i - 2 kept_i)`` from one more unit kept by i: the same, twice the second result, wherever the
    bounds leave a choice.
    """
    leaves, full = form.own * (form.rates - 2.0 * least), -form.own * form.rates
    marks = np.concatenate([full, leaves])
    order = np.argsort(marks, kind="stable")
    steps = np.concatenate([-0.5 / form.own, 0.5 / form.own])[order]
    marks = marks[order]
    falls = np.concatenate([[0.0], np.cumsum(np.cumsum(steps)[:-1] * np.diff(marks))])
    sums = form.rates.sum() + falls
    spot = int(np.searchsorted(-sums, -total))
    if spot <= 0 or spot >= len(marks):
        return (form.rates.copy(), float(marks[0])) if spot <= 0 else (least, float(marks[-1]))
    slope = np.cumsum(steps)[spot - 1]
    worth = marks[spot] if slope == 0 else marks[spot - 1] + (total - sums[spot - 1]) / slope

    def at(worth):
        return np.clip(0.5 * (form.rates - worth / form.own), least, form.rates)

    kept = at(worth)
    moving = (kept > least) & (kept < form.rates)
    if moving.any():  # the sums above have rounding errors of their own: one more step of Newton
        worth += (kept.sum() - total) / (0.5 / form.own[moving]).sum()
        kept = at(worth)
    return kept, float(worth)


def _generalist(form: Quadratic, sent: float, kept: np.ndarray) -> float:
    return float(form.base * sent**2 + 2.0 * (form.own * (form.rates - kept) * kept).sum())


def _more_base_helps(form: Quadratic, sent: float, kept: np.ndarray) -> bool:
    """Whether the specialists' common level rises with ``sent`` although they then keep less."""
    saved = form.base * kept / (form.base * sent + form.own * kept)  # how much less each needs to keep
    return bool(saved.sum() > 1.0)


def _rises_with_the_generalist(form: Quadratic, sent: float, kept: np.ndarray, poured: float) -> bool:
    """The sign of the level's derivative from the multipliers: the generalist's is 1, that of the sum 2 ``poured``."""
    earns = 2.0 * form.own * (form.rates - 2.0 * kept)
    weights = np.maximum(2.0 * poured - earns, 0.0) / (2.0 * form.base * sent + 2.0 * form.own * kept)
    return bool(2.0 * form.base * (sent + (weights * kept).sum()) > 2.0 * poured)
