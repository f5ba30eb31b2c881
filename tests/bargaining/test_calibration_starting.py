"""From scores to performance, and the score at which it is 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.special import logit

import tuneaccord as ta
from tuneaccord.errors import InputError

TRANSFORMS = [ta.Shift(0.3, 0.01), ta.Turned(0.7, 2.0), ta.LogOdds(0.5, 0.1)]


@pytest.mark.parametrize("transform", TRANSFORMS)
@given(st.floats(0.05, 0.95))
def test_score_and_performance_are_inverse_to_each_other(transform, score):
    assert transform.score(transform.performance(score)) == pytest.approx(score, rel=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_performance_is_zero_at_the_start_and_counted_in_units(transform):
    assert transform.performance(transform.start) == 0.0
    one = type(transform)(transform.start, 1.0).performance(0.6)
    assert transform.performance(0.6) == pytest.approx(one / transform.unit, rel=1e-12)


def test_log_odds_are_those_of_scipy():
    score = np.array([0.02, 0.5, 0.999])
    np.testing.assert_allclose(ta.LogOdds(0.25).performance(score), logit(score) - logit(0.25), rtol=1e-12)


def test_transforms_go_to_plain_data_and_back():
    from tuneaccord.specs import from_data, to_data

    for transform in (*TRANSFORMS, ta.Turned()):
        assert from_data(to_data(transform), ta.ScoreTransform) == transform


def test_runs_that_cost_nothing_set_the_start():
    fit = ta.fit_cost([0, 0, 1, 4, 9], [3.1, 2.9, 2.9, 2.8, 2.7], transform=ta.Turned(), draws=0)
    assert fit.transform == ta.Turned(3.0)
    assert fit.parameters == pytest.approx({"scale": 100.0, "exponent": 2.0}, rel=1e-9)
    assert "mean score without spending, 3" in fit.notes[0]


def test_a_given_start_stands_against_runs_that_cost_nothing():
    fit = ta.fit_cost([0, 0, 1, 4, 9], [3.1, 2.9, 2.9, 2.8, 2.7], transform=ta.Turned(3.5), draws=0)
    assert fit.transform.start == 3.5
    assert fit.notes[0].startswith("2 measurements without spending left out")


@pytest.mark.parametrize("seed", range(4))
def test_an_unmeasured_start_is_the_offset_of_least_squares(seed):
    spend = np.array([1.0, 2, 4, 8, 16, 32])
    score = 0.4 + 0.05 * np.sqrt(spend) + 0.003 * np.random.default_rng(seed).standard_normal(6)
    fit = ta.fit_cost(spend, score, draws=0)
    (start, *_), _ = curve_fit(lambda x, a, b, c: a + b * x**c, spend, score, p0=(0.4, 0.05, 0.5), maxfev=10_000)
    assert fit.transform.start == pytest.approx(start, rel=1e-4)  # the valley between the three is long
    assert "was not measured" in fit.notes[0]


def test_an_unmeasured_start_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="which is no worse than some of them"):
        ta.fit_cost([1, 2, 3, 4, 5], [0.50, 0.30, 0.60, 0.61, 0.66], draws=0)


def test_mistakes_are_one_line_each():
    for make, expected in [
        (lambda: ta.Shift(unit=0.0), "Shift: unit must be positive"),
        (lambda: ta.Turned(np.nan), "Turned: start must be a finite number or None, got nan"),
        (lambda: ta.Turned("3"), "Turned: start must be a finite number or None, got '3'"),
        (lambda: ta.LogOdds(1.0), "strictly between 0 and 1, got 1"),
        (lambda: ta.LogOdds().performance(0.5), "LogOdds has no start"),
    ]:
        with pytest.raises(InputError) as caught:
            make()
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
