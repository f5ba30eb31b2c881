"""How a domain's revenue follows the base: at a point, and bounded over an interval of bases.

A contributor whose marginal condition ``kept * revenue'(a) = cost'(a - base)`` holds raises the performance ``a`` by
``cost'' / (cost'' - kept * revenue'')`` for each unit of base, a free-rider by 1. Over an interval of bases the best
performance cannot fall if the cost is convex, and the best improvement cannot rise if the revenue is concave (Topkis
1978), so the two ends bound where the replies are, and the curves bound the derivative there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.engine.marginal import earns
from tuneaccord.bargaining.engine.repliers import Replier, State
from tuneaccord.bargaining.plays import ABSTAINS, CONTRIBUTES

_EPS = np.finfo(float).eps


def passed_on(group: Replier, kept, base, improvement):
    """The rise of a contributor's performance for one more unit of base, at its improvement: between 0 and 1 if the
    cost is convex and the revenue concave."""
    if group.depends == "level":
        return np.zeros(np.broadcast_shapes(np.shape(kept), np.shape(improvement)))
    if group.depends == "free":
        step = 1e-5 * np.maximum(base, 1e-3)
        after, before = (group.reached(kept, base + change)[0] for change in (step, -np.minimum(step, base)))
        return 1.0 + (after - before) / (step + np.minimum(step, base))
    revenue, cost = group.revenue.curve, group.cost.curve
    ratio = _ratio(cost.curvature(improvement), _bent(kept, revenue, base + improvement))
    ratio = np.where(np.isnan(ratio), 1.0, ratio)
    for knot, _ in group.revenue.kinks:
        at = np.abs(base + improvement - knot) <= 8 * _EPS * knot
        if at.any():  # held there if a step back would cost more than it saves
            inside = np.where(np.isfinite(knot), knot, 1.0)
            held = earns(kept, revenue, np.nextafter(inside, 0.0)) > cost.slope(improvement)
            ratio = np.where(at & held & (cost.slope(improvement) > earns(kept, revenue, inside)), 0.0, ratio)
    for knot, _ in group.cost.kinks:
        at = np.abs(improvement - knot) <= 8 * _EPS * (knot + base)
        if at.any():
            inside = np.where(np.isfinite(knot), knot, 1.0)
            gain = earns(kept, revenue, base + improvement)
            held = (cost.slope(np.nextafter(inside, 0.0)) < gain) & (gain < cost.slope(inside))
            ratio = np.where(at & held, 1.0, ratio)
    return ratio


def rate(group: Replier, share, base, state: State):
    """The derivative of each domain's revenue with respect to the base."""
    slope = group.revenue.curve.slope(base + state.improvement)
    ratio = passed_on(group, 1.0 - share, base, state.improvement)
    rise = np.where(state.regime == CONTRIBUTES, _times(slope, ratio), slope)
    return np.where(state.regime == ABSTAINS, 0.0, rise)


@dataclass(frozen=True, eq=False)
class Range:
    """What is known of each domain's revenue on each interval of bases.

    ``smooth``: it has a derivative (up to kinks) between ``least`` and ``most``. Elsewhere it may jump, and is at
    most ``top``; that bound holds everywhere.
    """

    smooth: np.ndarray
    least: np.ndarray
    most: np.ndarray
    top: np.ndarray


def ranges(group: Replier, share, low, high, at_low: State, at_high: State) -> Range:
    """Bounds on revenue over ``[low, high]`` from the replies at both ends."""
    kept, curve = 1.0 - share, group.revenue.curve
    box = _Box.around(group, low, high, at_low, at_high)
    slopes = group.revenue.slopes(box.a_low, box.a_high, curve.slope(box.a_low), curve.slope(box.a_high))
    ratios, continuous = _ratios(group, kept, box, low, high, at_low, at_high)
    ends = [_times(slope, ratio) for slope in slopes for ratio in ratios]
    least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
    top = curve.value(box.a_high)
    inside, outside = _takes_part(at_low, at_high)
    if np.any(group.setup):
        found = (least, most, continuous)
        least, most, continuous, rides = _with_setup(group, kept, box, low, high, (at_low, at_high), found)
        top = np.where(rides, curve.value(high), top)
    return Range(
        smooth=(continuous & inside) | outside,
        least=np.where(outside, 0.0, least),
        most=np.where(outside, 0.0, most),
        top=np.where(outside, 0.0, top),
    )


