"""Maps against closed thresholds, against single games, and their bookkeeping."""

import json

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.bargaining.plays import REGIMES

SQUARE = ta.Power(1.0, 2)
GAME = ta.FineTuningGame(
    ta.Generalist(SQUARE),
    [
        ta.Specialist("medical", ta.Power(0.5, 2), ta.Linear(1.0), entry_cost=0.3),
        ta.Specialist("legal", ta.Linear(0.5), ta.Linear(0.45)),
    ],
)


def test_participation_is_where_the_formula_says():
    """With a share of 0 nothing is built: one keeps 1, contributes 1/(2c), and stays out iff entry > 1/(4c)."""
    game = ta.FineTuningGame(ta.Generalist(SQUARE), [ta.Specialist("medical", SQUARE, ta.Linear(1.0))])
    scales, entries = np.linspace(0.1, 2.0, 40), np.linspace(0.0, 1.0, 50)
    found = ta.regime_map(game, {"medical.cost.scale": scales, "medical.entry_cost": entries}, shares={"medical": 0.0})
    out = entries[None, :] > 1 / (4 * scales[:, None])
    assert (found.regimes["medical"] == np.where(out, 0, 2)).all()
    assert found.outputs["utility.medical"] == pytest.approx(
        np.where(out, 0.0, 1 / (4 * scales[:, None]) - entries), abs=1e-12
    )
    assert found.counts("medical") == {"abstains": out.sum(), "free-rides": 0, "contributes": (~out).sum()}


def test_boundaries_are_right_to_half_a_cell():
    game = ta.FineTuningGame(ta.Generalist(SQUARE), [ta.Specialist("medical", SQUARE, ta.Linear(1.0))])
    entries = np.linspace(0.0, 1.0, 50)
    found = ta.regime_map(game, {"medical.entry_cost": entries}, shares={"medical": 0.0})
    (edge,) = found.boundaries("medical")
    assert abs(edge["medical.entry_cost"] - 0.25) <= 0.5 * (entries[1] - entries[0])
    assert (edge["below"], edge["above"]) == ("contributes", "abstains")


def test_boundaries_along_both_axes():
    axes = {"share.medical": np.linspace(0, 1, 9), "medical.entry_cost": np.linspace(0.0, 1.0, 11)}
    found = ta.regime_map(GAME, axes, shares={"legal": 0.3})
    codes = found.regimes["medical"]
    expected = (codes[1:] != codes[:-1]).sum() + (codes[:, 1:] != codes[:, :-1]).sum()
    assert len(found.boundaries("medical")) == expected > 5


def test_free_riding_is_where_the_formula_says():
    """A linear cost c pays for revenue log(1 + a) iff kept / (1 + base) > c, and a rider's base is known."""
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(10.0, 2)), [ta.Specialist("medical", ta.Linear(1.0), ta.Log(1.0, 1.0))]
    )
    costs, shares = np.linspace(0.05, 1.2, 37), np.linspace(0.0, 1.0, 31)
    found = ta.regime_map(game, {"medical.cost.rate": costs, "share.medical": shares})
    # a contributor tops up to a fixed performance, so that a base brings the generalist nothing and is 0;
    # a rider's base solves share / (1 + b) = 20 b, and for it to ride kept <= c (1 + b)
    rides = shares[None, :] >= 1 - costs[:, None]
    base = (-1 + np.sqrt(1 + 4 * shares / 20)) / 2
    sure = shares[None, :] < 1 - costs[:, None] * (1 + base)  # contributes at every base that might be built
    assert (found.regimes["medical"][rides] == 1).all()
    assert found.outputs["base"][rides] == pytest.approx(np.broadcast_to(base, rides.shape)[rides], abs=1e-9)
    inside = sure & (shares[None, :] < 1)
    top = np.maximum((1 - shares[None, :]) / costs[:, None] - 1, 0.0)
    stays = inside & (shares * np.log1p(top) > shares * np.log1p(base) - 10 * base**2 + 1e-9)
    assert (found.regimes["medical"][stays] == 2).all()
    assert stays.sum() > 300
    assert rides.sum() > 300


def test_every_cell_is_the_game_alone():
    legal = ta.Specialist("legal", ta.Linear(0.5), ta.Log(1.0, 1.0))
    game = ta.FineTuningGame(GAME.generalist, [GAME.specialists[0], legal])
    axes = {"share.medical": [0.0, 0.3, 1.0], "legal.cost.rate": [0.2, 0.7]}
    found = ta.regime_map(game, axes, shares={"legal": 0.4})
    for i, share in enumerate(axes["share.medical"]):
        for j, rate in enumerate(axes["legal.cost.rate"]):
            play = game.with_parameters({"legal.cost.rate": rate}).play({"medical": share, "legal": 0.4})
            assert {name: REGIMES[codes[i, j]] for name, codes in found.regimes.items()} == play.regimes
            assert found.outputs["base"][i, j] == pytest.approx(play.base_performance, abs=1e-9)
            assert found.outputs["utility.legal"][i, j] == pytest.approx(play.utilities["legal"], abs=1e-11)


