"""Curves through points: shape kept, against SciPy's monotone cubic and by brute force."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

import tuneaccord as ta
from tuneaccord.testing import check_curve

STEPS = st.lists(
    st.tuples(st.floats(0.01, 3.0), st.one_of(st.just(0.0), st.just(1.0), st.floats(0.001, 20.0))),
    min_size=1,
    max_size=9,
)


def points(steps, *, sort=0):
    widths, slopes = np.array(steps).T
    slopes = np.sort(slopes)[::sort] if sort else slopes
    return np.append(0.0, np.cumsum(widths)), np.append(0.0, np.cumsum(widths * slopes))


@given(STEPS, st.sampled_from(["slope", "flat"]))
def test_through_the_points_and_never_falling(steps, beyond):
    x, y = points(steps)
    curve = ta.Tabulated(x, y, beyond)
    np.testing.assert_allclose(curve.value(x), y, rtol=1e-14)
    fine = np.linspace(0.0, 1.3 * x[-1], 3001)
    values = curve.value(fine)
    assert (np.diff(values) >= -1e-13 * values[-1]).all()
    assert (curve.slope(fine) >= 0.0).all()
    # so is SciPy's, which is another curve between the points, but nowhere far away
    within = fine[fine <= x[-1]]
    other = PchipInterpolator(x, y)(within) if len(x) > 2 else np.interp(within, x, y)
    steepest = np.max(np.diff(y))
    assert np.abs(curve.value(within) - other).max() <= steepest + 1e-12


@given(STEPS)
def test_convex_points_give_a_convex_curve_and_concave_ones_a_concave_one(steps):
    for sort in (1, -1):
        x, y = points(steps, sort=sort)
        curve = ta.Tabulated(x, y)
        slopes = curve.slope(np.linspace(0.0, 1.2 * x[-1], 2001))
        # up to what rounding makes of the points, where two intervals are nearly in line
        slack = 1e-9 * (1.0 + slopes.max())
        assert (sort * np.diff(slopes) >= -slack).all()


def test_scipys_monotone_cubic_need_not_be_convex_where_this_is():
    x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.1, 3.0, 6.0])
    fine = np.linspace(0.0, 3.0, 500)
    assert (PchipInterpolator(x, y)(fine, 2) < -1e-3).any()
    assert (np.diff(ta.Tabulated(x, y).slope(fine)) >= 0.0).all()


def test_points_of_a_parabola_give_it_back_and_those_of_a_line_the_line():
    x = np.array([0.0, 0.3, 1.0, 1.2, 2.5])
    curve, fine = ta.Tabulated(x, 3.0 * x**2), np.linspace(0.0, 2.5, 101)
    np.testing.assert_allclose(curve.value(fine), 3.0 * fine**2, atol=1e-13)
    np.testing.assert_allclose(curve.slope(fine), 6.0 * fine, atol=1e-12)
    line = ta.Tabulated(x[1:], 3.0 * x[1:])
    np.testing.assert_allclose(line.slope(np.append(fine, 99.0)), 3.0, rtol=1e-14)


def test_the_slopes_of_tax_brackets_meet_in_a_kink():
    curve = ta.Tabulated((0, 1, 2, 3, 4), (0, 1, 2, 4, 6))
    np.testing.assert_allclose(curve.slope([0.5, 1.999, 2.0, 3.5]), [1, 1, 2, 2])
    assert curve.convex


def test_the_error_falls_with_the_square_of_the_spacing():
    off = []
    for count in (10, 20, 40, 80):
        x = np.linspace(0.0, 2.0, count + 1)
        fine = np.linspace(0.0, 2.0, 999)
        off.append(np.abs(ta.Tabulated(x, np.expm1(x)).value(fine) - np.expm1(fine)).max())
    assert (np.array(off[1:]) < 0.26 * np.array(off[:-1])).all()


def test_past_the_points():
    rising, flat = (ta.Tabulated((1.0, 2.0), (1.0, 4.0), beyond) for beyond in ("slope", "flat"))
    assert float(rising.slope(5.0)) == float(rising.slope(np.inf)) == pytest.approx(4.0)
    assert float(rising.value(3.0)) == pytest.approx(8.0)
    assert float(rising.value(np.inf)) == np.inf
    assert float(flat.value(3.0)) == float(flat.value(np.inf)) == 4.0
    assert float(flat.slope(2.0)) == 0.0
    assert rising.convex
    assert not flat.convex


@given(STEPS, st.sampled_from(["slope", "flat"]), st.floats(0.0, 25.0))
def test_the_inverse_slope_is_that_of_a_fine_grid(steps, beyond, slope):
    x, y = points(steps)
    curve = ta.Tabulated(x, y, beyond)
    fine = np.concatenate([np.linspace(0.0, 2.0 * x[-1], 4001), curve.knots, np.nextafter(curve.knots, 0.0)])
    slopes = curve.slope(fine)
    # at a slope that the curve keeps for a while rounding decides
    assume(np.abs(slopes - slope).min() > 1e-9 * (1 + slope) or len(np.unique(slopes)) > 4000)
    fits = slopes <= slope if curve.convex else slopes >= slope
    expected = fine[fits].max(initial=0.0)
    found = float(curve.inverse_slope(slope))
    if expected == fine.max():
        assert found == np.inf
    else:
        assert abs(found - expected) <= fine[1] * 1.001


@pytest.mark.parametrize("beyond", ["slope", "flat"])
def test_random_tables_keep_the_laws(beyond):
    rng = np.random.default_rng(73)
    for _ in range(8):
        count = rng.integers(2, 9)
        x, rise = np.cumsum(rng.uniform(0.05, 1, count)), rng.choice([0, 1, 1], count) * rng.uniform(0, 2, count)
        check_curve(ta.Tabulated(x, np.cumsum(rise), beyond), as_cost=True, as_revenue=True, tries=20)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ((1, 2, 3), (1, 3, 2), "y must not fall, got 3 at x = 2 and 2 at x = 3. Fit a monotone curve"),
        ((1, 3, 2), (1, 2, 3), "x must ascend, got 3 and then 2. Sort and merge the points"),
        ((1, 1, 2), (1, 1, 3), "x must ascend, got 1 and then 1"),
        ((-1, 1), (0, 1), "x must not be negative, got -1"),
        ((0, 1), (-2, 1), "y must not be negative, got -2 at x = 0"),
        ((0,), (0,), "x needs a point past 0, got 0"),
        ((), (), r"x must be a list of finite numbers, got \(\)"),
        ((1, 2), (1,), "x and y must have the same length, got 2 and 1"),
        ((1, np.nan), (1, 2), "x must be a list of finite numbers"),
        ("12", (1, 2), "x must be a list of finite numbers, got '12'"),
        (((1, 2), (3, 4)), (1, 2), "x must be a list of finite numbers"),
    ],
)
def test_bad_tables_get_one_clear_line(x, y, message):
    with pytest.raises(ta.InputError, match=f"^Tabulated: {message}"):
        ta.Tabulated(x, y)
    with pytest.raises(ta.InputError, match="beyond must be 'slope' or 'flat', got 'falt'"):
        ta.Tabulated((1, 2), (1, 2), "falt")