def _takes_part(at_low: State, at_high: State):
    # its utility cannot fall with the base, so who takes part at the lower end does so on the whole interval
    return at_low.regime != ABSTAINS, at_high.regime == ABSTAINS


@dataclass(frozen=True, eq=False)
class _Box:
    """Where the best contributions on an interval of bases lie: performance and improvement."""

    a_low: np.ndarray
    a_high: np.ndarray
    x_low: np.ndarray
    x_high: np.ndarray

    @classmethod
    def around(cls, group: Replier, low, high, at_low: State, at_high: State) -> _Box:
        a_low, a_high = low + at_low.reach, high + at_high.reach
        if group.depends == "level":
            a_high = np.where(a_low >= high, a_low, a_high)
            return cls(a_low, np.maximum(a_low, a_high), a_low, np.maximum(a_low, a_high))
        x_low, x_high = at_high.reach, at_low.reach
        if not group.revenue.concave:
            x_low, x_high = np.maximum(a_low - high, 0.0), a_high - low
        if not group.cost.convex:
            a_low, a_high = low + x_low, high + x_high
        return cls(a_low, np.maximum(a_low, a_high), np.minimum(x_low, x_high), x_high)


def _ratios(group: Replier, kept, box: _Box, low, high, at_low: State, at_high: State):
    """Bounds on :func:`passed_on` over the box, and whether the best performance is continuous there."""
    if group.depends == "free":  # nothing is known between the ends: what is there is taken to be about alike
        ends = [passed_on(group, kept, base, state.reach) for base, state in ((low, at_low), (high, at_high))]
        spread = np.abs(ends[1] - ends[0])
        continuous = np.abs(at_high.reach - at_low.reach) <= 8 * (high - low)
        return (np.minimum(*ends) - spread, np.maximum(*ends) + spread), continuous
    revenue, cost = group.revenue, group.cost
    slack = 8 * _EPS * box.a_high  # the box and the knots are only known up to rounding
    r_low, r_high = np.maximum(box.a_low - slack, 0.0), box.a_high + slack
    c_low, c_high = np.maximum(box.x_low - slack, 0.0), box.x_high + slack
    bent = revenue.curvatures(r_low, r_high, revenue.curve.curvature(r_low), revenue.curve.curvature(r_high))
    paid = cost.curvatures(c_low, c_high, cost.curve.curvature(c_low), cost.curve.curvature(c_high))
    bent = [np.where(kept > 0, kept * part, 0.0) for part in bent]
    strict = bent[1] < paid[0]
    rides, starts = box.x_high <= 0, box.x_low <= 0
    if group.depends == "level":
        rides = (at_low.reach <= 0) & (strict | group.concave)
        still = low + at_low.reach >= high
        ones, zeros = np.ones(still.shape), np.zeros(still.shape)
        least = np.where(~still & rides, ones, zeros)
        most = np.where(still, zeros, ones)
        return (least, most), still | strict | group.concave
    held = np.zeros(starts.shape, bool)
    if not group.concave:
        rides, held = _corners(group, kept, low, (r_low, r_high, c_low, c_high), at_low, rides)
    corners = [_ratio(c, r) for c in paid for r in bent]
    least, most = np.minimum.reduce(corners), np.maximum.reduce(corners)
    if group.concave:
        least, most = np.clip(least, 0.0, 1.0), np.clip(most, 0.0, 1.0)
        unsure = np.isnan(least) | np.isnan(most)
        least, most = np.where(unsure, 0.0, least), np.where(unsure, 1.0, most)
    least, most = np.where(starts, np.minimum(least, 1.0), least), np.where(starts, np.maximum(most, 1.0), most)
    if not group.ordered:  # no proof: nobody who contributes at neither end is taken to do so between
        rides |= (at_low.reach <= 0) & (at_high.reach <= 0)
    for corner, value in ((rides, 1.0), (held, 0.0)):
        least, most = np.where(corner, value, least), np.where(corner, value, most)
    continuous = strict | group.concave | rides | held
    return (least, most), continuous & np.isfinite(least) & np.isfinite(most)


