"""Cost and revenue curves from measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tuneaccord.bargaining.calibration.costs import COSTS, reached
from tuneaccord.bargaining.calibration.families import Family
from tuneaccord.bargaining.calibration.fit import Fit
from tuneaccord.bargaining.calibration.measurements import Points, check_transform, column, labels, same_length
from tuneaccord.bargaining.calibration.resampling import bootstrap, left_out_error
from tuneaccord.bargaining.calibration.revenues import REVENUES
from tuneaccord.bargaining.calibration.starting import started
from tuneaccord.bargaining.calibration.transforms import ScoreTransform, Shift
from tuneaccord.bargaining.curves import Curve
from tuneaccord.errors import InputError, nearest, whole_number

BEST = "best"
Residuals = Callable[[Curve, Points], np.ndarray]


def fit_cost(
    spend: Sequence[float],
    score: Sequence[float],
    *,
    kind: str = "Power",
    transform: ScoreTransform | None = None,
    run: Sequence | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Fit:
    """The cost of performance, from runs that spent ``spend`` and then scored ``score``.

    ``kind`` is ``"Power"`` (least squares in logarithms, exponent at least 1), ``"Linear"``, ``"Tabulated"`` (a convex
    table through a smoothed version of the data) or ``"best"``, the one that predicts best what it was not fitted to.
    ``transform`` turns scores into performance: :class:`Shift` (the default), :class:`Turned` for losses,
    :class:`LogOdds` for accuracies. Measurements with spend 0 set its start unless it has one. ``run`` names the run of
    each measurement, when one run was scored several times: its points are not independent and are resampled together.
    ``draws`` curves are fitted to resampled measurements, to carry the uncertainty on; the start stays as it is.

    The spending counts as exact, the score as noisy. Raises :class:`InputError` on too few different amounts, on scores
    that do not improve (a loss needs ``Turned()``), and on numbers that are not.

    >>> fit = fit_cost([0, 1, 4, 9, 16], [0.50, 0.60, 0.70, 0.80, 0.90], draws=0)
    >>> {name: round(value, 6) for name, value in fit.parameters.items()}
    {'scale': 100.0, 'exponent': 2.0}
    """
    spend, score = column("spend", spend, least=0.0), column("score", score)
    same_length("spend", spend, "score", score)
    runs = labels(run, len(spend))
    transform, notes = started(check_transform(transform or Shift()), spend, score)
    paid = spend > 0
    points = Points(transform.performance(score[paid]), spend[paid], runs[paid])
    _check_rising(points.money, points.performance, transform)
    return _fit("cost", kind, COSTS, points, transform, notes, _short, draws, seed)


def fit_revenue(
    score: Sequence[float],
    revenue: Sequence[float],
    *,
    transform: ScoreTransform,
    kind: str = BEST,
    run: Sequence | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Fit:
    """The revenue of performance, from prices: a model that scored ``score`` earned ``revenue``.

    ``transform`` must be that of the cost (``fit_cost(...).transform``), so that both count performance alike.
    ``kind`` is ``"Power"`` (exponent at most 1), ``"Linear"``, ``"Log"``, ``"Saturating"``, ``"Logistic"``,
    ``"Tabulated"`` (never falling, flat past the data) or ``"best"``. Least squares of the money. A price list that is
    an assumption has no errors to resample: take ``draws=0``.

    Raises :class:`InputError` on scores worse than the start, on revenues that are negative or fall, on too few.

    >>> fit = fit_revenue([0.5, 0.6, 0.8, 0.9], [0.0, 10.0, 30.0, 40.0], transform=Shift(0.5), draws=0)
    >>> fit.kind, round(fit.parameters["rate"], 6)
    ('Linear', 100.0)
    """
    score, revenue = column("score", score), column("revenue", revenue, least=0.0)
    same_length("score", score, "revenue", revenue)
    performance = check_transform(transform).performance(score)
    if (performance < 0).any():
        raise InputError(
            f"score {score[performance.argmin()]:g} is worse than the start, {transform.start:g}, where performance is "
            "0. Leave it out, or count performance from a worse start."
        )
    points = Points(performance, revenue, labels(run, len(score)))
    _check_rising(performance, revenue, transform, money=True)
    return _fit("revenue", kind, REVENUES, points, transform, (), _missing, draws, seed)


def _short(curve: Curve, points: Points) -> np.ndarray:
    """Performance measured less that which the spending buys on the curve."""
    return points.performance - reached(curve, points.money)


def _missing(curve: Curve, points: Points) -> np.ndarray:
    """Money measured less that on the curve."""
    return points.money - curve.value(points.performance)


def _fit(
    role: str,
    kind: str,
    families: Mapping[str, Family],
    points: Points,
    transform: ScoreTransform,
    notes: tuple[str, ...],
    residuals: Residuals,
    draws: int,
    seed: int,
) -> Fit:
    draws, seed = whole_number("draws", draws, least=0), whole_number("seed", seed, least=0)
    if kind != BEST and kind not in families:
        raise InputError(f"there is no kind of {role} {kind!r}. {nearest(kind, [*families, BEST])}")
    different = len(np.unique(_controlled(role, points)))
    left_out = {name: _left_out(role, family, different, points, residuals) for name, family in families.items()}
    if kind == BEST:
        known = {name: error for name, error in left_out.items() if isinstance(error, float)}
        if not known:
            raise InputError(f"no kind of {role} could be fitted. {next(iter(left_out.values()))}")
        kind = _simplest(known, families)
    family = families[kind]
    if different < family.fewest:
        raise InputError(_too_few(role, kind, family, different))
    estimate = family.estimate(points.performance, points.money)
    left = residuals(estimate.curve, points)
    target = points.performance if role == "cost" else points.money
    return Fit(
        role=role,
        kind=kind,
        curve=estimate.curve,
        transform=transform,
        performance=points.performance,
        money=points.money,
        residuals=left,
        r_squared=float(1.0 - (left**2).sum() / ((target - target.mean()) ** 2).sum()),
        covariance=estimate.covariance,
        left_out=left_out,
        draws=bootstrap(points, lambda part: _curve(role, family, part), draws, seed),
        seed=seed,
        notes=(*notes, *estimate.notes),
    )


def _left_out(role: str, family: Family, different: int, points: Points, residuals: Residuals) -> float | str:
    if different <= family.fewest:
        return f"needs more than {family.fewest} different amounts, got {different}"
    try:
        return left_out_error(points, lambda part: _curve(role, family, part), residuals)
    except InputError as error:
        return str(error)


def _curve(role: str, family: Family, points: Points) -> Curve:
    if len(np.unique(_controlled(role, points))) < family.fewest - 1:
        raise InputError("too few different amounts are left to fit a curve to.")
    return family.curve(points.performance, points.money)


def _controlled(role: str, points: Points) -> np.ndarray:
    """What was chosen and has no error: the spending of a cost, the performance of a revenue."""
    return points.money if role == "cost" else points.performance


def _simplest(known: Mapping[str, float], families: Mapping[str, Family]) -> str:
    """The kind with the least error; of those that differ by rounding, the one that needs the fewest points."""
    least = min(known.values())
    scale = max(known.values())
    close = [name for name, error in known.items() if error <= least + 1e-9 * scale]
    return min(close, key=lambda name: families[name].fewest)


def _too_few(role: str, kind: str, family: Family, different: int) -> str:
    what = "amounts of spending above 0" if role == "cost" else "scores"
    return f"a {kind} {role} needs at least {family.fewest} different {what}, got {different}. Measure more."


def _check_rising(x: np.ndarray, y: np.ndarray, transform: ScoreTransform, money: bool = False) -> None:
    """:class:`InputError` unless more of ``x`` goes with more of ``y`` on the whole."""
    if not len(x):
        raise InputError("every measurement has spend 0. Measure what spending buys.")
    what = "revenues" if money else "scores"
    if len(y) == 1:
        rest = "" if money else " with a spend above 0"
        raise InputError(f"there is only one measurement{rest}, which any curve fits. Measure more.")
    if np.ptp(y) <= 1e-12 * np.abs(y).max():
        raise InputError(f"all {what} are the same, so they say nothing about what performance is worth.")
    ranks = [np.unique(side, return_inverse=True)[1].astype(float) for side in (x, y)]
    if len(np.unique(x)) > 1 and np.corrcoef(*ranks)[0, 1] <= 0:
        hint = "a better score earns less" if money else "scores get worse with more spending"
        other = "Shift() or LogOdds()" if type(transform).__name__ == "Turned" else "Turned()"
        raise InputError(f"{hint} on the whole. If they count the other way round, try transform={other}.")
