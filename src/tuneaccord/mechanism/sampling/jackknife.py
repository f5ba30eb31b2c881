"""What a pool of drawn responses says about the full response set, one prompt at a time, under KL.

Responses ``k = 1..K`` were drawn independently from some law; ``p`` is the best policy on them, ``p_-i`` the one
without group i, ``v_i`` a value, ``A`` the net welfare. Three routes to the same two numbers, bias and standard error:

Leading order (delta method), with ``rho = K p``, ``rho_-i = K p_-i`` and means over the K responses::

    A      bias -(strength / 2 K) (mean rho**2 - mean u**2)           u = K times the pool's weights
    v_i    bias -(1 / K) mean rho**2 (r_i - v_i)
    pay_i  bias -(strength / 2 K) mean (rho_-i**2 - rho**2) + size_i bias(v_i)
    influence of one response on A, v_i and pay_i:
           strength (rho - u),   rho (r_i - v_i),   strength (rho_-i - rho) + size_i rho (r_i - v_i)

Delete-one jackknife: without response k everything follows from the same policies, for nothing is
exponentiated again::

    A      + strength [log(1 - p_k) - log(1 - weight_k)]
    v_i    - p_k (r_ik - v_i) / (1 - p_k)
    pay_i  + strength [log(1 - p_-i,k) - log(1 - p_k)] + size_i (change of v_i)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tuneaccord.kernel.gibbs import log_gibbs


@dataclass(frozen=True, eq=False)
class Jackknifed:
    """One quantity, prompts first. ``corrected`` is an estimate of the full game and never an amount to charge."""

    estimate: np.ndarray  #: on the pool
    bias: np.ndarray  #: of the estimate, to leading order
    influence_error: np.ndarray  #: standard error from the influence of each response, to leading order
    corrected: np.ndarray  #: the jackknife's estimate without the bias
    standard_error: np.ndarray  #: the jackknife's


@dataclass(frozen=True, eq=False)
class PoolPolicies:
    """Log-probabilities on the pool: of its weights, of the best policy, and of the best without each group."""

    scores: np.ndarray  #: (prompts, responses, groups)
    sizes: np.ndarray  #: (groups,)
    strength: float
    log_base: np.ndarray  #: (prompts, responses)
    log_policy: np.ndarray  #: (prompts, responses)
    log_without: np.ndarray  #: (prompts, responses, groups)

    @classmethod
    def solve(cls, scores, sizes, strength: float, base) -> PoolPolicies:
        with np.errstate(divide="ignore"):
            log_base = np.log(base)
        scores = scores - scores[:, :1]  # constants move no policy, and cost digits
        others = scores @ (sizes[:, None] * (1.0 - np.eye(len(sizes))))
        without = [log_gibbs(others[:, :, i], strength, log_base)[0] for i in range(len(sizes))]
        log_policy, _ = log_gibbs(scores @ sizes, strength, log_base)
        return cls(scores, sizes, strength, log_base, log_policy, np.stack(without, axis=-1))


def jackknifed(net_welfare, values, payments, at: PoolPolicies) -> dict[str, Jackknifed]:
    """Net welfare (prompts,), values and payments (prompts, groups) on a pool, each with bias and error.

    >>> at = PoolPolicies.solve(np.zeros((1, 2, 1)), np.ones(1), 1.0, np.full((1, 2), 0.5))
    >>> jackknifed(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)), at)["payments"].standard_error
    array([[0.]])
    """
    size, strength = at.sizes, at.strength
    policy, base, without = (np.exp(log) for log in (at.log_policy, at.log_base, at.log_without))
    centred = at.scores - np.einsum("pk,pkg->pg", policy, at.scores)[:, None]
    pulls = policy[:, :, None] * centred
    value_bias = -(policy[:, :, None] * pulls).sum(axis=1)
    changes = _left_out_value_changes(at, centred)
    rest, base_rest, rest_without = _log_rest(at.log_policy), _log_rest(at.log_base), _log_rest(at.log_without)
    squares = (policy**2).sum(axis=1)
    welfare = size * changes
    both = partial(_both, drawn=base > 0)
    return {
        "net_welfare": both(
            net_welfare,
            -strength / 2 * (squares - (base**2).sum(axis=1)),
            strength * (policy - base),
            strength * (rest - base_rest),
        ),
        "values": both(values, value_bias, pulls, changes),
        "welfare": both(values @ size, value_bias @ size, pulls @ size, welfare.sum(axis=-1)),
        "payments": both(
            payments,
            -strength / 2 * ((without**2).sum(axis=1) - squares[:, None]) + size * value_bias,
            strength * (without - policy[:, :, None]) + size * pulls,
            strength * (rest_without - rest[:, :, None]) + welfare,
        ),
    }


def _both(estimate, bias, influences, changes, drawn) -> Jackknifed:
    """From each response's influence and from what leaving it out changes, both (prompts, responses, ...).

    ``drawn`` (prompts, responses) are the responses of positive weight: no other one can be left out.
    """
    drawn = drawn.reshape(*drawn.shape, *[1] * (changes.ndim - 2))
    count = drawn.sum(axis=1)
    mean = (changes * drawn).sum(axis=1) / count
    spread = (drawn * (changes - mean[:, None]) ** 2).sum(axis=1)
    return Jackknifed(
        estimate=estimate,
        bias=bias,
        influence_error=np.sqrt((influences**2).sum(axis=1)),
        corrected=estimate - (count - 1) * mean,
        standard_error=np.sqrt((count - 1) / count * spread),
    )


def _log_rest(log_policy: np.ndarray) -> np.ndarray:
    """``log(1 - p_k)`` for each response of axis 1; for the likeliest from the others, as 1 - p loses its digits."""
    top, others = _without_likeliest(log_policy)
    highest = others.max(axis=1, keepdims=True)
    for_top = highest + np.log(np.exp(others - highest).sum(axis=1, keepdims=True))
    rest = np.log1p(-np.exp(others))
    np.put_along_axis(rest, top, for_top, axis=1)
    return rest


def _left_out_value_changes(at: PoolPolicies, centred: np.ndarray) -> np.ndarray:
    """By how much the values change when each response in turn is left out, (prompts, responses, groups)."""
    top, others = _without_likeliest(at.log_policy)
    kept = np.exp(others)
    changes = -(kept / (1.0 - kept))[:, :, None] * centred
    left = np.exp(others - others.max(axis=1, keepdims=True))
    for_top = np.einsum("pk,pkg->pg", left / left.sum(axis=1, keepdims=True), centred)
    np.put_along_axis(changes, top[:, :, None], for_top[:, None], axis=1)
    return changes


def _without_likeliest(log_policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest response's place along axis 1, and the log-probabilities with minus infinity there."""
    top = np.expand_dims(log_policy.argmax(axis=1), 1)
    others = log_policy.copy()
    np.put_along_axis(others, top, -np.inf, axis=1)
    return top, others
