"""What a run will cost: tokens against those that really pass through the model, and what is finished costs nothing."""

import json
import resource
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import torch
from tiny_market import SPECIAL, WORDS, process, write_market, write_prompts
from typer.testing import CliRunner

from tuneaccord.artifacts import digest_of
from tuneaccord.cli.app import app
from tuneaccord.errors import InputError, RewardError
from tuneaccord.execution import Serial
from tuneaccord.llm import hf
from tuneaccord.tuning import cost, speed
from tuneaccord.tuning.cost import plan, rehearse
from tuneaccord.tuning.run import run
from tuneaccord.tuning.stand_ins import TOKENS
from tuneaccord.tuning.ways import Way, way, ways

VOCABULARY = len(SPECIAL) + len(WORDS)
POOLS = ("pool.parquet", "pool-held-out.parquet", "pool-adapter.parquet")


@pytest.fixture
def market(tiny_model, tmp_path):
    return write_market(tmp_path / "market", tiny_model)


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    """A tune file and the folder of its finished run."""
    market = write_market(tmp_path_factory.mktemp("market"), tiny_model)
    run(market, market.parent / "out", workers=1)
    return market, market.parent / "out"


@pytest.fixture
def stopped(finished, tmp_path):
    """The same run in a folder of its own, to take steps away from."""
    market, out = finished
    return market, Path(shutil.copytree(out, tmp_path / "out"))


def remove(out, *steps: str) -> None:
    for step in steps:
        for path in (out / "steps").glob(f"{step}-*"):
            path.unlink()


def tokens_left(config, out, train=True) -> dict[str, dict[str, int]]:
    """Tokens that are left, by step."""
    rehearsal, notes = rehearse(config, out, train)
    assert notes == ()
    return {name: step.tokens for name, step in rehearsal.notes.steps.items()}


def total(steps: dict[str, dict[str, int]], kind: str) -> int:
    return sum(tokens[kind] for tokens in steps.values())


