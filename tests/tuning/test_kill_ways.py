"""Every way, killed at random moments: the same call goes on and ends with the same bytes.

One kill a way by default; ``TUNEACCORD_KILLS=20 pytest tests/tuning/test_kill_ways.py`` tries more. The processes are
forked from a server that has imported everything, so that a kill costs a second and not ten.
"""

import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from tiny_market import write_market

from tuneaccord.tuning.compare import compare_ways
from tuneaccord.tuning.ways import NAMES

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

KILLS = int(os.environ.get("TUNEACCORD_KILLS", "1"))


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), tiny_model)


@pytest.fixture(scope="module")
def server():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tuneaccord.tuning.compare", "tuneaccord.tuning.ways.rl"])
    return context


def start(server, market: Path, name: str, out: Path):
    process = server.Process(target=compare_ways, args=(market, [name], out, 1))
    process.start()
    return process


def finish(server, market: Path, name: str, out: Path) -> bytes:
    process = start(server, market, name, out)
    process.join(600)
    assert process.exitcode == 0
    return settled(out)


def settled(out: Path) -> bytes:
    """What the way decides: its record, and the settlement where there is one."""
    own = sorted(path for path in (out / "ways").rglob("*") if path.is_file())
    return b"".join(path.read_bytes() for path in [out / "comparison.json", *own])


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_random_moments(server, market, tmp_path, name):
    begun = time.monotonic()
    expected = finish(server, market, name, tmp_path / "undisturbed")
    seconds = time.monotonic() - begun
    draw = random.Random(name)
    for number in range(KILLS):
        out = tmp_path / f"killed-{number}"
        kill(server, market, name, out, draw.uniform(0.05, 1.0) * seconds)
        assert finish(server, market, name, out) == expected, f"kill {number}"


def kill(server, market: Path, name: str, out: Path, after: float) -> None:
    """A run that was killed before it was done; sooner where this one was faster than the one that was timed."""
    for _ in range(10):
        process = start(server, market, name, out)
        process.join(after)
        process.kill()
        process.join(120)
        if process.exitcode == -signal.SIGKILL:
            return
        assert process.exitcode == 0
        shutil.rmtree(out)
        after /= 2
    pytest.fail("it was never killed in time")
