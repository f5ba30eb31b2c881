"""The laws that every curve must keep, as one check."""

from __future__ import annotations

import itertools

import numpy as np

from tuneaccord.bargaining.curves.interface import Curve
from tuneaccord.bargaining.curves.roles import check_cost, check_revenue

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_PANELS = 16


def check_curve(
    curve: Curve,
    *,
    as_cost: bool = False,
    as_revenue: bool = False,
    most: float = 10.0,
    tolerance: float = 1e-9,
    seed: int = 0,
    tries: int = 60,
) -> None:
    """Check that ``curve`` keeps the promises of :class:`Curve` between 0 and ``most``.

    It starts at 0 or above and never falls; its value is the integral of its slope, and its slope that of its
    curvature, between any two neighbouring knots; between them slope and curvature go one way only; ``slope_range``
    and ``curvature_range`` hold every value in them; ``inverse_slope`` is the largest ``x`` that its convention asks
    for; ``convex`` is right; a curve whose parameters are arrays is the curves of its games side by side.
    ``as_cost`` and ``as_revenue`` add what those need. ``tolerance`` is relative; choose ``most`` to reach past
    everything that the curve does. Raises :class:`AssertionError` naming the broken law.

    >>> from tuneaccord import Logistic
    >>> check_curve(Logistic(1.0, 2.0, 0.5), as_revenue=True)
    """
    if as_cost:
        check_cost("curve", curve)
    if as_revenue:
        check_revenue("curve", curve)
    for one, index in _games(curve):
        rng = np.random.default_rng(seed)
        x = np.sort(np.concatenate([rng.uniform(0.0, most, tries), most * 10.0 ** rng.uniform(-6.0, 0.0, tries)]))
        if index is not None:
            _check_game(curve, one, index, x)
        scale = float(one.value(most)) + np.finfo(float).tiny
        _check_values(one, x, tolerance)
        edges = np.unique(np.clip(np.concatenate([[0.0], one.knots[np.isfinite(one.knots)], [most]]), 0.0, most))
        _check_integrals(one, edges, scale, tolerance)
        _check_pieces(one, edges, tolerance)
        _check_ranges(one, edges, rng, most, tolerance)
        _check_inverse(one, x, edges, tolerance)


def _games(curve: Curve) -> list[tuple[Curve, tuple | None]]:
    if not curve.games:
        return [(curve, None)]
    return [(curve.take(index), index) for index in np.ndindex(curve.games)]


def _check_game(curve: Curve, one: Curve, index: tuple, x) -> None:
    for name in ("value", "slope", "curvature", "inverse_slope"):
        wide = getattr(curve, name)(x[(slice(None), *(None,) * len(curve.games))])
        # numbers and arrays take different routes through pow and exp, which may differ in the last digits
        same = np.allclose(wide[(slice(None), *index)], getattr(one, name)(x), rtol=1e-12, atol=0.0)
        _holds(f"the {name} of a game is that of its own curve", same)


def _check_values(one: Curve, x, tolerance: float) -> None:
    values = one.value(x)
    _holds("values are finite", np.isfinite(values).all())
    _holds("a curve starts at 0 or above", one.value(0.0) >= 0.0)
    _holds("a curve never falls", (np.diff(values) >= -tolerance * 1e-3 * np.abs(values[1:])).all())
    _holds("a slope is never negative", (one.slope(x) >= 0.0).all())
    _holds("values do not depend on the company", np.allclose(values, [one.value(each) for each in x], rtol=1e-12))
    if one.convex:
        _holds("convex: the slope never falls", _one_way(one.slope(x), 1.0, tolerance))


