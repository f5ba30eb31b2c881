"""The ways to compute all KL payments that the benchmark sets side by side, and a reference for their errors.

Every route takes group-major rewards of one type and returns payments (prompts, groups). None is made slow on
purpose: the plain routes share what a careful user would share.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from scipy.special import logsumexp

from tuneaccord import KL
from tuneaccord.kernel.fused.kl import kl_sums
from tuneaccord.kernel.payments import all_payments
from tuneaccord.kernel.sums import KLSums

Route = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


@njit(fastmath=True, nogil=True)
def vector_sum(flat):
    """The rewards' sum with full vectors: about the fastest that one thread reads them."""
    total = 0.0
    for start in range(0, flat.size, 4096):
        block = flat[start : start + 4096]
        part = flat.dtype.type(0)
        for x in range(block.size):
            part += block[x]
        total += part
    return total


def fused(threads):
    def route(scores, sizes, strength):
        return KLSums(*kl_sums(scores, None, sizes, strength, threads=threads)[:6]).finish(sizes, strength)

    return lambda *market: route(*market).payments_by_prompt


def entry(tier):
    return lambda scores, sizes, strength: (
        all_payments(scores, sizes, KL(strength), tier=tier, threads=1).payments_by_prompt
    )


def product(scale, scores):
    """The score by BLAS."""
    return np.matmul(scale, scores)


def weighted(scale, scores):
    """The score as it is usually written."""
    return (scale[:, None] * scores).sum(axis=1)


def separate_solves(scores, sizes, strength, groups=None, add=product):
    """n + 1 problems, each from its own sum of rewards; only some groups' when ``groups`` is given."""
    chosen = range(len(sizes)) if groups is None else groups
    scale = np.asarray(sizes / strength, scores.dtype)
    best, values = _solve(scores, scale, strength, add)
    payments = np.zeros(scores.shape[:2])
    for i in chosen:
        without = scale.copy()
        without[i] = 0
        payments[:, i] = _solve(scores, without, strength, add)[0] - best + sizes[i] * values[:, i]
    return payments


def _solve(scores, scale, strength, add):
    z = add(scale, scores)
    top = z.max(axis=1, keepdims=True)
    weights = np.exp(z - top)
    mass = weights.sum(axis=1)
    values = np.matmul(scores, weights[..., None])[..., 0] / mass[:, None]
    return strength * (top[:, 0] + np.log(mass / scores.shape[2])), values


def shared_sum(scores, sizes, strength):
    """One sum of rewards, then one logsumexp for each group."""
    scale = np.asarray(sizes / strength, scores.dtype)
    z = np.matmul(scale, scores)
    whole = logsumexp(z, axis=1)
    values = np.matmul(scores, np.exp(z - whole[:, None])[..., None])[..., 0]
    payments = [
        strength * (logsumexp(z - a * scores[:, i], axis=1) - whole) + size * values[:, i]
        for i, (a, size) in enumerate(zip(scale, sizes, strict=True))
    ]
    return np.stack(payments, axis=1)


def torch_two_pass(compiled: bool) -> Route | None:
    """The stable sums in torch, two passes; None where torch is missing or cannot compile."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)

    def sums(rewards, scale):
        z = torch.einsum("g,pgr->pr", scale, rewards)
        weights = torch.softmax(z, dim=-1)
        centre = (rewards * weights[:, None]).sum(-1, keepdim=True)
        y = scale[:, None] * (rewards - centre)
        series = torch.ones_like(y)
        for k in range(16 if rewards.dtype == torch.float64 else 9, 2, -1):
            series = 1 - y / k * series
        h = torch.where(y.abs() < 0.7, y * y * 0.5 * series, torch.expm1(-y) + y)
        spread = (weights[:, None] * h).sum(-1)
        shift = (weights[:, None] * y).sum(-1)
        return spread, shift

    step = torch.compile(sums) if compiled else sums

    def route(scores, sizes, strength):
        rewards = torch.from_numpy(scores)
        spread, shift = step(rewards, torch.from_numpy(sizes / strength).to(rewards.dtype))
        x = (spread - shift).double()
        return (strength * (torch.log1p(x) + shift.double())).numpy()

    if compiled:
        try:
            route(np.ones((1, 2, 64), np.float32), np.ones(2), 1.0)
        except Exception as error:  # whatever the machine's compiler lacks
            print(f"torch.compile is left out: {type(error).__name__}")
            return None
    return route


def convex_solver(scores, sizes, strength):
    """n + 1 calls of a general convex solver (CVXPY with Clarabel), for one prompt."""
    import cvxpy

    rewards = scores[0].astype(float)
    responses = rewards.shape[1]
    policy = cvxpy.Variable(responses, nonneg=True)
    score = cvxpy.Parameter(responses)
    price = strength * cvxpy.sum(cvxpy.kl_div(policy, np.full(responses, 1.0 / responses)))
    problem = cvxpy.Problem(cvxpy.Maximize(score @ policy - price), [cvxpy.sum(policy) == 1])

    def best(sizes):
        score.value = sizes @ rewards
        return problem.solve(solver=cvxpy.CLARABEL), policy.value

    whole, chosen = best(sizes)
    values = rewards @ chosen
    without = [best(np.where(np.arange(len(sizes)) == i, 0.0, sizes))[0] for i in range(len(sizes))]
    return (np.array(without) - whole + sizes * values)[None]


def reference(scores, sizes, strength, groups):
    """Payments of some groups in long double, as the mean of terms that are not negative; a few prompts."""
    rewards = scores[:4]
    scale = sizes.astype(np.longdouble) / np.longdouble(strength)
    z = np.zeros((len(rewards), rewards.shape[2]), np.longdouble)
    for i, a in enumerate(scale):
        z += a * rewards[:, i]
    policy = np.exp(z - z.max(axis=1, keepdims=True))
    policy /= policy.sum(axis=1, keepdims=True)
    found = np.empty((len(rewards), len(groups)))
    for column, i in enumerate(groups):
        reward = rewards[:, i].astype(np.longdouble)
        y = scale[i] * (reward - (policy * reward).sum(axis=1, keepdims=True))
        series = np.ones_like(y)
        for k in range(20, 2, -1):
            series = 1 - y / k * series
        h = np.where(np.abs(y) < 0.5, y * y / 2 * series, np.expm1(-y) + y)
        found[:, column] = strength * np.log1p((policy * h).sum(axis=1))
    return found
