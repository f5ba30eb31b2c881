"""``tuneaccord bargain`` from outside: output, files, exit status, and one line for each mistake."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

import tuneaccord as ta
from tuneaccord.cli.app import app

EXAMPLES = Path(__file__).parents[2] / "examples" / "bargaining"
GAME, THREE = str(EXAMPLES / "game.yaml"), str(EXAMPLES / "game-three.yaml")
SMALL = """generalist: {cost: {kind: Power, scale: 1.0, exponent: 2}}
specialists:
  - {name: medical, cost: {kind: Power, scale: 2.0, exponent: 2}, revenue: {kind: Linear, rate: 1.0}}
"""
FILES = [
    "agreement.json", "figures", "game.xlsx", "pareto.csv", "parties.csv", "sensitivity.csv", "shares.csv",
    "solutions.csv", "term-sheet.html", "term-sheet.md",
]  # fmt: skip


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def ran(*arguments) -> str:
    result = run("bargain", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments) -> str:
    """The one line of a refusal; nothing else may happen."""
    result = run("bargain", *arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def line(text: str, start: str) -> str:
    return next(one for one in text.splitlines() if one.startswith(start))


def test_the_example_on_the_screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = ran(GAME)
    assert max(map(len, text.splitlines())) <= 80
    assert "0.6228" in line(text, "Nash *")
    for solution, share in (("egalitarian", "0.5774"), ("utilitarian", "0.6667"), ("powerful specialist", "0.3333")):
        assert share in line(text, solution)
    assert "contributes" in line(text, "medical")
    assert "155,710" in text
    assert "How sure this is" in text


def test_json_is_the_agreement_and_nothing_else():
    data = json.loads(ran(GAME, "--json"))
    game = ta.FineTuningGame.from_dict(data["game"])
    again = game.bargain(ta.Nash())
    assert data["agreement"]["shares"] == again.shares
    assert data["agreement"]["play"] == again.play.to_dict()
    assert [row["solution"]["kind"] for row in data["solutions"] if row["chosen"]] == ["Nash"]


def test_another_solution_on_the_command_line(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL)
    data = json.loads(ran(path, "--solution", "Egalitarian", "--json"))
    assert data["agreement"]["shares"]["medical"] == pytest.approx(1 / 3**0.5, abs=1e-8)
    data = json.loads(ran(path, "--solution", "{kind: Nash, power: [1, 3]}", "--json"))
    chosen = next(row for row in data["solutions"] if row["chosen"])
    assert chosen["solution"] == {"kind": "Nash", "power": [1.0, 3.0]}
    assert len(data["solutions"]) == 8  # the seven for one specialist, and this one


def test_shares_on_the_command_line_are_played():
    data = json.loads(ran(GAME, "--shares", "medical=0.4", "--json", "--no-compare"))
    assert data["agreement"]["play"]["base_performance"] == pytest.approx(0.2, abs=1e-9)
    assert data["agreement"]["solution"] is None
    assert data["solutions"] == []
    assert "At the given shares" in ran(GAME, "--shares", "medical=0.4", "--no-compare")


def test_play_beyond_the_data_is_flagged(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(
        SMALL + "measured: {generalist.cost: [0, 0.1], medical.cost: [0, 0.5], medical.revenue: [0.4, 0.9]}\n"
    )
    text = " ".join(ran(path, "--shares", "medical=0.4", "--no-compare").split())  # base 0.2, improvement 0.15
    assert "Extrapolated: generalist.cost is used at 0.2, measured from 0 to 0.1." in text
    assert "Extrapolated: medical.revenue is used at 0.35, measured from 0.4 to 0.9." in text
    assert "medical.cost is used" not in text
    table = "{kind: Tabulated, x: [0, 0.1, 0.3], y: [0, 0.1, 0.3], beyond: flat}"
    path.write_text(SMALL.replace("{kind: Linear, rate: 1.0}", table))
    assert "medical.revenue is used" not in ran(path, "--shares", "medical=0.4", "--no-compare")
    path.write_text(SMALL.replace("{kind: Linear, rate: 1.0}", table.replace("flat", "slope")))
    text = " ".join(ran(path, "--shares", "medical=0.4", "--no-compare").split())
    assert "Extrapolated: medical.revenue is used at 0.35, measured from 0 to 0.3." in text


def test_a_game_without_trade(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL.replace("rate: 1.0}}", "rate: 1.0}, entry_cost: 9}"))
    assert "there is no trade" in ran(path)
    data = json.loads(ran(path, "--json"))
    assert data["agreement"]["status"] == "no trade"


@pytest.mark.slow
def test_a_game_without_trade_has_documents_too(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL.replace("rate: 1.0}}", "rate: 1.0}, entry_cost: 9}"))
    ran(path, "--out", tmp_path / "out", "--report", tmp_path / "r.html")
    assert "there is no trade" in (tmp_path / "out" / "term-sheet.md").read_text()
    assert "there is no trade" in (tmp_path / "r.html").read_text()


@pytest.mark.slow
def test_all_files_are_written_and_agree(tmp_path):
    out, report = tmp_path / "out", tmp_path / "pages" / "report.html"
    text = ran(GAME, "--out", out, "--report", report)
    assert str(out) in text.replace("\n", "")
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "map.csv"])
    data = json.loads((out / "agreement.json").read_text())
    share = data["agreement"]["shares"]["medical"]
    with open(out / "parties.csv", newline="") as file:
        rows = {row["party"]: row for row in csv.DictReader(file)}
    assert float(rows["medical"]["share"]) == share
    assert f"{100 * share:.2f}%" in (out / "term-sheet.md").read_text()
    assert f"{100 * share:.2f}%" in report.read_text()
    assert openpyxl.load_workbook(out / "game.xlsx")["Inputs"]["C7"].value == share
    figures = sorted(path.name for path in (out / "figures").iterdir())
    names = ("intervals", "map", "pareto", "shares", "solutions", "tornado")
    assert figures == [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    with open(out / "map.csv", newline="") as file:
        assert sum(1 for _ in csv.reader(file)) == 1 + 41 * 41


@pytest.mark.slow
def test_three_specialists(tmp_path):
    out = tmp_path / "out"
    text = ran(THREE, "--out", out, "--no-compare")
    assert max(map(len, text.splitlines())) <= 80
    assert sorted(path.name for path in out.iterdir()) == FILES
    data = json.loads((out / "agreement.json").read_text())
    assert len({effect["parameter"] for effect in data["sensitivity"]["effects"]}) > 15


def test_a_cell_that_a_spreadsheet_would_compute_is_text(tmp_path):
    from tuneaccord.cli.bargain_files import _csv

    assert _csv(["=name"], [["+1"], ["-x"], ["@a"], ["plain"], [-1.5]]).splitlines() == [
        "'=name", "'+1", "'-x", "'@a", "plain", "-1.5",
    ]  # fmt: skip


MISTAKES = [
    (("--solution", "Nahs"), "--solution: unknown kind 'Nahs'. Did you mean 'Nash'?"),
    (("--solution", "{kind: Nash"), "--solution must be a name such as Nash"),
    (("--solution", "{kind: Nash, power: [1, 2, 3]}"), "2 in all, got 3"),
    (("--solution", "{kind: PowerfulSpecialist, name: legal}"), "there is no specialist 'legal'."),
    (("--shares", "medical"), "--shares must be NAME=SHARE, such as --shares medical=0.4, got 'medical'."),
    (("--shares", "medical=1.2"), "the generalist's share of 'medical' must be in [0, 1], got 1.2."),
    (("--shares", "medical=nan"), "must be in [0, 1], got nan."),
    (("--shares", "medcal=0.2"), "there is no specialist 'medcal'. Did you mean 'medical'?"),
    (("--shares", "medical=0.2", "--shares", "medical=0.3"), "names specialist 'medical' twice"),
    (("--shares", "medical=0.2", "--solution", "Nash"), "Give one of them."),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line(arguments, message):
    assert message in refused(GAME, *arguments)


BAD_GAMES = [
    ("exponent: 2}, revenue", "exponent: 0.5}, revenue", "medical"),  # no best improvement
    ("{kind: Power, scale: 2.0, exponent: 2}", "{kind: Linear, rate: 0.1}", "medical"),  # unbounded profit
    ("{kind: Linear, rate: 1.0}", "{kind: Linear, rate: -1.0}", "rate"),  # a falling revenue
    ("scale: 2.0", "scale: 0", "scale"),
]


@pytest.mark.parametrize(("old", "new", "named"), BAD_GAMES, ids=[bad[1] for bad in BAD_GAMES])
def test_a_game_without_a_solution_is_one_line_with_the_file(tmp_path, old, new, named):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL.replace(old, new))
    message = refused(path)
    assert str(path) in message
    assert named in message.replace(str(path), "")


def test_a_map_beyond_what_a_parameter_may_be_is_refused_before_anything_is_solved(tmp_path):
    path = tmp_path / "game.yaml"
    sides = "map: {x: {parameter: PATH, low: -1, high: 2}, y: {parameter: medical.entry_cost, low: 0, high: 1}}\n"
    path.write_text(SMALL + sides.replace("PATH", "medical.cost.scale"))
    assert "map: medical.cost.scale from -1 to 2" in refused(path)
    path.write_text(SMALL + sides.replace("PATH", "share.medical"))
    assert "map: share.medical must be in [0, 1], got -1 to 2." in refused(path)


def test_a_game_beyond_floating_point_is_refused(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL.replace("scale: 2.0", "scale: 1.0e-300"))
    assert "too large for floating-point numbers" in refused(path, "--no-compare", "--shares", "medical=0.5")


def test_units_are_told_where_there_are_some(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL)
    assert "of that domain's revenue.\n" in ran(path, "--no-compare")
    path.write_text(SMALL + "units: points\n")
    assert "Performance is in points." in ran(path, "--no-compare")


@pytest.mark.slow
def test_drawn_games_that_were_left_out_are_told(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(SMALL + "uncertainty: {parameters: {medical.cost.scale: [-1, 2]}, draws: 30}\n")
    ran(path, "--no-compare", "--out", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "agreement.json").read_text())["uncertainty"]
    assert 0 < found["refused"] == 30 - found["draws"]
    for name in ("term-sheet.md", "term-sheet.html"):
        assert f"{found['refused']} more games were drawn and left out" in (tmp_path / "out" / name).read_text()


def test_a_missing_file_is_named(tmp_path):
    assert "does not exist" in refused(tmp_path / "nowhere.yaml")
