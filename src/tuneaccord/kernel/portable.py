"""The portable tier under KL: one read of the rewards, in code that NumPy and torch both run.

Each block is copied to float64 while it is in the cache, so float32 rewards cost no digits: they are taken as
the numbers they are. Scores are summed from the centred rewards, so an offset that all responses share costs
none either. Layout is group-major, (prompts, groups, responses). No compiler is needed; the fused tier does the
same with numba, several times as fast.
"""

from __future__ import annotations

import math

import numpy as np

from tuneaccord.kernel.arrays import blocks, double, like, namespace, to_numpy
from tuneaccord.kernel.result import AllPayments
from tuneaccord.kernel.sums import KLSums

#: largest ``-y`` for which a term of the sums is formed as a product with ``exp(-y)``
HOT = 300.0
#: where the mean of ``h`` is below this, ``expm1(-y) + y`` has lost too many digits and the series is summed
_WEAK = 1e-5
_SERIES = 0.5
_TAYLOR = [(-1.0) ** k / math.factorial(k + 2) for k in range(24)]


def centred_exponential(y, xp=np):
    """``h(y) = exp(-y) - 1 + y >= 0`` to full relative accuracy, for NumPy (default) or torch.

    >>> round(float(centred_exponential(np.array([1e-9]))[0]) * 1e18, 12)  # y**2 / 2 - y**3 / 6
    0.499999999833
    """
    largest = float(xp.amax(xp.abs(y)))
    if largest <= _SERIES:
        return _series(y, largest, xp)
    near = _series(xp.clip(y, -_SERIES, _SERIES), _SERIES, xp)
    return xp.where(xp.abs(y) < _SERIES, near, xp.expm1(-y) + y)


def _series(y, largest, xp):
    terms, rest = 2, 1.0
    while rest > 1e-17:  # the first term left out against the first one, 2 y^terms / (terms + 2)!
        rest = 2.0 * largest**terms / math.factorial(terms + 2)
        terms += 1
    total = y * _TAYLOR[terms]
    for k in range(terms - 1, 0, -1):
        total += _TAYLOR[k]
        total *= y
    total += 0.5
    total *= y
    total *= y
    return total


