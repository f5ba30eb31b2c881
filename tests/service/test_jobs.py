"""Jobs in one process on SQLite: timers, settling, and failures."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa
from session_steps import desk_at, in_seconds, in_state, in_time, kinds, opened, reporting, until

from tuneaccord.service import tables
from tuneaccord.service.errors import WrongState
from tuneaccord.service.jobs import Jobs, Pace
from tuneaccord.service.server import Server

FAST = Pace(sweep=0.2, poll=0.05, silence=2.0, grace=60.0)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = desk_at(tmp_path_factory.mktemp("server"))
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def jobs(desk):
    jobs = Jobs(desk, pace=FAST)
    jobs.start()
    yield jobs
    jobs.stop()


def ids(jobs, name):
    return [job.workflow_id for job in jobs.starter.listed() if f":{name}:" in job.workflow_id]


@pytest.mark.slow
def test_deadline_settlement_and_publication_come_by_themselves(desk, jobs):
    made = []
    soon = in_time(lambda due: made.append(reporting(desk, due, due)))
    ((name, _, _),) = made
    until(in_state(desk, name, "published"))
    assert kinds(desk, name)[-7:] == ["reported"] * 3 + ["closed", "settling", "settled", "published"]
    assert desk.session(name).at >= soon
    assert sorted(ids(jobs, name)) == [f"close:{name}:{soon}:v1", f"publish:{name}:{soon}:v1", f"settle:{name}:v1"]


@pytest.mark.slow
def test_asking_often_starts_one_job(desk, jobs):
    name, provider, _ = reporting(desk)
    assert jobs.submit("settle", name) is None, "nothing to settle before the close"
    with jobs.starter._lock:  # so that the background does not start it before us
        desk.close(provider, name)
    started = [jobs.submit("settle", name) for _ in range(5)]
    until(in_state(desk, name, "settled"))
    assert len([one for one in started if one]) <= 1
    assert ids(jobs, name) == [f"settle:{name}:v1"]
    assert kinds(desk, name).count("settled") == 1


@pytest.mark.slow
def test_a_moved_deadline_starts_a_new_timer_and_the_old_one_does_nothing(desk, jobs):
    made, far = [], in_seconds(3600)

    def begun_and_moved(due):
        name, provider, _ = reporting(desk, due, reports=False)
        until(lambda: len(ids(jobs, name)) == 1)
        desk.move_deadline(provider, name, far)
        made.append((name, provider))

    first = in_time(begun_and_moved)
    ((name, provider),) = made
    until(
        lambda: all(job.status == "SUCCESS" for job in jobs.starter.listed(workflow_id_prefix=f"close:{name}:{first}"))
    )
    assert desk.session(name).state == "reporting"
    until(lambda: set(ids(jobs, name)) == {f"close:{name}:{first}:v1", f"close:{name}:{far}:v1"})
    desk.cancel(provider, name, "enough")


@pytest.mark.slow
def test_a_session_without_a_report_fails_at_its_deadline_in_words(desk, jobs):
    name, provider, _ = reporting(desk, in_seconds(3600), reports=False)
    with pytest.raises(WrongState, match="nobody has reported"):
        desk.close(provider, name)
    in_time(lambda due: desk.move_deadline(provider, name, due))
    until(in_state(desk, name, "failed"))
    assert kinds(desk, name)[-3:] == ["closed", "settling", "failed"]
    assert desk.session(name).reason == "nobody reported, so there is nothing to settle. Open another session."
    with pytest.raises(WrongState, match="trying again would fail again"):
        desk.try_again(provider, name)


@pytest.mark.slow
def test_a_settlement_that_cannot_be_computed_fails_in_words_and_can_be_tried_again(desk, jobs):
    name, provider, _ = reporting(desk)
    report = sa.update(tables.documents).where(tables.documents.c.session_id == name)
    sealed = desk.store.documents(name, "report/")
    with desk.store.writing() as connection:
        connection.execute(report.values(content=b"what the disk made of it"))
    desk.close(provider, name)
    until(in_state(desk, name, "failed"))
    assert "report" in desk.session(name).reason
    desk.try_again(provider, name)
    until(lambda: kinds(desk, name).count("failed") == 2)
    assert kinds(desk, name)[-5:] == ["settling", "failed", "tried again", "settling", "failed"]
    assert sorted(ids(jobs, name)) == [f"settle:{name}:v1", f"settle:{name}:v1:again-1"]
    with desk.store.writing() as connection:
        for document, content in sealed.items():
            connection.execute(report.where(tables.documents.c.name == document).values(content=content))
    desk.try_again(provider, name)
    until(in_state(desk, name, "settled"))
    assert desk.session(name).attempts == 3


@pytest.mark.slow
def test_a_bug_fails_the_session_and_does_not_tell_what_it_saw(desk, jobs, monkeypatch):
    def broken(self, session_id, attempt):
        raise KeyError("size of legal: 3")

    monkeypatch.setattr(Server, "compute", broken)
    monkeypatch.setattr("tuneaccord.service.jobs_patience.FIRST_PAUSE", 0.01)
    name, provider, _ = reporting(desk)
    desk.close(provider, name)
    until(in_state(desk, name, "failed"))
    assert "KeyError" in desk.session(name).reason
    assert "legal" not in desk.session(name).reason
    monkeypatch.undo()
    desk.try_again(provider, name)
    until(in_state(desk, name, "settled"))


def test_a_cancelled_session_is_left_alone(desk, jobs, monkeypatch):
    at_work, cancelled = threading.Event(), threading.Event()
    compute = Server.compute

    def waiting(self, session_id, attempt):
        at_work.set()
        assert cancelled.wait(120)
        compute(self, session_id, attempt)

    monkeypatch.setattr(Server, "compute", waiting)
    name, provider, _ = reporting(desk)
    desk.close(provider, name)
    assert at_work.wait(120)
    desk.cancel(provider, name, "we found another way")
    cancelled.set()
    until(lambda: not jobs.serving.running)
    assert kinds(desk, name)[-2:] == ["settling", "cancelled"]


def test_a_pool_that_cannot_be_sampled_says_why(desk, jobs):
    sampling = {"model": "../../etc", "prompts": ["Why?"], "replies": 2}
    name, provider, _ = opened(desk, sampling=sampling)
    desk.sample(provider, name)
    until(lambda: not desk.session(name).sampling)
    assert desk.session(name).reason == "this server does not sample from '../../etc'. It offers: embedded."
    assert kinds(desk, name)[-1] == "sampling failed"


@pytest.mark.slow
def test_the_jobs_database_holds_nothing_of_a_report(desk, jobs):
    name, provider, groups = reporting(desk)
    desk.report(groups["legal"], name, {"size": 3.14159, "scores": [[0.271828, 0.1, 0.0]]})
    desk.close(provider, name)
    until(in_state(desk, name, "settled"))
    with sqlite3.connect(jobs.database.file) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert name in dump
    assert "portable_json" in dump
    assert "py_pickle" not in dump, "reading a pickle can run a program"
    assert "3.14159" not in dump
    assert "0.271828" not in dump


@pytest.mark.slow
def test_jobs_that_ended_long_ago_are_forgotten(desk, jobs, monkeypatch):
    name, provider, _ = reporting(desk)
    desk.close(provider, name)
    until(in_state(desk, name, "settled"))
    until(lambda: jobs.starter.listed(workflow_id_prefix=f"settle:{name}", status="SUCCESS"))
    jobs.starter.clean()
    assert ids(jobs, name) == [f"settle:{name}:v1"]
    monkeypatch.setattr("tuneaccord.service.jobs_starting._KEPT_DAYS", -1)
    jobs.starter.clean()
    assert ids(jobs, name) == []
    assert desk.session(name).state == "settled"
