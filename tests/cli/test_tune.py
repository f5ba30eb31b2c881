"""``tuneaccord tune`` and ``reply`` as a user sees them, on the tiny model and on the embedded one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_market import process, write_market, write_prompts
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.cli.progress import TerminalProgress

pytest.importorskip("torch")


def invoke(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), tiny_model)


@pytest.fixture(scope="module")
def finished(market, tmp_path_factory):
    """The folder of a finished run and what the command printed."""
    out = tmp_path_factory.mktemp("finished") / "out"
    result = invoke("tune", market, "--out", out, "--workers", 1)
    assert result.exit_code == 0, result.output
    return out, result


@pytest.mark.slow
def test_the_tables(finished):
    out, result = finished
    record = json.loads((out / "settlement.json").read_text())
    for group in record["groups"]:
        line = next(line for line in result.stdout.splitlines() if line.startswith(group["name"]))
        payment = record["settlement"]["payments"][group["name"]]["estimate"]
        assert group["reward"][:6] in line
        assert f"{payment:.3f}" in result.stdout
        assert record["money"]["invoices"][group["name"]] in result.stdout
    assert "truthful (exact)" in result.stdout
    assert "truthful (bounded)" in result.stdout
    assert " yes" not in result.stdout
    assert f"tuneaccord reply {out}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120
    assert "\x1b" not in result.stdout


def test_progress_goes_to_standard_error(finished):
    _, result = finished
    lines = result.stderr.splitlines()
    for label in ("sampling", "sampling, held out", "scoring", "tuning the adapter", "measuring the adapter"):
        assert f"{label} ..." in lines
    assert not any("Warning" in line for line in lines)


@pytest.mark.slow
def test_what_was_read_back_is_told(market, finished):
    out, _ = finished
    result = invoke("tune", market, "--out", out, "--workers", 1, "--json")
    assert result.exit_code == 0
    assert "sampling ..., 4 of 4 read back" in result.stderr
    assert json.loads(result.stdout) == json.loads((out / "settlement.json").read_text())


@pytest.mark.slow
def test_no_tune_says_so(market, tmp_path):
    result = invoke("tune", market, "--out", tmp_path, "--workers", 1, "--no-tune")
    assert result.exit_code == 0, result.output
    assert "No adapter was trained (--no-tune)." in result.stdout
    assert "tuning" not in result.stderr
    assert not (tmp_path / "adapter").exists()


@pytest.mark.slow
def test_the_default_folder(market, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke("tune", market, "--workers", 1, "--no-tune").exit_code == 0
    assert (tmp_path / "runs" / "tiny" / "settlement.json").exists()


def test_reply(finished):
    out, _ = finished
    first, again = (invoke("reply", out, "is it good ?", "--seed", 3) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout
    draw = json.loads(invoke("reply", out, "is it good ?", "--seed", 3, "--json").stdout)
    assert first.stdout == draw["reply"] + "\n"
    assert draw["candidates"][draw["kept"]]["reply"] == draw["reply"]
    assert sum(one["weight"] for one in draw["candidates"]) == pytest.approx(1.0)
    assert set(draw["candidates"][0]["scores"]) == {"press", "desk", "garden"}


def test_reply_shows_candidates(finished):
    out, _ = finished
    result = invoke("reply", out, "is it good ?", "--show", 3)
    assert "The 3 likeliest of 8 candidates (--seed " in result.stdout
    seed = result.stdout.split("--seed ")[1].split()[0]
    assert invoke("reply", out, "is it good ?", "--show", 3, "--seed", seed).stdout == result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("change", "expected"), [(-9.0, "never negative: 'desk' would be paid"), (9.0, "worse off")])
def test_a_broken_promise_is_told_and_exits_with_one(market, finished, monkeypatch, change, expected):
    from tuneaccord.tuning import run as run_module

    outcome = run_module.run(market, finished[0], workers=1)
    charges = outcome.settlement.payments_by_prompt + change
    broken = replace(outcome, settlement=replace(outcome.settlement, payments_by_prompt=charges))
    monkeypatch.setattr(run_module, "run", lambda *_: broken)
    result = invoke("tune", market)
    assert result.exit_code == 1
    assert "error: a promise fails its recheck: " in result.stderr
    assert expected in result.stderr


def test_a_terminal_gets_a_bar(capsys):
    progress = TerminalProgress()
    progress.console._force_terminal = True
    with progress.task("sampling", 3, done=1) as advance:
        advance()
    assert "sampling" in capsys.readouterr().err


# The embedded default model, as a process


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A small real run: three groups, four prompts, with an adapter."""
    from tuneaccord.llm import embedded

    embedded.ensure()
    groups = [{"name": name, "size": 2, "reward": name} for name in ("upbeat", "calm", "easy")]
    config = write_market(
        tmp_path_factory.mktemp("real"),
        embedded.NAME,
        groups=groups,
        dtype="auto",
        pool={"replies": 8, "new_tokens": 12, "temperature": 0.7},
        adapter={
            "method": "log-variance",
            "rank": 2,
            "learning_rate": 0.005,
            "block": 8,
            "blocks_per_step": 2,
            "validation_prompts": 1,
        },
        measure={"replies": 4},
    )
    write_prompts(config.parent / "tune.jsonl", ["How do I make tea?", "Why is the sky blue?", "Tell me a joke."])
    write_prompts(config.parent / "held-out.jsonl", ["What is rain?", "How do I greet a guest?"])
    out = config.parent / "out"
    return config, out, process("tune", config, "--out", out)


@pytest.mark.model
def test_a_real_run(small_run):
    _, out, result = small_run
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    assert "Traceback" not in result.stderr
    record = json.loads((out / "settlement.json").read_text())
    settled = record["settlement"]
    assert all(amount["estimate"] >= 0 for amount in settled["payments"].values())
    assert settled["net_welfare"]["estimate"] > settled["base_welfare"]["estimate"]
    assert [row["name"] for row in record["held_out"]["rows"]] == ["base", "policy", "adapter"]
    assert (out / "adapter" / "adapter_model.safetensors").exists()
    texts = [row["base"] for row in json.loads((out / "replies.json").read_text())]
    assert all(len(text.split()) > 3 for text in texts)


@pytest.mark.model
def test_a_real_run_again_in_another_folder(small_run, tmp_path):
    config, out, _ = small_run
    result = process("tune", config, "--out", tmp_path / "again", "--workers", "1")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "again" / "settlement.json").read_bytes() == (out / "settlement.json").read_bytes()


@pytest.mark.model
def test_a_real_reply(small_run):
    _, out, _ = small_run
    first = process("reply", out, "How do I water a cactus?", "--seed", "1", "--show", "2")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert len(first.stdout.splitlines()[0].split()) > 3
    assert "The 2 likeliest of 8 candidates" in first.stdout
