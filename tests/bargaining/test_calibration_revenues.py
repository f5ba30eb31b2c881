"""Revenue curves fitted to prices: against scipy's own least squares from many starts, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit, least_squares

import tuneaccord as ta
from tuneaccord.errors import InputError

TRUTHS = {
    "Power": (2.0, 0.6),
    "Log": (2.0, 1.5),
    "Saturating": (5.0, 0.8),
    "Logistic": (4.0, 1.0, 0.3),
    "Linear": (1.3,),
}
KIND = {name: getattr(ta, name) for name in TRUTHS}
ZERO = ta.Shift(0.0)


def prices(kind: str, seed: int, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    x = np.sort(draws.uniform(0, 3, 15))
    return x, np.maximum(KIND[kind](*TRUTHS[kind]).value(x) + noise * draws.standard_normal(15), 0.0)


@pytest.mark.parametrize("kind", TRUTHS)
def test_exact_data_give_the_curve_back(kind):
    x, y = prices(kind, 0, 0.0)
    fit = ta.fit_revenue(x, y, kind=kind, transform=ZERO, draws=0)
    # the sum of squares is flat to half the digits around its minimum
    assert list(fit.parameters.values()) == pytest.approx(TRUTHS[kind], rel=1e-6)


@pytest.mark.parametrize("kind", TRUTHS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_parameters_and_covariance_are_those_of_scipy(kind, seed):
    x, y = prices(kind, seed)
    fit = ta.fit_revenue(x, y, kind=kind, transform=ZERO, draws=0)
    found, covariance = curve_fit(
        lambda x, *numbers: KIND[kind](*np.abs(numbers)).value(x), x, y, p0=TRUTHS[kind], xtol=1e-13, ftol=1e-13
    )
    np.testing.assert_allclose(list(fit.parameters.values()), np.abs(found), rtol=1e-5)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-3, atol=1e-6)  # both from differences


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Log", "Saturating", "Logistic", "Power"])
def test_no_start_of_another_search_finds_less(kind):
    draws = np.random.default_rng(1)
    for seed in range(5):
        other = list(TRUTHS)[seed % len(TRUTHS)]  # prices of one kind fitted by another, so with awkward valleys too
        x, y = prices(other, 10 + seed, 0.5)
        fit = ta.fit_revenue(x, y, kind=kind, transform=ZERO, draws=0)
        small, large = np.log(x.min() / 100), np.log(x.max() * 100)
        sides = {"Log": [(-large, -small)], "Saturating": [(-large, -small)], "Power": [(np.log(1e-3), 0.0)]}
        shape = sides.get(kind, [(small, large)] * 2)
        low, high = np.array([(-20.0, 20.0), *shape]).T

        def missing(logs, x=x, y=y):
            return KIND[kind](*np.exp(logs)).value(x) - y

        starts = draws.uniform(low, high, (12, len(low)))
        best = min(least_squares(missing, at, bounds=(low, high), xtol=1e-12, ftol=1e-12).cost for at in starts)
        assert (fit.residuals**2).sum() / 2 <= best * (1 + 1e-6)


def test_the_error_at_points_left_out_is_the_press_of_a_line():
    x, y = prices("Linear", 2, 0.3)
    fit = ta.fit_revenue(x, y, kind="Linear", transform=ZERO, draws=0)
    leverage = x**2 / (x @ x)
    press = np.sqrt((((y - x * (x @ y) / (x @ x)) / (1 - leverage)) ** 2).mean())
    assert fit.left_out["Linear"] == pytest.approx(press, rel=1e-12)


@pytest.mark.parametrize("kind", ["Linear", "Saturating", "Logistic"])
def test_the_best_kind_is_the_one_that_made_the_data(kind):
    x = np.linspace(0.2, 3.0, 15)
    noise = (
        (kind != "Linear") * 0.02 * np.random.default_rng(0).standard_normal(15)
    )  # a line: all fit, take the simplest
    fit = ta.fit_revenue(x, KIND[kind](*TRUTHS[kind]).value(x) + noise, transform=ZERO, draws=0)
    assert fit.kind == kind
    assert set(fit.left_out) == {"Power", "Linear", "Log", "Saturating", "Logistic", "Tabulated"}


def test_a_power_never_bends_upwards():
    x = np.linspace(0.1, 2.0, 12)
    fit = ta.fit_revenue(x, x**2, kind="Power", transform=ZERO, draws=0)
    assert fit.curve.exponent == 1.0
    assert fit.curve.scale == pytest.approx((x @ x**2) / (x @ x), rel=1e-12)
    assert fit.standard_errors["exponent"] == 0.0


def test_what_the_data_do_not_determine_is_said():
    x = np.linspace(0.1, 2.0, 12)
    fit = ta.fit_revenue(x, 3.0 * x, kind="Saturating", transform=ZERO, draws=0)  # a line: no cap in sight
    assert "edge of what was searched" in fit.notes[0]
    assert fit.curve.value(1.0) == pytest.approx(3.0, rel=0.02)  # the flattest curve that is searched


def test_a_table_never_falls_and_is_flat_past_the_data():
    fit = ta.fit_revenue([0.1, 0.2, 0.3, 0.4], [1, 3, 2, 4], kind="Tabulated", transform=ZERO, draws=0)
    np.testing.assert_allclose(fit.curve.value([0.0, 0.1, 0.2, 0.3, 0.4, 9.0]), [0, 1, 2.5, 2.5, 4, 4], atol=1e-12)


def test_units_only_scale_the_curve():
    x, y = prices("Saturating", 3)
    here = ta.fit_revenue(x, y, kind="Saturating", transform=ZERO, draws=0)
    there = ta.fit_revenue(x, 1e6 * y, kind="Saturating", transform=ta.Shift(0.0, 0.01), draws=0)
    assert there.curve.cap == pytest.approx(1e6 * here.curve.cap, rel=1e-6)
    assert there.curve.rate == pytest.approx(0.01 * here.curve.rate, rel=1e-6)


def test_mistakes_are_one_line_each():
    score, money = [0.5, 0.6, 0.7, 0.8], [1.0, 2.0, 3.0, 4.0]
    cases = [
        ((score, [1, 2, 3, -4]), {}, "revenue must be a finite number of at least 0, got -4 in row 4"),
        ((score, [4, 3, 2, 1]), {}, "a better score earns less on the whole"),
        ((score, [2, 2, 2, 2]), {}, "all revenues are the same"),
        ((score, money), {"transform": ta.Shift(0.65)}, "score 0.5 is worse than the start, 0.65"),
        ((score, money), {"transform": ta.Shift()}, "Shift has no start"),
        ((score, money), {"transform": None}, "transform must be Shift()"),
        ((score, money), {"kind": "Quadratic"}, "no kind of revenue 'Quadratic'"),
        ((score[:3], money[:3]), {"kind": "Logistic"}, "a Logistic revenue needs at least 4 different scores, got 3"),
        ((score[:2], money[:2]), {}, "no kind of revenue could be fitted"),
    ]
    for arguments, options, expected in cases:
        with pytest.raises(InputError) as caught:
            ta.fit_revenue(*arguments, **({"draws": 0, "transform": ZERO} | options))
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
