"""Cost curves fitted to measured runs: against polyfit, a quadratic program, simulation, and laws."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.bargaining.calibration.costs import PowerCost, reached
from tuneaccord.bargaining.calibration.monotone import concave_rising, rising
from tuneaccord.errors import InputError

SPEND = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])


def runs(seed: int, exponent: float = 2.0, scale: float = 3.0, noise: float = 0.1) -> np.ndarray:
    """Performances that ``SPEND`` buys on ``scale * x ** exponent``, with noise in their logarithms."""
    draws = np.random.default_rng(seed)
    return (SPEND / scale) ** (1 / exponent) * np.exp(noise * draws.standard_normal(len(SPEND)))


def test_exact_power_data_give_the_power_back():
    fit = ta.fit_cost(SPEND, 0.4 + runs(0, 2.5, 3.0, 0.0), transform=ta.Shift(0.4), draws=0)
    assert fit.curve.scale == pytest.approx(3.0, rel=1e-12)
    assert fit.curve.exponent == pytest.approx(2.5, rel=1e-12)
    assert fit.r_squared == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(fit.residuals, 0.0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_power_is_that_of_polyfit_in_logarithms(seed):
    performance = runs(seed)
    fit = ta.fit_cost(SPEND, performance, transform=ta.Shift(0.0), draws=0)
    line, covariance = np.polyfit(np.log(SPEND), np.log(performance), 1, cov=True)

    def solved(slope, intercept):
        return np.array([np.exp(-intercept / slope), 1 / slope])

    np.testing.assert_allclose(list(fit.parameters.values()), solved(*line), rtol=1e-10)
    step = 1e-6
    slopes = np.array([(solved(*(line + d)) - solved(*(line - d))) / (2 * step) for d in step * np.eye(2)]).T
    np.testing.assert_allclose(fit.covariance, slopes @ covariance @ slopes.T, rtol=1e-6)  # central differences


def test_the_standard_errors_are_those_of_repeated_measurement():
    fits = [PowerCost().estimate(runs(seed), SPEND) for seed in range(400)]
    for place, name in enumerate(("scale", "exponent")):
        spread = np.std([getattr(fit.curve, name) for fit in fits])
        told = np.sqrt(np.mean([fit.covariance[place, place] for fit in fits]))
        assert told == pytest.approx(spread, rel=0.15)  # 400 draws know a standard deviation to 4%, curvature adds some


def test_noise_in_the_score_does_not_flatten_the_cost():
    # the regression the other way round would be off by a fifth here
    curves = [PowerCost().curve(runs(seed, noise=0.4), SPEND) for seed in range(300)]
    assert np.median([curve.exponent for curve in curves]) == pytest.approx(2.0, rel=0.03)


def test_costs_that_rise_too_slowly_are_held_at_an_exponent_of_one():
    fit = ta.fit_cost(SPEND, SPEND**1.5, transform=ta.Shift(0.0), draws=5)
    assert fit.curve.exponent == 1.0
    assert fit.standard_errors["exponent"] == 0.0
    assert "held at 1" in fit.notes[-1]
    line = ta.fit_cost(SPEND, SPEND**1.5, kind="Linear", transform=ta.Shift(0.0), draws=0)
    assert fit.curve.scale == line.curve.rate == pytest.approx(np.exp(-0.5 * np.log(SPEND).mean()), rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_the_concave_regression_is_the_quadratic_program(seed):
    draws = np.random.default_rng(seed)
    x = np.sort(draws.choice(np.arange(1, 12), 9)).astype(float)
    y = np.sqrt(x) + 0.4 * draws.standard_normal(9)
    corners, values = concave_rising(x, y)
    places, where = np.unique(x, return_inverse=True)
    height = cvxpy.Variable(len(places))
    steps = np.diff(places, prepend=0.0)
    slopes = cvxpy.multiply(cvxpy.diff(cvxpy.hstack([0.0, height])), 1 / steps)
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(height[where] - y)), [cvxpy.diff(slopes) <= 0, slopes >= 0]
    )
    problem.solve(solver="CLARABEL")
    ours = np.interp(places, np.append(0.0, corners), np.append(0.0, values))
    np.testing.assert_allclose(ours, height.value, atol=1e-5)  # the program stops at 1e-8 of its objective


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-3, 3)), min_size=1, max_size=9))
def test_the_rising_regression_is_the_largest_least_mean(points):
    x, y = (np.array(side, float) for side in zip(*points, strict=True))
    places, values = rising(x, y)

    def mean(low, high):
        return y[(x >= low) & (x <= high)].mean()

    for place, value in zip(places, values, strict=True):  # the minimax formula of isotonic regression
        expected = max(min(mean(low, high) for high in places if high >= place) for low in places if low <= place)
        assert value == pytest.approx(expected, abs=1e-12)


def test_a_table_is_convex_and_passes_by_an_outlier():
    performance = np.array([0.10, 0.20, 0.28, 0.10, 0.40, 0.43])
    fit = ta.fit_cost([1, 2, 3, 4, 6, 8], performance, kind="Tabulated", transform=ta.Shift(0.0), draws=20)
    x = np.linspace(0.0, 0.6, 301)
    assert (np.diff(fit.curve.value(x), 2) >= -1e-9).all()
    assert (np.diff(fit.curve.value(x)) > 0).all()
    assert fit.standard_errors == fit.intervals() == {}
    assert fit.covariance is None


def test_a_plateau_at_the_end_is_left_out_of_a_table():
    fit = ta.fit_cost([1, 2, 4, 8], [0.1, 0.2, 0.2, 0.2], kind="Tabulated", transform=ta.Shift(0.0), draws=0)
    assert fit.curve.x == pytest.approx((0.0, 0.2), abs=1e-12)
    assert fit.curve.y == (0.0, 2.0)


@pytest.mark.parametrize("curve", [ta.Power(2.0, 3.0), ta.Linear(0.01), ta.Tabulated((0, 1, 2, 3), (0, 1, 4, 9))])
def test_what_money_buys_costs_that_money(curve):
    money = np.array([0.0, 1e-6, 0.5, 3.0, 1e5])
    np.testing.assert_allclose(curve.value(reached(curve, money)), money, rtol=1e-12, atol=1e-12)


def test_the_best_kind_is_the_one_that_predicts_best():
    power = ta.fit_cost(SPEND, runs(1, noise=0.02), kind="best", transform=ta.Shift(0.0), draws=0)
    assert power.kind == "Power"
    line = ta.fit_cost(SPEND, 0.2 * SPEND, kind="best", transform=ta.Shift(0.0), draws=0)
    assert line.kind == "Linear"  # all kinds fit: the one that needs least
    saturated = ta.fit_cost(SPEND, -np.expm1(-SPEND / 8), kind="best", transform=ta.Shift(0.0), draws=0)
    assert saturated.kind == "Tabulated"
    for fit in (power, line, saturated):
        assert fit.left_out[fit.kind] <= min(fit.left_out.values()) + 1e-9


def test_the_error_at_points_left_out_is_a_loop():
    performance = runs(3)
    errors = []
    for i in range(len(SPEND)):
        line = np.polyfit(np.log(np.delete(SPEND, i)), np.log(np.delete(performance, i)), 1)
        errors.append(performance[i] - np.exp(np.polyval(line, np.log(SPEND[i]))))
    fit = ta.fit_cost(SPEND, performance, transform=ta.Shift(0.0), draws=0)
    assert fit.left_out["Power"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-9)


def test_runs_are_left_out_whole():
    performance = np.concatenate([1.2 * runs(0, noise=0), 0.8 * runs(0, noise=0)])
    fit = ta.fit_cost(np.tile(SPEND, 2), performance, transform=ta.Shift(0.0), run=["a"] * 7 + ["b"] * 7, draws=0)
    missed = 0.4 * runs(0, noise=0)
    assert fit.left_out["Power"] == pytest.approx(np.sqrt((missed**2).mean()), rel=1e-9)


@settings(max_examples=20)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_of_money_and_performance_only_scale_the_curve(money, unit):
    here = ta.fit_cost(SPEND, runs(4), transform=ta.Shift(0.0), draws=0)
    there = ta.fit_cost(money * SPEND, runs(4), transform=ta.Shift(0.0, unit), draws=0)
    assert there.curve.exponent == pytest.approx(here.curve.exponent, rel=1e-9)
    assert there.curve.value(0.3 / unit) == pytest.approx(money * here.curve.value(0.3), rel=1e-9)


def test_the_order_of_the_measurements_does_not_matter():
    order = np.random.default_rng(0).permutation(len(SPEND))
    for kind in ("Power", "Linear", "Tabulated"):
        one = ta.fit_cost(SPEND, runs(5), kind=kind, transform=ta.Shift(0.0), draws=0)
        other = ta.fit_cost(SPEND[order], runs(5)[order], kind=kind, transform=ta.Shift(0.0), draws=0)
        np.testing.assert_allclose(one.curve.value(0.7), other.curve.value(0.7), rtol=1e-9)


def test_mistakes_are_one_line_each():
    score = [0.5, 0.6, 0.7, 0.8]
    cases = [
        (([1, 2], [0.5]), {}, "same length, got 2 and 1"),
        (([], []), {}, "no measurements"),
        (([1, 2, np.nan, 4], score), {}, "spend must be a finite number of at least 0, got nan in row 3"),
        (([1, 2, 3, -4], score), {}, "got -4 in row 4"),
        (([1, 2, 3, 4], [0.5, 0.6, np.inf, 0.8]), {}, "score must be a finite number, got inf in row 3"),
        (([1, 2, 3, 4], ["a", "b", "c", "d"]), {}, "score must be a list of numbers"),
        ((1.0, 2.0), {}, "spend must be a list of numbers"),
        (([0, 1, 2, 3], [0.5, 0.5, 0.5, 0.5]), {}, "all scores are the same"),
        (([0, 0], [0.5, 0.6]), {}, "every measurement has spend 0"),
        (([0, 1, 2, 3], [3.0, 2.8, 2.7, 2.6]), {}, "try transform=Turned()"),
        (([0, 1, 2, 3], score), {"transform": ta.Turned()}, "try transform=Shift() or LogOdds()"),
        (
            ([0, 1, 2], [0.5, 0.6, 0.7]),
            {},
            "a Power cost needs at least 3 different amounts of spending above 0, got 2",
        ),
        (([0, 1, 2, 4], [0.5, 0.49, 0.7, 0.8]), {}, "spending 1 bought no performance"),
        (([1, 2, 3], [0.5, 0.6, 0.7]), {}, "the score before any spending is not known"),
        (([0, 1, 2, 4], score), {"kind": "Pover"}, "Did you mean 'Power'?"),
        (([0, 1, 2, 4], score), {"kind": "Log"}, "no kind of cost 'Log'"),
        (([0, 1, 2, 4], score), {"transform": "turned"}, "transform must be Shift(), Turned() or LogOdds()"),
        (([0, 1, 2, 4], score), {"run": ["a"]}, "run must name the run of each of the 4 measurements, got 1"),
        (([0, 1, 2, 4], score), {"draws": -1}, "draws must be a whole number of at least 0"),
        (([0, 1, 2, 4], [1, 2, 3, 4]), {"transform": ta.LogOdds()}, "strictly between 0 and 1, got 1"),
    ]
    for arguments, options, expected in cases:
        with pytest.raises(InputError) as caught:
            ta.fit_cost(*arguments, **({"draws": 0} | options))
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