def _corners(group: Replier, kept, low, box, at_low: State, rides):
    """Where no improvement at all is best on the whole interval, and where the performance stays at one kink."""
    revenue, cost = group.revenue, group.cost
    r_low, r_high, c_low, c_high = box
    dearest = cost.slopes(c_low, c_high, cost.curve.slope(c_low), cost.curve.slope(c_high))[1]
    zero = np.zeros_like(c_high)
    first = cost.slopes(zero, c_high, cost.curve.slope(zero), cost.curve.slope(c_high))[0]
    cheapest = cost.slopes(c_low, c_high, cost.curve.slope(c_low), cost.curve.slope(c_high))[0]
    start = np.broadcast_to(low, r_high.shape)
    most = revenue.slopes(start, r_high, revenue.curve.slope(start), revenue.curve.slope(r_high))[1]
    rides = rides | (earned(kept, most) < first) | ((kept == 0) & (at_low.reach <= 0))
    held = np.zeros(rides.shape, bool)
    for knot, jump in revenue.kinks:
        inside = (jump < 0) & (knot >= r_low) & (knot <= r_high)
        if inside.any():
            before, after = np.where(inside, np.nextafter(knot, 0.0), r_low), np.where(inside, knot, r_low)
            left = revenue.curve.slope_range(np.minimum(r_low, before), before)[0]
            right = revenue.curve.slope_range(after, np.maximum(r_high, after))[1]
            held |= inside & (earned(kept, left) > dearest) & (earned(kept, right) < cheapest)
    return rides, held


def _with_setup(group: Replier, kept, box: _Box, low, high, ends, found):
    """The same where an amount is due on contributing: it may be dropped, and taken up, as the base grows."""
    least, most, continuous = found
    at_low, at_high = ends
    curve = group.revenue.curve
    riding = group.revenue.slopes(low, high, curve.slope(low), curve.slope(high))
    width = high - low
    if group.depends == "level":
        costs = group.cost.slopes(low, high, group.cost.curve.slope(low), group.cost.curve.slope(high))
        gained = costs
    else:
        # a little wider, for at a kink both its slopes count
        a_low, a_high = np.maximum(box.a_low * (1 - 8 * _EPS), 0.0), box.a_high * (1 + 8 * _EPS)
        slopes = group.revenue.slopes(a_low, a_high, curve.slope(a_low), curve.slope(a_high))
        gained = [np.where(kept > 0, kept * part, 0.0) for part in slopes]
    lost = [np.where(kept > 0, kept * part, 0.0) for part in riding]
    falls, grows = np.minimum(gained[0] - lost[1], 0.0), np.maximum(gained[1] - lost[0], 0.0)
    if group.revenue.concave and group.depends == "none":
        grows = np.zeros_like(grows)  # free-riding gains more from the base than contributing
    lowest = np.maximum(at_low.ahead + falls * width, at_high.ahead - grows * width)
    highest = np.minimum(at_low.ahead + grows * width, at_high.ahead - falls * width)
    contributes = (lowest > 0) & (box.x_low > 0)
    rides = (highest < 0) | (box.x_high <= 0)
    least = np.where(rides, riding[0], least)
    most = np.where(rides, riding[1], most)
    return least, most, rides | (contributes & continuous), rides


def earned(kept, slope):
    return np.where(kept > 0, kept * slope, 0.0)


def _bent(kept, revenue, performance):
    return np.where(kept > 0, kept * revenue.curvature(performance), 0.0)


def _ratio(cost, revenue):
    """``cost / (cost - revenue)`` with its limits: 1 for an infinite cost curvature, 0 for an infinite revenue one."""
    ratio = cost / (cost - revenue)
    ratio = np.where(np.isposinf(cost), 1.0, np.where(np.isneginf(revenue), 0.0, ratio))
    return np.where((cost == 0) & (revenue == 0), np.nan, ratio)


def _times(slope, ratio):
    return np.where(ratio == 0, 0.0, slope * ratio)
