"""The best improvement where revenue is concave and cost convex: the root of one decreasing function."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.bends import Bend

_EPS = np.finfo(float).eps
_PASSES = 200


def earns(kept, revenue, performance):
    """What a specialist that keeps the part ``kept`` earns by one more unit of performance; 0 if it keeps nothing."""
    earned = kept * revenue.slope(performance)
    return earned if np.all(kept > 0) else np.where(kept > 0, earned, 0.0)


def concave_best(revenue: Bend, cost: Bend, kept, base, low=0.0, high=np.inf, guess=None) -> np.ndarray:
    """The largest ``x`` in ``[low, high]`` at which one more unit earns at least what it costs, ``low`` if none does.

    ``kept * revenue'(base + x) >= cost'(x)`` for a concave revenue and a convex cost, to full precision: in closed
    form where the revenue or the cost is straight, otherwise by Newton's method on logarithms of both sides (power
    curves are straight lines there) inside a bracket.
    """
    shape = np.broadcast_shapes(np.shape(kept), np.shape(base), np.shape(low), revenue.games, cost.games)
    if revenue.straight:
        x = cost.curve.inverse_slope(earns(kept, revenue.curve, 0.0))
        x = np.where(np.isinf(x), last_knot(cost.curve), x)  # a tie that never ends: the smallest of the equals
        return np.clip(np.broadcast_to(x, shape), low, high)
    if cost.straight:
        enough = np.where(kept > 0, cost.curve.slope(0.0) / kept, np.inf)
        a = revenue.curve.inverse_slope(enough)
        a = np.where(np.isinf(a), last_knot(revenue.curve), a)
        return np.clip(np.broadcast_to(a - base, shape), low, high)
    kept, base, low, high = (np.broadcast_to(part, shape) for part in (kept, base, low, high))
    low, high = _past_knots(revenue, cost, kept, base, low, high)
    first = earns(kept, revenue.curve, base + low)
    none = first <= cost.curve.slope(low)
    high = np.where(none, low, high)
    if guess is None:
        guess = np.minimum(cost.curve.inverse_slope(first), high)
        guess = np.where((guess > low) & np.isfinite(guess), guess, 1.0)
    return concave_root(revenue.curve, cost.curve, kept, base, low, high, guess)


def last_knot(curve):
    """The last knot, from which on the slope falls or stays; 0 without knots."""
    knots = np.where(np.isfinite(curve.knots), curve.knots, 0.0)
    return knots.max(axis=-1) if knots.size else 0.0


def _past_knots(revenue, cost, kept, base, low, high):
    """The bracket between two neighbouring knots; it has no width where the answer is a kink."""
    for bend, of_revenue in ((revenue, True), (cost, False)):
        for knot in bend.stops:
            x = knot - base if of_revenue else np.broadcast_to(knot, base.shape)
            inside = np.isfinite(x) & (x >= low) & (x <= high) & (x > 0)
            if not inside.any():
                continue
            x = np.where(inside, x, 1.0)
            at = np.where(inside, knot, 1.0) if of_revenue else base + x
            before = np.nextafter(at, 0.0)
            right = earns(kept, revenue.curve, at) >= cost.curve.slope(x)
            if of_revenue:
                left = earns(kept, revenue.curve, before) >= cost.curve.slope(x)
            else:
                left = earns(kept, revenue.curve, at) >= cost.curve.slope(np.nextafter(x, 0.0))
            low = np.where(inside & (left | right), x, low)
            high = np.where(inside & ~right, x, high)
    return low, high


def concave_root(revenue, cost, kept, base, low, high, x=None) -> np.ndarray:
    """The largest ``x`` in ``[low, high]`` with ``kept * revenue'(base + x) >= cost'(x)``, both plain curves there."""
    shape = np.broadcast_shapes(*map(np.shape, (kept, base, low, high)))
    middle = _middle(low, high)
    x = middle if x is None else np.where((x > low) & (x < high), x, middle)
    x = np.broadcast_to(np.where(high > low, x, low), shape).copy()
    for number in range(_PASSES):
        gain, paid = kept * revenue.slope(base + x), cost.slope(x)
        bent = cost.curvature(x) / paid - kept * revenue.curvature(base + x) / gain
        move = np.log(gain / paid) / (x * bent)
        new = x * np.exp(move)
        up = ~(gain < paid) & (kept > 0)
        low, high = np.where(up & (x > low), x, low), np.where(up | (x >= high), high, x)
        near = np.abs(move) <= 1e-9
        outside = ~((new >= low) & (new <= high))
        if number > 6 and number % 2:  # where the curvature jumps Newton's steps may go round in a circle
            outside |= ~near
        if outside.any():
            # at first an end is tried, where the root often is; near the root rounding may step outside
            inner = (near & (bent > 0)) | ((number < 2) & np.isfinite(new))
            new = np.where(outside, np.where(inner, np.clip(new, low, high), _middle(low, high)), new)
        x = np.where(high > low, new, low)
        if (near | (high - low <= 2 * _EPS * high)).all():
            break
    return x


def _middle(low, high):
    """Between the two, on a scale that suits brackets of many magnitudes."""
    between = np.where(high > 8 * low, np.sqrt(low) * np.sqrt(high), 0.5 * (low + high))
    between = np.where(low > 0, between, np.where(high > 1e-300, 1e-3 * high, 0.0))
    return np.where(np.isfinite(high), between, np.where(low > 0, 1e3 * low, 1.0))
