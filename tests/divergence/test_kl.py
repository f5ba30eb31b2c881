"""KL: the laws of every divergence, a few numbers by hand, and what it refuses."""

import math

import mpmath
import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.testing import check_divergence


@pytest.mark.parametrize("strength", [1e-3, 0.5, 1, 1e3])
def test_keeps_the_laws(strength):
    check_divergence(ta.KL(strength))


@pytest.mark.parametrize(
    ("policy", "base", "price"),
    [
        ([0.5, 0.5], [0.5, 0.5], 0.0),
        ([1.0, 0.0], [0.5, 0.5], 2 * math.log(2)),
        ([0.75, 0.25], [0.25, 0.75], math.log(3)),
        ([0.5, 0.5, 0.0], [0.5, 0.5, 0.0], 0.0),
        ([0.5, 0.5], [1.0, 0.0], math.inf),
    ],
)
def test_prices_by_hand(policy, base, price):
    assert ta.KL(2.0).price(policy, base) == pytest.approx(price, rel=1e-15)


@pytest.mark.parametrize("step", [1e-2, 1e-6, 1e-10])
def test_a_small_step_keeps_its_digits(step):
    """The summands of ``p log(p/q)`` are of order ``step`` and their sum of order ``step**2``."""
    base, policy = np.array([0.25, 0.75]), np.array([0.25 + step, 0.75 - step])
    with mpmath.workdps(50):
        exact = sum(
            mpmath.mpf(p) * mpmath.log(mpmath.mpf(p) / mpmath.mpf(q)) for p, q in zip(policy, base, strict=True)
        )
        exact -= mpmath.fsum(policy) - 1  # 0.25 + step and 0.75 - step do not sum to one exactly
    assert float(ta.KL(1.0).price(policy, base)) == pytest.approx(float(exact), rel=1e-15 / step)


def test_a_constant_score_of_any_size_leaves_the_base_as_it_is():
    base = np.array([0.1, 0.2, 0.7, 0.0])
    policy, best = ta.KL(1e-3).tilt(np.full(4, 1e6), base)
    np.testing.assert_array_equal(policy, base)
    assert best == 1e6


def test_whoever_wants_nothing_leaves_the_base_at_a_price_of_exactly_nothing():
    """``exp(log(q))`` misses ``q`` by a rounding for some numbers, on each processor for others."""
    base = np.random.default_rng(3).dirichlet(np.ones(5), size=500)
    policy, _ = ta.KL(1.0).tilt(np.zeros(base.shape), base)
    np.testing.assert_array_equal(policy, base)
    assert (ta.KL(1.0).price(policy, base) == 0.0).all()
    report = ta.Report("indifferent", 1.0, ta.TableReward(np.zeros(base.shape)))
    settled = ta.settle(ta.Simplex(base, ta.KL(1.0)), [report])
    assert settled.price == settled.payments["indifferent"] == 0.0


def test_a_score_where_the_base_is_zero_does_not_matter():
    base = np.array([0.5, 0.5, 0.0])
    for wild in (-1e300, 0.0, 1e300):
        policy, best = ta.KL(1.0).tilt(np.array([1.0, 2.0, wild]), base)
        np.testing.assert_allclose(policy, [1 / (1 + math.e), math.e / (1 + math.e), 0.0], rtol=1e-15)
        assert best == pytest.approx(math.log((math.e + math.e**2) / 2), rel=1e-15)


@pytest.mark.parametrize("strength", [0, -1.0, math.nan, math.inf, -math.inf, 10**400])
def test_a_strength_that_is_not_positive_and_finite_is_refused(strength):
    with pytest.raises(ta.InputError, match=r"strength must be a positive finite number, got .*; try 0\.5"):
        ta.KL(strength)


@pytest.mark.parametrize("strength", [5e-324, 1e-101, 1e101])
def test_a_strength_in_whose_units_amounts_overflow_is_refused(strength):
    with pytest.raises(ta.InputError, match=r"strength must be from 1e-100 to 1e\+100, got .*by the same number"):
        ta.KL(strength)


@pytest.mark.parametrize("strength", ["1", None, True, 1j, np.complex128(1), [1.0]])
def test_a_strength_that_is_not_a_number_is_refused(strength):
    with pytest.raises(ta.InputError, match=r"strength must be a number, got .* Try a value such as 0\.5"):
        ta.KL(strength)


def test_numpy_numbers_become_plain_ones():
    assert type(ta.KL(np.float32(0.5)).strength) is float
    assert ta.KL(np.int64(2)) == ta.KL(2.0)
