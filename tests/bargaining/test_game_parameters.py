"""Numbers of a game by path, replaced; named scenarios; floors under shares."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.bargaining.random_games import random_game

GAME = ta.FineTuningGame(
    ta.Generalist(ta.Fixed(0.01, ta.Power(1.0, 2)), outside=-1.0),
    [
        ta.Specialist("medical", cost=ta.Power(2.0, 2), revenue=ta.Linear(1.0), entry_cost=0.01),
        ta.Specialist("legal.eu", cost=ta.Level(ta.Power(2.0, 3)), revenue=ta.Capped(4.0, ta.Log(2.0, 1.0))),
    ],
)


def test_paths_reach_into_wrapped_curves_and_names_may_have_dots():
    assert GAME.parameters() == {
        "generalist.cost.amount": 0.01,
        "generalist.cost.curve.scale": 1.0,
        "generalist.cost.curve.exponent": 2.0,
        "generalist.outside": -1.0,
        "medical.cost.scale": 2.0,
        "medical.cost.exponent": 2.0,
        "medical.revenue.rate": 1.0,
        "medical.entry_cost": 0.01,
        "medical.outside": 0.0,
        "legal.eu.cost.curve.scale": 2.0,
        "legal.eu.cost.curve.exponent": 3.0,
        "legal.eu.revenue.limit": 4.0,
        "legal.eu.revenue.curve.scale": 2.0,
        "legal.eu.revenue.curve.rate": 1.0,
        "legal.eu.entry_cost": 0.0,
        "legal.eu.outside": 0.0,
    }


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), specialists=st.integers(1, 3))
def test_replacing_every_number_by_itself_changes_nothing(seed, specialists):
    game = random_game(np.random.default_rng(seed), specialists=specialists)
    assert game.with_parameters(game.parameters()) == game


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), factor=st.floats(1.0, 1.1))
def test_one_replaced_number_is_the_only_one_that_changes(seed, factor):
    game = random_game(np.random.default_rng(seed), specialists=2, revenues=["linear", "log", "capped"])
    numbers = game.parameters()
    path = sorted(numbers)[seed % len(numbers)]
    changed = game.with_parameters({path: numbers[path] * factor})
    assert changed.parameters() == numbers | {path: numbers[path] * factor}


def test_points_of_a_table_and_code_have_no_path():
    medical = ta.Specialist("medical", ta.Power(1.0, 2), ta.Tabulated([0.0, 1.0], [0.0, 1.0]))
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [medical])
    assert [path for path in game.parameters() if path.startswith("medical.revenue")] == []


def test_two_numbers_that_are_only_valid_together():
    @dataclasses.dataclass(frozen=True)
    class Narrow(ta.Linear):
        top: float = 2.0

        def __post_init__(self):
            if self.top <= self.rate:
                raise ta.InputError("Narrow: top must be above rate.")

    game = GAME.with_parameters({})
    medical = dataclasses.replace(game.specialists[0], revenue=Narrow(1.0, 2.0))
    game = ta.FineTuningGame(game.generalist, [medical])
    changed = game.with_parameters({"medical.revenue.rate": 5.0, "medical.revenue.top": 6.0})
    assert changed.specialists[0].revenue == Narrow(5.0, 6.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"medical.cost.scal": 1.0}, "no parameter 'medical.cost.scal'. Did you mean 'medical.cost.scale'?"),
        ({"medical.cost.scale": -1.0}, "medical.cost: Power: scale must be positive and finite, got -1.0."),
        ({"generalist.cost.curve.scale": 0.0}, "generalist.cost: Power: scale must be positive and finite, got 0.0."),
        ({"medical.outside": "none"}, "medical: outside must be a finite number, got 'none'."),
    ],
)
def test_a_path_or_number_that_does_not_fit_is_named(changes, said):
    with pytest.raises(ta.InputError) as caught:
        GAME.with_parameters(changes)
    assert said in str(caught.value)


def test_arrays_make_a_family_of_games():
    family = GAME.with_parameters({"medical.cost.scale": [1.0, 2.0, 4.0]})
    plays = family.play(np.tile([0.4, 0.5], (3, 1)))
    for row, scale in enumerate([1.0, 2.0, 4.0]):
        alone = GAME.with_parameters({"medical.cost.scale": scale}).play_many([[0.4, 0.5]])
        assert plays.utilities[row] == pytest.approx(alone.utilities[0], abs=1e-12)


QUADRATIC = ta.FineTuningGame(
    ta.Generalist(ta.Power(1.0, 2)), [ta.Specialist("medical", ta.Power(2.0, 2), ta.Linear(1.0))]
)


def test_scenarios_are_the_changed_games():
    rows = ta.scenarios(QUADRATIC, {"dear": {"generalist.cost.scale": 2.0}}, ta.Utilitarian())
    # the utilitarian share of two quadratic costs is c1 / (c0 + c1)
    assert [row["share.medical"] for row in rows] == pytest.approx([2 / 3, 1 / 2], abs=1e-9)
    assert [row["scenario"] for row in rows] == ["as it is", "dear"]
    assert {row["regime.medical"] for row in rows} == {"contributes"}


def test_a_floor_that_binds_moves_the_share_and_one_that_does_not_leaves_it():
    rows = ta.share_floor(QUADRATIC, "medical", [0.2, 0.5], ta.Utilitarian())
    assert [row["binds"] for row in rows] == [False, True]
    assert [row["share.medical"] for row in rows] == pytest.approx([2 / 3, 0.5], abs=1e-9)


def test_a_floor_says_who_stops_contributing():
    """The floor under medical's share cuts the base, and legal, whose entry it had paid for, abstains."""
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2)),
        [
            ta.Specialist("medical", ta.Power(1.0, 2), ta.Linear(1.0)),
            ta.Specialist("legal", ta.Power(1.0, 2), ta.Linear(1.0), entry_cost=0.5),
        ],
    )
    low, high = ta.share_floor(game, "medical", [0.1, 1.0], {"medical": 0.9, "legal": 0.0})
    # legal takes part iff base + 1/4 >= 1/2, and base = share of medical / 2
    assert (low["regime.legal"], high["regime.legal"]) == ("contributes", "abstains")
    assert (low["stopped"], high["stopped"]) == ([], ["legal"])


@pytest.mark.parametrize(
    ("name", "floor", "said"), [("medicine", 0.5, "Did you mean 'medical'?"), ("medical", 1.5, "in [0, 1], got 1.5")]
)
def test_a_floor_that_makes_no_sense(name, floor, said):
    with pytest.raises(ta.InputError) as caught:
        ta.share_floor(QUADRATIC, name, [floor], {"medical": 0.5})
    assert said in str(caught.value)
