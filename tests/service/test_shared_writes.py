"""Writes that share a transaction: each is there when it says so, and one that fails takes back only itself."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from service_play import REPORTS, play

from tuneaccord.service import database, sharing
from tuneaccord.service.chain import first_fault
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.store import Store


@pytest.fixture
def store(desk_on):
    """A store with a session."""
    desk_on.session_id = play(desk_on, "open").id
    return desk_on


@pytest.fixture
def commits(store):
    """One item for each commit of the database."""
    counted = []
    sa.event.listen(store.store.engine, "commit", counted.append)
    return counted


def names(desk):
    """The documents that everybody sees."""
    return set(desk.store.documents(desk.session_id, "w/"))


def write(desk, name, during=lambda: None):
    """One write; what everybody sees after it."""
    with desk.store.writing(desk.session_id) as connection:
        desk.store.put(connection, desk.session_id, f"w/{name}", b"", "t")
        during()
    return names(desk)


def sharing_of(desk):
    """What the writes of the session share."""
    store = desk.store
    return store._writes if store.sqlite else store._by_session[desk.session_id][0]


def together(desk, *functions):
    """Run the functions in threads, the first of them holding its turn until the others wait for theirs."""
    ready = threading.Event()

    def first():
        def until_all_wait():
            ready.set()
            end = time.monotonic() + 120
            while sharing_of(desk)._waiting < len(functions) - 1:
                assert time.monotonic() < end
                time.sleep(0.001)

        return functions[0](until_all_wait)

    def later(function):
        ready.wait()
        return function(lambda: None)

    with ThreadPoolExecutor(len(functions)) as threads:
        futures = [threads.submit(first), *(threads.submit(later, function) for function in functions[1:])]
    return [future.exception() or future.result() for future in futures]


def writing(desk, name):
    """A function for :func:`together` that writes."""
    return lambda during: write(desk, name, during)


def failing(desk, name):
    """One that writes and then fails."""

    def function(during):
        def fails():
            during()
            raise RuntimeError(name)

        return write(desk, name, fails)

    return function


def test_writes_that_wait_share_a_commit_and_are_there_when_they_return(store, commits, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)
    seen = together(store, *(writing(store, n) for n in range(8)))
    assert all(f"w/{n}" in seen[n] for n in range(8))
    assert len(commits) == 1
    write(store, "alone")
    assert len(commits) == 2


def test_one_that_fails_takes_back_only_itself(store, commits, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)
    told = together(store, writing(store, "a"), failing(store, "b"), writing(store, "c"), failing(store, "d"))
    assert [str(told[1]), str(told[3])] == ["b", "d"]
    assert names(store) == {"w/a", "w/c"}
    assert len(commits) == 1


@pytest.mark.slow
def test_when_the_first_fails_the_others_begin_anew(store):
    told = together(store, failing(store, "a"), writing(store, "b"), writing(store, "c"))
    assert isinstance(told[0], RuntimeError)
    assert names(store) == {"w/b", "w/c"}


def test_a_statement_that_the_database_refuses_spoils_nothing_for_the_others(store, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)

    def refused(during):
        with store.store.writing(store.session_id) as connection:
            connection.execute(sa.text("DELETE FROM entries"))

    told = together(store, writing(store, "a"), refused, writing(store, "b"))
    assert isinstance(told[1], sa.exc.DBAPIError)
    assert names(store) == {"w/a", "w/b"}
    assert store.session(store.session_id).state == "open"


def test_when_the_commit_fails_all_are_told_and_nothing_is_kept(store, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)

    def fails(connection):
        raise OSError("the disk is gone")

    sa.event.listen(store.store.engine, "commit", fails)
    told = together(store, *(writing(store, n) for n in range(4)))
    assert [type(one) for one in told] == [Unavailable] * 4
    sa.event.remove(store.store.engine, "commit", fails)
    assert names(store) == set()
    write(store, "after")
    assert names(store) == {"w/after"}


def test_a_transaction_takes_only_so_many_and_only_for_so_long(store, commits, monkeypatch):
    monkeypatch.setattr(sharing, "MOST", 3)
    monkeypatch.setattr(sharing, "LONGEST", 60.0)
    together(store, *(writing(store, n) for n in range(9)))
    assert len(commits) >= 3
    commits.clear()
    monkeypatch.setattr(sharing, "LONGEST", 0.0)
    together(store, *(writing(store, f"again {n}") for n in range(4)))
    assert len(commits) == 4
    assert len(names(store)) == 13


def test_a_turn_is_not_waited_for_for_ever(desk, monkeypatch):
    desk.session_id = play(desk, "open").id
    desk.store._writes._patience = 0.05
    held = threading.Event()
    free = threading.Event()

    def holds():
        held.set()
        free.wait(120)

    holder = threading.Thread(target=write, args=(desk, "held", holds))
    holder.start()
    held.wait()
    with pytest.raises(Unavailable, match="busy"):
        write(desk, "late")
    free.set()
    holder.join()
    assert names(desk) == {"w/held"}


def test_what_was_left_open_for_one_that_does_not_come_is_committed(desk, monkeypatch):
    monkeypatch.setattr(sharing, "LOOK", 0.02)
    desk.session_id = play(desk, "open").id
    writes = desk.store._writes

    def somebody_gives_up():
        writes._waiting += 1  # as one who is interrupted while it waits
        threading.Timer(0.1, lambda: setattr(writes, "_waiting", 0)).start()

    assert write(desk, "a", somebody_gives_up) == {"w/a"}


def test_a_write_may_follow_from_one_that_is_not_committed_yet(store, monkeypatch):
    """Moves of one session in one transaction see each other, and are numbered without gaps."""
    monkeypatch.setattr(sharing, "LONGEST", 60.0)
    played = play(store, "reporting", reports={f"g{n}": REPORTS["legal"] for n in range(6)})
    start = threading.Barrier(6)

    def report(name):
        start.wait()
        return store.report(played.groups[name], played.id, REPORTS["legal"])["entry"]["number"]

    before = played.session.entries
    with ThreadPoolExecutor(6) as threads:
        numbers = sorted(threads.map(report, played.groups))
    assert numbers == list(range(before, before + 6))
    assert played.session.entries == before + 6


def test_when_one_cannot_be_taken_back_all_that_share_with_it_are_told(store, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)

    def spoils(during):
        with store.store.writing(store.session_id) as connection:
            connection.exec_driver_sql("RELEASE SAVEPOINT part_1")
            raise RuntimeError("what was written cannot be told apart any more")

    told = together(store, writing(store, "a"), spoils)
    assert isinstance(told[0], Unavailable)
    assert isinstance(told[1], RuntimeError)
    assert "w/a" not in names(store)
    write(store, "after")
    assert "w/after" in names(store)


def test_a_move_that_is_taken_back_leaves_no_trace_in_those_after_it(store, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)
    played = play(store, "reporting", reports={f"g{n}": REPORTS["legal"] for n in range(3)})
    store.session_id = played.id

    def reporting(name, fails=False):
        def function(during):
            with store.moving(played.id) as moving:
                moving.move(played.groups[name].actor, "reported", {"commitment": name})
                during()
                if fails:
                    raise RuntimeError(name)
            return moving.session.entries

        return function

    before = store.session(played.id).entries
    told = together(store, reporting("g0"), reporting("g1", fails=True), reporting("g2"))
    assert isinstance(told[1], RuntimeError)
    assert sorted((told[0], told[2])) == [before + 1, before + 2]
    with store.store.reading() as connection:
        log = [entry.to_dict() for entry in store.store.entries(connection, played.id)]
        assert store.store.head(connection, played.id) == (before + 2, log[-1]["digest"])
    assert first_fault(played.id, log) is None
    assert [entry["by"]["name"] for entry in log[before:]] == ["g0", "g2"]


def test_the_row_of_a_session_is_written_once_for_all_that_share(store, monkeypatch):
    monkeypatch.setattr(sharing, "LONGEST", 60.0)
    played = play(store, "reporting", reports={f"g{n}": REPORTS["legal"] for n in range(5)})
    store.session_id, updates = played.id, []

    def heard(connection, cursor, statement, *rest):
        if statement.startswith("UPDATE sessions"):
            updates.append(statement)

    def reporting(name):
        def function(during):
            with store.moving(played.id) as moving:
                moving.move(played.groups[name].actor, "reported", {"commitment": name})
                during()

        return function

    sa.event.listen(store.store.engine, "before_cursor_execute", heard)
    together(store, *(reporting(f"g{n}") for n in range(5)))
    assert len(updates) == 1


@pytest.mark.postgres
@pytest.mark.slow
def test_no_report_that_was_confirmed_is_lost_in_a_crash(restartable_postgres, connected):
    desk = connected(restartable_postgres.url())
    played = play(desk, "reporting", reports={f"g{n}": REPORTS["legal"] for n in range(8)})
    stop, confirmed = threading.Event(), []

    def keep_reporting(name):
        refused = 0
        while not stop.is_set():
            try:
                confirmed.append(desk.report(played.groups[name], played.id, REPORTS["legal"])["entry"])
            except Unavailable:
                refused += 1
                time.sleep(0.02)
        return refused

    with ThreadPoolExecutor(8) as threads:
        working = [threads.submit(keep_reporting, name) for name in played.groups]
        for _ in range(3):
            time.sleep(0.3)
            restartable_postgres.restart("immediate")
        until = time.monotonic() + 120
        while not (len(confirmed) > 20 and played_on(desk, played)) and time.monotonic() < until:
            time.sleep(0.1)
        stop.set()
        refused = sum(one.result() for one in working)
    with desk.store.reading() as connection:
        log = {entry.number: entry.digest for entry in desk.store.entries(connection, played.id)}
    assert refused > 0
    assert len(confirmed) > 20
    assert [entry["number"] for entry in confirmed if log.get(entry["number"]) != entry["digest"]] == []


def played_on(desk, played):
    """Whether the database answers again."""
    try:
        return desk.session(played.id).state == "reporting"
    except Unavailable:
        return False


CHILD = """
import sys
from pathlib import Path
from threading import Thread
from service_play import REPORTS, play
from tuneaccord.service.connect import connect
from tuneaccord.service.settings import Settings

