"""Curves against their formulas with fifty digits, and the laws that every curve must keep."""

from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.bargaining.random_games import COSTS, REVENUES, draw_cost, draw_revenue
from tuneaccord.testing import check_curve, random_game

SIGMA = lambda z: 1 / (1 + mpmath.exp(-z))  # noqa: E731
#: each kind by its formula, in fifty digits
FORMULAS = {
    "Power": lambda x, scale, exponent: scale * x**exponent,
    "Linear": lambda x, rate: rate * x,
    "Log": lambda x, scale, rate: scale * mpmath.log(1 + rate * x),
    "Sqrt": lambda x, scale: scale * mpmath.sqrt(x),
    "Saturating": lambda x, cap, rate: cap * (1 - mpmath.exp(-rate * x)),
    "Logistic": lambda x, scale, midpoint, width: scale * (SIGMA((x - midpoint) / width) - SIGMA(-midpoint / width)),
}
SIMPLE = [
    ta.Power(1.3, 2.5),
    ta.Power(2.0, 1.05),
    ta.Power(0.7, 0.4),
    ta.Power(1e-9, 4.0),
    ta.Linear(2.5),
    ta.Log(2.0, 0.7),
    ta.Log(1e6, 1e-8),
    ta.Sqrt(2.0),
    ta.Saturating(3.0, 1.5),
    ta.Saturating(1e5, 1e-7),
    ta.Logistic(4.0, 1.0, 0.15),
    ta.Logistic(4.0, 2.0, 0.05),  # at 0 it starts from exp(-40)
    ta.Logistic(1.0, 0.0, 2.0),
]
POINTS = [1e-12, 1e-6, 0.01, 0.3, 1.0, 1.7, 2.0, 4.0, 30.0]


def exactly(curve, x, derivative=0):
    with mpmath.workdps(50):
        numbers = [mpmath.mpf(getattr(curve, name)) for name in type(curve).__dataclass_fields__]
        formula = FORMULAS[type(curve).__name__]
        x = mpmath.mpf(x)
        if not derivative:
            return formula(x, *numbers)
        return mpmath.diff(lambda z: formula(z, *numbers), x, derivative, h=x * mpmath.mpf(10) ** -15)


@pytest.mark.parametrize("curve", SIMPLE, ids=str)
def test_value_slope_and_curvature_are_those_of_the_formula(curve):
    # a logistic curve is as exact as its argument, whose rounding grows with midpoint / width
    digits = 1e-14 if not isinstance(curve, ta.Logistic) else 1e-15 * (10 + 30 / curve.width)
    for order, function in enumerate((curve.value, curve.slope, curve.curvature)):
        for x in POINTS:
            expected = float(exactly(curve, x, order))
            # the derivatives of the oracle itself have 20 digits or so of those of the value
            assert abs(function(x) - expected) <= digits * abs(expected) + 1e-300 + 1e-12 * digits * order, (order, x)


@pytest.mark.parametrize("curve", SIMPLE, ids=str)
def test_the_inverse_slope_has_that_slope(curve):
    for x in POINTS[2:-1]:
        found = float(curve.inverse_slope(float(exactly(curve, x, 1))))
        if isinstance(curve, ta.Linear):
            assert found == np.inf
        elif isinstance(curve, ta.Logistic):
            mirrored = max(x, 2 * curve.midpoint - x)  # the larger of the two places with that slope
            # flat at the top, where the slope says little about the place
            assert found == pytest.approx(mirrored, abs=1e-7)
        else:
            # where the slope hardly changes it says little about the place
            known = float(curve.slope(x) / (x * np.abs(curve.curvature(x))))
            assert found == pytest.approx(x, rel=2e-15 * (1.0 + known))


@pytest.mark.parametrize("curve", SIMPLE, ids=str)
def test_the_ends_are_limits_without_a_warning(curve):
    last = {"Saturating": "cap", "Logistic": "scale"}.get(type(curve).__name__)
    if last is None:
        assert curve.value(np.inf) == np.inf
    else:
        assert curve.value(np.inf) <= getattr(curve, last)
        assert curve.slope(np.inf) == curve.curvature(np.inf) == 0.0
    assert curve.value(0.0) == 0.0
    for slope in (0.0, 1e-300, 1e300, np.inf, -1.0):
        assert 0.0 <= curve.inverse_slope(slope) <= np.inf
    assert (curve.slope(np.array([0.0, 1e-300, 1e300, np.inf])) >= 0.0).all()
    assert curve.known
    assert curve.games == ()


