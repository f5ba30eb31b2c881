"""The sums that give all KL payments, in one read of the rewards.

For a block of responses that fits the cache the scores ``z = log q + sum_i a_i r_i`` of all groups are added up first
(``a_i = size_i / strength``), then every row is used a second time for

    mass = sum e,    values_i = sum e r_i,    spread_i = sum e h(a_i (r_i - c_i)),    e = exp(z - max z).

The centres ``c_i`` are values under a sample, or under the first block. Where the value turns out far from it, so that
the payment is a small part of the spread, the rewards are read once more around the values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from tuneaccord.kernel.fused.arithmetic import HOT
from tuneaccord.kernel.fused.blocks import block_width, pieces, run, sample_pieces, tasks
from tuneaccord.kernel.fused.kl_blocks import run_blocks
from tuneaccord.kernel.sums import log_shortfall

#: the share of the spread that a payment must be for its digits to be right
_KEPT = {np.dtype(np.float32): 0.3, np.dtype(np.float64): 1e-2}


class FusedKLSums(NamedTuple):
    """The sums of :class:`tuneaccord.kernel.sums.KLSums`, in its order, and which payments they do not give."""

    top: np.ndarray  #: (prompts,)
    mass: np.ndarray  #: (prompts,)
    values: np.ndarray  #: (prompts, groups)
    spread: np.ndarray  #: (prompts, groups), infinite where a term would overflow
    centre: np.ndarray  #: (prompts, groups)
    spread_of_all: np.ndarray  #: (prompts,)
    hot: np.ndarray  #: (prompts, groups), True where the payment needs the careful route


def kl_sums(
    scores: np.ndarray,
    log_base: np.ndarray | None,
    sizes: np.ndarray,
    strength: float,
    centre: np.ndarray | None = None,
    threads: int | None = None,
) -> FusedKLSums:
    """The KL sums of every prompt and group in one read of ``scores`` (prompts, groups, responses), contiguous.

    ``scores`` is float32 or float64 and decides the arithmetic inside a block; blocks are added in float64.
    ``log_base`` is (prompts, responses) with minus infinity allowed, None for a uniform base. Without ``centre``
    (prompts, groups) the value in a sample is taken, and a second read is made where that was far off. ``threads``
    is None for all cores; it does not change the result.

    >>> sums = kl_sums(np.array([[[0.0, 1.0]]]), None, np.array([1.0]), 1.0)
    >>> round(float(sums.top[0] + np.log(sums.mass[0])), 8)  # log of the mean of 1 and e
    0.62011451
    """
    market = _Market(scores, log_base, np.asarray(sizes, float) / strength, threads)
    if centre is not None:
        return market.sums(np.array(centre, scores.dtype), True)
    first = market.sums(*market.start())
    far = _far_off(first, market.scale, scores.dtype)
    if not far.any():
        return first
    again = np.where(far | first.hot, first.values / first.mass[:, None], first.centre)
    return market.sums(again.astype(scores.dtype), True)


class _Market:
    """One call's arrays, as the compiled loop takes them."""

    def __init__(self, scores, log_base, scale, threads):
        self.shape, self.dtype, self.scale, self.threads = scores.shape, scores.dtype, scale, threads
        _, groups, responses = scores.shape
        self.width = block_width(groups, responses, scores.dtype.itemsize)
        self.flat = np.ascontiguousarray(scores).reshape(-1)
        self.base = np.zeros(0) if log_base is None else np.ascontiguousarray(log_base, float).reshape(-1)
        self.parts = pieces(*self.shape, self.width)

    def start(self):
        """The first centre, and whether it holds for all blocks: a prompt cut in pieces needs one beforehand."""
        prompts, _, responses = self.shape
        origin = self.flat.reshape(self.shape)[:, :, 0].copy()
        if len(self.parts) == prompts:
            return origin, False
        some = self.run(origin, True, sample_pieces(prompts, responses))
        held = some.mass[:, None] > 0
        mean = np.where(held, some.values / np.where(held, some.mass[:, None], 1.0), origin)
        return mean.astype(self.dtype), True

    def sums(self, centre, given):
        found = self.run(centre, given, self.parts)
        return found if self.base.size else found._replace(top=found.top - np.log(self.shape[2]))

    def run(self, centre, given, parts):
        prompts, groups, responses = self.shape
        out = (np.full(len(parts), -np.inf), *np.zeros((2, len(parts))), *np.zeros((2, len(parts), groups)))
        hot = np.zeros((len(parts), groups), bool)
        scale, hot_at = self.scale, HOT[self.dtype]

        def task(first, last):
            run_blocks(
                self.flat, self.base, responses, scale, centre, given, parts, first, last, self.width, hot_at, out, hot
            )

        run(task, tasks(parts, groups), self.threads)
        return _merged(out, hot, hot_at, centre.astype(float), prompts)


def _merged(out, hot, hot_at, centre, prompts):
    """The pieces of each prompt added up, in their order."""
    top, mass, spread_of_all, lift, spread = out
    if len(top) > prompts:
        pieces_of = [part.reshape(prompts, -1, *part.shape[1:]) for part in out]
        top = pieces_of[0].max(axis=1)
        with np.errstate(invalid="ignore"):
            factor = np.where(np.isfinite(pieces_of[0]), np.exp(pieces_of[0] - top[:, None]), 0.0)
        mass, lift, spread = (
            np.einsum("pk,pk...->p...", factor, part) for part in (pieces_of[1], pieces_of[3], pieces_of[4])
        )
        # without support in a piece its sum is zero and not infinite
        spread_of_all = (np.where(factor > 0, factor, 1.0) * pieces_of[2]).sum(axis=1)
        hot = hot.reshape(prompts, -1, hot.shape[1]).any(axis=1)
    lost = np.isinf(spread_of_all)
    if lost.any():
        # weights that vanish in this precision may be all that a small payment consists of
        hot |= lost[:, None] & (spread < np.exp(-hot_at) * mass[:, None])
    if hot.any():
        spread = np.where(hot, np.inf, spread)
    return FusedKLSums(top, mass, lift + centre * mass[:, None], spread, centre, spread_of_all, hot)


@njit(error_model="numpy", cache=True)
def _screen(mass, lift, spread, scale, far):
    """Marks the groups whose centre may have been too far from their value."""
    found = 0
    for prompt in range(mass.size):
        part = 1.0 / mass[prompt]
        for i in range(scale.size):
            mean = spread[prompt, i] * part
            x = mean - scale[i] * (lift[prompt, i] * part)
            far[prompt, i] = (x * x > 0.5 * mean) | (x < -0.5)
            found += far[prompt, i]
    return found


def _far_off(sums, scale, dtype):
    """Where the centre was so far from the value that the payment, a small part of the spread, loses its digits."""
    far = np.zeros(sums.hot.shape, bool)
    lift = sums.values - sums.centre * sums.mass[:, None]
    if _screen(sums.mass, lift, sums.spread, scale, far):
        far &= ~sums.hot
        mass = np.broadcast_to(sums.mass[:, None], far.shape)[far]
        spread, shift = sums.spread[far] / mass, np.broadcast_to(scale, far.shape)[far] * lift[far] / mass
        x = np.maximum(spread - shift, -1.0 + 1e-15)
        payment = np.where(x < 0.5, spread - log_shortfall(x), shift + np.log1p(x))
        error = (spread + np.abs(x * shift)) / (1.0 + x)
        far[far] = _KEPT[dtype] * error > payment
    return far
