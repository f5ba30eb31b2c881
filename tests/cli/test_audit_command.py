"""The audit command: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tuneaccord as ta
from tuneaccord.cli.app import app
from tuneaccord.config.market import read_market

MARKET = Path(__file__).parents[2] / "examples" / "market" / "market.yaml"


def run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    return run(MARKET, "--out", folder), folder


@pytest.mark.slow
def test_an_honest_market_passes(written):
    shown, _ = written
    assert shown.exit_code == 0
    assert "No lie tried pays clinic; at these reports no lie can gain more than" in shown.stdout
    assert "clinic registered as 8 groups would pay" in shown.stdout
    assert "auditing" in shown.stderr


def test_the_files_say_what_the_screen_says(written):
    _, folder = written
    assert sorted(path.name for path in folder.iterdir()) == ["audit.csv", "audit.json", "lies.svg"]
    found = json.loads((folder / "audit.json").read_text())
    expected = ta.audit(read_market(MARKET).settle()).to_dict()
    assert found == json.loads(json.dumps(expected))
    rows = list(csv.DictReader(io.StringIO((folder / "audit.csv").read_text())))
    assert {row["group"] for row in rows} == {"clinic", "school", "arcade"}
    assert all(float(row["gain"]) <= 1e-9 for row in rows)
    assert (folder / "lies.svg").read_text().startswith("<svg")


def test_a_stored_settlement_is_audited_like_its_market(written, tmp_path):
    _, folder = written
    CliRunner().invoke(app, ["settle", str(MARKET), "--out", str(tmp_path)])
    shown = run(tmp_path / "settlement.json", "--json")
    assert json.loads(shown.stdout) == json.loads((folder / "audit.json").read_text())


def test_without_payments_the_lie_is_named_and_nothing_is_proved(tmp_path):
    market = tmp_path / "market.yaml"
    market.write_text(MARKET.read_text() + "payment: {kind: Free}\n")
    shown = run(market, "--group", "clinic", "--no-pairs")
    assert shown.exit_code == 0
    assert "A lie that pays clinic" in shown.stdout
    assert "nothing proved" in shown.stdout
    assert "school" not in shown.stdout.split("What this says")[0]


def test_a_wrong_charge_breaks_the_promise(monkeypatch):
    honest = ta.Externality.charge
    monkeypatch.setattr(ta.Externality, "charge", lambda self, choice: 0.5 * honest(self, choice))
    shown = run(MARKET, "--no-pairs")
    assert shown.exit_code == 1
    assert "a lie gains more than the settlement certifies" in shown.stderr
    assert "The certificate fails for clinic" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((MARKET, "--group", "clinc"), "Did you mean 'clinic'?"),
        ((MARKET, "--effort", "quik"), "Did you mean 'quick'?"),
        (("nothing.yaml",), "nothing.yaml"),
        (("nothing.json",), "error: settlement nothing.json does not exist"),
    ],
)
def test_mistakes(arguments, said):
    shown = run(*arguments)
    assert (shown.exit_code, shown.stdout, shown.stderr.count("\n")) == (2, "", 1)
    assert said in shown.stderr


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("{", (), "is not JSON"),
        ("[]", (), "is not a settlement that settle --out wrote"),
        ('{"kind": "Settlement"}', (), "not what Settlement.to_dict writes"),
        ('{"kind": "Settlement"}', ("--strength", "1"), "Leave --strength and --size out"),
    ],
)
def test_what_is_no_settlement(tmp_path, content, options, said):
    path = tmp_path / "settlement.json"
    path.write_text(content)
    shown = run(path, *options)
    assert (shown.exit_code, shown.stdout, shown.stderr.count("\n")) == (2, "", 1)
    assert said in shown.stderr


def test_a_changed_settlement_is_refused(tmp_path):
    data = read_market(MARKET).settle().to_dict()
    data["payments"]["clinic"] += 0.1
    path = tmp_path / "settlement.json"
    path.write_text(json.dumps(data))
    assert "the stored payments of clinic" in run(path).stderr


def test_candidates_are_audited_exhaustively(tmp_path):
    market = tmp_path / "market.yaml"
    market.write_text(
        "candidates:\n"
        "  - {name: base, price: 0, values: {clinic: 0.5, arcade: 0.5}}\n"
        "  - {name: soup, price: 0.2, values: {clinic: 0.9, arcade: 0.3}}\n"
        "groups: [{name: clinic, size: 2}, {name: arcade, size: 1}]\n"
        "payment: {kind: Free}\n"
    )
    found = json.loads(run(market, "--json").stdout)
    gains = {group["group"]: group["best"]["gain"] for group in found["groups"]}
    np.testing.assert_allclose(gains["arcade"], 0.2, rtol=1e-12)  # only the other row is left to want
    assert gains["clinic"] == 0.0