def _check_integrals(one: Curve, edges, scale: float, tolerance: float) -> None:
    for low, high in itertools.pairwise(edges):
        # towards a corner at ``low`` a slope may be infinite: the parts get shorter and shorter, and stop before it
        parts = low + (high - low) * np.append(0.7 ** np.arange(50, 0, -1.0), [0.85, 1.0 - 1e-9])
        panels = np.linspace(parts[:-1], parts[1:], _PANELS + 1)
        half = 0.5 * np.diff(panels, axis=0)
        points = 0.5 * (panels[:-1] + panels[1:])[..., None] + half[..., None] * _NODES
        for of, derivative, size in ((one.value, one.slope, scale), (one.slope, one.curvature, None)):
            rise = (derivative(points) @ _WEIGHTS * half).sum(axis=0)
            ends = of(parts)
            size = np.abs(ends[1:]) + np.abs(ends[:-1]) + 1e-3 * np.abs(ends).max() if size is None else size
            off = np.abs(np.diff(ends) - rise) <= tolerance * size + np.finfo(float).tiny
            _holds(f"{derivative.__name__} is the derivative of {of.__name__}", off.all())


def _check_pieces(one: Curve, edges, tolerance: float) -> None:
    for low, high in itertools.pairwise(edges):
        x = low + (high - low) * np.linspace(1e-9, 1.0 - 1e-9, 400)
        for function in (one.slope, one.curvature):
            values = function(x)
            up, down = (_one_way(values, sign, tolerance) for sign in (1.0, -1.0))
            _holds(f"between two knots the {function.__name__} goes one way", up or down)


def _check_ranges(one: Curve, edges, rng, most: float, tolerance: float) -> None:
    for _ in range(20):
        low, high = np.sort(rng.uniform(0.0, most, 2))
        x = np.linspace(low, high, 300)
        for function, bounds in ((one.slope, one.slope_range), (one.curvature, one.curvature_range)):
            least, largest = bounds(low, high)
            values = function(x[~np.isin(x, edges)])
            slack = tolerance * np.abs(values).max()
            held = (values >= least - slack).all() and (values <= largest + slack).all()
            _holds(f"{bounds.__name__} holds every {function.__name__}", held)
        least, largest = one.slope_range(low, np.inf)
        beyond = one.slope(np.append(x, [2 * most, 1e3 * most]))
        _holds("slope_range holds up to infinity", beyond.min() >= least - 1e-12 and beyond.max() <= largest + 1e-9)


def _check_inverse(one: Curve, x, edges, tolerance: float) -> None:
    sides = np.concatenate([np.nextafter(edges[1:], 0.0), edges])
    x = np.sort(np.concatenate([x, sides]))
    slopes = one.slope(x)
    wanted = slopes[np.isfinite(slopes)]
    wanted = np.unique(np.concatenate([wanted, 0.5 * (wanted[1:] + wanted[:-1]), [0.0]]))
    sign = 1.0 if one.convex else -1.0
    for slope, found in zip(wanted, one.inverse_slope(wanted), strict=True):
        slack = tolerance * (slope + 1e-6 * wanted[-1])
        # every sample past the answer is too steep (or too flat), and the answer itself is not
        past = x > found * (1.0 + tolerance) + 1e-12
        _holds("inverse_slope is the largest x", (sign * (slopes[past] - slope) >= -slack).all())
        if 0.0 < found < np.inf:
            near = found * (1.0 - np.array([tolerance, 0.0]))
            reached = sign * (one.slope(near) - slope) <= slack + 10 * tolerance * np.abs(one.curvature(near)) * found
            _holds("inverse_slope has that slope", reached.any())
    if one.convex:
        least = one.slope(0.0)
        _holds("no slope so small: 0", least == 0.0 or one.inverse_slope(0.5 * least) == 0.0)
    else:
        _holds("no slope so large: 0", one.inverse_slope(2.0 * one.slope_range(0.0, np.inf)[1] + 1.0) == 0.0)


def _one_way(values, sign: float, tolerance: float) -> bool:
    slack = tolerance * np.abs(values).max() if np.isfinite(values).all() else 0.0
    return bool((sign * np.diff(values) >= -slack).all())


def _holds(law: str, fine) -> None:
    if not fine:
        raise AssertionError(law)
