"""Every way, killed at random moments: the same call goes on and ends with the same bytes.

Two kills a way by default; ``TUNEACCORD_KILLS=20 pytest tests/tuning/test_kill_ways.py`` tries more. The processes are
forked from a server that has imported everything, so that a kill costs a second and not ten.
"""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tiny_market import write_market

from tuneaccord.tuning.compare import compare_ways
from tuneaccord.tuning.ways import NAMES

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

KILLS = int(os.environ.get("TUNEACCORD_KILLS", "2"))


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
    process.join(300)
    assert process.exitcode == 0
    return settled(out)


def settled(out: Path) -> bytes:
    """What the way decides: its record, and the settlement where there is one."""
    own = sorted(path for path in (out / "ways").rglob("*") if path.is_file())
    return b"".join(path.read_bytes() for path in [out / "comparison.json", *own])


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_random_moments(server, market, tmp_path, name):
    finish(server, market, name, tmp_path / "first")  # imports and caches are warm after it
    begun = time.monotonic()
    expected = finish(server, market, name, tmp_path / "undisturbed")
    seconds = time.monotonic() - begun
    draw = random.Random(name)
    killed = 0
    for number in range(KILLS):
        out = tmp_path / f"killed-{number}"
        process = start(server, market, name, out)
        time.sleep(draw.uniform(0.05, 1.0) * seconds)
        process.kill()
        process.join(30)
        killed += process.exitcode == -signal.SIGKILL
        assert finish(server, market, name, out) == expected, f"kill {number}"
    assert killed > 0  # or nothing was tried
