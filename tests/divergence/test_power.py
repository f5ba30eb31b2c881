"""The power family: how its members relate, its closed forms, its roots, and the orders that are refused."""

import mpmath
import numpy as np
import pytest
from families import draw, settle_by_hand

import tuneaccord as ta
from tuneaccord.divergence.bregman import power_bregman
from tuneaccord.divergence.roots import power, power_root


@pytest.mark.parametrize("strength", [0.1, 1.0, 50.0])
@pytest.mark.parametrize(
    ("alpha", "same"),
    [
        (lambda s: ta.Alpha(s, 2), lambda s: ta.ChiSquared(s / 2)),
        (lambda s: ta.Alpha(s, 0.5), lambda s: ta.SquaredHellinger(2 * s)),
    ],
)
def test_orders_with_names(strength, alpha, same):
    market = draw(np.random.default_rng(41))
    for got, expected in zip(*(settle_by_hand(d(strength), *market) for d in (alpha, same)), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("limit", "family"), [(1.0, ta.KL), (0.0, ta.ReverseKL)])
def test_orders_near_the_limits(limit, family):
    """The error falls with the distance, and the mean of both sides with its square."""
    market = draw(np.random.default_rng(42))
    expected = settle_by_hand(family(0.7), *market)
    errors = []
    for distance in (0.08, 0.04, 0.02):
        below, above = (settle_by_hand(ta.Alpha(0.7, limit + d), *market) for d in (-distance, distance))
        errors.append([np.abs((b + a) / 2 - e).max() for b, a, e in zip(below, above, expected, strict=True)])
    assert np.max(errors[-1]) < 2e-3
    assert (np.array(errors[1:]) < 0.3 * np.array(errors[:-1])).all()  # a quarter, up to higher orders


def test_chi_squared_with_mass_everywhere_charges_variances():
    """``w^2 Var_q(r) / (4 strength)`` whatever the others want; and the rest of the closed forms."""
    base, scores, sizes = draw(np.random.default_rng(43))
    strength = 0.5 * sizes.sum()  # enough for rewards in [0, 1]
    policy, values, payments, best = settle_by_hand(ta.ChiSquared(strength), base, scores, sizes)
    mean = np.einsum("pr,prg->pg", base, scores)
    away = scores - mean[:, None]
    covariance = np.einsum("pr,prg,prh->pgh", base, away, away)
    np.testing.assert_allclose(payments, sizes**2 * np.einsum("pgg->pg", covariance) / (4 * strength), rtol=1e-13)
    np.testing.assert_allclose(policy, base * (1 + away @ sizes / (2 * strength)), rtol=1e-13)
    np.testing.assert_allclose(values, mean + covariance @ sizes / (2 * strength), rtol=1e-13)
    spread = np.einsum("g,pgh,h->p", sizes, covariance, sizes)
    np.testing.assert_allclose(best, mean @ sizes + spread / (4 * strength), rtol=1e-13)


def test_chi_squared_by_sorting():
    """The projection onto the weighted simplex, by the textbook's sort."""
    rng = np.random.default_rng(44)
    for _ in range(50):
        strength, base, score = 10 ** rng.uniform(-3, 1), rng.dirichlet(np.ones(7)), rng.uniform(size=7)
        order = np.argsort(-score)
        mass, worth = np.cumsum(base[order]), np.cumsum((base * score)[order])
        thresholds = (worth - 2 * strength) / mass
        threshold = thresholds[np.flatnonzero(score[order] > thresholds)[-1]]
        expected = base * np.maximum(score - threshold, 0) / (2 * strength)
        policy, _ = ta.ChiSquared(strength).tilt(score, base)
        np.testing.assert_allclose(policy, expected, atol=1e-13 / strength)


def test_a_best_response_with_next_to_no_mass():
    """The natural parameter is of the order of the mass, and must keep its digits there."""
    for mass in (1e-9, 1e-30, 1e-100):
        base = np.array([mass, 1.0])
        policy, best = ta.ReverseKL(1.0).tilt(np.array([3.0, 0.0]), base)
        # q / b + 1 / (b + 3) = 1 with b near mass * 3 / 2
        b = (mass - 2 + np.sqrt((2 - mass) ** 2 + 12 * mass)) / 2 if mass > 1e-10 else 1.5 * mass
        assert policy[0] == pytest.approx(mass / b, rel=1e-6)
        assert best == pytest.approx(policy[0] * 3 - ta.ReverseKL(1.0).price(policy, base), rel=1e-14)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (0, r"order must not be 0.*use ReverseKL"),
        (1, r"order must not be within 0\.01 of 1, got 1.*use KL"),
        (1.001, r"order must not be within 0\.01 of 1.*use KL"),
        (7.0, "order must be from -5 to 5, got 7"),
        (np.nan, "order must be from -5 to 5, got nan"),
        ("2", "order must be a number, got '2'"),
        (True, "order must be a number, got True"),
    ],
)
def test_orders_that_are_refused(order, message):
    with pytest.raises(ta.InputError, match=message):
        ta.Alpha(1.0, order)


@pytest.mark.parametrize("order", [-5.0, -1.0, -0.3, 0.0, 0.01, 0.5, 0.98, 1.0, 1.02, 2.0, 3.0, 5.0])
def test_phi_keeps_its_digits_everywhere(order):
    steps = np.array(
        [s * 10.0**k for k in range(-12, 1) for s in (-1, 1)] + [-0.999, 5.0, 1e6, 0.19, 0.21, -0.19, -0.21]
    )
    steps = steps[steps > -1]
    with mpmath.workdps(50):
        exact = [float(_phi(mpmath.mpf(order), 1 + mpmath.mpf(s))) for s in steps.tolist()]
    np.testing.assert_allclose(power_bregman(order, 1 + steps, steps), exact, rtol=2e-13)
    empty = power_bregman(order, np.zeros(1), -np.ones(1))[0]
    assert empty == (pytest.approx(1 / order) if order > 0 else np.inf)


def _phi(order, ratio):
    if order == 0:
        return ratio - 1 - mpmath.log(ratio)
    if order == 1:
        return ratio * mpmath.log(ratio) - ratio + 1
    return (ratio**order - order * ratio + order - 1) / (order * (order - 1))


@pytest.mark.parametrize("exponent", [-3.0, -2.0, -1.0, -0.2, 0.2, 0.5, 1.0, 2.0, 7.3])
def test_roots_solve_their_equation(exponent):
    rng = np.random.default_rng(45)
    weights = rng.dirichlet(np.full(6, 0.3), size=40)
    offsets = -np.sign(exponent) * 10 ** rng.uniform(-6, 3, size=(40, 6))
    offsets[:, 0] = 0.0
    top = np.maximum(weights[:, 0], 1e-12)
    weights[:, 0] = top
    weights /= weights.sum(axis=1, keepdims=True)
    low, high = np.sort([weights[:, 0] ** (-1 / exponent), np.ones(40)], axis=0)
    root = power_root(weights, offsets, exponent, low * (1 - 1e-15), high * (1 + 1e-15), low)
    with np.errstate(divide="ignore"):
        natural = np.maximum(root[:, None] + offsets, 0)
        total = np.where(natural > 0, weights * power(natural, exponent), 0).sum(axis=1)
    # rounding of the root moves the sum by its own slope, which is infinite where small powers set in
    assert (np.abs(total - 1) < (1e-12 if abs(exponent) >= 0.5 else 2e-3)).all()
    np.testing.assert_allclose(power(natural[natural > 0], exponent), natural[natural > 0] ** exponent, rtol=1e-15)
