"""Where a best improvement leaps from one peak to another as the base grows.

Each of the two peaks is followed on its own, so that the base at which they are worth the same is the root of a
smooth function. Whether it is the whole truth is left to the search, which looks at both sides afterwards.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.engine.repliers import Replier
from tuneaccord.bargaining.engine.roots import falling_bracket

_EPS = np.finfo(float).eps
_STEPS = 12
_WIDER = 32 * _EPS  # equal up to rounding is equal: the reply leaps a little before the root


def leaps(group: Replier, share, low, high, x_low, x_high):
    """Narrow brackets around the bases in ``[low, high]`` at which two peaks, ``x_low`` and ``x_high``, change places.

    All arguments are arrays of one shape ``(intervals,)`` with a row of parameters each; ``x_low`` is the best
    improvement at ``low``.
    """
    first, second = _Peak(group, share, low, x_low), _Peak(group, share, high, x_high)

    def lead(which, base):
        return first.worth(which, base) - second.worth(which, base)

    every = np.arange(len(low))
    at_low, at_high = np.maximum(lead(every, low), 1e-300), np.minimum(lead(every, high), -1e-300)
    down, up = falling_bracket(lead, low, high, at_low, at_high)
    return down * (1 - _WIDER), up * (1 + _WIDER)


class _Peak:
    """One peak of the gain, from the base at which it is known."""

    def __init__(self, group: Replier, share, base, x):
        self.group, self.kept, self.base, self.x = group, 1.0 - share, base, x
        self.level = group.depends == "level"
        performance = base + x
        self.at_kink = np.zeros(len(base), bool)
        for knot, _ in group.revenue.kinks:
            self.at_kink |= np.abs(performance - _column(knot)) <= 8 * _EPS * performance
        self.fixed = x <= 0
        for knot, _ in group.cost.kinks:
            self.fixed |= np.abs((performance if self.level else x) - _column(knot)) <= 8 * _EPS * performance

    def worth(self, which, base):
        """The utility at this peak, less what does not depend on the peak."""
        group = self.group.take(which)
        kept, start = self.kept[which], self.x[which]
        revenue, cost = group.revenue.curve, group.cost.curve
        x = np.where(self.at_kink[which], np.maximum(self.base[which] + start - base, 0.0), start)
        moves = ~(self.at_kink | self.fixed)[which]
        if moves.any():
            for _ in range(_STEPS):
                inner = base + x if self.level else x
                rate = kept * _row(revenue.slope, base + x) - _row(cost.slope, inner)
                bent = kept * _row(revenue.curvature, base + x) - _row(cost.curvature, inner)
                step = np.where(moves & (bent < 0), -rate / bent, 0.0)
                step = np.clip(np.where(np.isfinite(step), step, 0.0), -0.5 * x, x + base)
                x = x + step
                if (np.abs(step) <= 1e-9 * (x + base)).all():  # the next would be its square
                    break
        paid = _row(cost.value, base + x) if self.level else _row(cost.value, x)
        return kept * _row(revenue.value, base + x) - paid


def _row(function, x):
    """A curve with parameters (intervals, 1), or numbers, at one place an interval."""
    found = function(x[:, None])
    return (found if found.shape == (len(x), 1) else np.broadcast_to(found, (len(x), 1)))[:, 0]


def _column(knot):
    return np.reshape(knot, -1)
