"""Any function of Python as a curve."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneaccord.bargaining.curves.differences import derivatives
from tuneaccord.bargaining.curves.interface import Curve
from tuneaccord.errors import InputError

_PROBES = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 241)])


@dataclass(frozen=True, eq=False)
class Function(Curve):
    """``function(x)``, any function on [0, infinity) that does not fall, of one number or of arrays of numbers.

    A cost may also be a function of two arguments, the improvement and the base that it starts from.

    ``derivative`` is its slope, a function of the same arguments. Without it the slope is found numerically, to about
    12 digits where the function is smooth. ``breaks`` are the places where the slope or the curvature jumps or turns
    from rising to falling: ``()`` says that there are none. With None, the default, nothing is known of them, and no
    result can bound what it may have missed.

    Raises :class:`InputError` if, at 242 points between 0 and a million, the function is not a number, is negative,
    or falls. A formula that means nothing past some limit needs to be flat from there: ``lambda x: f(min(x, limit))``.
    A function cannot be written to a file; take ``Tabulated`` for that.

    >>> curve = Function(lambda x: x * x + x, breaks=())
    >>> round(float(curve.slope(3.0)), 9), round(float(curve.inverse_slope(7.0)), 9)
    (7.0, 3.0)
    """

    function: Callable
    derivative: Callable | None = None
    breaks: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("function", "derivative"):
            given = getattr(self, name)
            if not callable(given) and not (name == "derivative" and given is None):
                raise InputError(f"Function: {name} must be a function of Python, got {given!r:.60}.")
        object.__setattr__(self, "breaks", _breaks(self.breaks))
        object.__setattr__(self, "_arguments", _arguments(self.function))
        if self.derivative is not None and _arguments(self.derivative) != self._arguments:
            raise InputError("Function: derivative must take the same arguments as the function.")
        names = ["function"] if self.derivative is None else ["function", "derivative"]
        try:
            vectorised = {name: _vectorised(getattr(self, name), self._arguments) for name in names}
            object.__setattr__(self, "_vectorised", vectorised)
            values = self.value(_PROBES)
        except Exception as error:  # whatever the user's function raises
            raise InputError(
                f"Function: the function raised {error!r:.80}. It must take any x of at least 0."
            ) from error
        _check_rises(values)
        if self.derivative is not None:
            _check_derivative(self.slope(_PROBES), self._here.numeric(_PROBES)[0])

    @property
    def knots(self):
        return np.array(self.breaks or (), float)

    @property
    def known(self):
        return self.breaks is not None

    @property
    def convex(self):
        return self._here.convex

    def at(self, base):
        return _At(self, np.asarray(base, float)) if self._arguments == 2 else self

    def value(self, x):
        return self._here.value(x)

    def slope(self, x):
        return self._here.slope(x)

    def curvature(self, x):
        return self._here.curvature(x)

    def inverse_slope(self, slope):
        return self._here.inverse_slope(slope)

    @cached_property
    def _here(self) -> _At:
        return _At(self, np.zeros(()))

    def _evaluate(self, name: str, x, base):
        """The function or its derivative at finite ``x``."""
        function = getattr(self, name)
        arguments = np.broadcast_arrays(np.asarray(x, float), base)[: self._arguments]
        with np.errstate(all="ignore"):
            if self._vectorised[name]:
                return np.asarray(function(*arguments), float)
            flat = [_one(function, row) for row in zip(*(a.ravel().tolist() for a in arguments), strict=True)]
        return np.array(flat, float).reshape(arguments[0].shape)


@dataclass(frozen=True, eq=False)
class _At(Curve):
    """A :class:`Function` from one base or an array of them."""

    owner: Function
    base: np.ndarray

    @property
    def knots(self):
        return self.owner.knots

    @property
    def known(self):
        return self.owner.known

    @cached_property
    def convex(self):
        slopes = self._wide.slope(_PROBES)
        # a numeric slope has some noise
        return (slopes[..., 1:] >= (1.0 - 1e-9) * slopes[..., :-1]).all(axis=-1)

    def value(self, x):
        x = np.asarray(x, float)
        # a function of Python may not take infinity: far out has to do
        return self.owner._evaluate("function", np.where(np.isfinite(x), x, _FAR), self.base)

    def slope(self, x):
        if self.owner.derivative is None:
            return self.numeric(x)[0]
        x = np.asarray(x, float)
        return self.owner._evaluate("derivative", np.where(np.isfinite(x), x, _FAR), self.base)

    def curvature(self, x):
        if self.owner.derivative is None:
            return self.numeric(x)[1]
        return self._differences("derivative", x)[0]

    def numeric(self, x):
        """The first and the second derivative without the user's."""
        first, second = self._differences("function", x)
        # not a number: the values have grown beyond 1e308
        return np.where(np.isnan(first), np.inf, np.maximum(first, 0.0)), np.where(np.isnan(second), np.inf, second)

    def inverse_slope(self, slope):
        slope = np.asarray(slope, float)
        convex = np.asarray(self.convex)
        here = np.broadcast_to(self._wide.slope(_PROBES), (*self.base.shape, len(_PROBES)))
        fits = np.where(convex[..., None], here <= slope[..., None], here >= slope[..., None])
        last = len(_PROBES) - 1 - np.argmax(fits[..., ::-1], axis=-1)
        low, high = _PROBES[last], _PROBES[np.minimum(last + 1, len(_PROBES) - 1)]
        for _ in range(64):
            middle = 0.5 * (low + high)
            at = self.slope(middle)
            further = np.where(convex, at <= slope, at >= slope)
            low, high = np.where(further, middle, low), np.where(further, high, middle)
        found = np.where(last == len(_PROBES) - 1, np.inf, low)
        return np.where(fits.any(axis=-1), found, 0.0)

    @property
    def _wide(self) -> _At:
        return _At(self.owner, self.base[..., None])

    def _differences(self, name, x):
        x = np.asarray(x, float)
        x = np.where(np.isfinite(x), x, _FAR)
        x = np.broadcast_to(x, np.broadcast_shapes(x.shape, self.base.shape if self.owner._arguments == 2 else ()))
        edges = np.concatenate([[0.0], self.knots, [np.inf]])
        place = np.searchsorted(edges, x, side="right")
        return derivatives(lambda z: self.owner._evaluate(name, z, self.base), x, edges[place - 1], edges[place])


