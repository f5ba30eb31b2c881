"""Mistakes around the ways to a language model: one line, exit status 2, before anything is trained."""

import importlib.util
import shutil

import pytest
import yaml
from tiny_market import settings, write_market
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.errors import InputError
from tuneaccord.tuning.opening import check_same_run


@pytest.fixture
def market(tiny_model, tmp_path):
    return write_market(tmp_path / "market", tiny_model)


def refused(*arguments) -> str:
    """The one line of a refusal."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    return errors[0]


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"soups": {"steps": 1000}}, "makes 501501 mixtures"),
        ({"rl": {"trl": {"normalize_advantages": True}}}, "normalize_advantages is True and must be False"),
        ({"rl": {"trl": {"gradient_chekpointing": True}}}, "Did you mean 'gradient_checkpointing'?"),
    ],
)
def test_what_a_way_cannot_do_is_said_before_anything_starts(market, tiny_model, tmp_path, option, change, expected):
    market.write_text(yaml.safe_dump(settings(tiny_model, **change)))
    assert expected in refused("compare", market, "--out", tmp_path / "out", "--workers", 1, *option)
    assert not (tmp_path / "out").exists()


def test_without_trl(market, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "trl" else real(name, *more))
    line = refused("compare", market, "--out", tmp_path / "out", "--workers", 1)
    assert "not installed: trl. Install them with: pip install 'tuneaccord[rl]'" in line
    assert "--ways reply,adapter,soups" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--ways", "reply,soup"), "there is no way 'soup' to obtain the model. Did you mean 'soups'?"),
        (("--ways", " , "), "--ways names no way"),
        (("--json", "--markdown"), "Choose one of them"),
    ],
)
def test_options_of_compare(market, tmp_path, options, expected):
    assert expected in refused("compare", market, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_a_place_that_there_is_not(market, tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEACCORD_ON", "rya")
    line = refused("compare", market, "--out", tmp_path / "out")
    assert "jobs cannot run on 'rya'. Choose one of: processes, ray." in line


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {}['boom']", "raised KeyError: 'boom' (in line {line} of rewards.py). It gets two lists of texts"),
        ("raise MemoryError", "raised MemoryError (in line {line} of rewards.py). It gets two lists of texts"),
    ],
)
def test_a_reward_that_raises_says_where(market, tmp_path, body, expected):
    source = market.parent / "rewards.py"
    lines = source.read_text().splitlines()
    last = next(number for number, line in enumerate(lines) if "count" in line)
    lines[last] = f"    {body}"
    source.write_text("\n".join(lines) + "\n")
    line = refused("tune", market, "--out", tmp_path / "out", "--workers", 1, "--no-tune")
    assert expected.format(line=last + 1) in line
    assert "the reward of group 'garden' (rewards.py:wet)" in line


def test_layers_that_the_model_does_not_have(market, tiny_model, tmp_path):
    adapter = {"method": "log-variance", "targets": ["o_prj"], "validation_prompts": 0}
    market.write_text(yaml.safe_dump(settings(tiny_model, adapter=adapter)))
    line = refused("tune", market, "--out", tmp_path / "out", "--workers", 1)
    assert "Linear layers that it has: down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj" in line


def test_a_finished_run_moves_with_its_file(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "run").mkdir(parents=True)
    (here / "tune.yaml").write_text("seed: 1\n")
    (here / "run" / "run.json").write_text(f'{{"config": "{here / "tune.yaml"}"}}')
    check_same_run(here / "run", here / "tune.yaml")
    shutil.copytree(here, there)
    with pytest.raises(InputError, match="holds the finished run of"):
        check_same_run(there / "run", there / "tune.yaml")  # the file of that run is still there
    shutil.rmtree(here)
    check_same_run(there / "run", there / "tune.yaml")
    with pytest.raises(InputError, match="holds the finished run of"):
        check_same_run(there / "run", there / "other.yaml")
