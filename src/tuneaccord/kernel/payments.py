"""All payments at once: one entry point over the tiers of the kernel.

Under KL and under chi-squared while every response keeps some probability, one read of the rewards gives every
payment; under other divergences each group's leave-one-out problem is solved. Layout is group-major,
(prompts, groups, responses): a group's rewards are contiguous, as they are when they come from a file or a model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tuneaccord.divergence import KL, ChiSquared, Divergence
from tuneaccord.kernel import careful, chi_squared, portable
from tuneaccord.kernel.inputs import check_finite, checked, log_of, use_fused
from tuneaccord.kernel.result import AllPayments, prompt_mean_weights
from tuneaccord.kernel.solving import compiled, solved
from tuneaccord.kernel.sums import ChiSquaredSums, KLSums


def all_payments(
    scores,
    sizes,
    divergence: Divergence,
    base=None,
    prompt_weights=None,
    tier: str = "auto",
    threads: int | None = None,
) -> AllPayments:
    """Every group's payment for its presence, ``h(w without i) - [h(w) - w_i v_i]``, with values and welfare.

    ``scores`` is (prompts, groups, responses) or (groups, responses), a NumPy array or a torch tensor in float32
    or float64; tensors are worked on where they are, in float64. ``base`` is (responses,) or (prompts,
    responses) with rows that sum to one, uniform by default; responses of base probability zero are left out. A
    group of size 0 is absent. ``tier`` is ``"portable"``, ``"fused"`` (numba, on ``threads`` cores, all by default)
    or ``"auto"``: fused for more than a million rewards if numba is installed. Both give the same numbers up to
    rounding.

    Under KL payments are right to about 1e-12 of themselves (fused in float32: 1e-6, or 4e-6 on processors whose
    vectors have 128 bits), times the score's range in units of the strength where that is larger than about 1e3; below
    1e-150 of the strength (fused in float32: 1e-25) they may come out as zero. Under divergences other than KL and
    interior chi-squared, tensors are solved on the CPU.

    Raises :class:`InputError` for a wrong shape, a number that is not finite, a negative size or a base that is
    no distribution, and :class:`MissingDependencyError` when the fused tier is asked for without numba.

    Source: arXiv 2405.16276, Proposition 4.4.

    >>> found = all_payments(np.array([[0.1, 0.9, 0.0], [0.2, 0.0, 1.0]]), [3, 2], KL(1.0), base=[0.4, 0.3, 0.3])
    >>> found.payments.round(3)
    array([0.765, 0.291])
    """
    scores, sizes, base = checked(scores, sizes, divergence, base)
    weights = prompt_mean_weights(prompt_weights, len(scores))
    fused = use_fused(tier, threads, scores)
    if not (fused and isinstance(divergence, KL | ChiSquared)):  # there the sums show it, without a read of their own
        check_finite(scores)
    if isinstance(divergence, KL):
        found = _kl(scores, sizes, divergence.strength, base, weights, fused, threads)
    elif isinstance(divergence, ChiSquared):
        found = _chi_squared(scores, sizes, divergence, base, weights, fused, threads)
    elif fused:
        found = compiled(scores, sizes, divergence, base, weights, threads)
    else:
        found = solved(scores, sizes, divergence, base, weights)
    return _in_float32(found) if fused and scores.dtype == np.float32 else found


def _in_float32(found):
    """The same result with a gap that allows for sums and payments in float32."""
    magnitude = np.abs(found.support_by_prompt) + np.abs(found.values_by_prompt) @ found.sizes
    allowance = (len(found.sizes) + 8) * float(np.finfo(np.float32).eps) * magnitude
    return replace(found, gap_by_prompt=np.maximum(found.gap_by_prompt, allowance))


def _kl(scores, sizes, strength, base, weights, fused, threads):
    log_base = None if base is None else log_of(base)
    market = scores, log_base, sizes, strength
    found, missing = _fused_kl(*market, weights, threads) if fused else portable.settled(*market, weights)
    if not np.isfinite(found.values_by_prompt).all():
        check_finite(scores)
    return careful.completed(found, missing, *market)


def _fused_kl(scores, log_base, sizes, strength, weights, threads):
    from tuneaccord.kernel.fused.kl import kl_sums

    read = kl_sums(scores, log_base, sizes, strength, threads=threads)
    sums = KLSums(read.top, read.mass, read.values, read.spread, read.centre, read.spread_of_all)
    found, doubtful = sums.settle(sizes, strength, weights)
    return found, read.hot | doubtful


def _chi_squared(scores, sizes, divergence, base, weights, fused, threads):
    strength = divergence.strength
    sums_of, floors_of = _chi_squared_tier(fused, threads)
    sums = sums_of(scores, base, sizes, None)
    if not np.isfinite(sums.second + sums.cross).all():
        check_finite(scores)
        if fused:  # squares beyond float32
            return _chi_squared(scores, sizes, divergence, base, weights, False, threads)
    off = np.flatnonzero(sums.doubtful().any(axis=1))
    if len(off):  # once more around the means, which the sample did not show
        centre = sums.centre[off] + sums.first[off] / sums.mass[off, None]
        sums = sums.with_prompts(off, sums_of(scores[off], None if base is None else base[off], sizes, centre))
    found = sums.closed_form(sizes, strength, weights)
    unsure = np.flatnonzero(~sums.interior(sizes, strength))
    if not len(unsure):
        return found
    few, its_base = scores[unsure], None if base is None else base[unsure]
    floor, without = floors_of(few, its_base, sizes, sums.centre[unsure])
    still = ~replace(sums.at(unsure), floor=floor, floor_without=without).interior(sizes, strength)
    if not still.any():
        return found
    few, its_base = few[still], None if base is None else its_base[still]
    exact = (
        compiled(few, sizes, divergence, its_base, None, threads) if fused else solved(few, sizes, divergence, its_base)
    )
    return found.with_prompts(unsure[still], exact)


def _chi_squared_tier(fused, threads):
    if not fused:
        return chi_squared.chi_squared_sums, chi_squared.floors
    from tuneaccord.kernel.fused import chi_squared as compiled

    def sums_of(*market):
        return ChiSquaredSums(*compiled.chi_squared_sums(*market, threads=threads))

    return sums_of, lambda *market: compiled.floors(*market, threads=threads)
