"""Monte Carlo over games against exact distributions, and its bookkeeping."""

import json
from statistics import NormalDist

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.specs import from_data, to_data

C1 = 2.0
GAME = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [ta.Specialist("medical", ta.Power(C1, 2), ta.Linear(1.0))])
TWO = ta.FineTuningGame(GAME.generalist, [*GAME.specialists, ta.Specialist("legal", ta.Power(1.0, 2), ta.Linear(1.0))])


def test_the_agreed_share_has_the_distribution_of_its_formula():
    """The utilitarian share c1 / (c0 + c1) falls in c0, so its quantiles are those of c0, turned round."""
    draws, spread = 400, 0.3
    found = ta.bargain_under_uncertainty(
        GAME, ta.Utilitarian(), {"generalist.cost.scale": ta.LogNormal(spread)}, draws=draws, seed=3
    )
    drawn = found.parameters["generalist.cost.scale"]
    assert found.samples["share.medical"] == pytest.approx(C1 / (drawn + C1), abs=1e-7)  # what a batch promises
    median = C1 / (1 + C1)
    # four standard errors of a median: density of the share at its median, by the chain rule
    density = (1 / (spread * np.sqrt(2 * np.pi))) / (median * (1 - median))
    assert abs(found.quantile("share.medical", 0.5) - median) < 4 * 0.5 / np.sqrt(draws) / density
    low, high = found.interval("share.medical", 0.9)
    z = NormalDist().inv_cdf(0.95) * spread
    assert (low, high) == pytest.approx((C1 / (np.exp(z) + C1), C1 / (np.exp(-z) + C1)), abs=0.03)


def test_a_signed_share_under_an_uncertain_price_has_the_moments_of_its_formula():
    """The base is share * rate / 2 and every utility goes with the square of the rate."""
    share, sd, draws = 0.4, 0.1, 4000
    found = ta.bargain_under_uncertainty(
        GAME, {"medical": share}, {"medical.revenue.rate": ta.Normal(1.0, sd)}, draws=draws, seed=1
    )
    assert abs(found.mean("base") - share / 2) < 4 * found.standard_error("base")
    assert found.standard_error("base") == pytest.approx(share / 2 * sd / np.sqrt(draws), rel=0.05)
    base, x = share / 2, (1 - share) / (2 * C1)
    utility = (1 - share) * (base + x) - C1 * x**2
    expected = utility * (1 + sd**2)
    assert abs(found.mean("utility.medical") - expected) < 4 * found.standard_error("utility.medical")
    assert found.samples["share.medical"] == pytest.approx(np.full(draws, share))


def test_the_probability_of_a_regime_is_that_of_its_threshold():
    """Nothing is built at a share of 0: medical contributes iff its entry cost is at most 1 / (4 c1)."""
    mean, sd, draws = 0.1, 0.05, 2000
    found = ta.bargain_under_uncertainty(
        GAME, {"medical": 0.0}, {"medical.entry_cost": ta.Uniform(0.0, 0.5)}, draws=draws, seed=2
    )
    likely = (1 / (4 * C1)) / 0.5
    error = np.sqrt(likely * (1 - likely) / draws)
    assert abs(found.probabilities["medical"]["contributes"] - likely) < 4 * error
    assert sum(found.probabilities["medical"].values()) == pytest.approx(1.0)
    outside = ta.bargain_under_uncertainty(
        GAME, {"medical": 0.0}, {"medical.outside": ta.Normal(mean, sd)}, draws=draws, seed=2
    )
    likely = NormalDist(mean, sd).cdf(1 / (4 * C1))
    assert abs(outside.probabilities["medical"]["contributes"] - likely) < 4 * np.sqrt(likely * (1 - likely) / draws)


def test_lists_drawn_jointly_stay_together():
    scales, rates = [1.0, 2.0, 4.0], [1.0, 2.0, 3.0]
    found = ta.bargain_under_uncertainty(
        GAME, {"medical": 0.4}, {"generalist.cost.scale": scales, "medical.revenue.rate": rates}, draws=3
    )
    assert found.samples["base"] == pytest.approx([0.4 * b / (2 * c) for c, b in zip(scales, rates, strict=True)])


def test_a_list_of_games_and_a_function_that_draws_them():
    games = [GAME.with_parameters({"generalist.cost.scale": c0}) for c0 in (0.5, 1.0, 2.0)]
    listed = ta.bargain_under_uncertainty(games, ta.Utilitarian())
    assert listed.samples["share.medical"] == pytest.approx([C1 / (c0 + C1) for c0 in (0.5, 1.0, 2.0)], abs=1e-9)
    assert listed.parameters == {}

    def draw(rng):
        return GAME.with_parameters({"generalist.cost.scale": rng.uniform(0.5, 2.0)})

    one, again, other = (
        ta.bargain_under_uncertainty(draw, {"medical": 0.4}, draws=5, seed=seed).samples["base"] for seed in (7, 7, 8)
    )
    assert (one == again).all()
    assert (one != other).any()


def test_several_specialists_are_bargained_game_by_game():
    calls = []
    found = ta.bargain_under_uncertainty(
        TWO,
        ta.Utilitarian(),
        {"generalist.cost.scale": [1.0, 1.5]},
        draws=2,
        progress=lambda *done: calls.append(done),
    )
    # the closed form with the medical share capped at 1: legal's is the rest, spread over c0 and its own cost
    assert calls == [(1, 2), (2, 2)]
    assert found.samples["share.medical"] == pytest.approx([1.0, 4 / 4.5], abs=1e-6)
    assert found.samples["share.legal"] == pytest.approx([(2 - 1) * 1.0 / (1.0 + 1.0), 2 / 4.5], abs=1e-6)


