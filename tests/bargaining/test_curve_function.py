"""Functions of Python as curves, against the same curves by formula."""

import json
import math

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.specs import from_data, to_data
from tuneaccord.testing import check_curve

CURVES = [
    ta.Power(1.3, 2.5),
    ta.Power(1.0, 1.2),
    ta.Power(1.0, 0.6),
    ta.Linear(2.0),
    ta.Log(2.0, 0.7),
    ta.Sqrt(2.0),
    ta.Saturating(3.0, 0.5),
    ta.Logistic(4.0, 1.0, 0.3),
    ta.Capped(2.0, ta.Log(1.0, 3.0)),
    ta.Tabulated((1, 2, 3), (1, 2, 5)),
]


def as_function(curve, **options):
    return ta.Function(lambda x: curve.value(x), breaks=tuple(curve.knots), **options)


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_numeric_derivatives_are_those_of_the_formula(curve):
    numeric = as_function(curve)
    x = np.array([0.0, 1e-4, 0.01, 0.3, 0.9, 1.0, 1.7, 2.0, 3.0, 5.0, 8.0])
    # inside the curve where central differences have room, at knots from the right only
    np.testing.assert_allclose(numeric.slope(x), curve.slope(x), rtol=1e-9, atol=1e-10)
    bend = curve.curvature(x)
    np.testing.assert_allclose(numeric.curvature(x), bend, rtol=1e-6, atol=1e-6)
    assert numeric.convex == curve.convex
    slopes = curve.slope(x[2:-3]) + 1e-3
    np.testing.assert_allclose(numeric.inverse_slope(slopes), curve.inverse_slope(slopes), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("curve", CURVES[:-2], ids=str)
def test_functions_keep_the_laws(curve):
    check_curve(as_function(curve, derivative=curve.slope), tolerance=1e-6, tries=10)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: math.sqrt(x),  # numbers only
        lambda x: x**0.5,
        lambda x: np.sqrt(x),
        lambda x: 0.0 if x == 0 else math.exp(0.5 * math.log(x)),
    ],
)
def test_functions_of_numbers_and_of_arrays(function):
    curve = ta.Function(function)
    x = np.array([[0.0, 1.0, 2.0], [4.0, 9.0, 16.0]])
    np.testing.assert_allclose(curve.value(x), np.sqrt(x), rtol=1e-14)
    np.testing.assert_allclose(curve.slope(x[1]), 0.5 / np.sqrt(x[1]), rtol=1e-11)
    assert float(curve.slope(0.0)) == np.inf
    assert not curve.known
    assert ta.Function(function, breaks=()).known


@pytest.mark.parametrize(
    "function", [lambda x, base: (base + x) ** 2 - base**2, lambda x, base: float(x) * (2 * float(base) + float(x))]
)
def test_a_cost_of_improvement_and_base(function):
    base = np.array([[0.0], [1.0], [2.5]])
    numeric, exact = ta.Function(function, breaks=()).at(base), ta.Level(ta.Power(1.0, 2)).at(base)
    x = np.array([[0.1, 1.0, 7.0]])
    for name in ("value", "slope", "curvature"):
        np.testing.assert_allclose(getattr(numeric, name)(x), getattr(exact, name)(x), rtol=1e-9)
    np.testing.assert_allclose(
        numeric.inverse_slope(np.array([[1.0, 4.0, 9.0]])), exact.inverse_slope([[1.0, 4.0, 9.0]]), atol=1e-8
    )
    assert float(ta.Function(function).value(3.0)) == 9.0  # alone it starts from 0


def test_a_function_that_grows_beyond_all_numbers():
    curve = ta.Function(lambda x: math.exp(x) - 1.0)
    assert curve.convex
    assert float(curve.value(np.inf)) == np.inf
    np.testing.assert_allclose(curve.inverse_slope([0.5, np.e, np.exp(10.0)]), [0.0, 1.0, 10.0], rtol=1e-9)


def test_a_function_in_a_game_and_not_in_a_file():
    def quadratic(x):
        return 2.0 * x * x

    medical = ta.Specialist("medical", cost=ta.Function(quadratic, breaks=()), revenue=ta.Linear(1.0))
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, 2)), [medical])
    play = game.play({"medical": 0.4})
    assert play.performance["medical"] == pytest.approx(0.35, abs=1e-7)
    with pytest.raises(ta.InputError, match=r"cannot be written as data. For a curve try Tabulated"):
        json.dumps(to_data(medical.cost))
    with pytest.raises(ta.InputError, match=r"function must be a function of Python, got 'x [*] x'"):
        from_data({"kind": "Function", "function": "x * x"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ta.Function(lambda x: -x), "the function is negative at x = 1e-06"),
        (lambda: ta.Function(lambda x: 1 + math.sin(x)), "the function must not fall, got 1.9999 at x = 1.58"),
        (lambda: ta.Function(lambda x: math.nan), "the function is not a number at x = 0"),
        (lambda: ta.Function(lambda x: math.log(x)), "the function raised ValueError"),
        (lambda: ta.Function(3.0), "function must be a function of Python, got 3.0"),
        (lambda: ta.Function(lambda a, b, c: a), "function must take x, or the improvement and the base, got one of 3"),
        (lambda: ta.Function(lambda: 1.0), "function must take x, or the improvement and the base, got one of 0"),
        (
            lambda: ta.Function(lambda x: x * x, lambda x: x),
            "derivative is 1e-06 at x = 1e-06, but the function rises by 2e-06",
        ),
        (lambda: ta.Function(lambda x: x, lambda x, b: 1.0), "derivative must take the same arguments"),
        (lambda: ta.Function(lambda x: x, breaks=(2.0, 1.0)), "breaks must be positive numbers in ascending order"),
        (
            lambda: ta.Function(lambda x: x, breaks=[0.0]),
            r"breaks must be positive numbers in ascending order, or None, got \[0.0\]",
        ),
    ],
)
def test_bad_functions_get_one_clear_line(make, message):
    with pytest.raises(ta.InputError, match=f"^Function: {message}"):
        make()