def test_a_bargained_map_of_one_specialist_is_the_formula():
    game = ta.FineTuningGame(ta.Generalist(SQUARE), [ta.Specialist("medical", SQUARE, ta.Linear(1.0))])
    c0, c1 = np.linspace(0.5, 2.0, 6), np.linspace(0.6, 1.7, 5)
    found = ta.regime_map(game, {"generalist.cost.scale": c0, "medical.cost.scale": c1}, solution=ta.Utilitarian())
    closed = c1 / (c0[:, None] + c1)
    assert found.outputs["share.medical"] == pytest.approx(closed, abs=1e-7)  # what a batch promises
    assert found.traded.all()


def test_a_bargained_map_of_two_specialists_bargains_each_game():
    game = ta.FineTuningGame(
        ta.Generalist(SQUARE),
        [ta.Specialist("a", SQUARE, ta.Linear(1.0)), ta.Specialist("b", ta.Power(1.5, 2), ta.Linear(1.0))],
    )
    calls = []
    found = ta.regime_map(
        game, {"b.cost.scale": [1.5, 2.0]}, solution=ta.Utilitarian(), progress=lambda *done: calls.append(done)
    )
    assert calls == [(1, 2), (2, 2)]
    # no share is capped where c0 + c_a + c_b exceeds 2 max(c), so that share_i = 2 c_i / (c0 + c_a + c_b)
    assert found.outputs["share.a"] == pytest.approx([2 / 3.5, 2 / 4], abs=1e-6)


def test_rows_and_plain_data():
    axes = {"share.medical": [0.0, 0.5], "share.legal": [0.1, 0.2, 0.3]}
    found = ta.regime_map(GAME, axes)
    rows = found.rows
    assert len(rows) == 6
    assert [(row["share.medical"], row["share.legal"]) for row in rows[:2]] == [(0.0, 0.1), (0.0, 0.2)]
    assert rows[4]["regime.legal"] == REGIMES[found.regimes["legal"][1, 1]]
    assert rows[4]["base"] == found.outputs["base"][1, 1]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["parameters"] == ["share.medical", "share.legal"]
    assert plain["regimes"]["legal"][1][1] == rows[4]["regime.legal"]
    assert str(found).startswith("6 games: share.medical from 0 to 0.5, share.legal from 0.1 to 0.3\nmedical: ")
    assert found.specialists == ("medical", "legal")


def test_many_cells_in_several_batches_are_one_map(monkeypatch):
    axes = {"share.medical": np.linspace(0, 1, 7), "medical.entry_cost": np.linspace(0.0, 1.0, 5)}
    whole = ta.regime_map(GAME, axes, shares={"legal": 0.3})
    monkeypatch.setattr("tuneaccord.bargaining.studies.batches._CHUNK", 4)
    calls = []
    parts = ta.regime_map(GAME, axes, shares={"legal": 0.3}, progress=lambda *done: calls.append(done))
    assert calls[0] == (4, 35)
    assert calls[-1] == (35, 35)
    for name, values in whole.outputs.items():
        assert parts.outputs[name] == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize(
    ("axes", "settings", "said"),
    [
        ({}, {"shares": {"medical": 0.1, "legal": 0.1}}, "one or two parameters, got 0"),
        ({"legal.cost.rate": [1.0]}, {}, "not both and not neither"),
        ({"legal.cost.rate": [1.0]}, {"shares": {"medical": 0.1}}, "no share for 'legal'"),
        ({"share.legal": [0.1]}, {"shares": {"medical": 0.1}, "solution": ta.Nash()}, "not both"),
        ({"legal.cost.rat": [1.0]}, {"shares": {"medical": 0.1, "legal": 0.1}}, "Did you mean 'legal.cost.rate'?"),
        ({"legal.cost.rate": []}, {"shares": {"medical": 0.1, "legal": 0.1}}, "must be a list of finite numbers"),
        ({"share.legal": [1.2]}, {"shares": {"medical": 0.1}}, "share.legal must be in [0, 1]"),
        ({"share.legal": [0.1]}, {"shares": {"medical": 0.1, "legal": 0.2}}, "given twice"),
        ({"share.lega": [0.1]}, {"shares": {"medical": 0.1, "legal": 0.2}}, "there is no specialist 'lega'"),
    ],
)
def test_wrong_maps_are_told(axes, settings, said):
    with pytest.raises(ta.InputError) as caught:
        ta.regime_map(GAME, axes, **settings)
    assert said in str(caught.value)


def test_an_unknown_specialist_of_a_map_is_told():
    found = ta.regime_map(GAME, {"share.medical": [0.5]}, shares={"legal": 0.1})
    with pytest.raises(ta.InputError, match="Did you mean 'legal'"):
        found.counts("lega")