def test_the_batch_and_the_loop_agree(monkeypatch):
    uncertain = {"medical.cost.exponent": ta.Uniform(1.5, 3.0), "medical.revenue.rate": ta.LogNormal(0.2)}
    batch = ta.bargain_under_uncertainty(GAME, ta.Nash(), uncertain, draws=20, seed=5)
    drawn = batch.parameters
    games = [GAME.with_parameters({path: float(drawn[path][k]) for path in drawn}) for k in range(20)]
    loop = ta.bargain_under_uncertainty(games, ta.Nash())
    assert batch.samples["share.medical"] == pytest.approx(loop.samples["share.medical"], abs=1e-7)
    assert batch.samples["utility.medical"] == pytest.approx(loop.samples["utility.medical"], abs=1e-8)


def test_games_without_a_solution_are_counted_and_told():
    found = ta.bargain_under_uncertainty(GAME, {"medical": 0.4}, {"generalist.cost.scale": [1.0, -1.0, 2.0]}, draws=3)
    assert found.refused == 1
    assert "scale must be positive" in found.refusal
    assert found.draws == 2
    assert found.parameters["generalist.cost.scale"].tolist() == [1.0, 2.0]
    assert "1 games left out" in str(found)


def test_no_trade_is_counted():
    found = ta.bargain_under_uncertainty(GAME, ta.Nash(), {"medical.entry_cost": [0.0, 100.0]}, draws=2)
    assert found.no_trade == 0.5
    assert found.traded.tolist() == [True, False]
    assert "no trade in 50.0%" in str(found)


def test_summary_and_plain_data():
    found = ta.bargain_under_uncertainty(
        GAME, {"medical": 0.4}, {"medical.revenue.rate": ta.Triangular(0.5, 1.0, 2.0)}, draws=50
    )
    rows = {row["output"]: row for row in found.table(0.8)}
    assert rows["base"]["low"] == pytest.approx(np.quantile(found.samples["base"], 0.1))
    assert rows["base"]["high"] == pytest.approx(np.quantile(found.samples["base"], 0.9))
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["draws"] == 50
    assert plain["outputs"][1]["output"] == "base"
    assert "medical: contributes 100.0%" in str(found)


@pytest.mark.parametrize(
    ("distribution", "mean", "sd"),
    [
        (ta.LogNormal(0.2, median=3.0), 3.0 * np.exp(0.02), 3.0 * np.exp(0.02) * np.sqrt(np.expm1(0.04))),
        (ta.LogNormal(0.2), 10.0 * np.exp(0.02), 10.0 * np.exp(0.02) * np.sqrt(np.expm1(0.04))),
        (ta.Normal(-1.0, 0.5), -1.0, 0.5),
        (ta.Uniform(2.0, 5.0), 3.5, 3.0 / np.sqrt(12)),
        (ta.Triangular(1.0, 2.0, 6.0), 3.0, np.sqrt((1 + 4 + 36 - 2 - 6 - 12) / 18)),
    ],
)
def test_draws_have_the_moments_of_the_distribution(distribution, mean, sd):
    draws = 40_000
    values = distribution.sample(np.random.default_rng(0), draws, 10.0)
    assert abs(values.mean() - mean) < 4 * sd / np.sqrt(draws)
    assert values.std() == pytest.approx(sd, rel=0.03)
    assert from_data(to_data(distribution)) == distribution


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: ta.LogNormal(0.0), "LogNormal: spread must be positive"),
        (lambda: ta.LogNormal(0.1, median=-1.0), "LogNormal: median must be positive"),
        (lambda: ta.Normal(0.0, -1.0), "Normal: sd must be positive"),
        (lambda: ta.Normal(np.nan, 1.0), "Normal: mean must be a finite number"),
        (lambda: ta.Uniform(2.0, 1.0), "low must be below high, got 2 and 1"),
        (lambda: ta.Triangular(1.0, 5.0, 2.0), "low, mode and high must ascend, got 1, 5, 2"),
        (lambda: run({"medical.entry_cost": ta.LogNormal(0.1)}), "needs a positive median, but the game has 0"),
        (lambda: run({"medical.revenue.rat": ta.LogNormal(0.1)}), "Did you mean 'medical.revenue.rate'?"),
        (lambda: run({"medical.revenue.rate": [1.0, 2.0]}), "shape (2,) for 1000 draws. Set draws to match."),
        (lambda: run({"medical.revenue.rate": "high"}), "give a distribution such as LogNormal(0.2)"),
        (lambda: run({}), "say what is uncertain"),
        (lambda: run(None), "say what is uncertain"),
        (lambda: ta.bargain_under_uncertainty([GAME], ta.Nash(), {"a": 1}), "uncertain goes with one game"),
        (lambda: ta.bargain_under_uncertainty([], ta.Nash()), "none of the 0 games has a solution"),
        (lambda: ta.bargain_under_uncertainty([GAME, TWO], ta.Utilitarian()), "same parties"),
        (lambda: summary().interval("base", 1.0), "level must be strictly between 0 and 1"),
        (lambda: summary().mean("bas"), "Did you mean 'base'?"),
    ],
)
def test_wrong_input_is_told(wrong, said):
    with pytest.raises(ta.InputError) as caught:
        wrong()
    assert any(part in str(caught.value) for part in said.split("|"))


def run(uncertain):
    return ta.bargain_under_uncertainty(GAME, {"medical": 0.4}, uncertain)


def summary():
    return ta.bargain_under_uncertainty(GAME, {"medical": 0.4}, {"medical.revenue.rate": [1.0, 2.0]}, draws=2)