def sample_centre(scores, log_base, sizes: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """A centre for each prompt and group, and how weak the group is there, from a few evenly spaced responses.

    The centre is the mean under the sample's own best policy, exact for a constant reward and rounded to the
    rewards' type; the second is half the variance of ``size r / strength``.
    """
    responses = scores.shape[-1]
    step = max(1, responses // min(responses, max(16, responses // 64), 4096))
    few = double(scores[..., ::step])
    xp = namespace(few)
    scale = like(sizes / strength, few)
    few = few - few[..., :1] if log_base is None else few
    if log_base is not None:
        thin = log_base[:, ::step]
        held = xp.isfinite(thin)
        if not bool(held.any(-1).all()):  # a sample outside the support says nothing: take all responses
            few, thin = double(scores), log_base
            held = xp.isfinite(thin)
            none = ~held.any(-1)[:, None]  # a block of a prompt may lie outside altogether
            held, thin = held | none, xp.where(none, 0.0, thin)
        first = xp.argmax(1 * held, -1)[:, None, None]
        anchor = xp.take_along_axis(few, first, -1) if xp is np else xp.take_along_dim(few, first, -1)
        few = xp.where(held[:, None], few - anchor, 0.0)
        z = xp.matmul(scale[None], few)[:, 0] + thin
    else:
        anchor = double(scores[..., :1])
        z = xp.matmul(scale[None], few)[:, 0]
    policy = xp.exp(z - xp.amax(z, -1)[:, None])
    policy = policy / policy.sum(-1)[:, None]
    mean = xp.matmul(few, policy[..., None])
    weak = 0.5 * (scale[:, None] * (few - mean)) ** 2
    weak = xp.matmul(weak, policy[..., None])[..., 0]
    centre = to_numpy((anchor + mean)[..., 0])
    if "float32" in str(scores.dtype):
        centre = centre.astype(np.float32).astype(float)
    return centre, to_numpy(weak)


def kl_sums(
    scores, log_base, sizes: np.ndarray, strength: float, centre: np.ndarray, weak: np.ndarray | None = None
) -> tuple[KLSums, np.ndarray]:
    """The sums of all responses, and which payments they do not give because a term would overflow.

    ``scores`` is (prompts, groups, responses), ``log_base`` (prompts, responses) with minus infinity allowed, or
    None for a uniform base. ``weak`` is :func:`sample_centre`'s second answer and saves time, no more.

    >>> sums, missing = kl_sums(np.array([[[0.0, 1.0]]]), None, np.array([1.0]), 1.0, np.array([[0.5]]))
    >>> sums.finish(np.array([1.0]), 1.0).support_by_prompt  # log of the mean of 1 and e
    array([0.62011451])
    """
    scale = sizes / strength
    lots, missing = [], []
    for rows, pieces in blocks(scores):
        ours = (like(scale, scores), like(centre[rows], scores)[..., None])
        series = np.array([], int) if weak is None else np.flatnonzero((weak[rows] < _WEAK).any(axis=0))
        read = [
            _kl_block(scores[rows, :, piece], None if log_base is None else log_base[rows, piece], *ours, series)
            for piece in pieces
        ]
        lots.append(KLSums.merge_all([KLSums(*sums[:4], centre[rows], sums[4]) for sums, _ in read]))
        missing.append(np.any([hot for _, hot in read], axis=0))
    shift = centre @ scale - (math.log(scores.shape[-1]) if log_base is None else 0.0)
    return KLSums.join(lots).shifted(shift), np.concatenate(missing)


def settled(scores, log_base, sizes: np.ndarray, strength: float, weights=None) -> tuple[AllPayments, np.ndarray]:
    """All payments, and which of them (prompts, groups) these sums do not give; arguments as for :func:`kl_sums`.

    A second read is made of prompts whose sample did not show where their values are.

    >>> found, missing = settled(np.array([[[0.0, 1.0], [0.5, 0.5]]]), None, np.ones(2), 1.0)
    >>> found.payments.round(6), missing.any()
    (array([0.110944, 0.      ]), np.False_)
    """
    centre, weak = sample_centre(scores, log_base, sizes, strength)
    sums, hot = kl_sums(scores, log_base, sizes, strength, centre, weak)
    found, doubtful = sums.settle(sizes, strength, weights)
    missing = hot | doubtful
    far = np.abs(sizes / strength * (found.values_by_prompt - centre)) > 0.25
    again = np.flatnonzero((missing & far).any(axis=1))
    if len(again):
        rows = None if log_base is None else log_base[again]
        second, hot = kl_sums(scores[again], rows, sizes, strength, found.values_by_prompt[again])
        better, doubtful = second.settle(sizes, strength)
        missing[again] = hot | doubtful
        found = found.with_prompts(again, better)
    return found, missing


def _kl_block(block, log_base, scale, centre, series):
    """Top, mass, values, spread and spread of all, with tops relative to the centre; and which groups are hot."""
    xp = namespace(block)
    y = block - centre
    if log_base is not None:
        held = xp.isfinite(log_base)
        if not bool(held.all()):
            y = xp.where(held[:, None], y, 0.0)
    whole = xp.matmul(scale[None], y)[:, 0]
    z = whole if log_base is None else whole + log_base
    top = xp.amax(z, -1)
    weights = z - xp.where(xp.isfinite(top), top, 0.0)[:, None]
    xp.exp(weights, out=weights)
    mass, column = weights.sum(-1), weights[..., None]
    values = xp.matmul(y, column)[..., 0] + centre[..., 0] * mass[:, None]
    y *= scale[:, None]
    hot = xp.amin(y, -1) < -HOT
    if bool(hot.any()):
        y = xp.clip(y, -HOT, None)
    spread = _spread(y, column, mass, series, xp)
    hot_whole = xp.amin(whole, -1) < -HOT
    whole = xp.clip(whole, -HOT, None) if bool(hot_whole.any()) else whole
    of_all = xp.where(hot_whole, math.inf, _spread(whole[:, None], column, mass, (), xp)[:, 0])
    return [to_numpy(part) for part in (top, mass, values, spread, of_all)], to_numpy(hot) > 0


def _spread(y, column, mass, series, xp):
    """``sum e h(y)``: by ``expm1`` where the mean of ``h`` is large enough, else to full relative accuracy."""
    if len(series) == y.shape[1]:
        return xp.matmul(centred_exponential(y, xp), column)[..., 0]
    terms = -y
    xp.expm1(terms, out=terms)
    terms += y
    sums = xp.matmul(terms, column)[..., 0]
    small = to_numpy((sums < _WEAK * mass[:, None]).any(0)) > 0
    small[list(series)] = True
    again = np.flatnonzero(small)
    if len(again):
        sums[:, again] = xp.matmul(centred_exponential(y[:, again], xp), column)[..., 0]
    return sums
