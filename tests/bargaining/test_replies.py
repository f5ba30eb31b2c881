"""Stage three: the best reply against dense scans, high-precision roots, closed forms and laws."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneaccord import (
    Capped,
    Fixed,
    Function,
    Level,
    Linear,
    Log,
    Logistic,
    Power,
    Saturating,
    Specialist,
    Sqrt,
    Tabulated,
)
from tuneaccord.bargaining.engine.replies import replies
from tuneaccord.bargaining.parties import take
from tuneaccord.errors import InputError
from tuneaccord.testing import random_game

ABSTAINS, FREE_RIDES, CONTRIBUTES = 0, 1, 2
SCAN = np.concatenate([[0.0], np.geomspace(1e-8, 30.0, 4001), np.linspace(0.01, 5.0, 2000)])


def own_utility(specialist, share, base, x):
    cost = specialist.cost.at(base)
    return (1.0 - share) * specialist.revenue.value(base + x) - cost.value(x) - specialist.entry_cost


def check_against_scan(seed):
    rng = np.random.default_rng(seed)
    one = random_game(rng).specialists[0]
    shares, bases = rng.choice([0.0, 1.0, *rng.uniform(size=3)], 4), rng.choice([0.0, *3.0 * rng.uniform(size=3)], 4)
    reply = replies(one, shares, bases)
    for i, (share, base) in enumerate(zip(shares, bases, strict=True)):
        best = max(own_utility(one, share, base, SCAN).max(), one.outside)
        size = 1.0 + abs(best)
        assert best <= reply.utility[i] + 1e-13 * size, seed
        if reply.regime[i] != ABSTAINS:
            own = own_utility(one, share, base, reply.improvement[i])
            assert abs(own - reply.utility[i]) <= 1e-13 * size
            assert abs(reply.revenue[i] - one.revenue.value(base + reply.improvement[i])) <= 1e-13 * size
        assert reply.error[i] <= 1e-12 * (size + reply.revenue[i])


@pytest.mark.parametrize("seed", range(40))
def test_no_scanned_improvement_is_better(seed):
    check_against_scan(seed)


@pytest.mark.slow
def test_no_scanned_improvement_is_better_in_a_thousand_games():
    for seed in range(40, 1040):
        check_against_scan(seed)


def power_slope(scale, exponent):
    scale, exponent = mpmath.mpf(scale), mpmath.mpf(exponent)
    return lambda x: scale * exponent * x ** (exponent - 1)


ROOTS = [
    (Power(2.0, 2.0), Sqrt(1.5), power_slope(1.5, 0.5), power_slope(2.0, 2.0)),
    (Power(0.3, 1.1), Log(2.0, 3.0), lambda a: 6 / (1 + 3 * a), power_slope(0.3, 1.1)),
    (Power(0.3, 3.7), Power(2.0, 0.4), power_slope(2.0, 0.4), power_slope(0.3, 3.7)),
    (Power(1.0, 1.5), Saturating(5.0, 2.0), lambda a: 10 * mpmath.exp(-2 * a), power_slope(1.0, 1.5)),
]


@pytest.mark.parametrize(("cost", "revenue", "earns", "costs"), ROOTS)
@pytest.mark.parametrize("base", [1e-6, 0.3, 40.0])
def test_root_to_the_last_digits(cost, revenue, earns, costs, base):
    found = float(replies(Specialist("d", cost=cost, revenue=revenue), 0.25, base).improvement)
    with mpmath.workdps(40):

        def excess(log):
            return mpmath.log(earns(base + mpmath.exp(log)) * 0.75 / costs(mpmath.exp(log)))

        exact = mpmath.exp(mpmath.findroot(excess, mpmath.log(found), tol=1e-60))
        # the exponential of 80 has 80 times the rounding of its argument, and x goes with its square
        assert abs(found / exact - 1) < 2e-14 * (1 + base)


def test_closed_forms():
    linear = replies(Specialist("d", cost=Power(2.0, 3.0), revenue=Linear(1.2)), [0.0, 0.5, 1.0], 0.7)
    np.testing.assert_allclose(linear.improvement, [np.sqrt(1.2 / 6), np.sqrt(0.6 / 6), 0.0], rtol=1e-15)
    straight = replies(Specialist("d", cost=Linear(0.5), revenue=Sqrt(2.0)), 0.2, [0.0, 1.0, 3.0])
    np.testing.assert_allclose(
        straight.improvement, np.maximum((0.8 / 0.5) ** 2 - np.array([0, 1, 3.0]), 0), rtol=1e-15
    )
    level = replies(Specialist("d", cost=Level(Power(1.0, 2)), revenue=Linear(1.0)), 0.4, [0.0, 0.1, 0.5])
    np.testing.assert_allclose(level.improvement, [0.3, 0.2, 0.0], atol=1e-16)
    capped = replies(Specialist("d", cost=Power(0.1, 2), revenue=Capped(2.0, Linear(1.0))), 0.3, [0.0, 0.7, 1.9, 2.5])
    np.testing.assert_array_equal(capped.improvement + np.array([0.0, 0.7, 1.9, 2.5]), [2.0, 2.0, 2.0, 2.5])


@pytest.mark.parametrize("exponent", [1.0005, 1.01, 40.0, 2000.0])
def test_extreme_exponents_do_not_overflow(exponent):
    reply = replies(Specialist("d", cost=Power(1.0, exponent), revenue=Log(3.0, 1.0)), [0.0, 0.3, 1.0], 0.1)
    assert np.isfinite(reply.utility).all()
    assert (np.diff(reply.improvement) <= 0).all()


def test_huge_asymmetry():
    reply = replies(Specialist("d", cost=Power(1e12, 2), revenue=Sqrt(1.0)), 0.5, 1.0)
    np.testing.assert_allclose(reply.improvement, 0.5 * 0.5 / 2e12, rtol=1e-12)


def test_ties_go_to_the_larger_performance():
    entry = replies(Specialist("d", cost=Power(1.0, 2), revenue=Linear(1.0), entry_cost=0.0625), 0.5, 0.0)
    assert entry.regime == CONTRIBUTES  # 0.0625 earned against 0.0625 paid
    setup = replies(Specialist("d", cost=Fixed(0.0625, Power(1.0, 2)), revenue=Linear(1.0)), 0.5, 0.3)
    assert setup.regime == CONTRIBUTES
    outside = replies(Specialist("d", cost=Power(1.0, 2), revenue=Linear(1.0), outside=0.0), 1.0, 0.3)
    assert outside.regime == FREE_RIDES
    # equally good for ever: the smallest, for there is no largest
    endless = replies(Specialist("d", cost=Linear(0.5), revenue=Linear(1.0)), 0.5, 0.0)
    assert (endless.improvement, endless.regime) == (0.0, FREE_RIDES)


def test_two_equal_peaks_give_the_larger_improvement():
    # a step at 1 that is worth exactly what it costs
    step = Function(
        lambda x: np.minimum(np.maximum(x - 1.0, 0.0) * 10.0, 1.0),
        lambda x: np.where((x >= 1) & (x < 1.1), 10.0, 0.0),
        breaks=(1.0, 1.1),
    )
    reply = replies(Specialist("d", cost=Linear(1.0 / 1.1), revenue=step), 0.0, 0.0)
    assert reply.improvement == pytest.approx(1.1, rel=1e-14)
    assert reply.utility == pytest.approx(0.0, abs=1e-14)


def test_unbounded_profit_is_refused():
    one = Specialist("medical", cost=Linear(0.5), revenue=Linear(1.0))
    with pytest.raises(InputError) as caught:
        replies(one, 0.4, 0.0)
    assert str(caught.value) == (
        "medical: with a share of 0.4 each unit of improvement earns 0.6 and costs at most 0.5 for ever, so no largest "
        "improvement exists. Try Capped(...) revenue or a cost exponent above 1."
    )
    assert replies(one, 0.6, 1.0).improvement == 0.0
    with pytest.raises(InputError, match="legal: with a share of 0 "):
        replies(Specialist("legal", cost=Log(1.0, 1.0), revenue=Sqrt(1.0)), 0.0, 0.0)


def test_arrays_of_parameters_are_games_one_by_one():
    rng = np.random.default_rng(3)
    many = Specialist(
        "d",
        cost=Fixed(rng.uniform(0, 0.2, 7), Power(rng.uniform(0.5, 2, 7), rng.uniform(1.2, 3, 7))),
        revenue=Capped(rng.uniform(1, 3, 7), Logistic(rng.uniform(1, 4, 7), rng.uniform(0.5, 2, 7), 0.3)),
        entry_cost=rng.uniform(0, 0.3, 7),
    )
    shares, bases = rng.uniform(size=7), rng.uniform(0, 2, 7)
    together = replies(many, shares, bases)
    for i in range(7):
        alone = replies(take(many, np.array([i])), shares[i], bases[i])
        assert alone.improvement == pytest.approx(together.improvement[i], rel=1e-14)
        assert alone.regime == together.regime[i]


def test_unknown_knots_leave_no_bound():
    one = Specialist("d", cost=Power(1.0, 2), revenue=Function(np.sqrt))
    reply = replies(one, 0.5, 0.2)
    exact = replies(Specialist("d", cost=Power(1.0, 2), revenue=Sqrt(1.0)), 0.5, 0.2)
    assert np.isnan(reply.error)
    assert reply.improvement == pytest.approx(float(exact.improvement), rel=1e-8)  # numeric slopes


def test_cost_of_improvement_and_base():
    both = Specialist("d", cost=Function(lambda x, base: (base + x) ** 2 - base**2), revenue=Sqrt(1.0))
    level = Specialist("d", cost=Level(Power(1.0, 2)), revenue=Sqrt(1.0))
    bases = np.array([0.05, 0.2, 0.5])
    np.testing.assert_allclose(replies(both, 0.2, bases).improvement, replies(level, 0.2, bases).improvement, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), low=st.floats(0, 3), more=st.floats(0, 2))
def test_a_larger_base_never_hurts(seed, share, low, more):
    one = random_game(np.random.default_rng(seed), costs=["power", "fixed", "tabulated", "level"]).specialists[0]
    reply = replies(one, share, [low, low + more])
    assert reply.utility[1] >= reply.utility[0] - 1e-12 * (1 + abs(reply.utility[0]))


def test_newton_does_not_circle_between_two_parabolas():
    # this pair sends Newton's method from one side of a jump of the curvature to the other and back
    one = random_game(np.random.default_rng(593)).specialists[0]
    assert isinstance(one.cost, Tabulated)
    shares = np.linspace(0.0, 0.5, 41)
    best = [own_utility(one, share, 0.0, SCAN).max() for share in shares]
    assert (replies(one, shares, 0.0).utility >= np.array(best) - 1e-13).all()
