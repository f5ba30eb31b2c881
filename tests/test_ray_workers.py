"""The same jobs on a Ray cluster of two workers that is started for the tests."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_execution import alive, cube, die, fail, kill_once, until, where

from tuneaccord import ray_workers
from tuneaccord.errors import InputError, MissingDependencyError, TuneaccordError
from tuneaccord.execution import Serial, executor_for
from tuneaccord.ray_workers import SHARED_BYTES, Ray

pytestmark = [
    pytest.mark.slow,  # a cluster takes seconds to start
    pytest.mark.skipif(ray_workers.importlib.util.find_spec("ray") is None, reason="needs Ray"),
]


@pytest.fixture(scope="module")
def cluster():
    with executor_for(2, "ray") as executor:
        assert isinstance(executor, Ray)
        yield executor


def test_the_results_of_serial(cluster):
    jobs = list(range(20))
    assert cluster.map(cube, jobs) == Serial().map(cube, jobs)
    assert cluster.map(cube, []) == []
    assert os.getpid() not in set(cluster.map(where, range(8)))


def test_an_exception_keeps_its_type_and_the_workers_go_on(cluster):
    with pytest.raises(InputError, match=r"^job two is bad$"):
        cluster.map(fail, range(5))
    assert cluster.map(fail, [0, 1]) == [0, 1]


def total(job):
    """Writes to what it is given, as a job may."""
    job["weights"]["a"] += job["number"]
    return float(job["weights"]["a"].sum()), float(job["row"].sum()), job["small"].tolist()


def test_large_arrays_are_put_once_and_arrive_whole(cluster, monkeypatch):
    weights = {name: np.full(SHARED_BYTES // 8, 2.0) for name in "ab"}
    row = np.arange(SHARED_BYTES, dtype=np.float64)
    jobs = [{"number": number, "weights": weights, "row": row, "small": np.ones(2)} for number in range(5)]
    expected = [total(pickle.loads(pickle.dumps(job))) for job in jobs]
    put, sent = __import__("ray").put, []
    monkeypatch.setattr("ray.put", lambda value: sent.append(value) or put(value))
    assert cluster.map(total, jobs) == expected
    assert len(sent) == 2
    assert sent[0] is weights
    assert sent[1] is row


def test_a_worker_that_is_killed_is_replaced_and_its_job_repeated(cluster, tmp_path, capfd):
    notes, file = [], tmp_path / "kill"
    file.touch()
    cluster.note = notes.append
    found = list(cluster.run(kill_once, [(number, file) for number in range(8)]))
    assert sorted(found) == [(number, number**2) for number in range(8)]
    assert notes == ["a worker died; what it had not finished is done again (1 jobs are left)"]
    time.sleep(0.5)  # Ray would print a little later
    assert capfd.readouterr().out == ""


def test_a_job_that_kills_every_worker_is_given_up():
    """Last of those that use the cluster: giving up closes it."""
    with Ray(2) as executor, pytest.raises(TuneaccordError, match="a worker process died"):
        executor.map(die, range(4))


def test_no_cluster(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with Ray(2) as executor:
        assert executor.address == "127.0.0.1:1"
    monkeypatch.setattr(ray_workers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tuneaccord\[ray\]'"):
        Ray(2)


@pytest.mark.parametrize(
    ("errors", "started"),
    [(0, True), (2, True), (3, False)],
)
def test_a_cluster_that_is_slow_to_start_is_started_again(errors, started):
    """As on a machine that is too busy: Ray's words for it, without the half minute."""
    left = ["The current node timed out during startup. This could happen because ..."] * errors
    asked, ended = [], []

    def init(**options):
        asked.append(options)
        if left:
            raise Exception(left.pop())

    ray = SimpleNamespace(init=init, shutdown=lambda: ended.append(1))
    if started:
        ray_workers._patiently(ray, {"num_cpus": 2})
    else:
        with pytest.raises(Exception, match="timed out during startup"):
            ray_workers._patiently(ray, {"num_cpus": 2})
    assert asked == [{"num_cpus": 2}] * min(errors + 1, 3)
    assert len(ended) == min(errors, 2)


def test_what_is_not_slowness_is_told_at_once():
    asked = []

    def init(**options):
        asked.append(options)
        raise ConnectionError("no such cluster")

    with pytest.raises(ConnectionError):
        ray_workers._patiently(SimpleNamespace(init=init), {})
    assert len(asked) == 1


CHILD = """
import sys
sys.path.insert(0, {folder!r})
from test_execution import where, sleep
from tuneaccord.ray_workers import Ray

if __name__ == "__main__":
    executor = Ray(2)
    print(*set(executor.map(where, range(8))), flush=True)
    try:
        executor.map(sleep, range(2))
    except KeyboardInterrupt:
        executor.close()
        sys.exit(130)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_parent_is_stopped(tmp_path, sent):
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(folder=str(Path(__file__).parent)))
    child, workers = started(script)
    with child:
        assert all(map(alive, workers))
        time.sleep(0.5)
        child.send_signal(sent) if sent == signal.SIGKILL else os.killpg(child.pid, sent)
        child.wait(timeout=600)
        assert child.returncode == (130 if sent == signal.SIGINT else -sent), child.stderr.read()
        until(lambda: not any(map(alive, workers)), "workers outlive their parent")


def started(script: Path) -> tuple[subprocess.Popen, list[int]]:
    """The process and its workers; Ray gives its own processes thirty seconds, which a busy machine can exceed."""
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        if workers := [int(number) for number in child.stdout.readline().split()]:
            break
        _, errors = child.communicate(timeout=600)
        assert "timed out during startup" in errors, errors
    return child, workers
