"""``tuneaccord reproduce`` from outside: the list, output, files, exit status."""

import csv
import json
import sys

import pytest
from typer.testing import CliRunner

from tuneaccord.cli import reproduce as command
from tuneaccord.cli.app import app
from tuneaccord.reproduce import CATALOGUE, reproduce


def run(*arguments):
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


def test_without_a_name_they_are_listed():
    result = run()
    assert result.exit_code == 0
    for name in CATALOGUE:
        assert any(line.startswith(f"{name} ") for line in result.stdout.splitlines())
    assert json.loads(run("--json").stdout)["table1"]["samples"] == CATALOGUE["table1"].samples


@pytest.mark.slow
def test_it_prints_setting_tables_verdict_and_notes():
    result = run("table1", "--samples", 2000)
    assert result.exit_code == 0, result.output
    flat = " ".join(result.stdout.split())
    expected = reproduce("table1", samples=2000)
    for text in (expected.title, expected.claim, expected.verdict, *expected.notes, "-55.8977"):
        assert " ".join(text.split()) in flat
    assert "Table 1" in result.stderr  # the bar goes to standard error


@pytest.mark.slow
def test_json_is_the_result_and_nothing_else():
    result = run("table1", "--samples", 1000, "--seed", 4, "--json")
    assert json.loads(result.stdout) == json.loads(json.dumps(reproduce("table1", samples=1000, seed=4).to_dict()))
    assert result.stderr == ""


@pytest.mark.slow
def test_files(tmp_path):
    pytest.importorskip("matplotlib")
    result = run("table1", "--samples", 1000, "--out", tmp_path)
    assert result.exit_code == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"table1.json", "table1-valuation.csv", "table1-utility.csv", "table1-readings.csv", "table1.svg"}
    assert all(name in " ".join(result.stdout.split()) for name in names)
    rows = list(csv.DictReader((tmp_path / "table1-utility.csv").read_text().splitlines()))
    assert [row["paper"] for row in rows][-1] == "-55.8977"
    assert json.loads((tmp_path / "table1.json").read_text())["name"] == "table1"


@pytest.mark.slow
def test_without_matplotlib_the_numbers_are_still_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("table1", "--samples", 1000, "--out", tmp_path)
    assert result.exit_code == 0
    assert "no picture" in result.stderr
    assert "pip install" in result.stderr
    assert (tmp_path / "table1.json").exists()
    assert not (tmp_path / "table1.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["tabel1"], "Did you mean 'table1'?"), (["table1", "--samples", "0"], "--samples"), (["zzz"], "Valid names")],
)
def test_mistakes(arguments, expected):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_fails_ends_with_status_one(monkeypatch):
    from dataclasses import replace

    failed = replace(reproduce("table1", samples=1000), holds=False)
    monkeypatch.setattr(command, "reproduce", lambda *_, **__: failed)
    result = run("table1")
    assert result.exit_code == 1
    assert "table1 was not reproduced" in result.stderr