WRAPPED = [
    ta.Fixed(1.0, ta.Power(1.0, 1.5)),
    ta.Fixed(0.5, ta.Fixed(0.0, ta.Linear(1.0))),
    ta.Level(ta.Power(1.0, 2)),
    ta.Level(ta.Power(1.0, 2.5)).at(1.5),
    ta.Level(ta.Logistic(1.0, 2.0, 0.5)).at(0.7),
    ta.Fixed(1.0, ta.Level(ta.Power(1.0, 1.5))).at(0.5),
    ta.Level(ta.Capped(2.0, ta.Power(1.0, 2))).at(0.5),
    ta.Capped(2.0, ta.Level(ta.Power(1.0, 3))).at(0.7),
    ta.Capped(2.0, ta.Linear(3.0)),
    ta.Capped(2.0, ta.Power(1.0, 2)),
    ta.Capped(3.0, ta.Logistic(4.0, 1.0, 0.15)),
    ta.Capped(1.03, ta.Logistic(4.0, 1.0, 0.15)),
    ta.Capped(0.7, ta.Logistic(4.0, 1.0, 0.15)),
    ta.Capped(2.0, ta.Capped(1.0, ta.Log(1.0, 1.0))),
    ta.Capped(2.2, ta.Tabulated((1, 2, 3, 4, 5), (5, 6, 16, 17, 26))),
    ta.Linear(0.0),
]
ARRAYS = [
    ta.Power(np.array([1.0, 2.0, 3.0]), np.array([1.5, 1.0, 0.5])),
    ta.Capped(np.array([1.0, 2.0]), ta.Logistic(np.array([1.0, 2.0]), 1.0, np.array([0.1, 0.7]))),
    ta.Fixed(0.3, ta.Level(ta.Saturating(np.array([[1.0, 2.0]]), 1.0))),
    ta.Level(ta.Power(2.0, 2.5)).at(np.array([0.0, 1.0])),
    ta.Linear(np.array([0.0, 1.0])),
]


@pytest.mark.parametrize("curve", [*SIMPLE, *WRAPPED, *ARRAYS], ids=lambda curve: repr(curve)[:60])
def test_every_curve_keeps_its_laws(curve):
    check_curve(curve, as_cost=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*COSTS, *REVENUES])
def test_random_curves_keep_their_laws(kind):
    rng = np.random.default_rng(71)
    for _ in range(12):
        if kind in COSTS:
            check_curve(draw_cost(rng, kind), as_cost=True)
            check_curve(draw_cost(rng, kind).at(rng.uniform(0.0, 2.0)), tries=20)
        if kind in REVENUES:
            check_curve(draw_revenue(rng, kind), as_revenue=True)


@given(st.floats(0.0, 50.0), st.floats(0.0, 50.0), st.floats(0.1, 5.0), st.floats(1.0, 4.0))
def test_a_level_cost_of_two_steps_is_that_of_one(first, second, scale, exponent):
    cost = ta.Level(ta.Power(scale, exponent))
    whole = cost.value(first + second)
    parts = cost.value(first) + cost.at(first).value(second)
    assert parts == pytest.approx(whole, rel=1e-12)
    assert cost.at(first).slope(second) == pytest.approx(cost.slope(first + second), rel=1e-12)


def test_a_set_up_amount_is_paid_from_the_first_bit():
    cost = ta.Fixed(1.5, ta.Fixed(0.5, ta.Level(ta.Power(1.0, 2)))).at(np.array([0.0, 2.0]))
    assert cost.setup == 2.0
    np.testing.assert_array_equal(cost.value(0.0), [0.0, 0.0])
    np.testing.assert_allclose(cost.value(np.nextafter(0, 1)), [2.0, 2.0])


def test_a_cap_ends_the_rise():
    revenue = ta.Capped(2.0, ta.Linear(3.0))
    assert float(revenue.slope(np.nextafter(2.0, 0))) == 3.0
    assert float(revenue.slope(2.0)) == float(revenue.slope(9.0)) == 0.0
    np.testing.assert_array_equal(revenue.inverse_slope([0.0, 1.0, 3.0, 3.1]), [np.inf, 2.0, 2.0, 0.0])


@dataclass(frozen=True)
class Bent(ta.Curve):
    """A power curve with one method wrong."""

    how: str

    right = ta.Power(1.0, 2.5)
    knots = property(lambda self: np.array([3.0]) if self.how == "turning" else np.empty(0))
    convex = property(lambda self: self.how != "doubting")

    def value(self, x):
        x = np.asarray(x, float)
        bent = {
            "falling": lambda: 1e3 - x,
            "hilly": lambda: self.right.value(x) + np.sin(9 * x),
            "late": lambda: x - 1.0,
        }
        return bent[self.how]() if self.how in bent else self.right.value(x)

    def slope(self, x):
        return self.right.slope(x) * (1.0001 if self.how == "steep" else 1.0)

    def curvature(self, x):
        return self.right.curvature(x) * (0.9999 if self.how == "straight" else 1.0)

    def inverse_slope(self, slope):
        return self.right.inverse_slope(slope) * (1.001 if self.how == "keen" else 1.0)

    def slope_range(self, low, high):
        least, most = super().slope_range(low, high)
        return (least, 0.99 * most) if self.how == "narrow" else (least, most)


