"""Jobs here or on workers: the same results, and clear ends when something dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuneaccord import execution
from tuneaccord.errors import InputError, TuneaccordError
from tuneaccord.execution import RETRIES, Processes, Serial, default_workers, executor_for, remark

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def cube(number):
    return number**3


def where(_):
    time.sleep(0.05)
    return os.getpid()


def fail(number):
    if number == 2:
        raise InputError("job two is bad")
    return number


def die(number):
    if number == 1:
        os._exit(9)
    return number


def signal_mask(_):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set()), signal.getsignal(signal.SIGINT)


@pytest.fixture(scope="module")
def two():
    with Processes(2) as executor:
        yield executor


@pytest.mark.slow
def test_results_in_the_order_of_jobs(two):
    jobs = list(range(20))
    assert two.map(cube, jobs) == Serial().map(cube, jobs) == [job**3 for job in jobs]
    assert sorted(two.run(cube, jobs)) == list(Serial().run(cube, jobs))
    assert two.map(cube, []) == Serial().map(cube, []) == []


def test_jobs_leave_this_process_and_workers_stay(two):
    first, second = set(two.map(where, range(8))), set(two.map(where, range(8)))
    assert os.getpid() not in first
    assert len(first | second) <= 2
    assert set(Serial().map(where, [1])) == {os.getpid()}


def test_an_exception_keeps_its_type_and_the_workers_go_on(two):
    for executor in (two, Serial()):
        with pytest.raises(InputError, match="job two is bad"):
            executor.map(fail, range(5))
        assert executor.map(fail, [0, 1]) == [0, 1]


def leave_a_mark(folder):
    time.sleep(0.02)
    (folder / str(time.monotonic_ns())).touch()


def test_a_consumer_that_stops_early(two, tmp_path):
    """What was waiting is cancelled, not done."""
    results = two.run(leave_a_mark, [tmp_path] * 1000)  # ten seconds
    next(results)
    results.close()
    assert two.map(cube, [2]) == [8]
    assert 1 <= len(list(tmp_path.iterdir())) < 1000


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_given_up():
    notes, others = [], 3
    with Processes(2) as executor:
        executor.note = notes.append
        with pytest.raises(TuneaccordError, match=r"a worker process died.*--workers 1"):
            executor.map(die, range(others + 1))
        assert executor.map(cube, [3]) == [27]
        assert executor.workers == 1  # fewer, in case it was for lack of memory
    assert RETRIES <= len(notes) <= RETRIES + others  # one more for each attempt that finished another job


def kill_once(job):
    """The process that finds the file is killed in the middle of its work."""
    number, file = job
    time.sleep(0.05)
    if number == 3 and file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return number**2


@pytest.mark.slow
@needs_proc
def test_a_worker_that_is_killed_is_replaced_and_its_job_repeated(tmp_path):
    notes, file = [], tmp_path / "kill"
    file.touch()
    with Processes(2) as executor:
        executor.note = notes.append
        found = list(executor.run(kill_once, [(number, file) for number in range(8)]))
    assert sorted(found) == [(number, number**2) for number in range(8)]  # each once
    assert len(notes) == 1
    assert notes[0].startswith("a worker died; what it had not finished is done again")


@pytest.mark.slow
@needs_proc
def test_a_worker_that_dies_between_two_calls():
    with Processes(1) as executor:
        (worker,) = executor.map(where, [0])
        os.kill(worker, signal.SIGKILL)
        until(lambda: executor._pool._broken, "the pool has not noticed")
        assert executor.map(cube, [3]) == [27]


def complain(number):
    remark("half as much at a time")
    return number


def test_remarks_are_passed_on_once(two):
    for executor in (two, Serial()):
        notes = []
        executor.note = notes.append
        assert executor.map(complain, range(4)) == list(range(4))
        assert executor.map(complain, range(2)) == list(range(2))
        assert notes == ["half as much at a time"]


def number_of_worker(_):
    time.sleep(0.2)
    return os.environ["TUNEACCORD_WORKER"]


@pytest.mark.slow
def test_workers_are_numbered(two):
    """So that each can take a GPU of its own."""
    found, end = set(), time.monotonic() + 120
    while len(found) < 2 and time.monotonic() < end:  # one may do all of the work while the other still starts
        found |= set(two.map(number_of_worker, range(4)))
    assert found == {"0", "1"}


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_workers_never_see_ctrl_c_and_this_process_does(two):
    assert two.map(signal_mask, [0]) == [(True, signal.SIG_IGN)]
    assert signal_mask(0)[0] is False


@pytest.mark.slow
def test_close_ends_the_workers():
    executor = Processes(2)
    workers = set(executor.map(where, range(4)))
    executor.close()
    assert not any(alive(worker) for worker in workers)
    executor.close()


def test_choosing():
    assert isinstance(executor_for(1), Serial)
    assert executor_for(3).workers == 3
    assert 1 <= default_workers(0.001) <= 16
    assert default_workers(1e9) == 1
    assert default_workers(1e9, gpus=3) == 3  # one for each GPU
    with pytest.raises(InputError, match=r"cannot run on 'slurm'. Choose one of: processes, ray"):
        executor_for(2, "slurm")


CHILD = """
import os, sys, time
sys.path.insert(0, {folder!r})
from test_execution import where, sleep
from tuneaccord.execution import Processes

if __name__ == "__main__":
    executor = Processes(2)
    print(*set(executor.map(where, range(8))), flush=True)
    executor.map(sleep, range(2))
"""


def sleep(_):
    time.sleep(60)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("sent", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_workers_leave_when_their_parent_is_killed(tmp_path, sent):
    """In the middle of a job."""
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(folder=str(Path(__file__).parent)))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as child:
        workers = [int(number) for number in child.stdout.readline().split()]
        assert workers
        assert all(map(alive, workers))
        child.send_signal(sent)
        child.wait(timeout=600)
        until(lambda: not any(map(alive, workers)), "workers outlive their parent")


def alive(process: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true, complaint: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, complaint
        time.sleep(0.02)


def test_workers_are_counted_by_the_memory_that_can_be_had(monkeypatch):
    """What the system keeps to read files faster is given up when it is needed."""
    monkeypatch.setattr(execution.os, "sched_getaffinity", lambda _: range(12), raising=False)
    content = ["MemTotal: 64 kB\nMemFree: 1 kB\nMemAvailable:   20971520 kB\n"]
    monkeypatch.setattr(execution.Path, "read_text", lambda *_, **__: content[0])
    assert default_workers(4.0) == 5
    content[0] = "nothing that is known"
    monkeypatch.setattr(execution.os, "sysconf", {"SC_AVPHYS_PAGES": 3 * 2**18, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert default_workers(1.0) == 3
