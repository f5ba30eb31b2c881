"""Games in files: what is read is what was written, and each mistake is one line with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.bargaining.random_games import random_game
from tuneaccord.bargaining.studies.distributions import LogNormal, Uniform
from tuneaccord.config.game import every_rule, read_game
from tuneaccord.config.game_fields import as_distribution
from tuneaccord.specs import to_data

EXAMPLES = Path(__file__).parents[2] / "examples" / "bargaining"
YAML = """generalist:
  cost: {kind: Power, scale: 1.0, exponent: 2}
specialists:
  - name: medical
    cost: {kind: Power, scale: 2.0, exponent: 2}
    revenue: {kind: Linear, rate: 1.0}
"""


def read(tmp_path, text):
    path = tmp_path / "game.yaml"
    path.write_text(text)
    return read_game(path)


def refused(tmp_path, text) -> str:
    with pytest.raises(ta.InputError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) in message
    return message


def test_the_smallest_file(tmp_path):
    file = read(tmp_path, YAML)
    assert file.game == ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2)), [ta.Specialist("medical", ta.Power(2.0, 2), ta.Linear(1.0))]
    )
    assert file.solution == ta.Nash()
    assert file.solutions == every_rule(file.game)
    assert (file.shares, file.map, file.uncertainty) == (None, None, None)
    assert (file.money.currency, file.money.rate, file.units) == ("units", 1.0, "performance")


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("game*.yaml")))
def test_the_examples_can_be_read(name):
    file = read_game(EXAMPLES / name)
    assert file.solution in file.solutions
    assert ta.FineTuningGame.from_dict(file.game.to_dict()) == file.game


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_game_comes_back_from_a_file(tmp_path, seed, specialists):
    game = random_game(np.random.default_rng(seed), specialists=specialists)
    data = yaml.safe_load(yaml.safe_dump(_lists(game.to_dict())))
    data["generalist"].pop("kind")
    for one in data["specialists"]:
        one.pop("kind")
    assert read(tmp_path, yaml.safe_dump(data)).game == game


def _lists(value):
    """Tuples as lists, as YAML has them."""
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


def test_solutions_by_name_and_with_parameters(tmp_path):
    text = YAML + "solution: {kind: NashInNash, power: 0.3}\nsolutions: [Nash, {kind: Nash, power: [2, 1]}]\n"
    file = read(tmp_path, text)
    assert file.solution == ta.NashInNash(0.3)
    assert file.solutions == (ta.NashInNash(0.3), ta.Nash(), ta.Nash((2.0, 1.0)))  # the chosen one is always there


def test_everything_else_that_a_file_can_ask_for(tmp_path):
    more = """
title: A deal
shares: {medical: 0.4}
money: {currency: EUR, rate: 1000}
units: points
uncertainty:
  parameters:
    medical.cost.scale: 0.2
    medical.revenue.rate: [0.8, 1.2]
    medical.outside: {kind: Normal, mean: 0.0, sd: 0.1}
  draws: 50
map:
  x: {parameter: share.medical, low: 0, high: 1, steps: 5}
  y: {parameter: medical.entry_cost, low: 0, high: 1}
