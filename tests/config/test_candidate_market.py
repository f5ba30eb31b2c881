"""Markets in files over candidate models, and the rule and payment that a file may name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import tuneaccord as ta
from tuneaccord.cli.app import app
from tuneaccord.config.market import read_market

CANDIDATES = """
candidates:
  - {name: base, price: 0, values: {clinic: 0.5, arcade: 0.5}}
  - {name: clinic-lora, price: 0.3, values: {clinic: 0.9, arcade: 0.2}}
  - {name: soup, price: 0.2, values: {arcade: 0.6, clinic: 0.7}}
groups:
  - {name: clinic, size: 3}
  - {name: arcade, size: 1}
"""
RESPONSES = """
base: [0.4, 0.3, 0.3]
divergence: {kind: KL, strength: 1.0}
groups:
  - {name: clinic, size: 3, scores: [0.1, 0.9, 0.2]}
  - {name: school, scores: [0.6, 0.5, 0.4]}
"""


def market_file(folder, text):
    path = folder / "market.yaml"
    path.write_text(text)
    return path


def test_a_file_of_candidates_is_the_table_it_says(tmp_path):
    result = read_market(market_file(tmp_path, CANDIDATES)).settle()
    table = ta.Candidates(
        [[0.5, 0.5], [0.9, 0.2], [0.7, 0.6]], [0.0, 0.3, 0.2], ["base", "clinic-lora", "soup"], "base"
    )
    expected = ta.settle(table, [ta.Report("clinic", 3), ta.Report("arcade", 1)])
    assert result.model == expected.model == "clinic-lora"
    assert result.to_dict() == expected.to_dict()
    # by hand: the arcade alone would take the base, 0.5 for nothing, against 0.2 - 0.3 at the chosen model
    assert result.payments["clinic"] == pytest.approx(0.5 - (0.2 - 0.3), abs=1e-15)
    assert result.payments["arcade"] == 0.0


def test_a_group_may_report_its_own_column(tmp_path):
    text = CANDIDATES.replace("{name: arcade, size: 1}", "{name: arcade, size: 1, scores: [0.5, 0.2, 2.6]}")
    result = read_market(market_file(tmp_path, text)).settle()
    assert result.model == "soup"
    assert result.values["arcade"] == 2.6


@pytest.mark.parametrize("out", [True, False])
def test_settling_candidates_on_the_command_line(tmp_path, out):
    path = market_file(tmp_path, CANDIDATES)
    shown = CliRunner().invoke(app, ["settle", str(path), *(["--out", str(tmp_path / "out")] if out else [])])
    assert shown.exit_code == 0
    assert "Chosen model: clinic-lora" in shown.stdout
    printed = json.loads(CliRunner().invoke(app, ["settle", str(path), "--json"]).stdout)
    assert ta.Settlement.from_dict(printed).model == "clinic-lora"
    if out:
        lines = (tmp_path / "out" / "candidates.csv").read_text().splitlines()
        assert lines[0] == "model,clinic,arcade,price,net_welfare,chosen"
        assert [line.split(",")[-1] for line in lines[1:]] == ["False", "True", "False"]


@pytest.mark.parametrize(
    ("rule", "payment"),
    [
        (ta.Welfare(weights=(1.0, 5.0)), ta.Externality()),
        (ta.Welfare(), ta.Free()),
    ],
)
def test_a_file_names_its_rule_and_payment(tmp_path, rule, payment):
    weights = "" if rule.weights is None else f", weights: {list(rule.weights)}"
    lines = f"rule: {{kind: Welfare{weights}}}\npayment: {{kind: {type(payment).__name__}}}\n"
    market = read_market(market_file(tmp_path, RESPONSES + lines))
    result = market.settle()
    assert (result.rule, result.payment) == (rule, payment)
    expected = ta.settle(market.space, market.reports, rule, payment)
    np.testing.assert_array_equal(result.model, expected.model)
    assert result.payments == expected.payments


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("clinic: 0.9", "clinc: 0.9", "model 'clinic-lora' has a value for 'clinc'. Did you mean 'clinic'?"),
        ("{arcade: 0.6, clinic: 0.7}", "{arcade: 0.6}", "model 'soup' has no value for group 'clinic'"),
        ("name: soup", "name: base", "model 'base' is named twice"),
        ("candidates:", "base: [1.0]\ncandidates:", "candidates have prices of their own"),
        ("size: 1}", "size: 1, scores: [1.0]}", "the scores of group 'arcade'"),
        ("groups:", "rule: {kind: Welfair}\ngroups:", "Did you mean 'Welfare'?"),
        ("groups:", "payment: {kind: Welfare}\ngroups:", "unknown kind 'Welfare'"),
        ("groups:", "rule: {kind: Welfare, boosts: [1.0]}\ngroups:", "boosts must have one number for each of the 3"),
        ("price: 0.3", "price: .nan", "price"),
    ],
)
def test_mistakes_in_a_file_of_candidates(tmp_path, old, new, said):
    shown = CliRunner().invoke(app, ["settle", str(market_file(tmp_path, CANDIDATES.replace(old, new)))])
    assert (shown.exit_code, shown.stdout, shown.stderr.count("\n")) == (2, "", 1)
    assert said in shown.stderr


def test_strength_is_no_option_for_candidates(tmp_path):
    shown = CliRunner().invoke(app, ["settle", str(market_file(tmp_path, CANDIDATES)), "--strength", "2"])
    assert shown.exit_code == 2
    assert "candidates have prices of their own" in shown.stderr


def test_what_a_market_of_responses_needs(tmp_path):
    for line, said in (
        ("divergence: {kind: KL, strength: 1.0}", "'divergence' is missing"),
        (", scores: [0.6, 0.5, 0.4]", "'school' has no scores"),
    ):
        shown = CliRunner().invoke(app, ["settle", str(market_file(tmp_path, RESPONSES.replace(line, "")))])
        assert shown.exit_code == 2
        assert said in shown.stderr


def test_a_negative_price_beside_a_free_base_says_what_to_rename(tmp_path):
    path = tmp_path / "market.yaml"
    path.write_text(CANDIDATES.replace("price: 0.3", "price: -0.3"))
    with pytest.raises(ta.InputError, match="give that model another name"):
        read_market(path)


def test_a_scale_without_scores_is_refused(tmp_path):
    path = tmp_path / "market.yaml"
    path.write_text(CANDIDATES.replace("{name: arcade, size: 1}", "{name: arcade, size: 1, scale: sum}"))
    with pytest.raises(ta.InputError, match="'arcade' has a scale but no scores"):
        read_market(path)


def test_models_trained_from_the_reports_are_not_called_truthful(tmp_path):
    result = read_market(market_file(tmp_path, "fixed: false\n" + CANDIDATES)).settle()
    assert [one.status for one in result.guarantees if one.name == "truthful"] == ["not claimed"]
    with pytest.raises(ta.InputError, match="trained from the reports"):
        read_market(market_file(tmp_path, "fixed: false\n" + RESPONSES))