_FAR = 1e100


def _one(function, arguments):
    try:
        return float(function(*arguments))
    except OverflowError:
        return np.inf


def _arguments(function) -> int:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions do not say
        return 1
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(needed) > 2 or not parameters:
        raise InputError(
            f"Function: function must take x, or the improvement and the base, got one of {len(needed)} arguments."
        )
    return max(len(needed), 1)


def _vectorised(function, arguments: int) -> bool:
    """Whether the function takes arrays and gives the same as for one number at a time."""
    x = np.array([[0.5, 1.0], [2.0, 3.0]])
    rows = (x, 0.5 * x)[:arguments]
    try:
        with np.errstate(all="ignore"):
            whole = np.asarray(function(*rows), float)
    except (TypeError, ValueError, AttributeError):
        return False
    if whole.shape != x.shape:
        return False
    single = [_one(function, arguments) for arguments in zip(*(row.ravel().tolist() for row in rows), strict=True)]
    return bool(np.allclose(whole.ravel(), single, rtol=1e-12, atol=0.0, equal_nan=True))


def _breaks(given) -> tuple[float, ...] | None:
    if given is None:
        return None
    try:
        array = np.asarray(given, float)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.ndim != 1 or not (np.isfinite(array) & (array > 0)).all() or (np.diff(array) <= 0).any():
        raise InputError(f"Function: breaks must be positive numbers in ascending order, or None, got {given!r:.60}.")
    return tuple(array.tolist())


def _check_rises(values: np.ndarray) -> None:
    for kind, wrong in (("is not a number", np.isnan(values)), ("is negative", values < 0)):
        if wrong.any():
            x = _PROBES[np.argmax(wrong)]
            raise InputError(f"Function: the function {kind} at x = {x:g}. It must take any x of at least 0.")
    with np.errstate(invalid="ignore"):
        falls = np.diff(values) < -1e-12 * values[:-1]  # rounding is not a fall
    if falls.any():
        i = int(np.argmax(falls))
        raise InputError(
            f"Function: the function must not fall, got {values[i]:g} at x = {_PROBES[i]:g} and {values[i + 1]:g} at "
            f"x = {_PROBES[i + 1]:g}. If it means nothing that far, try lambda x: f(min(x, limit))."
        )


def _check_derivative(given: np.ndarray, found: np.ndarray) -> None:
    inner = np.isfinite(given) & np.isfinite(found)
    # a kink between two probes disturbs a few of them; a wrong formula is wrong nearly everywhere
    with np.errstate(invalid="ignore"):
        off = inner & (np.abs(given - found) > 1e-3 * np.maximum(np.abs(given), np.abs(found)) + 1e-9)
    if off.sum() > 0.5 * inner.sum():
        i = int(np.argmax(off))
        raise InputError(
            f"Function: derivative is {given[i]:g} at x = {_PROBES[i]:g}, but the function rises by {found[i]:g} there."
        )
