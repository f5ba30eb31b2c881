"""The parts of the jobs that need no workflow: which jobs a session needs, signs of life, patience with databases."""

import subprocess
import sys
import threading

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from tuneaccord.errors import InputError
from tuneaccord.service import jobs_database, jobs_patience
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.jobs_database import SCHEMA, JobsDatabase
from tuneaccord.service.jobs_patience import Stopping, Superseded, attempted
from tuneaccord.service.jobs_tasks import KINDS, Started, Task, next_id, task_of
from tuneaccord.service.jobs_workers import Heartbeats, new_executor
from tuneaccord.service.session import STATES

SOON = "2026-01-01T00:00:00.000Z"


def test_states_that_need_a_job():
    everything = {"sampling": True, "deadline": SOON, "reveal_at": SOON}
    needed = {state: task_of("s", state, **everything) for state in STATES}
    kinds = {state: task.kind for state, task in needed.items() if task}
    assert kinds == {
        "open": "sample", "reporting": "close", "closed": "settle", "settling": "settle", "settled": "publish"
    }  # fmt: skip
    assert set(kinds.values()) == set(KINDS)
    assert [state for state in STATES if task_of("s", state)] == ["closed", "settling"]


def test_a_moved_deadline_is_another_job():
    later = "2026-01-01T00:00:00.001Z"
    assert Task("close", "s", SOON).id != Task("close", "s", later).id
    assert Task("close", "s", SOON).wait(0.0) == 1_767_225_600.0  # that moment in seconds of the epoch, by hand
    assert Task("close", "s", SOON).wait(2e9) == 0.0 == Task("settle", "s").wait(0.0)


def test_next_id_follows_the_last_after_a_pause_that_doubles():
    task = Task("settle", "s")
    ended = [Started(task.id, "SUCCESS", 100.0), Started(f"{task.id}:again-1", "ERROR", 110.0)]
    other = Started(Task("settle", "s2").id, "PENDING")
    assert next_id(task, [*ended, other], 111.9) is None
    assert next_id(task, [*ended, other], 112.0) == "settle:s:v1:again-2"
    assert next_id(task, ended[1:], 111.5) == "settle:s:v1:again-2", "the first may have been cleaned away"
    for status in ("DELAYED", "ENQUEUED", "PENDING"):
        assert next_id(task, [*ended, Started(f"{task.id}:again-2", status)], 1e9) is None


class Told:
    """A process's signs of life: a count instead of the time."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return str(self.count)


def test_a_silent_process_is_struck_off_and_can_come_back(desk):
    now, told = [0.0], Told()
    ours, theirs = (Heartbeats(desk.store, name, 10.0, told, clock=lambda: now[0]) for name in ("ours", "theirs"))
    ours.beat()
    theirs.beat()
    for now[0] in (0.0, 2.0, 4.0, 6.0, 8.0):
        assert ours.living() == {"ours", "theirs"}
    theirs.beat()
    for now[0] in (9.0, 11.0, 13.0, 15.0, 17.0, 18.5):
        assert ours.living() == {"ours", "theirs"}, "silent since 8 or 9, as far as we can know"
    now[0] = 19.0
    assert ours.living() == {"ours"} == set(desk.store.workers())
    theirs.beat()
    assert ours.living() == {"ours", "theirs"}


def test_one_that_was_stopped_itself_does_not_take_the_others_for_dead(desk):
    now, told = [0.0], Told()
    ours = Heartbeats(desk.store, "ours", 10.0, told, clock=lambda: now[0])
    Heartbeats(desk.store, "theirs", 10.0, told).beat()
    for now[0] in (0.0, 1000.0, 2000.0, 3000.0):  # each counts as 2.5 seconds
        assert "theirs" in ours.living()
    now[0] = 4000.0
    assert "theirs" not in ours.living()


def test_leaving_is_seen_at_once(desk):
    one, other = (Heartbeats(desk.store, new_executor(), 10.0, Told()) for _ in range(2))
    one.beat()
    other.beat()
    one.leave()
    assert other.living() == {other.executor} != {one.executor}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(jobs_patience, "FIRST_PAUSE", 0.0)


def failing(errors, result="ready"):
    left = iter(errors)

    def step():
        for error in left:
            raise error
        return result

    return step


def test_patience_outlasts_a_database_that_is_away(quick):
    away = OperationalError("select 1", {}, Exception("gone"))
    told = Unavailable("the database does not answer.")
    told.__cause__ = away
    assert attempted("step", failing([away, told] * 20), threading.Event()) == {"done": "ready"}


def test_patience_ends_for_what_does_not_come_back(quick):
    missing = Unavailable("this process has no key")
    enough = jobs_patience.MOST_WAITS
    assert attempted("step", failing([missing] * enough), threading.Event()) == {"done": "ready"}
    outcome = attempted("step", failing([missing] * (enough + 1)), threading.Event())
    assert outcome == {"failed": "this process has no key"}


def test_wrong_data_fails_at_once_and_bugs_after_three_attempts(quick):
    assert attempted("step", failing([InputError("scores are wrong")]), threading.Event()) == {
        "failed": "scores are wrong"
    }
    assert attempted("step", failing([KeyError("x")] * 2), threading.Event()) == {"done": "ready"}
    reason = attempted("step", failing([KeyError("secret")] * 3), threading.Event())["failed"]
    assert "KeyError" in reason
    assert "secret" not in reason, "what a bug says may hold a report"


def test_superseded_is_needless_and_stopping_leaves_the_job_as_it_is(quick):
    assert attempted("step", failing([Superseded("closed")]), threading.Event()) == {"needless": "closed"}
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopping):
        attempted("step", failing([]), stopping)
    assert not issubclass(Stopping, Exception), "or DBOS would write the job down as failed"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://db/x"])
def test_jobs_need_a_database_that_outlives_the_process(url):
    with pytest.raises(InputError, match="jobs need an SQLite file or PostgreSQL"):
        JobsDatabase.beside(url)


def test_a_password_is_not_shown():
    assert "secret" not in repr(JobsDatabase.beside("postgresql://us:secret@db/x"))


@pytest.mark.slow
def test_processes_that_start_at_once_make_the_tables_of_jobs_once(database_url):
    code = (
        "import sys; from tuneaccord.service.jobs_database import JobsDatabase; sys.stdin.read(1); "
        "database = JobsDatabase.beside(sys.argv[1]); database.prepare(); client = database.client(); "
        "print(client.list_workflows()); client.destroy()"
    )
    command = [sys.executable, "-c", code, database_url]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    assert [one.communicate(timeout=600)[0] for one in running] == ["[]\n"] * 4
    assert [one.returncode for one in running] == [0] * 4


@pytest.mark.postgres
@pytest.mark.slow
def test_one_process_makes_the_tables_of_jobs_however_long_another_takes(postgres_url):
    """DBOS's own lock is not waited for longer than half a minute."""
    making = threading.Thread(target=JobsDatabase.beside(postgres_url).prepare)
    made = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = '{SCHEMA}'"
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [jobs_database._LOCK])
        making.start()
        making.join(1.0)
        assert making.is_alive()
        assert other.execute(made).fetchone() is None
        other.execute("SELECT pg_advisory_unlock(%s)", [jobs_database._LOCK])
        making.join(600)
        assert not making.is_alive()
        assert other.execute(made).fetchone() == (1,)