@pytest.mark.parametrize(
    ("how", "law"),
    [
        ("falling", "never falls"),
        ("hilly", "never falls|slope is the derivative of value"),
        ("late", "starts at 0 or above"),
        ("steep", "slope is the derivative of value"),
        ("straight", "curvature is the derivative of slope"),
        ("keen", "inverse_slope"),
        ("doubting", "inverse_slope"),
        ("narrow", "slope_range holds"),
    ],
)
def test_a_bent_curve_is_found(how, law):
    check_curve(Bent("right"))
    with pytest.raises(AssertionError, match=law):
        check_curve(Bent(how))


def test_a_knot_that_is_not_told_is_found():
    class Sly(ta.Capped):
        knots = property(lambda self: np.empty(0))

    with pytest.raises(AssertionError, match=r"derivative of|goes one way"):
        check_curve(Sly(2.0, ta.Linear(1.0)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ta.Power(0.0, 2), "Power: scale must be positive and finite, got 0.0"),
        (lambda: ta.Power(1.0, np.inf), "Power: exponent must be positive and finite, got inf"),
        (lambda: ta.Power("2", 2), "Power: scale must be positive and finite, got '2'"),
        (lambda: ta.Power(True, 2), "Power: scale must be positive"),
        (lambda: ta.Linear(-1.0), "Linear: rate must be at least 0 and finite, got -1.0"),
        (lambda: ta.Log(1.0, [1.0, np.nan]), r"Log: rate must be positive and finite, got \[1.0, nan\]"),
        (lambda: ta.Saturating(None, 1.0), "Saturating: cap must be positive"),
        (lambda: ta.Logistic(1.0, -0.1, 1.0), "Logistic: midpoint must be at least 0"),
        (lambda: ta.Sqrt([]), "Sqrt: scale must be positive"),
        (lambda: ta.Capped(0.0, ta.Linear(1.0)), "Capped: limit must be positive"),
        (lambda: ta.Capped(1.0, 3.0), r"Capped: curve must be a curve such as Power\(1.0, 2\), got 3.0"),
        (
            lambda: ta.Level(ta.Fixed(1.0, ta.Linear(1.0))),
            r"Level: put the set-up amount outside, as in Fixed\(1.0, Level",
        ),
        (lambda: cost(ta.Tabulated((0, 1), (0.5, 2))), "the cost of no investment must be 0, got 0.5. Try Fixed"),
        (lambda: cost(ta.Function(lambda x: x + 1.0)), "the cost of no investment must be 0, got 1"),
        (lambda: revenue(ta.Fixed(1.0, ta.Linear(1.0))), "Fixed is for costs"),
        (lambda: revenue(ta.Power(1.0, 2)), "a revenue Power must have an exponent of at most 1, got 2. Try Logistic"),
        (lambda: revenue(1.0), "revenue must be a curve"),
    ],
)
def test_bad_input_gets_one_clear_line(make, message):
    with pytest.raises(ta.InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def cost(curve):
    return ta.Specialist("medical", cost=curve, revenue=ta.Linear(1.0))


def revenue(curve):
    return ta.Specialist("medical", cost=ta.Power(1.0, 2), revenue=curve)


def test_random_games_repeat_with_their_seed_and_draw_every_kind():
    first, second = (random_game(np.random.default_rng(72), specialists=3) for _ in range(2))
    assert first == second
    seen = {"cost": set(), "revenue": set()}
    for seed in range(60):
        game = random_game(np.random.default_rng(seed), specialists=3, extras=0.0)
        for one in game.specialists:
            seen["cost"].add(type(one.cost).__name__)
            seen["revenue"].add(type(one.revenue).__name__)
            assert one.entry_cost == one.outside == 0.0
    simple = {"Linear", "Log", "Logistic", "Power", "Saturating", "Sqrt", "Tabulated"}
    assert seen["cost"] == simple | {"Fixed", "Level"}
    assert seen["revenue"] == simple | {"Capped"}
    with pytest.raises(ta.InputError, match=r"costs has no kind 'powr'. Did you mean 'power'?"):
        random_game(np.random.default_rng(0), costs=["powr"])
