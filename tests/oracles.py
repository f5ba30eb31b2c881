"""Two independent routes to the numbers of a market under KL. Neither shares a line with the package.

``solve_convex`` maximises ``<s, p> - sum_x p_x log(p_x / q_x)`` over distributions with Clarabel, and then
polishes Clarabel's four or more digits to fourteen with a primal-dual interior-point method that knows
the objective only through its first two derivatives. It certifies its answer by the duality gap.

``exact_market`` evaluates the definitions with sixty digits: payments are ``h(w without i) -
[h(w) - w_i v_i]``, by subtraction, which float64 could not afford.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import cvxpy
import mpmath
import numpy as np

from tuneaccord import Settlement


@dataclass(frozen=True)
class Market:
    """What an oracle finds. Money and values are means over prompts, groups in order."""

    policy: np.ndarray  # (prompts, responses)
    values: np.ndarray
    payments: np.ndarray
    leave_one_out: np.ndarray
    welfare: float
    net_welfare: float


def inputs(result: Settlement) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]:
    """base, tables (groups, prompts, responses), sizes, strength and prompt weights, as they were reported."""
    tables = np.array([np.atleast_2d(report.reward.scores) for report in result.reports])
    sizes = np.array([report.size for report in result.reports])
    return (
        np.atleast_2d(result.space.base),
        tables,
        sizes,
        result.space.divergence.strength,
        result.space.prompt_weights,
    )


def convex_market(result: Settlement) -> Market:
    """The market solved as ``groups + 1`` convex programs a prompt, payments by their definition."""
    base, tables, sizes, strength, weights = inputs(result)
    everyone = np.tensordot(sizes, tables, axes=1)
    absent = [np.tensordot(np.delete(sizes, i), np.delete(tables, i, axis=0), axes=1) for i in range(len(sizes))]
    solved = [
        [solve_convex(score / strength, q) for score, q in zip(s, base, strict=True)] for s in [everyone, *absent]
    ]
    policy = np.array([p for p, _ in solved[0]])
    best = strength * np.array([[h for _, h in row] for row in solved]) @ weights
    values = np.einsum("p,pr,gpr->g", weights, policy, tables)
    payments = best[1:] - (best[0] - sizes * values)
    return Market(policy, values, payments, best[1:], float(sizes @ values), float(best[0]))


def solve_convex(score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, float]:
    """The maximiser of ``<score, p> - KL(p || base)`` and the maximum."""
    kept = base > 0
    top = score[kept].max()
    score, policy = score - top, np.zeros_like(base)
    rough = clarabel(score[kept], base[kept])
    policy[kept] = polish(rough, score[kept], base[kept])
    assert np.abs(rough - policy[kept]).max() < 1e-4  # the digits that Clarabel has by itself
    return policy, top + policy @ score - (policy[kept] * np.log(policy[kept] / base[kept])).sum()


def clarabel(score: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Clarabel's policy: four to twelve digits, fewest where the policy has very unequal entries."""
    policy = cvxpy.Variable(len(base))
    scale = max(1.0, np.abs(score).max())
    objective = (score / scale) @ policy - cvxpy.sum(cvxpy.rel_entr(policy, base)) / scale
    problem = cvxpy.Problem(cvxpy.Maximize(objective), [cvxpy.sum(policy) == 1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")  # polished and certified below
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return policy.value


def polish(start: np.ndarray, score: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Primal-dual interior point on ``min f(p)`` over the simplex, ``f = sum p log(p/q) - s p`` by its derivatives.

    Asserts the optimality conditions: where a response has mass its slope is the common multiplier (a
    slope off by e means a mass off by the factor 1 + e), elsewhere it is not below.
    """
    policy = np.maximum(start, 1e-9)
    slope = np.log(policy / base) + 1 - score
    common = slope[policy.argmax()]
    bound = np.maximum(slope - common, 1e-9)  # multipliers of p >= 0
    for _ in range(200):
        barrier = 0.1 * (policy @ bound) / len(base)
        if barrier < 1e-26:
            break
        slope = np.log(policy / base) + 1 - score
        curvature = (1 + bound) / policy
        pull = common - slope + barrier / policy
        shift = (1 - policy.sum() - (pull / curvature).sum()) / (1 / curvature).sum()
        step = (pull + shift) / curvature
        bound_step = barrier / policy - bound - bound / policy * step
        length = min(1.0, 0.99 * _room(policy, step), 0.99 * _room(bound, bound_step))
        policy, bound, common = policy + length * step, bound + length * bound_step, common + length * shift
    slope = np.log(policy / base) + 1 - score
    massive = policy > 1e-13
    assert abs(policy.sum() - 1) < 1e-13
    assert np.abs(slope - common)[massive].max() < 1e-11
    assert (slope - common).min() > -1e-11
    return policy


def _room(at: np.ndarray, step: np.ndarray) -> float:
    """How far one can go from ``at`` along ``step`` before a coordinate reaches zero."""
    falling = step < 0
    return float((-at[falling] / step[falling]).min(initial=np.inf))


def exact_market(result: Settlement) -> Market:
    """The definitions with sixty digits, rounded once at the end."""
    base, tables, sizes, strength, weights = inputs(result)
    with mpmath.workdps(60):
        prompts = [_exact_prompt(base[p], tables[:, p], sizes, strength) for p in range(len(base))]
        mean = [mpmath.fdot(weights.tolist(), numbers) for numbers in zip(*(row for _, row in prompts), strict=True)]
        groups = len(sizes)
        values, payments, absent = mean[:groups], mean[groups : 2 * groups], mean[2 * groups : 3 * groups]
        welfare = mpmath.fdot(sizes.tolist(), values)
        numbers = [np.array([float(x) for x in block]) for block in (values, payments, absent)]
        policy = np.array([[float(x) for x in p] for p, _ in prompts])
        return Market(policy, *numbers, float(welfare), float(mean[-1]))


def _exact_prompt(base, tables, sizes, strength):
    """The policy of one prompt, and [values, payments, leave-one-out, h] in one list."""
    sizes, tables = [mpmath.mpf(w) for w in sizes.tolist()], tables.tolist()
    score = [mpmath.fdot(sizes, column) for column in zip(*tables, strict=True)]
    policy, best = _gibbs(base.tolist(), score, strength)
    values = [mpmath.fdot(policy, table) for table in tables]
    absent = [
        _gibbs(base.tolist(), [s - w * r for s, r in zip(score, table, strict=True)], strength)[1]
        for w, table in zip(sizes, tables, strict=True)
    ]
    payments = [h - (best - w * v) for h, w, v in zip(absent, sizes, values, strict=True)]
    return policy, [*values, *payments, *absent, best]


def _gibbs(base, score, strength):
    masses = [mpmath.mpf(q) * mpmath.exp(s / strength) for q, s in zip(base, score, strict=True)]
    total = mpmath.fsum(masses)
    # dividing by the base's sum: it is 1 only to float64, and strength * log(sum) may exceed a payment
    return [mass / total for mass in masses], strength * mpmath.log(total / mpmath.fsum(base))
