"""A curve fitted to measurements, with what is known of how far it can be trusted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuneaccord.bargaining.calibration.transforms import ScoreTransform
from tuneaccord.bargaining.curves import Curve


@dataclass(frozen=True, eq=False)
class Fit:
    """A cost or revenue curve fitted to measured points.

    ``performance`` and ``money`` are the points, after ``transform``. ``residuals`` are measured less fitted: in
    performance for a cost, whose spending was chosen, and in money for a revenue. ``r_squared`` is the part of their
    variance that the curve explains. ``covariance`` is that of the parameters, all points taken as independent; None
    for a table of points. ``left_out`` is, for each kind, the root mean square of the residuals of points (of whole
    runs, where runs were named) that the curve was not fitted to; a kind that could not be fitted has a sentence there.
    ``draws`` are the curves fitted to resampled points. ``notes`` say what was assumed.
    """

    role: str
    kind: str
    curve: Curve
    transform: ScoreTransform
    performance: np.ndarray
    money: np.ndarray
    residuals: np.ndarray
    r_squared: float
    covariance: np.ndarray | None
    left_out: dict[str, float | str]
    draws: tuple[Curve, ...]
    seed: int
    notes: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers of the curve by name; none for a table of points."""
        return _numbers(self.curve)

    @property
    def standard_errors(self) -> dict[str, float]:
        """The square roots of the diagonal of ``covariance``."""
        if self.covariance is None:
            return {}
        return dict(zip(self.parameters, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest performance that was measured."""
        return float(self.performance.min()), float(self.performance.max())

    def intervals(self, level: float = 0.9) -> dict[str, tuple[float, float]]:
        """The middle ``level`` of each parameter over the draws; nothing without draws."""
        if not self.draws or not self.parameters:
            return {}
        ends = [(1 - level) / 2, (1 + level) / 2]
        drawn = {name: [_numbers(curve)[name] for curve in self.draws] for name in self.parameters}
        return {name: tuple(np.quantile(values, ends).tolist()) for name, values in drawn.items()}

    def band(self, x, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """The middle ``level`` of the money over the draws at each ``x``; the curve itself without draws."""
        values = np.array([curve.value(x) for curve in self.draws or (self.curve,)])
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: everything but the drawn curves, of which it has the intervals."""
        from tuneaccord.specs import to_data

        return {
            "role": self.role,
            "kind": self.kind,
            "curve": to_data(self.curve),
            "transform": to_data(self.transform),
            "points": [list(pair) for pair in zip(self.performance.tolist(), self.money.tolist(), strict=True)],
            "residuals": self.residuals.tolist(),
            "r_squared": self.r_squared,
            "parameters": self.parameters,
            "standard_errors": self.standard_errors,
            "covariance": None if self.covariance is None else self.covariance.tolist(),
            "intervals": {name: list(ends) for name, ends in self.intervals().items()},
            "left_out": self.left_out,
            "range": list(self.range),
            "draws": len(self.draws),
            "seed": self.seed,
            "notes": list(self.notes),
        }


def _numbers(curve: Curve) -> dict[str, float]:
    fields = {field.name: getattr(curve, field.name) for field in dataclasses.fields(curve)}
    return {name: value for name, value in fields.items() if isinstance(value, float)}
