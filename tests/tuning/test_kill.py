"""A run that is stopped at any moment, by any means, goes on to the same settlement; real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from tiny_market import WORDS, command, process, settings, write_market, write_prompts
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.tuning.run import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

STOPPED = "stopped; run the same command again to continue"


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    """A few seconds of work: 24 prompts, more than a hundred steps."""
    method = {"method": "log-variance", "rank": 2, "learning_rate": 0.01}
    adapter = {**method, "block": 4, "blocks_per_step": 4, "passes": 2}
    pool = {"replies": 12, "new_tokens": 12, "temperature": 0.9}
    config = write_market(tmp_path_factory.mktemp("market"), tiny_model, adapter=adapter, pool=pool)
    assert settings(tiny_model)["seed"] == 7
    pairs = [f"{first} {second} ?" for first in WORDS[:5] for second in WORDS[5:13]]
    write_prompts(config.parent / "tune.jsonl", pairs[:16])
    write_prompts(config.parent / "held-out.jsonl", pairs[16:24])
    return config


@pytest.fixture(scope="module")
def undisturbed(market, tmp_path_factory) -> tuple[bytes, int]:
    """The settlement of a run that nobody stopped, and how many steps it has."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run(market, out, workers=1)
    return (out / "settlement.json").read_bytes(), len(list((out / "steps").iterdir()))


def start(market: Path, out: Path, workers: int, *more: str) -> subprocess.Popen:
    """The command in a session of its own, so that everything it starts can be found."""
    return subprocess.Popen(
        command("tune", market, "--out", out, "--workers", workers, *more),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_steps(child: subprocess.Popen, out: Path, count: int, seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while steps(out) < count:
        ended = child.poll() is not None
        assert not ended or steps(out) >= count, child.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.002)


def steps(out: Path) -> int:
    folder = out / "steps"
    return sum(not path.name.startswith(".") for path in folder.iterdir()) if folder.exists() else 0


def session(leader: int) -> list[str]:
    """The processes of a session that still run, with what they are."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def assert_nothing_runs(leader: int) -> None:
    end = time.monotonic() + 120
    while running := session(leader):
        assert time.monotonic() < end, running
        time.sleep(0.05)


def assert_whole(out: Path) -> None:
    """Every file that is there under its name can be read."""
    for path in out.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".npz":
            with np.load(path) as archive:
                assert all(np.isfinite(archive[name]).all() for name in archive.files)
        elif path.suffix == ".parquet":
            assert parquet.read_table(path).num_rows > 0


def assert_continues(market: Path, out: Path, undisturbed: tuple[bytes, int]) -> None:
    result = CliRunner().invoke(app, ["tune", str(market), "--out", str(out), "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert (out / "settlement.json").read_bytes() == undisturbed[0]
    assert steps(out) == undisturbed[1]  # no step was done under another name


def kill(market: Path, folder: Path, workers: int, count: int, later: float) -> Path:
    """The folder of a run that was killed after so many steps; after fewer where it was done before it was killed."""
    for number in range(5):
        out = folder / f"out-{number}"
        child = start(market, out, workers)
        wait_for_steps(child, out, count)
        time.sleep(later)
        child.kill()
        child.wait(timeout=600)
        child.stderr.close()
        assert_nothing_runs(child.pid)
        if child.returncode == -signal.SIGKILL:
            return out
        assert child.returncode == 0
        count = 1 + count // 2
    pytest.fail("it was never killed in time")


@pytest.mark.parametrize(("workers", "moment"), [(2, 0), (1, 1), (2, 2), (1, 3)])
def test_killed(market, undisturbed, tmp_path, workers, moment):
    """At a random step of each quarter of the run; more and more of it is finished from one kill to the next."""
    draw = random.Random(moment)
    share = (moment + draw.random()) / 4
    out = kill(market, tmp_path, workers, 1 + int(share * (undisturbed[1] - 2)), draw.random() / 50)
    assert_whole(out)
    assert_continues(market, out, undisturbed)


@pytest.mark.parametrize(("workers", "count"), [(2, 1), (1, 30)])
def test_interrupted_as_by_a_terminal(market, undisturbed, tmp_path, workers, count):
    """Ctrl-C goes to all processes of the terminal at once; the command says one sentence and leaves."""
    out = tmp_path / "out"
    child = start(market, out, workers)
    wait_for_steps(child, out, count)
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=600)
    assert child.returncode == 130, errors
    assert errors.splitlines()[-1] == STOPPED
    assert "Traceback" not in errors
    assert_nothing_runs(child.pid)
    assert_whole(out)
    assert_continues(market, out, undisturbed)


@pytest.mark.parametrize("delay", [0.05, 0.12, 0.3])
def test_interrupted_while_workers_start(market, tmp_path, delay):
    """Workers that are still importing must not print tracebacks of their own."""
    child = start(market, tmp_path / "out", 2)
    end = time.monotonic() + 300
    while len(session(child.pid)) < 3:  # the command, the resource tracker, a worker
        assert child.poll() is None
        assert time.monotonic() < end
        time.sleep(0.005)
    time.sleep(delay)
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=600)
    assert (child.returncode, errors.splitlines()[-1]) == (130, STOPPED)
    assert "Traceback" not in errors
    assert_nothing_runs(child.pid)


def test_two_runs_at_once(market, undisturbed, tmp_path):
    out = tmp_path / "out"
    first = start(market, out, 1)
    wait_for_steps(first, out, 1)
    first.send_signal(signal.SIGSTOP)  # the second one needs seconds to start
    try:
        second = process("tune", market, "--out", out, "--workers", "1")
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert second.stderr.startswith(f"error: another run is working in {out}. Wait for it, or use another folder")
    assert second.stderr.count("\n") == 1
    _, errors = first.communicate(timeout=600)
    assert first.returncode == 0, errors
    assert (out / "settlement.json").read_bytes() == undisturbed[0]