desk = connect(Settings(folder=Path(sys.argv[1]), database=sys.argv[2]))
played = play(desk, "reporting", reports={f"g{n}": REPORTS["legal"] for n in range(8)})
print(played.id, flush=True)


def keep_reporting(name):
    while True:
        entry = desk.report(played.groups[name], played.id, REPORTS["legal"])["entry"]
        print(f"{entry['number']} {entry['digest']}\\n", end="", flush=True)


for name in played.groups:
    Thread(target=keep_reporting, args=(name,)).start()
"""


@pytest.mark.slow
def test_no_report_that_was_confirmed_is_lost_with_the_process(database_url, tmp_path, connected):
    for confirmed in (1, 40):  # killed after so many
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), database_url],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        session_id = child.stdout.readline().strip()
        told = [child.stdout.readline() for _ in range(confirmed)]
        child.kill()
        told += child.stdout.read().splitlines(keepends=True)
        child.stdout.close()
        child.wait()
        desk = connected(database_url)
        with desk.store.reading() as connection:
            log = {f"{one.number} {one.digest}": one for one in desk.store.entries(connection, session_id)}
        assert len(told) >= confirmed
        whole = [line.strip() for line in told if line.endswith("\n")]  # the last may be cut by the kill
        assert [line for line in whole if line not in log] == []
        assert desk.session(session_id).state == "reporting"  # the whole log, checked
        entries = {f"report/{one.number}/{one.by['name']}" for one in log.values() if one.kind == "reported"}
        assert set(desk.store.documents(session_id, "report/")) == entries


def test_an_interrupt_in_the_commit_is_told_to_all_that_share_it(desk, monkeypatch):
    """Nobody is told that something was written that was not, and the next write has its turn."""
    store = desk
    store.session_id = play(desk, "open").id
    shared = sharing_of(store)

    def interrupted(connection):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shared, "_finish", interrupted)
        found = together(store, writing(store, "one"), writing(store, "two"))
    assert sorted(type(one).__name__ for one in found) == ["KeyboardInterrupt", "Unavailable"]
    assert names(store) == set()
    assert write(store, "three") == {"w/three"}


def test_a_transaction_that_cannot_begin_gives_its_connection_back(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    store = Store(f"sqlite:///{tmp_path / 'tuneaccord.db'}")
    session_id = play(desk, "open").id
    with closing(sqlite3.connect(tmp_path / "tuneaccord.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(Unavailable, match="does not answer"), store.writing(session_id):
                raise AssertionError("it began")
            assert store.engine.pool.checkedout() == 0
        holder.execute("ROLLBACK")
    store.close()
