"""``tuneaccord calibrate`` from outside: output, files, and one line for each mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import tuneaccord as ta
from tuneaccord.cli.app import app
from tuneaccord.specs import from_data

SPEND = [0, 1, 2, 4, 8, 16]
LOSS = [3.0, 2.9, 2.86, 2.80, 2.72, 2.60]
PRICES = "score,revenue\n2.9,12\n2.8,20\n2.7,25\n2.6,28\n"


@pytest.fixture
def files(tmp_path):
    rows = [f"{name},{spend},{loss - 0.002 * turn}" for turn, name in enumerate("ab")
            for spend, loss in zip(SPEND, LOSS, strict=True)]  # fmt: skip
    (tmp_path / "runs.csv").write_text("who,hours,loss\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "prices.csv").write_text(PRICES, encoding="utf-8")
    cost = ["--cost", tmp_path / "runs.csv", "--spend", "hours", "--score", "loss", "--transform", "turned"]
    return [*cost, "--run", "who", "--draws", 20], ["--revenue", tmp_path / "prices.csv"]


def run(*arguments):
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def fitted(result) -> list[dict]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["fits"]


def test_the_json_is_that_of_the_functions(files):
    cost, revenue = files
    first, second = fitted(run(*cost, *revenue, "--json", "--price", 10, "--seed", 3))
    scores = np.concatenate([LOSS, np.array(LOSS) - 0.002])
    by_hand = ta.fit_cost(10 * np.tile(SPEND, 2), scores, transform=ta.Turned(), run=["a"] * 6 + ["b"] * 6,
                          draws=20, seed=3)  # fmt: skip
    prices = ta.fit_revenue([2.9, 2.8, 2.7, 2.6], [12, 20, 25, 28], transform=by_hand.transform, draws=20, seed=3)
    for data, fit in ((first, by_hand), (second, prices)):
        for key, value in json.loads(json.dumps(fit.to_dict())).items():
            if not isinstance(value, (list, dict)) or key in ("parameters", "curve", "transform"):
                assert data[key] == value, key
        np.testing.assert_allclose(data["drawn"]["money"], fit.curve.value(data["drawn"]["performance"]), rtol=1e-12)


def test_the_table_says_what_was_fitted_and_how_well(files):
    cost, revenue = files
    result = run(*cost, *revenue)
    assert result.exit_code == 0, result.output
    expected = ["Cost: Power", "exponent", "standard error", "90% of 20 resamples", "10 points, performance",
                "; R2 1.0", "Performance of a score: Turned(", "without spending, 2.999", "Power *", "Revenue: ",
                "error at points left out (money)"]  # fmt: skip
    for words in expected:
        assert words in result.stdout
    table = run(*cost, "--kind", "Tabulated")
    assert "through (0, 0)" in table.stdout


@pytest.mark.slow
def test_the_files_are_a_curve_for_a_game_file_a_figure_and_the_fits(files, tmp_path):
    cost, revenue = files
    data = fitted(run(*cost, *revenue, "--kind", "best", "--json", "--out", tmp_path / "out"))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"fits.json", "curves.yaml", "calibration.svg"}
    assert json.loads((tmp_path / "out" / "fits.json").read_text())["fits"] == data
    curves = yaml.safe_load((tmp_path / "out" / "curves.yaml").read_text())
    made = {role: from_data(curve, ta.Curve) for role, curve in curves.items()}
    assert made == {one["role"]: from_data(one["curve"], ta.Curve) for one in data}
    game = ta.FineTuningGame(ta.Generalist(made["cost"]), [ta.Specialist("legal", **made)])
    assert game.play({"legal": 0.5}).base_performance >= 0
    svg = (tmp_path / "out" / "calibration.svg").read_text()
    for word in ("cost", "revenue", "measured", "90% of 20 resamples", "beyond the data"):
        assert word in svg


@pytest.mark.slow
def test_a_pasted_curve_is_read_by_bargain(files, tmp_path):
    cost, revenue = files
    fitted(run(*cost, *revenue, "--json", "--out", tmp_path))
    curves = yaml.safe_load((tmp_path / "curves.yaml").read_text())
    game = {"generalist": {"cost": curves["cost"]}, "specialists": [{"name": "legal", **curves}]}
    (tmp_path / "game.yaml").write_text(yaml.safe_dump(game))
    result = CliRunner().invoke(app, ["bargain", str(tmp_path / "game.yaml"), "--shares", "legal=0.5", "--json"])
    assert result.exit_code == 0, result.output


def test_rows_are_chosen_by_their_cells(files):
    cost, _ = files
    (one,) = fitted(run(*cost, "--where", "who=a", "--json"))
    assert len(one["points"]) == 5
    assert one["transform"]["start"] == 3.0


def test_rows_of_the_prices_are_chosen_by_their_cells(files, tmp_path):
    _, revenue = files
    (tmp_path / "prices.csv").write_text(PRICES + "3.5,1\n", encoding="utf-8")  # worse than the start
    lines = (tmp_path / "prices.csv").read_text(encoding="utf-8").splitlines()
    sorts = ["sort", *["good"] * (len(lines) - 2), "bad"]
    rows = [f"{line},{sort}" for line, sort in zip(lines, sorts, strict=True)]
    (tmp_path / "prices.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    started = [*revenue, "--transform", "turned", "--start", 3.0, "--draws", 3, "--json"]
    assert "score 3.5 is worse than the start, 3" in run(*started).stderr
    assert len(fitted(run(*started, "--revenue-where", "sort=good"))[0]["points"]) == 4


def test_prices_alone_need_a_start(files):
    _, revenue = files
    assert (
        fitted(run(*revenue, "--transform", "turned", "--start", 3.0, "--draws", 3, "--json"))[0]["role"] == "revenue"
    )
    assert "which score counts as performance 0?" in run(*revenue).stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (["--spend", "minutes"], "has no column 'minutes'"),
        (["--transform", "log"], "--transform must be shift, turned or log-odds, got 'log'"),
        (["--transform", "shift"], "runs.csv: scores get worse with more spending on the whole"),
        (["--kind", "Cubic"], "runs.csv: there is no kind of cost 'Cubic'"),
        (["--price", "-1"], "--price must be the money for one unit of spending"),
        (["--where", "who"], "rows are chosen by COLUMN=VALUE"),
        (["--where", "who=c"], "no row with who=c"),
        (["--unit", "0"], "unit must be positive"),
    ],
)
def test_a_mistake_is_one_line(files, change, expected, tmp_path):
    cost, _ = files
    result = run(*cost, *change, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_hint_names_the_option(files):
    cost, _ = files
    assert "If they count the other way round, try --transform turned." in run(*cost, "--transform", "shift").stderr


def test_one_measurement_is_too_few(tmp_path):
    (tmp_path / "few.csv").write_text("spend,score\n0,1\n1,2\n")
    result = run("--cost", tmp_path / "few.csv")
    assert result.exit_code == 2
    assert "there is only one measurement with a spend above 0" in result.stderr


def test_nothing_to_fit():
    assert "Give --cost runs.csv, --revenue prices.csv, or both" in run().stderr
