"""Jobs when processes stop and start: going on, a jobs database that is lost, and processes that do not work."""

import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
from session_steps import desk_at, in_state, in_time, kinds, reporting, until

from tuneaccord.errors import InputError
from tuneaccord.service.connect import connect
from tuneaccord.service.jobs import Jobs, Pace
from tuneaccord.service.jobs_tasks import Task
from tuneaccord.service.server import Server
from tuneaccord.service.settings import Settings

pytestmark = pytest.mark.slow
FAST = Pace(sweep=0.2, poll=0.05, silence=2.0, grace=60.0)


@pytest.fixture
def desk(tmp_path):
    desk = desk_at(tmp_path)
    yield desk
    desk.store.close()


def test_what_is_stopped_goes_on_at_its_first_unfinished_step(desk, monkeypatch):
    done = []
    for step in ("begin_settling", "compute", "record"):
        real = getattr(Server, step)

        def noted(self, *given, step=step, real=real):
            result = real(self, *given)
            done.append(step)
            return result

        monkeypatch.setattr(Server, step, noted)
    first = Jobs(desk, pace=FAST)
    first.start()
    real_compute = Server.compute

    def stopping(self, *given):
        real_compute(self, *given)
        first.serving.stopping.set()

    monkeypatch.setattr(Server, "compute", stopping)
    name, provider, _ = reporting(desk)
    desk.close(provider, name)
    until(lambda: "compute" in done)
    first.stop()
    assert desk.session(name).state == "settling"
    monkeypatch.setattr(Server, "compute", real_compute)
    second = Jobs(desk, pace=FAST)
    second.start()
    until(in_state(desk, name, "settled"))
    second.stop()
    assert done == ["begin_settling", "compute", "record"]
    assert second.executor != first.executor


def test_losing_the_jobs_database_loses_nothing(desk, monkeypatch):
    jobs = Jobs(desk, pace=FAST)
    jobs.start()
    compute, at_work, lost = Server.compute, threading.Event(), threading.Event()

    def waiting(self, session_id, attempt):
        at_work.set()
        assert lost.wait(120)
        compute(self, session_id, attempt)

    monkeypatch.setattr(Server, "compute", waiting)
    name, provider, _ = reporting(desk)
    made = []
    in_time(lambda due: made.append(reporting(desk, due)))
    ((timed, _, _),) = made
    desk.close(provider, name)
    assert at_work.wait(120)
    before = jobs.starter.client
    for file in jobs.database.file.parent.glob(jobs.database.file.name + "*"):
        file.unlink()
    until(lambda: jobs.starter.client not in (None, before))
    lost.set()
    until(in_state(desk, name, "settled"))
    until(in_state(desk, timed, "settled"))
    for one in (name, timed):
        assert kinds(desk, one).count("settled") == kinds(desk, one).count("settling") == 1
    jobs.stop()


def test_a_process_that_only_starts_jobs(desk):
    watching = Jobs(desk, work=False, pace=FAST)
    watching.start()
    name, provider, _ = reporting(desk)
    desk.close(provider, name)
    until(lambda: watching.figures()["waiting"] == 1)
    assert watching.figures() == {"workers": 0, "timers": 0, "waiting": 1, "running": 0, "running_here": 0}
    working = Jobs(desk, pace=FAST)
    working.start()
    with pytest.raises(InputError, match="works on jobs already"):
        Jobs(desk, pace=FAST).start()
    until(in_state(desk, name, "settled"))
    working.stop()
    watching.stop()
    assert not watching.ready


def test_a_job_that_kills_its_processes_is_given_up(desk):
    jobs = Jobs(desk, work=False, pace=FAST)
    jobs.start()
    name, provider, _ = reporting(desk)
    desk.close(provider, name)
    until(lambda: jobs.figures()["waiting"] == 1)
    with sqlite3.connect(jobs.database.file, timeout=60) as connection:  # as DBOS does after the last of its attempts
        connection.execute("UPDATE workflow_status SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'")
    connection.close()
    jobs.starter.ensure(Task("settle", name), anew=True)
    assert desk.session(name).state == "failed"
    assert desk.session(name).reason.startswith("the process that did it died 25 times")
    desk.try_again(provider, name)
    until(lambda: jobs.figures()["waiting"] == 1)
    jobs.stop()


def test_the_command_works_and_ends_when_it_is_asked_to(tmp_path):
    desk = connect(Settings(folder=tmp_path))
    command = [sys.executable, "-m", "tuneaccord", "work", "--folder", str(tmp_path)]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        until(desk.store.workers)
        name, provider, _ = reporting(desk)
        desk.close(provider, name)
        until(in_state(desk, name, "settled"))
        worker.send_signal(signal.SIGTERM)
        said = worker.communicate(timeout=120)[1]
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert f"working on the jobs of sqlite:///{tmp_path}/tuneaccord.db (Ctrl-C stops it)\n" in said
    assert f"job settle:{name}:v1 ended" in said
    assert desk.store.workers() == {}
    desk.store.close()
