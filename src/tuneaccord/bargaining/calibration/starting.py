"""Where performance begins: the score that costs nothing."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.calibration.transforms import ScoreTransform
from tuneaccord.errors import InputError

_FEWEST = 4  #: different amounts of spending for a start, a scale and an exponent, and one to judge them by


def started(transform: ScoreTransform, spend: np.ndarray, score: np.ndarray) -> tuple[ScoreTransform, tuple[str, ...]]:
    """The transform with a start: its own, the mean of what cost nothing, or the best for a power of the spending.

    Returns it with a sentence that says which.
    """
    free = spend == 0
    if transform.start is not None:
        left = (f"{free.sum()} measurements without spending left out, since the start is given",) if free.any() else ()
        return transform, left
    if free.any():
        start = transform.starting_at(transform.scale(score[free]).mean())
        return start, (f"performance 0 is the mean score without spending, {start.start:.6g}",)
    if len(np.unique(spend)) < _FEWEST:
        raise InputError(
            "the score before any spending is not known. Add a measurement with spend 0, or give it as in "
            f"{type(transform).__name__}(start=0.5)."
        )
    start = transform.starting_at(_offset(spend, transform.scale(score)))
    if (transform.scale(score) <= transform.scale(start.start)).any():
        raise InputError(
            f"the measurements put the score before any spending at {start.start:.4g}, which is no worse than some of "
            f"them. Measure it (spend 0), or give it as in {type(transform).__name__}(start=0.5)."
        )
    return start, (f"the score before any spending was not measured; {start.start:.6g} fits a power of it best",)


def _offset(spend: np.ndarray, scale: np.ndarray) -> float:
    """``a`` of the least squares of ``scale = a + b * spend ** c`` with c in (0, 1]; a and b follow from c."""
    low, high = 0.01, 1.0
    relative = spend / spend.max()
    for _ in range(12):
        exponents = np.linspace(low, high, 201)
        powers = relative ** exponents[:, None]
        centred = powers - powers.mean(axis=1, keepdims=True)
        slopes = (centred @ (scale - scale.mean())) / (centred**2).sum(axis=1)
        offsets = scale.mean() - slopes * powers.mean(axis=1)
        misfit = ((scale - offsets[:, None] - slopes[:, None] * powers) ** 2).sum(axis=1)
        best = misfit.argmin()
        step = exponents[1] - exponents[0]
        low, high = max(exponents[best] - 2 * step, 0.01), min(exponents[best] + 2 * step, 1.0)
    return float(offsets[best])
