"""Games with quadratic costs and linear revenue, solved from closed utilities at any number of specialists.

With costs ``c0 base^2`` and ``c_i x^2``, revenue ``b_i a_i``, no entry costs and no outside option worth leaving for,
everybody takes part at any shares. Write ``kept_i = (1 - share_i) b_i`` for what a unit of performance earns specialist
i, ``sent = sum share_i b_i`` for what it earns the generalist, ``s = 1/(4 c0)`` and ``t_i = 1/(4 c_i)``:

    U_G = s sent^2 + 2 sum_i t_i (b_i - kept_i) kept_i,    U_i = 2 s kept_i sent + t_i kept_i^2

Given ``sent`` and a multiplier or two, every solution's conditions fall apart into one equation a specialist. The
solutions that are one formula are here; :mod:`quadratic_levels` raises a minimum, :mod:`quadratic_nash` a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.curves import Linear, Power

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


@dataclass(frozen=True, eq=False)
class Quadratic:
    """A quadratic game: ``base`` is s, ``own`` the t_i, ``rates`` the b_i; ``outside`` has the generalist first."""

    base: float
    own: np.ndarray
    rates: np.ndarray
    outside: np.ndarray

    @property
    def most_sent(self) -> float:
        """What the generalist would earn per unit if it had all the revenue."""
        return float(self.rates.sum())

    def shares(self, kept: np.ndarray) -> np.ndarray:
        """The generalist's shares."""
        return np.clip((self.rates - kept) / self.rates, 0.0, 1.0)

    def utilities(self, kept: np.ndarray) -> np.ndarray:
        """Everybody's utility, the generalist first, shape (..., 1 + specialists)."""
        sent_by = self.rates - kept
        sent = sent_by.sum(axis=-1, keepdims=True)
        generalist = self.base * sent**2 + 2.0 * (self.own * sent_by * kept).sum(axis=-1, keepdims=True)
        return np.concatenate([generalist, kept * (2.0 * self.base * sent + self.own * kept)], axis=-1)

    def jacobian(self, kept: np.ndarray) -> np.ndarray:
        """The derivative of each utility in each share, shape (1 + specialists, specialists)."""
        sent = float((self.rates - kept).sum())
        generalist = 2.0 * self.base * sent - 2.0 * self.own * (self.rates - 2.0 * kept)
        by_kept = -2.0 * self.base * np.repeat(kept[:, None], len(kept), axis=1)
        by_kept[np.diag_indices(len(kept))] += 2.0 * self.base * sent + 2.0 * self.own * kept
        return np.vstack([generalist, -by_kept]) * self.rates


def quadratic(game: FineTuningGame) -> Quadratic | None:
    """The quadratic form of ``game``, or None if it has none."""
    cost = game.generalist.cost
    fits = (
        _square(cost)
        and game.generalist.outside <= 0
        and all(
            _square(one.cost)
            and type(one.revenue) is Linear
            and one.revenue.rate > 0
            and one.entry_cost == 0
            and one.outside <= 0
            for one in game.specialists
        )
    )
    if not fits:
        return None
    return Quadratic(
        base=0.25 / cost.scale,
        own=np.array([0.25 / one.cost.scale for one in game.specialists]),
        rates=np.array([one.revenue.rate for one in game.specialists]),
        outside=game.outside,
    )


def _square(curve) -> bool:
    return type(curve) is Power and curve.exponent == 2


def utilitarian(form: Quadratic, held: np.ndarray | None = None) -> np.ndarray:
    """The largest total utility; ``held`` are kept rates that may not change (NaN where they may).

    The total is strictly concave in the kept rates, so the first-order conditions ``t_i sent_i = s (all - sent)`` with
    each ``sent_i`` capped at ``b_i`` have one solution: the specialists are capped in the order of ``t_i b_i``.
    """
    free = np.ones(len(form.rates), bool) if held is None else np.isnan(held)
    kept_elsewhere = 0.0 if held is None else float(np.nansum(held))
    ratio = form.base / form.own[free]  # a specialist that is not capped sends ratio * (all - sent)
    order = np.argsort(form.rates[free] / ratio, kind="stable")
    capped = np.concatenate([[0.0], np.cumsum(form.rates[free][order])])
    slopes = ratio.sum() - np.concatenate([[0.0], np.cumsum(ratio[order])])
    # after the first j are capped: left = all - sent = kept elsewhere + free rates - capped - slopes * left
    left = (kept_elsewhere + capped[-1] - capped) / (1.0 + np.maximum(slopes, 0.0))
    reached = (form.rates[free] / ratio)[order]
    first = int(np.argmax(np.append(reached > left[:-1], True)))
    sent_by = np.minimum(form.rates[free], ratio * left[first])
    kept = np.zeros(len(form.rates)) if held is None else np.where(free, 0.0, held)
    kept[free] = form.rates[free] - sent_by
    return kept


def powerful_generalist(form: Quadratic) -> np.ndarray:
    """The generalist's own best.

    The conditions are ``kept_i = max(0, b_i - s sent / t_i) / 2``. What they make of ``sent`` is concave in it and
    positive at 0, so it meets ``sent`` once: they have a single solution, which must be the maximum.
    """
    from scipy.optimize import brentq

    ratio = form.base / form.own

    def excess(sent):
        return form.most_sent - 0.5 * np.maximum(0.0, form.rates - ratio * sent).sum() - sent

    sent = form.most_sent
    if excess(sent) < 0.0:
        sent = brentq(excess, 0.0, sent, xtol=1e-300, rtol=1e-15)
    return np.maximum(0.0, form.rates - ratio * sent) / 2.0


def powerful_specialist(form: Quadratic, number: int) -> np.ndarray:
    """One specialist's own best: the others keep nothing, and its own utility is a quadratic in what it keeps."""
    bend = 2.0 * form.base - form.own[number]
    best = form.base * form.most_sent / bend if bend > 0 else np.inf
    kept = np.zeros(len(form.rates))
    kept[number] = min(form.rates[number], best)
    return kept


def max_performance(form: Quadratic) -> np.ndarray:
    """The largest sum of performances: linear in the kept rates, so each specialist keeps all or nothing.

    Keeping a unit costs ``n / (2 c0)`` of base, in each of the n domains, and brings ``1 / (2 c_i)`` of improvement.
    Where both are equal the larger total utility decides.
    """
    lost = len(form.rates) * form.base
    tied = np.abs(form.own - lost) <= 1e-14 * lost
    held = np.where(tied, np.nan, np.where(form.own > lost, form.rates, 0.0))
    return utilitarian(form, held) if tied.any() else held


def ideal(form: Quadratic) -> np.ndarray:
    """The most that each player could gain, the generalist first."""
    most = [form.utilities(powerful_generalist(form))[0]]
    bend = 2.0 * form.base - form.own
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.where(bend > 0, form.base * form.most_sent / bend, np.inf)
    kept = np.minimum(form.rates, best)
    alone = kept * (2.0 * form.base * (form.most_sent - kept) + form.own * kept)
    return np.concatenate([most, alone]) - form.outside
