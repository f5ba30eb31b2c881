"""docs/mechanism.md names every divergence, rule and payment, and promises what the classes promise."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
import yaml

import tuneaccord as ta
from tuneaccord.specs import from_data

PAGE = (Path(__file__).parents[1] / "docs" / "mechanism.md").read_text()
PUBLIC = {name: getattr(ta, name) for name in ta.__all__}


def variants(interface):
    return [
        name
        for name, what in PUBLIC.items()
        if isinstance(what, type) and issubclass(what, interface) and not inspect.isabstract(what)
    ]


def row(name):
    found = re.search(rf"^\| `{name}` \|(.*)\|$", PAGE, re.MULTILINE)
    assert found, f"docs/mechanism.md has no row for {name}"
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize("interface", [ta.Divergence, ta.TrainingRule, ta.PaymentRule], ids=lambda kind: kind.__name__)
def test_every_variant_has_a_row(interface):
    assert len(variants(interface)) > 4
    for name in variants(interface):
        assert row(name)


@pytest.mark.parametrize("interface", [ta.ModelSpace, ta.BargainingSolution], ids=lambda kind: kind.__name__)
def test_every_other_variant_is_named(interface):
    for name in variants(interface):
        assert f"`{name}`" in PAGE


#: payments that cannot be made without a parameter
MADE = {"Redistribution": ta.Redistribution(10.0), "BalancedBudget": ta.BalancedBudget((1.0, 1.0))}


@pytest.mark.parametrize("name", variants(ta.PaymentRule))
def test_the_promises_of_a_payment(name):
    payment = MADE.get(name) or PUBLIC[name]()
    promised = [payment.truthful, payment.never_negative, payment.nobody_worse_off]
    assert row(name)[1:4] == ["yes" if holds else "no" for holds in promised]


@pytest.mark.parametrize("name", variants(ta.TrainingRule))
def test_only_affine_rules_have_truthful_payments(name):
    rule = PUBLIC[name](ta.Nash()) if name == "Bargained" else PUBLIC[name]()
    assert row(name)[1].startswith("yes") == rule.affine


PARAMETERS = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()


@pytest.mark.parametrize("line", PARAMETERS)
def test_the_parameters_are_read(line):
    part, given = yaml.safe_load(line).popitem()
    made = from_data(given, {"divergence": ta.Divergence, "rule": ta.TrainingRule, "payment": ta.PaymentRule}[part])
    assert set(given) - {"kind"} == {field.name for field in dataclasses.fields(made)}


@pytest.mark.parametrize("name", variants(ta.PaymentRule) + variants(ta.TrainingRule))
def test_every_variant_with_parameters_is_shown(name):
    assert not dataclasses.fields(PUBLIC[name]) or any(f"kind: {name}," in line for line in PARAMETERS)


def test_the_example_runs(capsys):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    exec(compile(code, "docs/mechanism.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    expected = re.findall(r"print\(.*\)  # (.*)", code)
    assert printed[: len(expected)] == expected
    assert any("no lie can gain more" in line for line in printed)
