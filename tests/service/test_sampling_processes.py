"""A session's pool drawn by ``tuneaccord work`` itself: on processes and on Ray, undisturbed and killed on the way."""

import importlib.util
import itertools
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from session_steps import in_state, kinds, opened, until

from tuneaccord.artifacts import canonical_json
from tuneaccord.progress import Silent
from tuneaccord.service.connect import connect
from tuneaccord.service.jobs_sampling import SamplingPlace, drawn_pool
from tuneaccord.service.settings import Settings

pytest.importorskip("torch", reason="sampling needs the llm extra: pip install tuneaccord[llm]")

pytestmark = pytest.mark.slow
PATIENCE = 240  #: seconds for what takes ten on a machine of its own: PyTorch is imported up to six times
WORDS = ("water", "the plant", "how do i", "good", "bad")
#: each is a batch of its own with this many replies, so that there is time to be killed
PROMPTS = [" ".join(words) + " ?" for words in itertools.permutations(WORDS, 3)][:40]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install ray")


@pytest.fixture(scope="module")
def source(tiny_model):
    return {"model": str(tiny_model), "prompts": PROMPTS, "replies": 65, "longest": 40, "seed": 7, "temperature": 0.8}


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    """The pool as this process draws it."""
    place = SamplingPlace(tmp_path_factory.mktemp("here"), (source["model"],), on="serial")
    return canonical_json(drawn_pool(source, place, Silent())["responses"])


@pytest.fixture
def session(tmp_path, source):
    """(desk, session id) of a session that waits for its pool."""
    desk = connect(Settings(folder=tmp_path))
    name, provider, _ = opened(desk, sampling=source)
    desk.sample(provider, name)
    yield desk, name
    desk.store.close()


@contextmanager
def worker(folder, model, on):
    """``tuneaccord work``, killed at the end if it is still there."""
    variables = {"TUNEACCORD_FOLDER": folder, "TUNEACCORD_MODELS": model, "TUNEACCORD_ON": on, "OMP_NUM_THREADS": 1}
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}, "TUNEACCORD_SILENCE": "2"}
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "tuneaccord", "work"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield process
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-6000:])
        raise
    finally:
        process.kill()
        process.wait()


def drawn(folder):
    """The files of what was drawn so far, with the times at which they were written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "sampling").glob("sample-*.json")}


def descendants(pid):
    """The processes that this one started, and those that they did."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # gone meanwhile
            continue
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def running(pids):
    """Those of them that still run."""
    return {pid for pid in pids if _state(pid) not in ("Z", "")}


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(("on", "sent"), [("processes", "KILL"), pytest.param("ray", "TERM", marks=needs_ray)])
def test_a_worker_ends_on_the_way_and_another_goes_on(session, source, undisturbed, tmp_path, on, sent):
    """Killed without a word, or asked to end; the pool is to the byte what one process draws that nobody disturbs."""
    desk, name = session
    with worker(tmp_path, source["model"], on) as first:
        until(lambda: len(drawn(tmp_path)) > 2, PATIENCE)
        below = descendants(first.pid)
        first.send_signal(signal.Signals[f"SIG{sent}"])
        assert first.wait(PATIENCE) == (0 if sent == "TERM" else -signal.SIGKILL)
        before = drawn(tmp_path)
    assert 2 < len(before) < len(PROMPTS), "it was stopped too late"
    assert desk.session(name).sampling
    with worker(tmp_path, source["model"], on) as second:
        until(in_state(desk, name, "frozen"), PATIENCE)
        second.terminate()
        assert second.wait(PATIENCE) == 0
    after = drawn(tmp_path)
    assert {path: after[path] for path in before} == before, "what was drawn before was drawn again"
    assert len(after) == len(PROMPTS)
    assert canonical_json(desk.pool(name)[0]["responses"]) == undisturbed
    assert kinds(desk, name).count("frozen") == kinds(desk, name).count("sampling") == 1
    assert below
    until(lambda: not running(below), PATIENCE)
