"""Revenue curves from prices: what each score earned. The errors are the money's, and count the same at every score.

Every formula is a scale times a shape of one or two parameters. For a given shape the best scale has a closed form, so
only the shape is searched: a grid over all sizes that the data can tell apart, then smaller and smaller grids around
its best point. Nothing depends on a starting guess.

Source: G. Golub and V. Pereyra, "Separable nonlinear least squares: the variable projection method", Inverse Problems
19 (2003).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.calibration.families import Estimate, Family
from tuneaccord.bargaining.calibration.monotone import rising
from tuneaccord.bargaining.curves import Linear, Log, Logistic, Power, Saturating, Tabulated
from tuneaccord.errors import InputError

_FARTHEST = 100.0  #: a shape is searched to so many times smaller and larger than the range of the performances
_AT_EDGE = 1e-6  #: in logarithms of a parameter
_RESOLUTION = 1e-9  #: likewise; a sum of squares is flat to half its digits around its minimum


@dataclass(frozen=True)
class Shaped(Family):
    """``scale * shape(performance)``, with bounds on the logarithms of the shape's parameters.

    ``kind(1.0, *shape)`` is the curve of unit scale. A parameter named in ``lengths`` is measured in performance, one
    in ``rates`` in 1 / performance; any other lies between the two numbers in ``plain``.
    """

    kind: type
    fewest: int
    lengths: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()
    plain: tuple[float, float] | None = None

    def curve(self, performance, money):
        _check(money)
        low, high = self._bounds(performance)
        best, step = 0.5 * (low + high), 0.5 * (high - low)
        first, later = (201, 11) if len(low) == 1 else (41, 9)
        for round_ in range(60):
            grid = _mesh(best, step, low, high, first if round_ == 0 else later)
            best = grid[self._misfit(grid, performance, money).argmin()]
            step = step * 4.0 / ((first if round_ == 0 else later) - 1)  # two spacings on either side of the best point
            if step.max(initial=0.0) < _RESOLUTION:
                break
        values = self.kind(1.0, *np.exp(best)).value(performance)
        return self.kind(float(values @ money / (values @ values)), *np.exp(best).tolist())

    def estimate(self, performance, money):
        curve = self.curve(performance, money)
        fields = [field.name for field in dataclasses.fields(curve)]
        logs = np.log([getattr(curve, name) for name in fields])
        low, high = self._bounds(performance)
        free = np.append(True, (logs[1:] > low + _AT_EDGE) & (logs[1:] < high - _AT_EDGE))
        notes = tuple(
            f"{name} = {np.exp(at):.4g} is at the edge of what was searched: the data do not determine it"
            for name, at, inside in zip(fields, logs, free, strict=True)
            if not inside and not (self.plain and at > high[0] - _AT_EDGE)
        )
        return Estimate(curve, self._covariance(logs, free, performance, money), notes)

    def _bounds(self, performance) -> tuple[np.ndarray, np.ndarray]:
        positive = performance[performance > 0]
        if not positive.size:
            raise InputError("no revenue was measured at a performance above 0.")
        size = np.log([positive.min() / _FARTHEST, positive.max() * _FARTHEST])
        rows = [size] * len(self.lengths) + [-size[::-1]] * len(self.rates)
        rows += [np.log(self.plain)] if self.plain else []
        return np.array(rows).T

    def _misfit(self, grid: np.ndarray, performance, money) -> np.ndarray:
        """The sum of squares that is left at each row of shapes, each with its best scale."""
        values = self.kind(1.0, *np.exp(grid.T)[:, :, None]).value(performance)
        norm = (values**2).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            explained = (values @ money) ** 2 / norm
        return np.where(norm > 0, (money**2).sum() - explained, np.inf)

    def _covariance(self, logs, free, performance, money) -> np.ndarray | None:
        """That of nonlinear least squares, ``variance * inverse(J' J)``; 0 for a parameter at its bound."""
        spare = len(money) - free.sum()
        steps = 1e-5 * np.eye(len(logs))[free]
        rises = [self._at(logs + step, performance) - self._at(logs - step, performance) for step in steps]
        slopes = np.array(rises).T / 2e-5
        inner = slopes.T @ slopes
        if spare < 1 or np.linalg.cond(inner) > 1e12:
            return None
        variance = ((money - self._at(logs, performance)) ** 2).sum() / spare
        whole = np.zeros((len(logs), len(logs)))
        whole[np.ix_(free, free)] = variance * np.linalg.inv(inner)
        return whole * np.outer(np.exp(logs), np.exp(logs))

    def _at(self, logs, performance):
        return self.kind(*np.exp(logs)).value(performance)


class LinearRevenue(Family):
    """``rate * performance``, least squares of the money."""

    fewest = 2

    def curve(self, performance, money):
        return self.estimate(performance, money).curve

    def estimate(self, performance, money):
        _check(money)
        squares = performance @ performance
        if squares == 0:
            raise InputError("no revenue was measured at a performance above 0.")
        rate = float(performance @ money / squares)
        variance = ((money - rate * performance) ** 2).sum() / max(len(money) - 1, 1) / squares
        return Estimate(Linear(rate), np.array([[variance]]))


class TabulatedRevenue(Family):
    """Through the nondecreasing regression of the money; flat past the last point, where nothing was measured."""

    fewest = 3

    def curve(self, performance, money):
        _check(money)
        places, values = rising(performance, money)
        at_zero = np.array([0.0]) if places[0] > 0 else np.empty(0)
        return Tabulated(tuple(np.append(at_zero, places).tolist()), tuple(np.append(at_zero, values).tolist()), "flat")

    def estimate(self, performance, money):
        return Estimate(self.curve(performance, money), None)


REVENUES: dict[str, Family] = {
    "Power": Shaped(Power, 3, plain=(1e-3, 1.0)),
    "Linear": LinearRevenue(),
    "Log": Shaped(Log, 3, rates=("rate",)),
    "Saturating": Shaped(Saturating, 3, rates=("rate",)),
    "Logistic": Shaped(Logistic, 4, lengths=("midpoint", "width")),
    "Tabulated": TabulatedRevenue(),
}


def _check(money) -> None:
    if not (money > 0).any():
        raise InputError("all revenues are 0, so there is no revenue curve.")


def _mesh(centre, step, low, high, points: int) -> np.ndarray:
    """A grid of ``points`` a side around ``centre``, within the bounds: shape (cells, parameters)."""
    sides = [
        np.clip(middle + np.linspace(-by, by, points), least, most)
        for middle, by, least, most in zip(centre, step, low, high, strict=True)
    ]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(centre))
