"""Stage two where every revenue is a straight line: no search, for a million games at once.

A unit of performance is then worth the same at every base, so no reply depends on the base, and all that changes with
the base is who takes part: specialist ``i`` does from ``(outside + entry_cost - net) / ((1 - share) * rate)`` on,
``net`` being what its improvement brings in. Between two such thresholds the generalist earns the same ``S`` for each
unit; the best base there is where the marginal cost is ``S``, or the threshold itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.curves import Linear
from tuneaccord.bargaining.engine.bends import Bend, bend
from tuneaccord.bargaining.engine.marginal import last_knot
from tuneaccord.bargaining.engine.reach import furthest, refuse_generalist
from tuneaccord.bargaining.engine.repliers import Replier
from tuneaccord.bargaining.engine.search import global_best
from tuneaccord.bargaining.plays import ABSTAINS, CONTRIBUTES, FREE_RIDES, Plays

_ULPS = 8 * np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class _Replies:
    """Replies that no base changes, (games, specialists)."""

    improvement: np.ndarray
    net: np.ndarray
    rate: np.ndarray
    threshold: np.ndarray
    error: np.ndarray


def straight_plays(generalist: Bend, setup, groups: list[tuple[list[int], Replier]], shares) -> Plays:
    """The outcome of each row of ``shares`` where all revenues are straight and no cost depends on the base."""
    replies = _all_replies(groups, shares)
    given = shares * replies.rate
    base, missed = _best_base(generalist, setup, given, replies)
    joins = base[:, None] >= replies.threshold
    improvement = np.where(joins, replies.improvement, 0.0)
    performance = base[:, None] + improvement
    paid = generalist.curve.value(base) + np.where(base > 0, setup, 0.0)
    utilities = np.empty((len(shares), shares.shape[1] + 1))
    utilities[:, 0] = np.where(joins, given * performance, 0.0).sum(axis=1) - paid
    taking_part = (1.0 - shares) * replies.rate * base[:, None] + replies.net
    outside = np.empty_like(shares)
    for places, group in groups:
        taking_part[:, places] -= group.entry_cost
        outside[:, places] = group.outside
    utilities[:, 1:] = np.where(joins, np.maximum(taking_part, outside), outside)
    size = given.sum(axis=1) * base + (given * replies.improvement).sum(axis=1) + paid
    return Plays(
        shares=shares,
        base=base,
        improvement=improvement,
        regime=np.where(joins, np.where(improvement > 0, CONTRIBUTES, FREE_RIDES), ABSTAINS),
        utilities=utilities,
        error=np.maximum(missed + _ULPS * size, replies.error.max(axis=1)),
    )


def _all_replies(groups, shares) -> _Replies:
    improvement, net, rate, threshold, error = (np.empty_like(shares) for _ in range(5))
    for places, group in groups:
        columns = slice(None) if len(places) == shares.shape[1] else places
        share = shares[:, columns]
        kept = 1.0 - share
        x, missed = group.reached(kept, 0.0)
        earned, paid = group.revenue.curve.value(x), group.cost.curve.value(x) + np.where(x > 0, group.setup, 0.0)
        brings, size = kept * earned - paid, kept * earned + paid
        x = np.where(brings >= -_ULPS * size, x, 0.0)
        brings = np.where(x > 0, brings, 0.0)
        slope = group.revenue.curve.slope(0.0)
        need = group.outside + group.entry_cost - brings
        need = np.where(need <= _ULPS * (size + np.abs(group.outside) + group.entry_cost), 0.0, need)
        threshold[:, columns] = np.where(need > 0, need / (kept * slope), 0.0)
        improvement[:, columns], net[:, columns], rate[:, columns] = x, brings, slope
        error[:, columns] = missed + _ULPS * size if group.certain else np.nan
    return _Replies(improvement, net, rate, threshold, error)


def _best_base(generalist: Bend, setup, given, replies: _Replies):
    """The best base of each game, and a bound on what the generalist may have missed by it."""
    if not replies.threshold.any():
        slope = given.sum(axis=1)
        base, missed = _stretch(generalist, slope, 0.0, np.inf)
        if np.any(setup):
            gain = slope * base - generalist.curve.value(base) - setup
            base = np.where(gain >= -_ULPS * (slope * base + setup), base, 0.0)
        return base, missed
    order = np.argsort(replies.threshold, axis=1, kind="stable")
    start = np.take_along_axis(replies.threshold, order, axis=1)
    slopes = np.cumsum(np.take_along_axis(given, order, axis=1), axis=1)
    sums = np.cumsum(np.take_along_axis(given * replies.improvement, order, axis=1), axis=1)
    nothing = np.zeros((len(given), 1))
    start, slopes, sums = (np.concatenate([nothing, part], axis=1) for part in (start, slopes, sums))
    end = np.concatenate([start[:, 1:], np.full((len(given), 1), np.inf)], axis=1)
    real = (end > start) & np.isfinite(start)
    base, missed = np.zeros_like(start), np.zeros_like(start)
    games, _ = np.nonzero(real)
    costs = generalist.take(games) if len(generalist.games) else generalist
    base[real], missed[real] = _stretch(costs, slopes[real], start[real], end[real])
    column = lambda part: part[:, None] if np.ndim(part) else part  # noqa: E731
    paid = np.zeros_like(start)
    paid[real] = costs.curve.value(base[real])
    paid = paid + np.where(base > 0, column(setup), 0.0)
    worth = np.where(real, slopes * base + sums - paid, -np.inf)
    idle = np.where(real & (start == 0), sums, -np.inf)  # without any base, and then without a set-up cost
    size = np.concatenate([np.where(real, slopes * base + sums + paid, 0.0), sums], axis=1)
    worth, base = np.concatenate([worth, idle], axis=1), np.concatenate([base, np.zeros_like(base)], axis=1)
    top = np.argmax(worth, axis=1)[:, None]
    # a far threshold costs so much that its rounding would make all others look equal: each counts its own
    size = np.maximum(size, np.take_along_axis(size, top, axis=1))
    best = np.where(worth >= np.take_along_axis(worth, top, axis=1) - _ULPS * size, base, -1.0).max(axis=1)
    return best, missed.max(axis=1)


def _stretch(generalist: Bend, slope, start, end):
    """The largest base in ``[start, end]`` with the largest ``slope * base - cost(base)``, and what may be missed."""
    curve = generalist.curve
    refuse_generalist(slope, curve)
    if generalist.convex:
        base = curve.inverse_slope(slope)
        base = np.where(np.isinf(base), last_knot(curve), base)
        return np.clip(base, start, end), 0.0
    one, start = bend(Linear(1.0)), np.broadcast_to(start, slope.shape)
    nothing = np.zeros_like(slope)
    top = furthest(("generalist",), one, generalist, slope, nothing, start)
    return global_best(one, generalist, slope, nothing, start, np.maximum(start, np.minimum(top, end)))
