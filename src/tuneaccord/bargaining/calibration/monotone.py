"""Regressions that assume a shape and no formula: rising, or rising at a falling rate."""

from __future__ import annotations

import numpy as np


def concave_rising(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The concave nondecreasing function through (0, 0) with the least squares to the points, as its corners.

    It is a sum of ``weight * min(x, corner)`` with nonnegative weights and corners at the ``x``, so a nonnegative least
    squares problem. Returns the corners with a positive weight, and the last ``x``, with their values.

    Source: C. Hildreth, "Point estimates of ordinates of concave functions", JASA 49 (1954).

    >>> corners, values = concave_rising(np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.0, 5.0]))
    >>> corners.tolist(), values.round(9).tolist()
    ([2.0, 4.0], [4.0, 5.0])
    """
    from scipy.optimize import nnls

    places = np.unique(x)
    weights = nnls(np.minimum(x[:, None], places), y)[0]
    kept = (weights > 1e-9 * weights.max(initial=0.0)) | (places == places[-1])  # others are rounding
    corners = places[kept]
    return corners, np.minimum(corners[:, None], places) @ weights


def rising(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nondecreasing values with the least squares to the points, one for each different ``x``.

    Source: R. E. Barlow and H. D. Brunk, "The isotonic regression problem and its dual", JASA 67 (1972).

    >>> rising(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))[1].tolist()
    [1.0, 2.5, 2.5]
    """
    from scipy.optimize import isotonic_regression

    places, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(where, weights=y) / counts
    return places, isotonic_regression(means, weights=counts.astype(float)).x
