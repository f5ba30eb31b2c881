"""``tuneaccord settle`` from outside: output, files, exit status, and one line for each mistake."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tuneaccord as ta
from tuneaccord.cli import settle
from tuneaccord.cli.app import app
from tuneaccord.config.market import read_market
from tuneaccord.mechanism import recheck

EXAMPLES = Path(__file__).parents[2] / "examples" / "market"
MARKET, SHEET = str(EXAMPLES / "market.yaml"), str(EXAMPLES / "sheet.csv")

YAML = """base: [0.4, 0.3, 0.3]
divergence: {kind: KL, strength: 1.0}
groups:
  - {name: clinic, size: 3, scores: [0.1, 0.9, 0.0]}
  - {name: school, size: 1, scores: [0.6, 0.5, 0.4]}
"""
HEADER = "group,prompt_id,reply_id,score\n"
CELLS = HEADER + "clinic,p,x,0.5\nclinic,p,y,0.2\narcade,p,x,0.1\narcade,p,y,0.9\n"


def run(*arguments, **options):
    return CliRunner().invoke(app, [str(one) for one in arguments], **options)


def process(*arguments, **options):
    command = [sys.executable, "-m", "tuneaccord", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, **options)


def refused(folder: Path, *arguments) -> str:
    """The one line of a refusal; nothing else may happen."""
    result = run("settle", *arguments, "--out", folder / "out")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not (folder / "out").exists()
    return result.stderr


def test_the_market_example():
    result = run("settle", MARKET)
    assert result.exit_code == 0, result.output
    for group, payment in (("clinic", "0.765"), ("school", "0.002"), ("arcade", "0.271")):
        line = next(line for line in result.stdout.splitlines() if line.startswith(group))
        assert payment in line.split()
    assert "76.48 EUR" in result.stdout
    assert "truthful (exact)" in result.stdout
    assert " yes" not in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_sheet_example():
    result = run("settle", SHEET, "--strength", 1, "--size", "clinic=3", "--size", "arcade=2")
    assert result.exit_code == 0, result.output
    assert "fever" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_is_the_librarys_settlement():
    result = run("settle", MARKET, "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    printed = json.loads(result.stdout)
    expected = read_market(MARKET).settle()
    assert {key: printed[key] for key in expected.to_dict()} == expected.to_dict()
    assert printed["base_values"] == expected.base_values
    for name, told in printed["what_if"].items():
        for lie, misreport in zip(told, settle.LIES, strict=True):
            again = ta.what_if(expected, name, misreport)
            assert (lie["payment"], lie["utility"]) == (again.payment, again.utility)
            assert lie["would_have_helped"] is False
    assert ta.Settlement.from_dict(printed).payments == expected.payments


def test_no_what_if():
    assert json.loads(run("settle", MARKET, "--json", "--no-what-if").stdout)["what_if"] == {}
    assert "lied" not in run("settle", MARKET, "--no-what-if").stdout


def test_files_round_trip_and_add_up(tmp_path):
    result = run("settle", MARKET, "--out", tmp_path / "new" / "out")
    assert result.exit_code == 0
    folder = tmp_path / "new" / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["invoices.csv", "policy.csv", "settlement.json"]
    settlement = ta.Settlement.from_dict(json.loads((folder / "settlement.json").read_text()))
    assert settlement.to_dict() == read_market(MARKET).settle().to_dict()

    rows = list(csv.DictReader((folder / "invoices.csv").read_text().splitlines()))
    amounts = {row["group"]: Decimal(row["amount"]) for row in rows}
    total = amounts.pop("total")
    assert sum(amounts.values()) == total == round(Decimal(sum(settlement.payments.values()) * 100), 2)
    for name, amount in amounts.items():
        assert abs(float(amount) - 100 * settlement.payments[name]) < 0.01

    chosen = [float(row["chosen"]) for row in csv.DictReader((folder / "policy.csv").read_text().splitlines())]
    assert chosen == settlement.model.tolist()


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        assert process("settle", MARKET, "--out", tmp_path / name).returncode == 0
    for file in ("settlement.json", "invoices.csv", "policy.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_large_market_shows_its_first_prompts(tmp_path):
    rows = [f"a,p{prompt},r{reply},{(prompt * reply) % 7}" for prompt in range(200) for reply in range(12)]
    (tmp_path / "m.csv").write_text(HEADER + "\n".join(rows))
    result = run("settle", tmp_path / "m.csv", "--strength", 1)
    assert "... and 2 more responses a prompt and 197 more prompts" in result.stdout
    assert "p3 " not in result.stdout


def test_names_are_literal_text(tmp_path):
    name = "[bold]x[/bold] :smile: \\e"
    (tmp_path / "m.yaml").write_text(YAML.replace("clinic", "'" + name + "'").replace("school", '"\\e[31mred"'))
    result = run("settle", tmp_path / "m.yaml", env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert name in result.stdout
    assert "\\x1b[31mred" in result.stdout
    assert "\x1b" not in result.stdout
    error = run("settle", tmp_path / "m.yaml", "--size", "[red]=1")
    assert "there is no group '[red]'" in error.stderr


BAD_YAML = [
    ("size: 3", "size: -3", "line 4: groups.0.size: expected a positive number, got -3. Try 3."),
    ("size: 3", "size: 0", "line 4: groups.0.size: expected a positive number, got 0."),
    ("size: 3", "size: .inf", "expected a finite number"),
    ("size: 3", "size: many", "groups.0.size: expected a number, got 'many'"),
    ("0.9", ".nan", "line 4: groups.0.scores.1: expected a finite number, got nan."),
    ("0.9", ".inf", "groups.0.scores.1: expected a finite number, got inf."),
    ("0.9", "high", "groups.0.scores.1: expected a number, got 'high'."),
    ("[0.1, 0.9, 0.0]", "[0.1, 0.9]", "the scores of group 'clinic': a reward table has shape (1, 2)"),
    ("[0.1, 0.9, 0.0]", "[[0.1, 0.9], [0.1]]", "the scores of group 'clinic': scores must be a rectangular"),
    ("[0.1, 0.9, 0.0]", "[]", "groups.0.scores: expected at least 1 entries"),
    ("[0.1, 0.9, 0.0]", "none.csv", "none.csv does not exist"),
    ("[0.1, 0.9, 0.0]", "[-0.1, 0.9, 0.0], scale: sum", "needs non-negative scores"),
    ("[0.1, 0.9, 0.0]", "[0.1, 0.9, 0.0], scale: mean", "groups.0.scale: expected 'sum' or 'max', got 'mean'."),
    ("school", "clinic", "line 3: groups: group 'clinic' is named twice"),
    ("school", "' '", "a group's name must be a non-empty text"),
    ("divergence", "divergense", "line 2: unknown key 'divergense'. Did you mean 'divergence'?"),
    ("scores: [0.6", "score: [0.6", "line 5: groups.1: unknown key 'score'. Did you mean 'scores'?"),
    ("strength: 1.0", "strenght: 1.0", "KL has no field 'strenght'. Did you mean 'strength'?"),
    ("strength: 1.0", "strength: 0", "line 2: divergence: strength must be a positive finite number, got 0"),
    ("strength: 1.0", "strength: -1", "strength must be a positive finite number, got -1"),
    ("strength: 1.0", "strength: 1.0e-308", "would overflow. Multiply rewards and strength"),
    ("0.9, 0.0]", "0.9, 1.0e+300]", "too far apart to compute with"),
    ("kind: KL", "kind: LK", "unknown kind 'LK'"),
    ("[0.4, 0.3, 0.3]", "[0.4, 0.3, 0.4]", "base must sum to 1"),
    ("[0.4, 0.3, 0.3]", "[0.7, -0.3, 0.6]", "base must not be negative"),
    ("[0.4, 0.3, 0.3]", "[[0.5, 0.5], [1.0]]", "base must be"),
    ("base: [0.4, 0.3, 0.3]\n", "", "the key 'base' is missing"),
    ("base:", "prompt_weights: [0.5, 0.5]\nbase:", "prompt_weights must have one number for each of the 1 prompts"),
    ("base:", "money: {currency: EUR, rate: 0}\nbase:", "money.rate: expected a positive number, got 0."),
    ("base:", "money: {currency: EUR, rte: 1}\nbase:", "money: unknown key 'rte'. Did you mean 'rate'?"),
    ("base:", "base: [1.0]\nbase:", "line 2: the key 'base' appears twice"),
    ("base: [", "base: [[", "line "),
    ("  - {name: school", " - {name: school", "line 5: "),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), BAD_YAML)
def test_bad_yaml(tmp_path, right, wrong, expected):
    assert right in YAML
    (tmp_path / "m.yaml").write_text(YAML.replace(right, wrong, 1))
    line = refused(tmp_path, tmp_path / "m.yaml")
    assert expected in line
    assert str(tmp_path) in line or "too far apart" in line


BAD_CELLS = [
    ("arcade,p,y,0.9\n", "", "the score of reply 'y' to prompt 'p' is missing"),
    ("arcade,p,y,0.9\n", "arcade,p,y,0.9\narcade,p,z,1\n", "there is no reply 'z' to prompt 'p'"),
    ("arcade,p,y,0.9\n", "arcade,p,y,0.9\narcade,p,y,0.9\n", "is scored twice, in rows 5 and 6"),
    ("0.9", "nan", "row 5: the score must be a finite number, got 'nan'"),
    ("0.9", "inf", "row 5: the score must be a finite number, got 'inf'"),
    ("0.9", "", "row 5: the score must be a finite number, got ''"),
    ("reply_id", "reply", "no column 'reply_id'. Did you mean 'reply'?"),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), BAD_CELLS)
def test_bad_sheets(tmp_path, right, wrong, expected):
    assert right in CELLS
    (tmp_path / "m.csv").write_text(CELLS.replace(right, wrong, 1))
    line = refused(tmp_path, tmp_path / "m.csv", "--strength", 1)
    assert expected in line
    assert "m.csv" in line


def test_bad_sheet_of_one_group(tmp_path):
    (tmp_path / "m.yaml").write_text(YAML.replace("[0.1, 0.9, 0.0]", "clinic.csv"))
    (tmp_path / "clinic.csv").write_text("prompt_id,reply_id,score\np,x,1\np,y,2\n")
    assert "base has (prompts, responses) = (1, 3) but the score sheets have (1, 2)" in refused(
        tmp_path, tmp_path / "m.yaml"
    )


BAD_OPTIONS = [
    (["--strength", 0], "strength must be a positive finite number, got 0.0"),
    (["--strength", -1], "strength must be a positive finite number"),
    (["--strength", "nan"], "strength must be a positive finite number"),
    ([], "Try --strength 1."),
    (["--strength", 1, "--size", "clinic"], "--size must be NAME=N, such as --size clinic=3, got 'clinic'"),
    (["--strength", 1, "--size", "=3"], "--size must be NAME=N"),
    (["--strength", 1, "--size", "clinic=big"], "--size must be NAME=N"),
    (["--strength", 1, "--size", "clinc=3"], "there is no group 'clinc' to give a size. Did you mean 'clinic'?"),
    (["--strength", 1, "--size", "clinic=-3"], "the size of group 'clinic' must be a positive finite number"),
    (["--strength", 1, "--size", "clinic=inf"], "the size of group 'clinic' must be a positive finite number"),
    (["--strength", 1, "--size", "clinic=1e308"], "too far apart to compute with"),
    (["--strength", 1, "--size", "clinic=1", "--size", "clinic=2"], "names group 'clinic' twice"),
    (["--strength", "x"], "'--strength'"),
    (["--strenght", 1], "--strenght"),
]


@pytest.mark.parametrize(("options", "expected"), BAD_OPTIONS)
def test_bad_options(tmp_path, options, expected):
    (tmp_path / "m.csv").write_text(CELLS)
    assert expected in refused(tmp_path, tmp_path / "m.csv", *options)


def test_files_that_are_no_market(tmp_path):
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "latin.yaml").write_bytes(YAML.replace("clinic", "café").encode("latin-1"))
    (tmp_path / "latin.csv").write_bytes(CELLS.replace("clinic", "café").encode("latin-1"))
    (tmp_path / "m.txt").write_text(YAML)
    (tmp_path / "dir.yaml").mkdir()
    for name, expected in {
        "empty.yaml": "is empty",
        "empty.csv": "is empty",
        "latin.yaml": "is not UTF-8 text",
        "latin.csv": "is not UTF-8 text",
        "m.txt": "must end in .yaml, .yml, .csv or .parquet",
        "none.yaml": "does not exist",
        "none.csv": "does not exist",
        "none": "does not exist",
        "dir.yaml": "is a folder",
        "": "is a folder",
    }.items():
        line = refused(tmp_path, tmp_path / name, "--strength", 1)
        assert expected in line
        assert str(tmp_path / name) in line


def test_out_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/dev/full", "/dev/full/below"):
        result = run("settle", MARKET, "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"error: cannot write {out}")
        assert result.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_out_in_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    result = run("settle", MARKET, "--out", tmp_path / "out")
    tmp_path.chmod(0o700)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "Check the folder and its permissions" in result.stderr


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_leaves_the_old_files(tmp_path, monkeypatch, code):
    (tmp_path / "settlement.json").write_text("old")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    result = run("settle", MARKET, "--out", tmp_path)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert ("cannot write" if code == errno.EROFS else "no room on disk") in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["settlement.json"]
    assert (tmp_path / "settlement.json").read_text() == "old"


def test_a_failed_promise_is_told_and_exits_with_one(monkeypatch):
    monkeypatch.setattr(ta.Externality, "charge", lambda self, choice: -np.ones((1, 3)))
    result = run("settle", MARKET)
    assert result.exit_code == 1
    assert "error: a promise fails its recheck: never negative: 'clinic' would be paid 1." in result.stderr
    assert "clinic" in result.stdout


def test_recheck_finds_each_kind_of_broken_promise(monkeypatch):
    honest = read_market(MARKET).settle()
    assert recheck.broken_promises(honest, {name: ta.sweep(honest, name, settle.LIES) for name in honest.names}) == []

    def charging(amount):
        monkeypatch.setattr(ta.Externality, "charge", lambda self, choice: np.full((1, 3), amount))
        found = recheck.broken_promises(read_market(MARKET).settle())
        return {sentence.split(":")[0] for sentence in found}

    assert charging(-1e-6) == {"never negative", "truthful"}
    assert charging(10.0) == {"nobody worse off", "truthful"}
    lie = ta.what_if(honest, "clinic", ta.SizeMisreport(2.0))
    better = ta.WhatIf(lie.misreport, lie.group_value, 0.0, honest.utilities["clinic"] + 1e-6)
    assert recheck.lie_pays(honest, "clinic", better)
    assert "gains 1e-06" in recheck.broken_promises(honest, {"clinic": [better]})[0]


def test_free_payments_promise_less_and_keep_it():
    market = read_market(MARKET)
    free = ta.settle(market.space, market.reports, payment=ta.Free())
    lies = {name: ta.sweep(free, name, settle.LIES) for name in free.names}
    assert recheck.broken_promises(free, lies) == []
    assert recheck.lie_pays(free, "clinic", lies["clinic"][0])


def test_a_lie_that_the_payment_refuses_is_told_as_such(tmp_path):
    path = tmp_path / "market.yaml"
    path.write_text(Path(MARKET).read_text() + "payment: {kind: Redistribution, largest_size: 5.0}\n")
    result = run("settle", path)
    assert result.exit_code == 0
    assert "no, it is refused" in result.stdout  # the clinic may not claim size 6
    lies = json.loads(run("settle", path, "--json").stdout)["what_if"]
    assert [len(lies[name]) for name in ("clinic", "school", "arcade")] == [1, 2, 2]


@pytest.mark.parametrize("weights", [(1e-6, 2e4, 6e5), (1e6, 1e-6, 1.0)])
@pytest.mark.parametrize("finite", [True, False])
def test_public_weights_far_apart_break_no_promise(weights, finite):
    """A payment is divided by the group's weight, and its rounding with it."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        rewards = rng.uniform(size=(3, 4))
        space = ta.Candidates(rewards.T, np.zeros(4)) if finite else ta.Simplex(np.full(4, 0.25), ta.KL(100.0))
        reports = [ta.Report(name, 2.0, ta.TableReward(row)) for name, row in zip("abc", rewards, strict=True)]
        assert recheck.broken_promises(ta.settle(space, reports, ta.Welfare(weights))) == []


def test_large_prices_that_all_models_share_break_no_promise():
    models = ta.Candidates([[0.1, 0.2], [0.3, 0.1], [0.7, 0.05]], [1e12, 1e12 + 0.1, 1e12 + 0.2])
    assert recheck.broken_promises(ta.settle(models, [ta.Report("a", 1), ta.Report("b", 2)])) == []