def state_of(folder) -> dict:
    """All files of a folder with the time of their last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def reply_tokens(out, name: str) -> int:
    return sum(map(len, parquet.read_table(out / name)["tokens"].to_pylist()))


@pytest.fixture
def passed(monkeypatch):
    """Counts the positions that pass through the model, with gradients and without, and how often it is called."""
    from transformers import LlamaForCausalLM

    counted, forward = Counter(), LlamaForCausalLM.forward

    def counting(self, input_ids, *arguments, **options):
        counted["trained" if torch.is_grad_enabled() else "forward"] += input_ids.numel()
        return forward(self, input_ids, *arguments, **options)

    monkeypatch.setattr(LlamaForCausalLM, "forward", counting)
    return counted


@pytest.mark.slow
def test_the_tokens_are_those_that_a_run_uses_when_no_reply_ends_early(market, tmp_path, passed, monkeypatch):
    monkeypatch.setattr(hf.LanguageModel, "stop_tokens", [])
    out = tmp_path / "out"
    steps = tokens_left(market, out)
    assert not passed
    run(market, out, workers=1)
    assert total(steps, "sampled") == sum(reply_tokens(out, name) for name in POOLS)
    # The last token of a prompt is read with the replies, in place of the last token of each, when they are trained on
    # or scored. A reply's last token is not read when it is drawn.
    blocks = 2 * 2 * 4
    assert passed["trained"] == steps["tuning the adapter"]["read"] + total(steps, "trained") - blocks
    drawn, scored = 8 * 4 + 8 * 3 + 4 * 3, 8 + 6 + 6 + 2 * 3
    read = total(steps, "read") - steps["tuning the adapter"]["read"]
    assert passed["forward"] == read + total(steps, "sampled") + total(steps, "scored") - drawn - scored


@pytest.mark.slow
def test_once_the_pools_are_drawn_the_rest_is_exact(stopped, tmp_path):
    market, out = stopped
    remove(out, "base-log-probabilities", "tune", "log-ratios", "measure")
    before, steps = tokens_left(market, tmp_path / "nothing"), tokens_left(market, out)
    pool, held_out = (reply_tokens(out, name) for name in POOLS[:2])
    assert pool < before["sampling"]["sampled"] == 4 * 8 * 5
    assert total(steps, "sampled") == steps["measuring the adapter"]["sampled"] == 3 * 4 * 5
    assert steps["base log-probabilities"]["scored"] == pool
    assert steps["base, held out"]["scored"] == steps["adapter, held out"]["scored"] == held_out
    assert steps["tuning the adapter"]["trained"] == 2 * pool
    assert sum(total(tokens_left(market, out, train=False), kind) for kind in TOKENS) == 0


def test_what_is_finished_costs_nothing_and_nothing_is_written(finished, tmp_path):
    market, out = finished
    rehearse(market, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    before = state_of(out)
    made = plan(market, out, workers=1)
    assert all(step.done == step.jobs > 0 for step in made.steps)
    assert (made.cpu, made.wall, made.disk, sum(made.tokens.values())) == (0.0, 0.0, 0, 0)
    result = CliRunner().invoke(app, ["tune", str(market), "--out", str(out), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert f"Nothing is left to do for tiny: all {len(made.steps)} steps are finished." in result.stdout
    assert state_of(out) == before


def test_half_a_step_counts_by_its_jobs(stopped):
    market, out = stopped
    sampled = sorted((out / "steps").glob("sample-*"))
    sampled[0].unlink()
    sampled[1].write_text("damaged")
    steps = rehearse(market, out)[0].notes.steps
    assert sum(steps[name].jobs - steps[name].done for name in ("sampling", "sampling, held out")) == 2
    assert sampled[1].read_text() == "damaged"


def test_a_stop_in_the_middle_of_training(stopped):
    market, out = stopped
    states = sorted((out / "steps").glob("tune-*"), key=lambda path: path.stat().st_mtime_ns)
    for path in states[2:]:
        path.unlink()
    step = rehearse(market, out)[0].notes.steps["tuning the adapter"]
    assert (step.jobs, step.done) == (16, 6)  # two passes over eight blocks, three blocks a step
    assert [len(jobs) for jobs in step.rounds] == [3, 3, 3, 1]


def test_rewards_are_not_called_for_what_is_only_counted(market, tmp_path):
    (market.parent / "rewards.py").write_text("def short(*_): raise ValueError\n\n\ndef wet(*_): raise ValueError\n")
    steps = rehearse(market, tmp_path / "out")[0].notes.steps
    assert steps["scoring"].rewards == {"press": 32, "desk": 32, "garden": 32}


class Guessing(Way):
    name, description = "guessing", "asks for jobs that nobody knows"

    def run(self, job, drawn):
        job.store.map("guess", [1, 2], str, lambda jobs: job.executor.run(digest_of, jobs), job.progress, "asking")


def test_a_job_of_an_unknown_kind_is_told(market, tmp_path):
    rehearsal, notes = rehearse(market, tmp_path / "out", ways=[Guessing(), way("reply")])
    assert notes == (
        "what 'asking' needs is not known before it runs (digest_of). Neither this step nor what comes after it is "
        "counted.",
    )
    assert rehearsal.notes.steps["scoring"].jobs == 3


def test_the_ways_count_what_they_share_once(finished, tmp_path):
    market, out = finished
    alone = rehearse(market, tmp_path / "out")[0].notes.steps
    for place in (tmp_path / "out", out):
        names = ("reply", "adapter", "leave-one-out", "soups")
        steps = rehearse(market, place, ways=ways(names))[0].notes.steps
        left = {name: step.tokens["trained"] for name, step in steps.items() if name.endswith("tuning the adapter")}
        each = alone["tuning the adapter"].tokens["trained"]
        if place == out:
            each = 2 * reply_tokens(out, POOLS[0])
        assert left == {
            "adapter: tuning the adapter": each if place != out else 0,
            "leave-one-out: tuning the adapter": 3 * each,
            "soups: tuning the adapter": 3 * each,
        }
        measured = sum(step.tokens["sampled"] for name, step in steps.items() if name.startswith("leave-one-out: meas"))
        assert measured == 3 * 3 * 4 * 5  # without each of three groups: three prompts, four replies of five tokens
        if place != out:
            assert steps["leave-one-out: scoring without press"].rewards == {"press": 12, "desk": 12, "garden": 12}


@pytest.mark.slow
def test_an_adapter_without_training(tiny_model, tmp_path):
    adapter = {"method": "vocabulary", "contexts": 3, "block": 4, "validation_prompts": 1}
    market = write_market(tmp_path / "market", tiny_model, adapter=adapter)
    steps = rehearse(market, tmp_path / "out")[0].notes.steps
    words = 3 * (VOCABULARY // 8)  # as many as are taken to be likely, in three contexts
    assert steps["scoring the vocabulary"].rewards == dict.fromkeys(("press", "desk", "garden"), words)
    assert steps["reading the pool"].tokens["scored"] == 3 * 8 * 5
    assert steps["validating"].tokens["scored"] == 8 * 5
    assert total({name: step.tokens for name, step in steps.items()}, "trained") == 0
    run(market, tmp_path / "out", workers=1)
    assert all(step.done == step.jobs for step in rehearse(market, tmp_path / "out")[0].notes.steps.values())


@pytest.mark.slow
def test_a_training_that_two_ways_use_counts_once(market, tmp_path):
    pytest.importorskip("trl")
    rehearsal, notes = rehearse(market, tmp_path / "out", ways=ways(("rl", "checkpoints")))
    assert notes == ()
    steps = rehearsal.notes.steps
    drawn = steps["rl: reinforcement learning"].tokens["sampled"]
    rl = rehearsal.market.settings.rl
    assert drawn == rl.steps * min(rl.prompts_per_step, 4) * rl.replies * 5
    assert steps["rl: reinforcement learning"].rewards["press"] == drawn / 5
    again = steps["checkpoints: reinforcement learning"]
    assert (again.done, sum(again.tokens.values()), again.rewards) == (again.jobs, 0, {})
    # every checkpoint is another model: its replies are new to the rewards
    assert steps["checkpoints: scoring step 2"].rewards == {"press": 12, "desk": 12, "garden": 12}


def test_bad_input_is_found_before_anything_is_measured(market, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"config": "/another/file.yaml"}))
    with pytest.raises(InputError, match="holds the finished run of"):
        plan(market, tmp_path)


@pytest.fixture
def here(monkeypatch):
    """Measure in this process, which has imported everything."""
    monkeypatch.setattr(speed, "Processes", lambda workers: Serial())


def test_seconds_follow_the_tokens(market, tmp_path, here):
    made = plan(market, tmp_path / "out", workers=2, seconds=0.2)
    steps = {step.name: step for step in made.steps}
    assert steps["sampling"].cpu / steps["sampling, held out"].cpu == pytest.approx(
        sum(steps["sampling"].tokens.values()) / sum(steps["sampling, held out"].tokens.values())
    )
    # eight equal blocks on two workers, and six shorter ones
    ratio = steps["base log-probabilities"].wall / steps["base, held out"].wall
    assert ratio == pytest.approx(4 * (9 + 4 * 5) / (3 * (6 + 4 * 5)))
    assert all(step.cpu > 0 and step.disk > 0 for step in made.steps[1:])
    assert made.cpu == pytest.approx(sum(step.cpu for step in made.steps))
    data = json.loads(json.dumps(made.to_dict()))
    assert data["totals"]["tokens"] == made.tokens
    assert [step["name"] for step in data["steps"]] == list(steps)
    assert not (tmp_path / "out").exists()


def test_the_disk_is_what_a_run_writes(finished, tmp_path, here):
    market, out = finished
    made = plan(market, tmp_path / "out", workers=1, seconds=0.1)
    written = sum(path.stat().st_size for path in (out / "steps").iterdir())
    assert made.disk == pytest.approx(written, rel=0.1)  # other words, and replies that end early


def test_a_reward_that_fails_is_found(market, tmp_path, here):
    (market.parent / "rewards.py").write_text("def short(*_): raise ValueError\n\n\ndef wet(*_): raise ValueError\n")
    with pytest.raises(RewardError, match=r"'desk'.*raised ValueError"):
        plan(market, tmp_path / "out", seconds=0.1)


def test_what_will_not_fit_is_told(market, tmp_path, here, monkeypatch):
    monkeypatch.setattr(cost, "free_gigabytes", lambda: 1e-3)
    made = plan(market, tmp_path / "out", train=False, workers=1, seconds=0.1)
    assert "of memory are needed and 0.0 GiB are free: use fewer --workers" in made.notes[0]


@pytest.mark.slow
def test_the_table(market, tmp_path, here):
    arguments = ["tune", str(market), "--out", str(tmp_path / "out"), "--workers", "1", "--dry-run"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("sampling "))
    assert "160 sampled" in line
    assert "0 of 4" in line
    assert "Nothing was written." in result.stdout
    assert "measuring this machine" in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 120
    data = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert data["kind"] == "Plan"
    assert data["totals"]["rewards"] == 3 * (4 * 8 + 3 * 8 + 3 * 4)
    assert data["totals"]["tokens"]["sampled"] == 4 * 8 * 5 + 3 * 8 * 5 + 3 * 4 * 5


@pytest.mark.slow
def test_the_table_of_the_ways(market, tmp_path, here):
    arguments = ["compare", str(market), "--out", str(tmp_path / "out"), "--ways", "adapter,leave-one-out"]
    result = CliRunner().invoke(app, [*arguments, "--workers", "1", "--dry-run"])
    assert result.exit_code == 0, result.output
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert "60 sampled" in lines["adapter"]
    assert "180 sampled" in lines["leave-one-out"]
    assert not (tmp_path / "out").exists()


@pytest.mark.model
@pytest.mark.slow
def test_cpu_seconds_on_the_embedded_model_are_about_right(tmp_path):
    """Within a factor of two on a machine that does nothing else; caches and clock rates are shared on others."""
    from tuneaccord.llm import embedded

    embedded.ensure()
    config = write_market(
        tmp_path / "market",
        embedded.NAME,
        groups=[{"name": name, "size": 2, "reward": name} for name in ("upbeat", "calm", "easy")],
        dtype="auto",
        pool={"replies": 8, "new_tokens": 12, "temperature": 0.7},
        adapter={
            "method": "log-variance",
            "rank": 2,
            "learning_rate": 0.005,
            "block": 8,
            "blocks_per_step": 1,
            "validation_prompts": 0,
        },
        measure={"replies": 4},
    )
    write_prompts(config.parent / "tune.jsonl", ["How do I make tea?", "Why is the sky blue?"])
    write_prompts(config.parent / "held-out.jsonl", ["What is rain?", "How do I greet a guest?"])
    ratios = []
    while not ratios or (not 1 / 3 < ratios[-1] < 3 and len(ratios) < 4):  # again: others may have used the same core
        command = "tune", config, "--out", tmp_path / f"out{len(ratios)}", "--workers", "1"
        foreseen = process(*command, "--dry-run", "--json")
        assert foreseen.returncode == 0, foreseen.stderr
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert process(*command).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        ratios.append(json.loads(foreseen.stdout)["totals"]["cpu"] / used)
    assert 1 / 3 < ratios[-1] < 3, ratios
