"""Policies, values, payments and maxima against sixty digits and against a convex solver; neither shares code."""

import cvxpy
import exact_divergences
import numpy as np
import pytest
from families import FAMILIES, draw, scale, settle_by_hand

MARKETS = [  # prompts, responses, groups, strength, sizes
    (1, 4, 8, 1.0, (1, 10)),
    (8, 3, 2, 0.3, (1, 10)),
    (2, 5, 3, 30.0, (1, 10)),
    (1, 6, 3, 0.01, (1, 10)),
    (1, 4, 3, 1e6, (1, 1e3)),
    (1, 4, 3, 50.0, (1e-3, 1e6)),
]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("prompts", "responses", "groups", "strength", "sizes"),
    [*MARKETS[::2], *(pytest.param(*each, marks=pytest.mark.slow) for each in MARKETS[1::2])],
)
def test_a_market_with_sixty_digits(name, prompts, responses, groups, strength, sizes):
    rng = np.random.default_rng(17)
    base, scores, sizes = draw(rng, prompts, responses, groups, sizes)
    base[0, 1] = 0.0
    base /= base.sum(axis=1, keepdims=True)
    divergence = FAMILIES[name](strength)
    found = settle_by_hand(divergence, base, scores, sizes)
    exact = exact_divergences.market(divergence, base, scores, sizes)
    # rounding of the scores moves probabilities by its ratio to the strength
    amplified = max(1.0, sizes.max() / strength)
    np.testing.assert_allclose(found[0], exact[0], rtol=0, atol=1e-14 * amplified)
    np.testing.assert_allclose(found[1], exact[1], rtol=0, atol=1e-14 * amplified)
    np.testing.assert_allclose(found[2], exact[2], rtol=1e-12, atol=1e-14 * sizes.max())
    np.testing.assert_allclose(found[3], exact[3], rtol=0, atol=1e-14 * scale(scores, sizes))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_the_payment_of_a_small_group_keeps_its_digits(name, size):
    """Payments are of the order of the square of the size: 1e-18 of the others' welfare."""
    rng = np.random.default_rng(18)
    base, scores, _ = draw(rng, prompts=1, responses=4, groups=2)
    sizes, divergence = np.array([1.0, size]), FAMILIES[name](1.0)
    found = divergence.externalities(scores, sizes, base)
    _, _, exact, _ = exact_divergences.market(divergence, base, scores, sizes)
    np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-55)  # of sixty digits


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("step", [1e-2, 1e-6, 1e-10])
def test_a_price_close_to_the_base_keeps_its_digits(name, step):
    """The terms are of order ``step`` and their sum of order ``step**2``; the steps are exact in binary."""
    step = 2.0 ** round(np.log2(step))
    base, policy = np.array([0.25, 0.75]), np.array([0.25 + step, 0.75 - step])
    divergence = FAMILIES[name](2.0)
    with exact_divergences.mpmath.workdps(60):
        pairs = [[exact_divergences.mpf(x) for x in row.tolist()] for row in (policy, base)]
        exact = float(exact_divergences.price(divergence, *pairs))
    assert float(divergence.price(policy, base)) == pytest.approx(exact, rel=1e-14, abs=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_convex_solver_finds_the_same(name):
    """Clarabel's own accuracy is the tolerance: it stops at gaps of 1e-9 and policies at their square root."""
    rng = np.random.default_rng(19)
    for strength in (0.5, 5.0):
        divergence = FAMILIES[name](strength)
        base, scores, sizes = draw(rng, prompts=1, responses=5)
        policy, best = divergence.tilt(scores[0] @ sizes, base[0])
        found, maximum = convex(divergence, scores[0] @ sizes, base[0])
        assert maximum == pytest.approx(best, abs=1e-6 * scale(scores, sizes))
        np.testing.assert_allclose(found, policy, atol=2e-4)
        prices = divergence.price(np.maximum(found, 0) / np.maximum(found, 0).sum(), base[0])
        assert prices == pytest.approx(divergence.price(policy, base[0]), abs=1e-3 * scale(scores, sizes))


def convex(divergence, score, base):
    p = cvxpy.Variable(len(base))
    middle = (p + base) / 2
    order = getattr(divergence, "order", None)
    price = {
        "KL": lambda: cvxpy.sum(cvxpy.rel_entr(p, base)),
        "ReverseKL": lambda: cvxpy.sum(cvxpy.rel_entr(base, p)),
        "ChiSquared": lambda: cvxpy.sum(cvxpy.multiply(1 / base, cvxpy.square(p - base))),
        "TotalVariation": lambda: cvxpy.norm1(p - base),
        "SquaredHellinger": lambda: 2 - 2 * cvxpy.sum(cvxpy.multiply(np.sqrt(base), cvxpy.sqrt(p))),
        "JensenShannon": lambda: cvxpy.sum(cvxpy.rel_entr(p, middle) + cvxpy.rel_entr(base, middle)) / 2,
        "Alpha": lambda: (
            (cvxpy.sum(cvxpy.multiply(base ** (1 - order), cvxpy.power(p, order))) - 1) / (order * (order - 1))
        ),
    }[type(divergence).__name__]()
    problem = cvxpy.Problem(cvxpy.Maximize(score @ p - divergence.strength * price), [cvxpy.sum(p) == 1, p >= 0])
    problem.solve(solver=cvxpy.CLARABEL)
    return p.value, problem.value
