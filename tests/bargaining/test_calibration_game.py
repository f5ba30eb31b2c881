"""Fitted curves in a game: which curves it has, what the draws say, and what is beyond the data."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.errors import InputError

SPEND = np.geomspace(0.5, 32, 8)
SCORE = ta.Turned(3.0)


@functools.cache
def cost(seed: int, draws: int = 12) -> ta.Fit:
    noise = np.exp(0.05 * np.random.default_rng(seed).standard_normal(len(SPEND)))
    return ta.fit_cost(SPEND, 3.0 - 0.1 * np.sqrt(SPEND) * noise, transform=SCORE, draws=draws, seed=seed)


def made(**options) -> ta.CalibratedGame:
    fields = {"cost": cost(1), "revenue": ta.Linear(80.0)}
    return ta.calibrated_game(cost(0), {"medical": fields | options}, games=20)


def test_the_game_has_the_fitted_curves():
    calibrated = made(entry_cost=0.5, outside=0.25)
    medical = calibrated.game.specialists[0]
    assert calibrated.game.generalist.cost == cost(0).curve
    assert (medical.cost, medical.revenue) == (cost(1).curve, ta.Linear(80.0))
    assert (medical.entry_cost, medical.outside) == (0.5, 0.25)
    assert set(calibrated.fits["medical"]) == {"cost"}


def test_each_drawn_game_has_a_draw_of_each_fit():
    calibrated = made()
    assert len(calibrated.draws) == 20
    ours = [(game.generalist.cost, game.specialists[0].cost) for game in calibrated.draws]
    assert {first for first, _ in ours} == set(cost(0).draws)  # 20 games use all 12 draws
    assert {second for _, second in ours} == set(cost(1).draws)
    pairs = {(cost(0).draws.index(first), cost(1).draws.index(second)) for first, second in ours}
    assert any(first != second for first, second in pairs)  # paired at random, not by number
    assert all(game.specialists[0].revenue == ta.Linear(80.0) for game in calibrated.draws)


def test_without_draws_the_game_is_certain():
    calibrated = ta.calibrated_game(cost(0, 0), {"medical": {"cost": cost(1, 0), "revenue": ta.Linear(80.0)}})
    assert calibrated.draws == ()
    with pytest.raises(InputError, match="no fit has draws"):
        calibrated.bargain_under_uncertainty(ta.Nash())


def test_the_spread_is_that_of_bargaining_every_draw():
    calibrated = made()
    outcome = calibrated.bargain_under_uncertainty(ta.Nash())
    shares = [game.bargain(ta.Nash()).shares["medical"] for game in calibrated.draws]
    assert outcome.draws == 20
    np.testing.assert_allclose(outcome.samples["share.medical"], shares, atol=1e-7)  # the batch stops there
    agreement = calibrated.bargain(ta.Nash())
    low, high = outcome.interval("share.medical", 0.95)
    assert low <= agreement.shares["medical"] <= high


def test_games_that_differ_in_numbers_are_solved_together_and_others_one_by_one():
    numbers = made()._numbers()
    assert set(numbers) == {f"{who}.cost.{name}" for who in ("generalist", "medical") for name in ("scale", "exponent")}
    assert numbers["medical.cost.scale"] == [game.specialists[0].cost.scale for game in made().draws]
    table = ta.fit_cost(SPEND, cost(0).transform.score(cost(0).performance), kind="Tabulated", transform=SCORE, draws=3)
    tables = ta.calibrated_game(cost(0), {"medical": {"cost": table, "revenue": ta.Linear(80.0)}}, games=3)
    assert tables._numbers() == {}
    outcome = tables.bargain_under_uncertainty({"medical": 0.5})
    utilities = [game.play({"medical": 0.5}).utilities["generalist"] for game in tables.draws]
    np.testing.assert_allclose(outcome.samples["utility.generalist"], utilities, atol=1e-9)


def test_a_cost_by_level_starts_at_the_base():
    medical = made(by_level=True).game.specialists[0]
    assert medical.cost == ta.Level(cost(1).curve)


def test_a_play_inside_the_data_needs_no_warning():
    calibrated = made()
    agreement = calibrated.bargain(ta.Nash())
    play = agreement.play
    used = {"generalist": play.base_performance, "medical": play.improvements["medical"]}
    ranges = {name: calibrated.fits[name]["cost"].range for name in used}
    inside = all(low <= used[name] <= high for name, (low, high) in ranges.items())
    assert (calibrated.extrapolation(agreement) == []) == inside
    cheap = ta.calibrated_game(cost(0), {"medical": {"cost": cost(1), "revenue": ta.Linear(4000.0)}}, games=1)
    said = cheap.extrapolation(cheap.bargain(ta.Nash()))
    assert [one.split(":")[0] for one in said] == ["generalist", "medical"]
    assert "the cost curve is used at a base performance of" in said[0]
    assert f"above the largest that it was fitted to, {cost(0).range[1]:.4g}." in said[0]
    assert "at an improvement of" in said[1]


def test_every_curve_is_looked_at_where_it_is_used():
    prices = ta.fit_revenue([2.9, 2.85, 2.8], [1.0, 2.0, 2.5], kind="Linear", transform=SCORE, draws=0)
    by_level = {"cost": cost(1), "revenue": prices, "by_level": True}
    calibrated = ta.calibrated_game(cost(0), {"medical": by_level}, games=1)
    play = calibrated.game.play({"medical": 0.5})
    low = dataclasses.replace(play, base_performance=0.1, improvements={"medical": 0.01}, performance={"medical": 0.05})
    low.regimes["medical"] = "contributes"
    said = calibrated.extrapolation(dataclasses.replace(calibrated.bargain(ta.Nash()), play=low))
    assert said == [
        f"medical: the cost curve is used at a performance of 0.05, below the smallest that it was fitted "
        f"to, {cost(1).range[0]:.4g}.",
        "medical: the revenue curve is used at a performance of 0.05, below the smallest that it was fitted to, 0.1.",
    ]
    low.regimes["medical"] = "abstains"
    assert calibrated.extrapolation(dataclasses.replace(calibrated.bargain(ta.Nash()), play=low)) == []


def test_mistakes_are_one_line_each():
    fine = {"cost": cost(1), "revenue": ta.Linear(80.0)}
    points = ta.fit_cost(SPEND, 0.1 * SPEND, transform=ta.Shift(0.0, 0.01), draws=0)
    for arguments, expected in [
        ((cost(0), {}), "specialists must map each name"),
        ((cost(0), {"medical": 3}), "medical: expected {'cost': ..., 'revenue': ...}, got 3"),
        ((cost(0), {"medical": {"cost": cost(1)}}), "medical has no revenue"),
        ((cost(0), {"medical": fine | {"entry": 1}}), "medical has no field 'entry'. Did you mean 'entry_cost'?"),
        ((cost(0), {"medical": fine | {"revenue": cost(1)}}), "revenue was given the fit of a cost. Try fit_revenue"),
        ((3.0, {"medical": fine}), "generalist: cost must be a fit or a curve, got 3.0"),
        ((points, {"medical": fine}), "performance must mean the same everywhere"),
    ]:
        with pytest.raises(InputError) as caught:
            ta.calibrated_game(*arguments)
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
