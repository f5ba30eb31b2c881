"""The best improvement for any curves: branch and bound that no second local optimum can fool.

Between two knots the slope and the curvature of both curves are monotone, so their values at the ends of an interval
bound them on it. An interval on which the gain only rises, only falls or bends upward is decided by its ends; one on
which it bends downward has a single peak, found by a root; one whose bound does not reach the best value known is
dropped; all others are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.engine.bends import Bend
from tuneaccord.bargaining.engine.marginal import concave_best, concave_root, earns

_EPS = np.finfo(float).eps
_PASSES = 300


class _Best:
    """The best peak so far of each problem; ``value`` also counts what was reached on a slope."""

    def __init__(self, x, ulps):
        self.x, self.ulps = x.copy(), ulps
        self.peak, self.value = np.full(len(x), -np.inf), np.full(len(x), -np.inf)
        self.missed = np.zeros(len(x))

    def reached(self, problem, value):
        """Take note of a value at a place that is no peak."""
        np.maximum.at(self.value, problem, value)

    def offer(self, problem, x, value):
        """Candidates for the best peak: take the better, and of equals up to rounding the larger ``x``."""
        before = self.peak.copy()
        np.maximum.at(self.peak, problem, value)
        np.maximum.at(self.value, problem, value)
        self.x[self.peak > before + self.ulps] = -1.0
        close = value >= (self.peak - self.ulps)[problem]
        np.maximum.at(self.x, problem[close], x[close])


@dataclass(frozen=True, eq=False)
class _Problems:
    """Many problems side by side; curves have plain numbers or one parameter a problem."""

    revenue: Bend
    cost: Bend
    kept: np.ndarray
    base: np.ndarray

    def take(self, who) -> _Problems:
        return _Problems(self.revenue.take(who), self.cost.take(who), self.kept[who], self.base[who])

    def worth(self, x):
        return self.kept * self.revenue.curve.value(self.base + x) - self.cost.curve.value(x)

    def root(self, low, high):
        return concave_root(self.revenue.curve, self.cost.curve, self.kept, self.base, low, high)

    def rate(self, x):
        return earns(self.kept, self.revenue.curve, self.base + x) - self.cost.curve.slope(x)

    def no_peak(self, x, low, high):
        """Whether a step to one of the sides, inside ``[low, high]``, is worth more: exactly, whatever the rounding."""
        before = np.nextafter(x, 0.0)
        paid = self.cost.curve.slope(before)
        left = earns(self.kept, self.revenue.curve, np.nextafter(self.base + x, 0.0)) - paid
        return ((x > low) & (left < 0)) | ((x < high) & (self.rate(x) > 0))

    def edges(self, low, high):
        """The ends of the search and the knots in between, ascending, (problems, edges)."""
        columns = [low, high]
        for knot in () if self.revenue.plain else np.moveaxis(np.atleast_1d(self.revenue.curve.knots), -1, 0):
            columns.append(np.clip(knot - self.base, low, high))
        for knot in () if self.cost.plain else np.moveaxis(np.atleast_1d(self.cost.curve.knots), -1, 0):
            columns.append(np.clip(np.broadcast_to(knot, low.shape), low, high))
        return np.sort(np.column_stack(columns), axis=1)


def global_best(revenue: Bend, cost: Bend, kept, base, low, high, *, ulps=4 * _EPS) -> tuple[np.ndarray, np.ndarray]:
    """The ``x`` in ``[low, high]`` with the largest ``kept * revenue(base + x) - cost(x)``, and what may be missed.

    Arrays of one shape ``(problems,)``; ``high`` is finite. Of values that are equal up to the part ``ulps`` of the
    money involved the largest ``x``. Returns ``x`` and a bound on the value missed.
    """
    every = _Problems(revenue, cost, kept, base)
    single = _bends_down(every, low, high)
    if single.all():
        return concave_best(revenue, cost, kept, base, low, high), np.zeros(len(base))
    if not single.any():
        return _branch_and_bound(every, low, high, ulps)
    x, missed = np.empty(len(base)), np.zeros(len(base))
    easy = every.take(single)
    x[single] = concave_best(easy.revenue, easy.cost, easy.kept, easy.base, low[single], high[single])
    x[~single], missed[~single] = _branch_and_bound(every.take(~single), low[~single], high[~single], ulps)
    return x, missed


def _bends_down(every: _Problems, low, high):
    """Where the gain is concave on the whole interval, so that one root decides."""
    slack = 8 * _EPS * (every.base + high)
    least, most = np.maximum(low - slack, 0.0), high + slack
    a_low, a_high = every.base + least, every.base + most
    r, c = every.revenue, every.cost
    bent = r.curvatures(a_low, a_high, r.curve.curvature(a_low), r.curve.curvature(a_high))[1]
    costs = c.curvatures(least, most, c.curve.curvature(least), c.curve.curvature(most))[0]
    return np.where(every.kept > 0, every.kept * bent, 0.0) < costs


def _branch_and_bound(every: _Problems, low, high, ulps):
    kept, base, revenue, cost = every.kept, every.base, every.revenue, every.cost
    edges = every.edges(low, high)
    width = edges.shape[1]
    who = np.repeat(np.arange(len(base)), width)
    values = every.take(who).worth(edges.ravel())
    size = np.abs(kept * revenue.curve.value(base + high)) + np.abs(cost.curve.value(low))
    ulps = ulps * (size + np.abs(values.reshape(edges.shape)).min(axis=1))
    best, anywhere = _Best(low, ulps), _Best(low, ulps)
    no_peak = every.take(who).no_peak(edges.ravel(), low[who], high[who])
    best.offer(who[~no_peak], edges.ravel()[~no_peak], values[~no_peak])
    anywhere.offer(who, edges.ravel(), values)
    best.reached(who, values)
    who, p, q = np.repeat(np.arange(len(base)), width - 1), edges[:, :-1].ravel(), edges[:, 1:].ravel()
    for _ in range(_PASSES):
        wide = q - p > 8 * _EPS * (q + base[who])
        who, p, q = who[wide], p[wide], q[wide]
        if not len(who):
            break
        who, p, q = _pass(every, best, anywhere, who, p, q)
    lost = best.peak < np.maximum(best.value, anywhere.peak) - 4 * ulps
    x, peak = np.where(lost, anywhere.x, best.x), np.where(lost, anywhere.peak, best.peak)
    return _sharpened(every, x, edges), np.maximum(np.maximum(best.missed, best.value - peak), 0.0)


def _pass(every: _Problems, best: _Best, anywhere: _Best, who, p, q):
    """Decide the intervals that can be decided, and cut the others."""
    here = every.take(who)
    at_p, at_q = here.worth(p), here.worth(q)
    least, most, peaked, hollow, top = _bounds(here, p, q)
    bound = below(at_p, at_q, least, most, q - p, top)
    reaches = bound >= best.value[who] - best.ulps[who]
    rises, falls = least >= 0, most <= 0
    # the ends of what only rises, falls or bends up are knots, which were offered at first, or peaks of a neighbour
    left = reaches & ~(rises | falls | hollow)
    peaked = peaked & left
    if peaked.any():
        chosen = here.take(peaked)
        x = chosen.root(p[peaked], q[peaked])
        value = chosen.worth(x)
        at_end = (x <= p[peaked]) | (x >= q[peaked])
        at_end[at_end] = chosen.take(at_end).no_peak(x[at_end], 0.0, np.inf)
        best.offer(who[peaked][~at_end], x[~at_end], value[~at_end])
        anywhere.offer(who[peaked], x, value)
    left &= ~peaked
    who, p, q, bound, at_p, at_q = (part[left] for part in (who, p, q, bound, at_p, at_q))
    settled = bound <= best.value[who] + best.ulps[who]
    np.maximum.at(best.missed, who[settled], (bound - best.value[who])[settled])
    for end, value in ((p, at_p), (q, at_q)):
        anywhere.offer(who[settled], end[settled], value[settled])
    who, p, q = who[~settled], p[~settled], q[~settled]
    if not len(who):
        return who, p, q
    middle = np.where(q > 8 * p, np.where(p > 0, np.sqrt(p) * np.sqrt(q), q / 16), 0.5 * (p + q))
    value = every.take(who).worth(middle)
    best.reached(who, value)
    anywhere.offer(who, middle, value)
    return np.concatenate([who, who]), np.concatenate([p, middle]), np.concatenate([middle, q])


def _bounds(here: _Problems, p, q):
    """Bounds on the gain's derivative, whether it bends down (a peak) or up, and a crude bound on the gain.

    Taken just inside both ends, where the slopes belong to this interval and not to its neighbour.
    """
    # each end by its own rounding: that of a far end would step over everything near
    inset, far = (np.minimum(4 * _EPS * (end + here.base), 0.25 * (q - p)) for end in (p, q))
    left, right = np.where(p > 0, p + inset, p), q - far
    r, c = here.revenue.curve, here.cost.curve
    gains = [earns(here.kept, r, here.base + x) for x in (left, right)]
    paid = [c.slope(x) for x in (left, right)]
    bent = [np.where(here.kept > 0, here.kept * r.curvature(here.base + x), 0.0) for x in (left, right)]
    costs = [c.curvature(x) for x in (left, right)]
    least, most = np.minimum(*gains) - np.maximum(*paid), np.maximum(*gains) - np.minimum(*paid)
    peaked = np.maximum(*bent) <= np.minimum(*costs)
    hollow = np.minimum(*bent) >= np.maximum(*costs)
    least, most = np.where(np.isnan(least), -np.inf, least), np.where(np.isnan(most), np.inf, most)
    top = here.kept * r.value(here.base + q) - c.value(p)
    return least, most, peaked & ~hollow, hollow, top


def _sharpened(every: _Problems, x, edges):
    """Peaks that were chosen among equals on a flat top moved to where the derivative is 0."""
    near = 1e-6 * (x + every.base)
    low, high = np.maximum(x - near, edges[:, 0]), np.minimum(x + near, edges[:, -1])
    low = np.maximum(low, np.where(edges <= x[:, None], edges, -np.inf).max(axis=1))
    high = np.minimum(high, np.where(edges >= x[:, None], edges, np.inf).min(axis=1))
    crosses = (low < x) & (x < high) & (every.rate(low) > 0) & (every.rate(high) < 0)
    if crosses.any():
        x = x.copy()
        x[crosses] = every.take(crosses).root(low[crosses], high[crosses])
    return x


def below(at_low, at_high, least, most, width, top=np.inf):
    """An upper bound on a function over intervals, from its values at both ends and bounds on its derivative."""
    up = np.where(most > 0, at_low + most * width, at_low)
    down = np.where(least < 0, at_high - least * width, at_high)
    both = (at_low * -least + at_high * most - least * most * width) / (most - least)
    both = np.where((most > 0) & (least < 0) & np.isfinite(both), both, np.inf)
    bound = np.minimum(np.minimum(up, down), np.minimum(both, top))
    return np.maximum(bound, np.maximum(at_low, at_high))
