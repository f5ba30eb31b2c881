"""Stage three: what each specialist does once the generalist has built its model.

The reply with the largest utility among all improvements, found in closed form, by one root, or by branch and bound,
as the curves allow. Of replies that are equally good up to rounding the one with the larger performance counts:
contributing rather than free-riding, taking part rather than abstaining. If equally good replies go on for ever, as
with a straight revenue against a straight cost of the same slope, the smallest of them is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.engine.repliers import Replier
from tuneaccord.bargaining.engine.stacking import columns
from tuneaccord.bargaining.parties import Specialist, games

_ULPS = 8 * np.finfo(float).eps  # utilities closer than this part of the money involved are equal


@dataclass(frozen=True, eq=False)
class Replies:
    """Best replies, all of one shape: the improvement, the regime's code, the own utility, and the domain's revenue.

    ``error`` bounds the utility that the specialist may have missed; NaN where a curve's knots are unknown.
    """

    improvement: np.ndarray
    regime: np.ndarray
    utility: np.ndarray
    revenue: np.ndarray
    error: np.ndarray


def replies(specialist: Specialist, share, base) -> Replies:
    """The best reply to every pair of ``share`` (the generalist's) and ``base``, which broadcast together.

    ``max_x (1 - share) * revenue(base + x) - cost(x) - entry_cost`` over ``x >= 0``, against the outside option.
    Parameters of the specialist may be arrays that broadcast with them. Raises :class:`InputError` if a specialist
    has no largest improvement because each further unit earns more than it costs.

    >>> from tuneaccord import Linear, Power
    >>> reply = replies(Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0)), 0.4, [0.0, 0.2])
    >>> reply.improvement.round(6).tolist(), reply.utility.round(6).tolist()
    ([0.15, 0.15], [0.045, 0.165])

    Source: arXiv 2308.04399, the specialist's problem.
    """
    with np.errstate(all="ignore"):  # infinite slopes and their products are meant
        return _replies(specialist, share, base)


def _replies(specialist: Specialist, share, base) -> Replies:
    shape = np.broadcast_shapes(np.shape(share), np.shape(base), games(specialist))
    share = np.broadcast_to(np.asarray(share, float), shape).ravel()
    base = np.broadcast_to(np.asarray(base, float), shape).ravel()
    replier = Replier.of(columns(specialist, shape), (specialist.name,))
    replier.refuse_unbounded(share[:, None])
    state, utility, error = replier.replies(share[:, None], base[:, None], ulps=_ULPS)
    error = error if replier.certain else np.full(error.shape, np.nan)
    parts = (state.improvement, state.regime.astype(int), utility, state.revenue, error)
    return Replies(*(np.broadcast_to(part, (len(base), 1)).reshape(shape) for part in parts))
