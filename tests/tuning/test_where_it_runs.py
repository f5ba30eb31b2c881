"""Wherever its jobs run, and however often it moves, a run ends with the same bytes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from pathlib import Path

import pytest
from test_kill import assert_nothing_runs, assert_whole, start, steps, wait_for_steps
from tiny_market import process, write_market

from tuneaccord.tuning.run import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray")

SAME = ("settlement.json", "invoices.csv", "replies.json", "adapter/adapter_model.safetensors")


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    """A market whose model is named by its folder's name, so that it can move with it."""
    folder = tmp_path_factory.mktemp("here")
    shutil.copytree(tiny_model, folder / "model")
    return write_market(folder, "model", tune=8, held_out=6)


@pytest.fixture(scope="module")
def serial(market, tmp_path_factory) -> Path:
    """The files of a run in one process."""
    out = tmp_path_factory.mktemp("serial") / "out"
    run(market, out, workers=1)
    return out


def assert_same(out: Path, serial: Path) -> None:
    for name in SAME:
        assert (out / name).read_bytes() == (serial / name).read_bytes(), name


@pytest.mark.parametrize("on", ["processes", pytest.param("ray", marks=needs_ray)])
def test_the_same_bytes_with_two_workers(market, serial, tmp_path, on):
    done = process("tune", market, "--out", tmp_path / "out", "--workers", "2", "--on", on)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert_same(tmp_path / "out", serial)


@needs_ray
def test_moved_in_the_middle(market, serial, tmp_path):
    """Started on two processes, killed, moved, gone on with on Ray, killed, moved, finished in one process."""
    here = tmp_path / "here"
    shutil.copytree(market.parent, here)
    last = steps(serial)
    child = start(here / "tune.yaml", here / "out", 2)
    wait_for_steps(child, here / "out", last // 3)
    child.kill()
    child.wait(timeout=600)
    child.stderr.close()
    assert_nothing_runs(child.pid)
    there = Path(shutil.move(here, tmp_path / "there"))

    child = start(there / "tune.yaml", there / "out", 2, "--on", "ray")
    wait_for_steps(child, there / "out", last // 2)
    child.kill()
    child.wait(timeout=600)
    child.stderr.close()
    assert_whole(there / "out")
    elsewhere = Path(shutil.move(there, tmp_path / "elsewhere"))

    before = steps(elsewhere / "out")
    assert before > last // 3
    run(elsewhere / "tune.yaml", elsewhere / "out", workers=1)
    assert steps(elsewhere / "out") == last  # no step was done again under another name
    assert_same(elsewhere / "out", serial)


def test_a_worker_is_killed_in_the_middle(market, serial, tmp_path):
    """The command goes on by itself."""
    child = start(market, tmp_path / "out", 2)
    wait_for_steps(child, tmp_path / "out", 3)
    child.send_signal(signal.SIGSTOP)  # it must not come to its end while its workers are looked for
    try:
        workers = [pid for pid in children(child.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(workers[0], signal.SIGKILL)
    finally:
        child.send_signal(signal.SIGCONT)
    _, errors = child.communicate(timeout=600)
    assert child.returncode == 0, errors
    assert "a worker died; what it had not finished is done again" in errors
    assert_same(tmp_path / "out", serial)


def children(parent: int) -> list[int]:
    """The processes that it started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(path.name))
    return found