"""
    file = read(tmp_path, YAML + more)
    assert file.shares == {"medical": 0.4}
    spreads = {path: as_distribution(given) for path, given in file.uncertainty.parameters.items()}
    assert spreads == {
        "medical.cost.scale": LogNormal(0.2),
        "medical.revenue.rate": Uniform(0.8, 1.2),
        "medical.outside": ta.Normal(0.0, 0.1),
    }
    assert (file.map.x.steps, file.map.y.steps) == (5, 41)


def test_points_from_a_csv_file_beside_it(tmp_path):
    (tmp_path / "runs.csv").write_text("score,spend,seed\n2,4\n0,0,1\n\n1,1.5,9\n")
    curve = "{kind: Fixed, amount: 0.1, curve: {kind: Tabulated, file: runs.csv, x: score, y: spend}}"
    file = read(tmp_path, YAML.replace("{kind: Power, scale: 2.0, exponent: 2}", curve))
    expected = ta.Fixed(0.1, ta.Tabulated((0.0, 1.0, 2.0), (0.0, 1.5, 4.0)))
    assert to_data(file.game.specialists[0].cost) == to_data(expected)


MISTAKES = [
    (("scale: 2.0", "scale: -2.0"), "line 5: specialists.0.cost: Power: scale must be positive"),
    (("kind: Linear", "kind: Linaer"), "line 6: specialists.0.revenue: unknown kind 'Linaer'. Did you mean 'Linear'?"),
    (("rate: 1.0", "rat: 1.0"), "line 6: specialists.0.revenue: Linear has no field 'rat'. Did you mean 'rate'?"),
    (("    revenue", "    revnue"), "line 6: specialists.0: unknown key 'revnue'. Did you mean 'revenue'?"),
    (("{kind: Linear, rate: 1.0}", "1.0"), "line 6: specialists.0.revenue: a curve is a mapping with a kind, such as"),
    (("name: medical", "name: generalist"), "a specialist needs a name of its own, other than 'generalist'"),
    (("{kind: Linear, rate: 1.0}", "{kind: Nash}"), "line 6: specialists.0.revenue: unknown kind 'Nash'."),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=lambda one: str(one)[-24:])
def test_a_mistake_in_a_party_is_one_line(tmp_path, change, message):
    assert message in refused(tmp_path, YAML.replace(*change))


ADDED = [
    ("solution: Nahs\n", "line 7: solution: unknown kind 'Nahs'. Did you mean 'Nash'?"),
    ("solution: 3\n", "line 7: solution: a solution is a name such as Nash, or {kind: Nash, power: [2, 1]}, got 3."),
    ("solution: {kind: Nash, power: [1, 2, 3]}\n", "generalist, medical: 2 in all, got 3."),
    ("solution: {kind: PowerfulSpecialist, name: medcal}\n", "no specialist 'medcal'. Did you mean 'medical'?"),
    ("solutions: []\n", "line 7: solutions: expected at least 1 entries"),
    ("shares: {medcal: 0.4}\n", "shares: there is no specialist 'medcal'. Did you mean 'medical'?"),
    ("shares: {medical: 1.4}\n", "shares: the generalist's share of 'medical' must be in [0, 1], got 1.4."),
    ("shares: {}\n", "shares: there is no share for 'medical'."),
    ("money: {currency: EUR, rate: 0}\n", "line 7: money.rate: expected a positive number, got 0"),
    (
        "uncertainty: {parameters: {medical.cost.scal: 0.2}}\n",
        "uncertainty: there is no parameter 'medical.cost.scal'. Did you mean 'medical.cost.scale'?",
    ),
    (
        "uncertainty: {parameters: {medical.cost.scale: [2, 1]}}\n",
        "a range must be [low, high] with low < high",
    ),
    ("uncertainty: {parameters: {medical.cost.scale: -1}}\n", "standard deviation must be between 0 and 5, got -1."),
    ("uncertainty: {parameters: {medical.cost.scale: a}}\n", "expected a relative standard deviation such as 0.2"),
    (
        "map: {x: {parameter: medical.outside, low: 1, high: 0}, y: {parameter: a.b, low: 0, high: 1}}\n",
        "line 7: map.x.high: low must be less than high, got 1 and 0.",
    ),
    (
        "map: {x: {parameter: a.b, low: 0, high: 1}, y: {parameter: medical.entry_cost, low: 0, high: 1}}\n",
        "map: there is no parameter 'a.b'. Valid names: ",
    ),
    ("measured: {medical.revenu: [0, 1]}\n", "no curve 'medical.revenu'. Did you mean 'medical.revenue'?"),
    ("measured: {medical.revenue: [1, 0]}\n", "must be [low, high] with 0 <= low < high, got [1, 0]."),
    ("colour: red\n", "line 7: unknown key 'colour'. Valid names: "),
]


@pytest.mark.parametrize(("added", "message"), ADDED, ids=lambda one: str(one)[:30])
def test_a_mistake_in_what_is_asked_is_one_line(tmp_path, added, message):
    assert message in refused(tmp_path, YAML + added)


CSV = [
    ("score,spend\n0,0\n1,x\n", "runs.csv, line 3: spend must be a number, got 'x'."),
    ("score,spent\n0,0\n", "runs.csv has no column 'spend'. Did you mean 'spent'?"),
    ("", "runs.csv has no column 'score'. It is empty."),
    ("score,spend\n0,0\n1,nan\n", "Tabulated"),
]


@pytest.mark.parametrize(("content", "message"), CSV)
def test_a_mistake_in_the_points_is_one_line(tmp_path, content, message):
    (tmp_path / "runs.csv").write_text(content)
    curve = "{kind: Tabulated, file: runs.csv, x: score, y: spend}"
    assert message in refused(tmp_path, YAML.replace("{kind: Power, scale: 2.0, exponent: 2}", curve))


def test_a_missing_csv_file_is_named(tmp_path):
    curve = "{kind: Tabulated, file: nowhere.csv}"
    message = refused(tmp_path, YAML.replace("{kind: Power, scale: 2.0, exponent: 2}", curve))
    assert "line 5: specialists.0.cost: CSV file" in message
    assert "does not exist" in message
