"""How far a fit can be trusted: points left out of it, and fits to resampled points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuneaccord.bargaining.calibration.measurements import Points
from tuneaccord.bargaining.curves import Curve
from tuneaccord.errors import InputError

_TRIES = 20  #: resampled sets looked at for each one wanted; some have too few different points


def left_out_error(points: Points, fit: Callable[[Points], Curve], residuals: Callable[[Curve, Points], np.ndarray]):
    """The root mean square residual of points that the curve was not fitted to.

    Each run is left out in turn if there are at least two; its points say something about one another.
    """
    groups = points.run if points.runs >= 2 else np.arange(len(points.run))
    errors = []
    for group in np.unique(groups):
        out = groups == group
        errors.append(residuals(fit(points.take(~out)), points.take(out)))
    return float(np.sqrt((np.concatenate(errors) ** 2).mean()))


def bootstrap(points: Points, fit: Callable[[Points], Curve], draws: int, seed: int) -> tuple[Curve, ...]:
    """``draws`` curves, each fitted to runs drawn with replacement and, within each, points drawn with replacement.

    With points that are runs of their own this is the usual bootstrap of pairs. With few runs of many points the
    second stage makes the draws more different than the runs alone could, so that intervals are wide rather than
    narrow. A set that no curve can be fitted to is drawn again; :class:`InputError` if most are such.

    Source: A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application" (1997), section 3.8.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(points.run == one) for one in np.unique(points.run)]
    curves: list[Curve] = []
    for _ in range(_TRIES * draws):
        if len(curves) == draws:
            break
        chosen = [members[one] for one in rng.integers(len(members), size=len(members))]
        rows = np.concatenate([rng.choice(one, len(one)) for one in chosen])
        try:
            curves.append(fit(points.take(rows)))
        except InputError:
            continue
    if len(curves) < draws:
        raise InputError(
            f"of {_TRIES * draws} resampled sets only {len(curves)} could be fitted: there are too few measurements to "
            "say how uncertain the curve is. Measure more, or take draws=0."
        )
    return tuple(curves)
