"""The portable tier under chi-squared: variances and covariances under the base in one read of the rewards.

While no response loses all of its probability, a group's payment is ``size^2 Var_q(r) / (4 strength)``, whoever
else is there. Whether that holds is decided by the minima of the score, in a second read and only for prompts
that need it. For NumPy and torch, float32 and float64; arithmetic in float64.
"""

from __future__ import annotations

import math

import numpy as np

from tuneaccord.kernel.arrays import blocks, double, like, namespace, to_numpy
from tuneaccord.kernel.inputs import log_of
from tuneaccord.kernel.portable import sample_centre
from tuneaccord.kernel.sums import ChiSquaredSums


def chi_squared_sums(scores, base, sizes: np.ndarray, centre: np.ndarray | None = None) -> ChiSquaredSums:
    """The sums of all responses, without the exact minima of the score.

    ``scores`` is (prompts, groups, responses), ``base`` (prompts, responses) or None for a uniform one. Without
    ``centre`` (prompts, groups) the mean over a few evenly spaced responses is taken.

    >>> sums = chi_squared_sums(np.array([[[0.0, 1.0]]]), None, np.array([2.0]), np.array([[0.5]]))
    >>> sums.finish(np.array([2.0]), 1.0).payments  # 2**2 * 0.25 / 4
    array([0.25])
    """
    if centre is None:
        log_base = None if base is None else log_of(base)
        centre, _ = sample_centre(scores, log_base, 0.0 * sizes, 1.0)
    lots = []
    for rows, pieces in blocks(scores):
        total = None
        for piece in pieces:
            d, q = _centred(scores[rows, :, piece], None if base is None else base[rows, piece], centre[rows])
            one = _sums_of(d, q, sizes, scores.shape[-1], centre[rows])
            total = one if total is None else total.merge(one)
        lots.append(total)
    return ChiSquaredSums.join(lots)


def _sums_of(d, q, sizes, responses, centre):
    xp = namespace(d)
    share = like(np.full((len(d), d.shape[-1]), 1.0 / responses), d) if q is None else q
    score = xp.matmul(like(sizes, d)[None], d)[:, 0]
    first = xp.matmul(d, share[..., None])[..., 0]
    cross = xp.matmul(d, (share * score)[..., None])[..., 0]
    lowest = _least(d, q, xp)
    d *= d
    second = xp.matmul(d, share[..., None])[..., 0]
    return ChiSquaredSums(*map(to_numpy, (share.sum(-1), first, second, cross)), centre, to_numpy(lowest))


def floors(scores, base, sizes: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exact minima of the score, and of the score without each group, both relative to the centre.

    >>> floors(np.array([[[0.0, 1.0], [1.0, 0.5]]]), None, np.array([2.0, 1.0]), np.zeros((1, 2)))
    (array([1.]), array([[0.5, 0. ]]))
    """
    low, low_without = [], []
    for rows, pieces in blocks(scores):
        found = []
        for piece in pieces:
            d, q = _centred(scores[rows, :, piece], None if base is None else base[rows, piece], centre[rows])
            xp = namespace(d)
            d *= like(sizes, d)[:, None]
            score = d.sum(1)
            found.append([to_numpy(_least(part, q, xp)) for part in (score, score[:, None] - d)])
        low.append(np.min([one for one, _ in found], axis=0))
        low_without.append(np.min([one for _, one in found], axis=0))
    return np.concatenate(low), np.concatenate(low_without)


def _centred(block, base, centre):
    d = double(block) - like(centre, block)[..., None]
    if base is None or bool((base > 0).all()):
        return d, base
    return namespace(d).where((base > 0)[:, None], d, 0.0), base


def _least(d, q, xp):
    """The minimum over responses of the support."""
    if q is None or bool((q > 0).all()):
        return xp.amin(d, -1)
    held = (q > 0)[:, None] if d.ndim == 3 else q > 0
    return xp.amin(xp.where(held, d, math.inf), -1)
