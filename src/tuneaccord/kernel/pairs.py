"""What each group would pay if another one were absent: all pairs at once.

Under KL the policy without group i is the policy times ``exp(-size_i r_i / strength)``, so that every mean under
every such policy is an entry of a matrix product. The products here are of terms that are never negative,
``h(y) = exp(-y) - 1 + y``, and not of the exponentials themselves: the difference of two logarithms of sums
would lose the digits of small payments. Pairs that are strong against the strength are done one by one.

Left out: more than two absences at a time.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.divergence import KL, Divergence
from tuneaccord.kernel import careful, portable
from tuneaccord.kernel.arrays import blocks, like, namespace, to_numpy
from tuneaccord.kernel.inputs import check_finite, checked, log_of
from tuneaccord.kernel.payments import all_payments
from tuneaccord.kernel.sums import payment_from_spread

#: largest ``-y`` of a group in a product: two of them and the least weight still make 1e-150
_HOT = 180.0


def leave_two_out(scores, sizes, strength: float, base=None) -> np.ndarray:
    """The payment of group j in the economy without group i, under KL; (prompts, i, j), zero where i is j.

        payment_ij = strength * KL(p without i || p without i and j)
                   = strength * (H_ij - hl(H_ij - d_ij)),   H_ij = E[h(y_j)],  d_ij = E[y_j]

    with ``E`` under the policy without i, ``y_j = size_j (r_j - v_j) / strength`` and ``hl(x) = x - log(1 + x)``.
    ``scores`` is (prompts, groups, responses) or (groups, responses), NumPy or torch; ``base`` as in
    :func:`all_payments`. Never negative; right to about 1e-12 of itself, times the score's range in units of
    the strength where that is larger than about 1e3; below 1e-150 of the strength it may come out as zero.

    Raises :class:`InputError` as :func:`all_payments` does.

    Source: arXiv 2405.16276, Proposition 4.4, for the market without group i.

    >>> market = [[0.1, 0.9, 0.0], [0.2, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> leave_two_out(market, [3, 2, 1], 1.0)[0].round(3)
    array([[0.   , 0.348, 0.095],
           [0.69 , 0.   , 0.061],
           [0.78 , 0.299, 0.   ]])
    """
    divergence = KL(strength)
    scores, sizes, base = checked(scores, sizes, divergence, base)
    check_finite(scores)
    strength, log_base = divergence.strength, None if base is None else log_of(base)
    payments, missing = np.zeros((2, len(scores), len(sizes), len(sizes)))
    for rows, pieces in blocks(scores):
        ours, its_base = scores[rows], None if log_base is None else log_base[rows]
        payments[rows], missing[rows] = _lot(ours, its_base, sizes, strength, pieces)
    for absent in np.flatnonzero(missing.any(axis=(0, 2))):
        wanted = missing[:, absent] > 0
        rest = np.where(np.arange(len(sizes)) == absent, 0.0, sizes)
        centre = to_numpy(scores[..., 0])
        exact = careful.kl_payments(scores, log_base, rest, strength, centre, wanted)
        payments[:, absent] = np.where(wanted, exact, payments[:, absent])
    return payments


def leave_two_out_solved(scores, sizes, divergence: Divergence, base=None) -> np.ndarray:
    """The same for any divergence, by settling the market without each group in turn; (prompts, i, j).

    As many calls of :func:`all_payments` as there are groups.

    >>> from tuneaccord import KL
    >>> leave_two_out_solved([[0.0, 1.0], [1.0, 0.0]], [1, 1], KL(1.0))[0].round(3)
    array([[0.   , 0.111],
           [0.111, 0.   ]])
    """
    scores, sizes, base = checked(scores, sizes, divergence, base)
    kept = 1.0 - np.eye(len(sizes))
    markets = [all_payments(scores, sizes * row, divergence, base, tier="portable") for row in kept]
    return np.stack([market.payments_by_prompt * row for market, row in zip(markets, kept, strict=True)], axis=1)


def _lot(scores, log_base, sizes, strength, pieces):
    """Payments and which of them the products do not give, (prompts, i, j), for a lot of prompts."""
    centre, weak = portable.sample_centre(scores, log_base, sizes, strength)
    sums, _ = portable.kl_sums(scores, log_base, sizes, strength, centre, weak)
    values = sums.finish(sizes, strength).values_by_prompt
    log_mass = sums.top + np.log(sums.mass) - values @ (sizes / strength)
    mass, products, hot = 0.0, 0.0, False
    for piece in pieces:
        more = _products(scores[..., piece], log_base, piece, sizes / strength, values, log_mass)
        mass, products, hot = mass + more[0], products + more[1], hot | more[2]
    groups = len(sizes)
    means = products / mass[..., None]
    spread, shift = means[..., :groups], means[..., groups:]
    magnitude = (np.abs(values) * sizes / strength)[:, None]
    payments, doubtful = payment_from_spread(spread, shift, magnitude)
    apart = ~np.eye(groups, dtype=bool)
    missing = (doubtful | hot[:, :, None] | hot[:, None, :]) & apart
    return strength * payments * apart, missing


def _products(block, log_base, piece, scale, values, log_mass):
    """``sum p exp(-y_i)`` and ``sum p exp(-y_i) [h(y_j), y_j]`` over a block, and which groups are hot."""
    xp = namespace(block)
    y = block - like(values, block)[..., None]
    z = 0.0
    if log_base is not None:
        z = log_base[:, piece]
        y = xp.where(xp.isfinite(z)[:, None], y, 0.0)
    y *= like(scale, block)[:, None]
    policy = xp.exp(y.sum(1) + z - like(log_mass, block)[:, None])
    hot = xp.amin(y, -1) < -_HOT
    y = xp.clip(y, -_HOT, None)
    without = xp.exp(-y) * policy[:, None]
    columns = xp.concatenate([portable.centred_exponential(y, xp), y], 1)
    products = xp.matmul(without, xp.swapaxes(columns, 1, 2))
    return to_numpy(without.sum(-1)), to_numpy(products), to_numpy(hot) > 0
