"""Bases at which a reply turns: the derivative of what the base brings jumps there.

A contributor's performance reaches a knot of its revenue, or its improvement a knot of its cost, or it stops to
contribute. Each is a closed form in the curves' inverse slopes. The search only takes them as places to cut at, so a
base too many does no harm.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.marginal import concave_best, earns
from tuneaccord.bargaining.engine.repliers import Replier


def turning_bases(group: Replier, share) -> np.ndarray:
    """The turning bases of each game, (games, any number), infinite where there is none."""
    kept, revenue, cost = 1.0 - share, group.revenue.curve, group.cost.curve
    if not group.certain or not group.cost.convex:
        return np.empty((len(share), 0))
    if group.depends == "level":
        return _clean(concave_best(group.revenue, group.cost, kept, 0.0), share) if group.concave else share[:, :0]
    found = [revenue.inverse_slope(np.where(kept > 0, cost.slope(0.0) / kept, np.inf))]
    for knot in _knots(group.revenue):
        for side in (np.nextafter(knot, 0.0), knot):
            found.append(knot - cost.inverse_slope(earns(kept, revenue, side)))
    for knot in _knots(group.cost):
        for side in (np.nextafter(knot, 0.0), knot):
            needed = np.where(kept > 0, cost.slope(side) / kept, np.inf)
            found.append(revenue.inverse_slope(needed) - knot)
    return np.concatenate([_clean(part, share) for part in found], axis=1)


def _knots(one):
    return () if one.plain else np.moveaxis(np.atleast_1d(one.curve.knots), -1, 0)


def _clean(bases, share):
    bases = np.broadcast_to(bases, share.shape)
    return np.where((bases > 0) & np.isfinite(bases), bases, np.inf)
