"""Resampled fits: that they are what they say, and that their intervals hold the truth about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.bargaining.calibration.costs import PowerCost
from tuneaccord.bargaining.calibration.measurements import Points
from tuneaccord.bargaining.calibration.resampling import bootstrap
from tuneaccord.errors import InputError

SPEND = np.geomspace(0.5, 32, 12)
NAMES = np.repeat(["a", "b", "c"], 4)


def measured(seed: int) -> np.ndarray:
    return np.sqrt(SPEND / 3.0) * np.exp(0.1 * np.random.default_rng(seed).standard_normal(len(SPEND)))


def seen(points: Points, draws: int = 60) -> list[np.ndarray]:
    """The sets of points that curves are fitted to."""
    sets = []

    def fit(part):
        sets.append(part.money)
        return ta.Linear(1.0)

    bootstrap(points, fit, draws, 0)
    return sets


def test_the_same_seed_draws_the_same_curves():
    one, other, third = (
        ta.fit_cost(SPEND, measured(0), transform=ta.Shift(0.0), draws=30, seed=seed) for seed in (1, 1, 2)
    )
    assert one.draws == other.draws != third.draws
    assert len(one.draws) == 30


def test_points_are_drawn_with_replacement():
    points = Points(SPEND, SPEND, np.arange(len(SPEND)))
    sets = seen(points)
    assert all(len(one) == len(SPEND) and set(one) <= set(SPEND) for one in sets)
    # each point is missing from about (1 - 1/12)^12 = 0.352 of the sets; 720 chances know that to 0.02
    missing = np.mean([spend not in one for one in sets for spend in SPEND])
    assert missing == pytest.approx((11 / 12) ** 12, abs=0.06)


def test_runs_are_drawn_whole():
    points = Points(SPEND, SPEND, np.unique(NAMES, return_inverse=True)[1])
    for one in seen(points):
        per_run = [np.isin(one, SPEND[name == NAMES]).sum() for name in "abc"]
        assert sum(per_run) == len(SPEND)
        assert all(count % 4 == 0 for count in per_run)  # a run is there not at all or with as many points as it has


def test_a_set_without_a_curve_is_drawn_again_but_not_for_ever():
    fit = ta.fit_cost([1, 2, 4], [0.1, 0.2, 0.3], transform=ta.Shift(0.0), draws=40)
    assert len(fit.draws) == 40
    with pytest.raises(InputError, match="only 0 could be fitted: there are too few measurements"):
        bootstrap(Points(SPEND, SPEND, NAMES), lambda part: PowerCost().curve(0 * part.money, part.money), 5, 0)


def test_the_band_and_intervals_are_quantiles_of_the_draws():
    fit = ta.fit_cost(SPEND, measured(3), transform=ta.Shift(0.0), draws=50)
    x = np.array([0.5, 2.0])
    low, high = fit.band(x, 0.8)
    values = np.array([curve.scale * x**curve.exponent for curve in fit.draws])
    np.testing.assert_allclose([low, high], np.quantile(values, [0.1, 0.9], axis=0), rtol=1e-12)
    exponents = [curve.exponent for curve in fit.draws]
    assert fit.intervals(0.8)["exponent"] == pytest.approx(np.quantile(exponents, [0.1, 0.9]), rel=1e-12)
    certain = ta.fit_cost(SPEND, measured(3), transform=ta.Shift(0.0), draws=0)
    np.testing.assert_array_equal(certain.band(x)[0], certain.curve.value(x))
    assert certain.intervals() == {}


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = []
    for seed in range(100):
        points = Points(measured(seed), SPEND, np.arange(len(SPEND)))
        exponents = [curve.exponent for curve in bootstrap(points, lambda p: PowerCost().curve(p.performance, p.money),
                                                            100, seed)]  # fmt: skip
        low, high = np.quantile(exponents, [0.05, 0.95])
        held.append(low <= 2.0 <= high)
    # percentile intervals from 12 points are somewhat too short: 90% becomes about 85%; 100 trials know that to 4%
    assert 0.75 <= np.mean(held) <= 0.97


def test_a_fit_is_plain_data():
    import json

    for kind in ("Power", "Tabulated"):
        fit = ta.fit_cost(SPEND, measured(0), kind=kind, transform=ta.Shift(0.0), run=NAMES, draws=10)
        data = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
        assert data["curve"]["kind"] == data["kind"] == kind
        assert data["range"] == [measured(0).min(), measured(0).max()]
        assert data["draws"] == 10
        assert (data["covariance"] is None) == (kind == "Tabulated")
