"""How everybody's utility changes with the shares, along the equilibrium.

By implicit differentiation: the generalist's utility only changes by what a share itself and the reply to it bring,
for its base is optimal; a specialist's changes by the share it gives up and by the base, which moves so that the
generalist's marginal condition still holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneaccord.bargaining.engine.bends import unwrapped
from tuneaccord.bargaining.engine.following import earned, passed_on
from tuneaccord.bargaining.engine.repliers import Replier
from tuneaccord.bargaining.engine.stacking import stacked
from tuneaccord.bargaining.parties import Generalist, Specialist
from tuneaccord.bargaining.plays import ABSTAINS, CONTRIBUTES, FREE_RIDES, Plays

_STEP = 1e-4  # of a five-point difference: its error is of the order of the step to the fourth, its noise 1e-12
_POINTS, _WEIGHTS = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12.0
_BACK, _BACK_WEIGHTS = np.array([-4.0, -3.0, -2.0, -1.0]), np.array([3.0, -16.0, 36.0, -48.0]) / 12.0
_AT_END = 25.0 / 12.0


def gradients(generalist: Generalist, specialists: Sequence[Specialist], plays: Plays) -> np.ndarray:
    """The derivative of each player's utility with respect to each share, (games, players, specialists).

    ``dU_G/ds_j = r_j + s_j r_j' dx_j/ds_j`` at a fixed base, and for specialist ``i`` ``-r_i [i = j] + V_i' da0/ds_j``
    with ``V_i'`` its own gain from one more unit of base and ``da0/ds_j = -M_j / M_a0``, where ``M`` is the
    generalist's marginal utility of the base. Utilities in money, shares without unit. At a share of 0 or 1 it is the
    derivative towards the inside. Derivatives of ``M`` are five-point differences of exact values: good to about ten
    digits.

    Not a number (NaN) where the play does not move smoothly with the shares: the base is at a kink, a threshold or a
    jump, a specialist is about to change its regime, or its cost is a function of the improvement and the base.

    >>> from tuneaccord import Linear, Power
    >>> from tuneaccord.bargaining.engine.investing import play_many
    >>> parties = Generalist(cost=Power(1.0, 2)), [Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))]
    >>> gradients(*parties, play_many(*parties, [[0.4]])).round(9).tolist()
    [[[0.25], [-0.05]]]

    Source: arXiv 2308.04399 for one specialist with power costs; the implicit function theorem otherwise.
    """
    with np.errstate(all="ignore"):  # infinite slopes and their products are meant
        return _gradients(generalist, specialists, plays)


def _gradients(generalist, specialists, plays) -> np.ndarray:
    games, count = plays.shares.shape
    setup, cost, _ = unwrapped(generalist.cost)
    direct, own, gives = (np.zeros((games, count)) for _ in range(3))
    by_share, by_base, marginal = (np.zeros((games, count)) for _ in range(3))
    smooth = np.ones(games, bool)
    for places, group in stacked(specialists, games):
        replier = Replier.of(group, tuple(specialists[i].name for i in places))
        smooth &= replier.depends != "free"  # a cost of both improvement and base has no slope in the base here
        one = _Group(replier, plays, places)
        direct[:, places], own[:, places], gives[:, places] = one.direct(), one.by_base(), one.income
        marginal[:, places] = one.passes_on(one.share, one.base, one.x)
        by_share[:, places], by_base[:, places], fine = one.second()
        smooth &= fine.all(axis=1)
    bent = by_base.sum(axis=1) - cost.curvature(plays.base)
    slope = cost.slope(plays.base)
    rest = marginal.sum(axis=1) - slope
    # at no base the generalist stays there if a first unit does not pay, or if it has to pay to start
    corner = (plays.base == 0) & ((rest < 0) | (np.asarray(setup) > 0))
    stationary = np.abs(rest) <= 1e-6 * (np.abs(marginal).sum(axis=1) + slope)
    moves = np.where(corner[:, None], 0.0, -by_share / bent[:, None])
    smooth &= corner | (stationary & (bent < 0))
    result = np.empty((games, 1 + count, count))
    result[:, 0] = direct
    result[:, 1:] = own[:, :, None] * moves[:, None, :]
    each = np.arange(count)
    result[:, 1 + each, each] -= gives
    result[~(smooth & np.isfinite(result).all(axis=(1, 2)))] = np.nan
    return result


class _Group:
    """Alike specialists at what is played."""

    def __init__(self, replier: Replier, plays: Plays, places):
        self.replier, self.base = replier, plays.base[:, None]
        self.share, self.x = plays.shares[:, places], plays.improvement[:, places]
        self.kept = 1.0 - self.share
        revenue = replier.revenue.curve
        self.joins = plays.regime[:, places] != ABSTAINS
        gain = earned(self.kept, revenue.slope(self.base + self.x))
        at_edge = gain >= replier.cost.curve.slope(self._level(self.base, self.x)) * (1 - 1e-9)
        # with a share of 1 nobody contributes, but everybody is about to
        self.contributes = (plays.regime[:, places] == CONTRIBUTES) | (self.joins & (self.share == 1) & at_edge)
        self.income = np.where(self.joins, revenue.value(self.base + self.x), 0.0)
        self.slope = np.where(self.joins, revenue.slope(self.base + self.x), 0.0)

    def _level(self, base, x):
        return base + x if self.replier.depends == "level" else x

    def direct(self):
        """The generalist's derivative with respect to each share, its base given."""
        cost, revenue = self.replier.cost.curve, self.replier.revenue.curve
        bent = earned(self.kept, revenue.curvature(self.base + self.x))
        falls = -self.slope / (cost.curvature(self._level(self.base, self.x)) - bent)
        through = np.where(self.contributes & (self.share > 0), self.share * self.slope * falls, 0.0)
        stuck = self._stuck(self.share, self.base, self.x)
        return self.income + np.where(stuck, 0.0, through)

    def by_base(self):
        """Each specialist's own gain from one more unit of base, all else its best."""
        gain = np.where(self.joins, earned(self.kept, self.slope), 0.0)
        if self.replier.revenue.kinks and self.replier.depends == "none":
            # held at a kink of its revenue, a contributor saves what the base brings
            held = self._stuck(self.share, self.base, self.x) & (
                passed_on(self.replier, self.kept, self.base, self.x) == 0
            )
            gain = np.where(self.contributes & held, self.replier.cost.curve.slope(self.x), gain)
        if self.replier.depends != "level":
            return gain
        return np.where(self.contributes, self.replier.cost.curve.slope(self.base), gain)

    def passes_on(self, share, base, x):
        """What the generalist gets of this domain for one more unit of base."""
        slope = self.replier.revenue.curve.slope(base + x)
        ratio = np.where(self.contributes, passed_on(self.replier, 1.0 - share, base, x), 1.0)
        return np.where(self.joins & (share != 0), share * slope * ratio, 0.0)

    def second(self):
        """Derivatives of :meth:`passes_on` with respect to the own share and the base, and whether they exist."""
        if self.replier.revenue.straight and self.replier.depends == "none":
            return self.slope, np.zeros_like(self.slope), self._settled()
        step = _STEP * np.where(self.kept > 0, self.kept, 1.0)
        end = self.share > 1.0 - 2.5 * step
        by_share, fine = 0.0, self._settled()
        here = self.passes_on(self.share, self.base, self.x)
        for inside, ending, weight, last in zip(_POINTS, _BACK, _WEIGHTS, _BACK_WEIGHTS, strict=True):
            value, same = self._at(self.share + np.where(end, ending, inside) * step, self.base)
            by_share, fine = by_share + np.where(end, last, weight) * value, fine & same
        by_share = (by_share + np.where(end, _AT_END * here, 0.0)) / step
        step = _STEP * np.where(self.base > 0, self.base, 1e-3)
        by_base = 0.0
        for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
            value, same = self._at(self.share, np.maximum(self.base + point * step, 0.0))
            by_base, fine = by_base + weight * value, fine & (same | (self.base == 0))
        return by_share, by_base / step, fine

    def _at(self, share, base):
        state = self.replier.state(share, np.broadcast_to(base, share.shape))
        x = np.where(self.contributes, state.reach, 0.0)
        regime = np.where(self.joins, np.where(self.contributes, CONTRIBUTES, FREE_RIDES), ABSTAINS)
        near = np.abs(x - np.where(self.contributes, self.x, 0.0)) <= 0.02 * (self.x + base)
        same = (state.regime == regime) | (share == 1)
        return self.passes_on(share, base, x), (same & near) | (regime == ABSTAINS)

    def _settled(self):
        """Whether no specialist is just about to change its regime."""
        state = self.replier.state(self.share, np.broadcast_to(self.base, self.share.shape))
        edge = np.zeros(self.share.shape, bool)
        riding = self.joins & ~self.contributes
        gain = earned(self.kept, self.replier.revenue.curve.slope(self.base))
        first = self.replier.cost.curve.slope(self._level(self.base, np.zeros_like(self.share)))
        edge |= riding & (np.abs(gain - first) <= 1e-9 * (gain + first)) & (gain > 0)
        if np.any(self.replier.setup):
            edge |= self.joins & (np.abs(state.ahead) <= 1e-9 * (self.income + 1e-300)) & (self.share < 1)
        return ~edge

    def _stuck(self, share, base, x):
        gain = earned(1.0 - share, self.slope)
        paid = self.replier.cost.curve.slope(self._level(base, x))
        return np.abs(gain - paid) > 1e-6 * (gain + paid)
