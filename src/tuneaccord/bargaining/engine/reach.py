"""How far it can pay to go: a proved upper end for each search, or the sentence why there is none."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.bends import Bend
from tuneaccord.bargaining.engine.marginal import earns
from tuneaccord.errors import InputError

_EPS = np.finfo(float).eps


def refuse_unbounded(names, revenue, cost, share) -> None:
    """:class:`InputError` if at one of these shares each further unit earns more than it costs, for ever.

    ``share`` has the shape (rows, specialists), with a name for each column.
    """
    share = np.asarray(share, float)
    earned, paid = earns(1.0 - share, revenue, np.inf), cost.slope(np.inf)
    endless = np.broadcast_to(earned > paid, np.broadcast_shapes(share.shape, np.shape(paid), np.shape(earned)))
    if not endless.any():
        return
    at = np.argwhere(endless)[0]
    earned, paid, share = (float(np.broadcast_to(part, endless.shape)[tuple(at)]) for part in (earned, paid, share))
    raise InputError(_endless(names[at[-1]], share, earned, paid))


def refuse_generalist(slope, cost) -> None:
    """:class:`InputError` if a unit of the base earns the generalist ``slope`` for ever, and costs less."""
    slope, paid = np.broadcast_arrays(slope, cost.slope(np.inf))
    endless = np.flatnonzero(slope > paid)
    if len(endless):
        at = endless[0]
        raise InputError(
            f"generalist: at these shares each unit of the base earns {slope[at]:g} and costs at most {paid[at]:g} for "
            "ever, so no largest base exists. Try Capped(...) revenue or a cost exponent above 1."
        )


def _endless(name: str, share: float, earned: float, paid: float) -> str:
    return (
        f"{name}: with a share of {share:g} each unit of improvement earns {earned:g} and costs at most {paid:g} "
        "for ever, so no largest improvement exists. Try Capped(...) revenue or a cost exponent above 1."
    )


def furthest(names, revenue: Bend, cost: Bend, kept, base, low) -> np.ndarray:
    """An improvement past which nothing better than ``low`` comes, for each problem (arrays of one shape)."""
    r, c = revenue.curve, cost.curve
    _, steepest = r.slope_range(base + low, np.inf)
    cheapest, _ = c.slope_range(low, np.inf)
    steepest = np.where(kept > 0, kept * steepest, 0.0)
    by_cost = c.inverse_slope(steepest) if cost.convex else np.inf
    enough = np.where(kept > 0, cheapest / kept, np.inf)
    by_revenue = np.inf if np.all(np.asarray(r.convex)) else r.inverse_slope(enough) - base
    top = np.maximum(np.minimum(by_cost, np.where(enough > 0, by_revenue, np.inf)), low)
    # a function of Python is only probed for its inverse slope: what the slopes beyond it do not confirm is not used
    top = np.where(np.isfinite(top), top * (1 + 4 * _EPS), 0.0)
    top = np.where(_over(revenue, cost, kept, base, low, top), top, np.inf)
    for knots, shift in ((r.knots, base), (c.knots, 0.0)):
        for knot in np.moveaxis(np.atleast_1d(knots), -1, 0):
            start = np.where(np.isfinite(knot), np.maximum(knot - shift, low), low)
            top = np.minimum(top, np.where(_over(revenue, cost, kept, base, low, start), start, np.inf))
    start = np.maximum(low, 1e-3)
    while np.isinf(top).any():
        top = np.where(np.isinf(top) & _over(revenue, cost, kept, base, low, start), start, top)
        if np.all(start > 1e300):
            break
        start = 8.0 * start
    return _finite(names, r, c, kept, base, top)


def _over(revenue, cost, kept, base, low, start):
    """Whether nothing past ``start`` beats ``low``: all units cost more than they earn, or all money is too little."""
    r, c = revenue.curve, cost.curve
    _, steepest = r.slope_range(base + start, np.inf)
    cheapest, _ = c.slope_range(start, np.inf)
    falls = np.where(kept > 0, kept * steepest, 0.0) <= cheapest
    limit = np.where(kept > 0, kept * r.value(np.inf), 0.0) - c.value(start)
    return falls | (limit < kept * r.value(base + low) - c.value(low))


def _finite(names, r, c, kept, base, top):
    endless = np.flatnonzero(~np.isfinite(top))
    if len(endless):
        at = endless[0]
        raise InputError(
            f"{names[at % len(names)]}: with a share of {1 - kept[at]:g} the improvement earns more and more than it "
            "costs without end. Try Capped(...) revenue or a cost exponent above 1."
        )
    return top
