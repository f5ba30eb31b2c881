"""Rows, and a database that goes away."""

import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa
from service_play import REPORTS, play

from tuneaccord.errors import InputError
from tuneaccord.service import database, tables
from tuneaccord.service.database import database_url
from tuneaccord.service.errors import NotFound, Unavailable
from tuneaccord.service.store import Store


@pytest.mark.parametrize("url", ["mysql://host/name", "tuneaccord.db", "", "sqlite+aiosqlite:///x.db"])
def test_other_databases_are_refused_without_repeating_the_url(url):
    with pytest.raises(InputError, match="the database must be sqlite:///FILE or postgresql://"):
        Store(url)


def test_passwords_stay_out_of_the_refusal():
    with pytest.raises(InputError) as told:
        database_url("mysql://us:secret@host/name")
    assert "secret" not in str(told.value)


def test_a_document_is_kept_as_it_was_first_written(desk_on):
    played = play(desk_on, "open")
    store = desk_on.store
    for content in (b"\x00first", b"second"):
        with store.writing() as connection:
            store.put(connection, played.id, "work/1", content, "t")
    assert store.document(played.id, "work/1") == b"\x00first"
    assert store.document(played.id, "work/2") is None
    assert store.document("another session", "work/1") is None


def test_documents_are_found_by_the_start_of_their_names(desk_on):
    played = play(desk_on, "open")
    names = ["report/1/a", "report/1/b%", "report/10/a", "reporT/1/a", "report_1/a"]
    with desk_on.store.writing() as connection:
        for name in names:
            desk_on.store.put(connection, played.id, name, name.encode(), "t")
    assert desk_on.store.documents(played.id, "report/1/") == {name: name.encode() for name in names[:2]}
    assert desk_on.store.documents(played.id, "report_") == {names[-1]: names[-1].encode()}
    assert desk_on.store.documents(played.id, "%") == {}


def test_what_a_failed_move_wrote_is_taken_back(desk_on):
    played = play(desk_on, "open")
    before = played.session

    def fails_late():
        with desk_on.moving(played.id) as moving:
            moving.move(played.provider.actor, "invited", {"group": "ops"})
            moving.add_token("invitation", "ops")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_late()
    assert played.session == before
    assert not [row for row in desk_on.store.tokens(played.id) if row.name == "ops"]


def test_an_entry_is_not_written_twice(desk_on):
    played = play(desk_on, "open")
    with desk_on.store.reading() as connection:
        last = desk_on.store.entries(connection, played.id)[-1]
    with pytest.raises(sa.exc.IntegrityError), desk_on.store.writing() as connection:
        desk_on.store.append(connection, played.session, last)


def test_errors_do_not_repeat_what_was_to_be_written(desk_on):
    played = play(desk_on, "open")
    row = desk_on.store.tokens(played.id)[0]
    with pytest.raises(sa.exc.IntegrityError) as told, desk_on.store.writing() as connection:
        desk_on.store.add_token(connection, replace(row, name="canary"))
    assert "canary" not in str(told.value)
    assert "hidden" in str(told.value)


def test_a_reader_sees_one_moment(desk_on):
    """Otherwise an entry that comes between two queries makes the log look damaged."""
    played = play(desk_on, "reporting")
    with desk_on.store.reading() as connection:
        count, head = desk_on.store.head(connection, played.id)
        desk_on.report(played.groups["legal"], played.id, REPORTS["legal"])
        log = desk_on.store.entries(connection, played.id)
        assert (len(log), log[-1].digest) == (count, head)
    assert played.session.entries == count + 1


def test_progress_is_overwritten_and_remembers_its_start(desk_on):
    played = play(desk_on, "open")
    desk_on.store.set_progress(played.id, "sampling", 1, 10, "t1")
    desk_on.store.set_progress(played.id, "sampling", 4, 2**40, "t2")
    expected = {"label": "sampling", "done": 4, "total": 2**40, "started_at": "t1", "at": "t2"}
    assert [{key: row[key] for key in expected} for row in desk_on.store.progress(played.id)] == [expected]


def test_workers_sign_and_are_struck_off(desk_on):
    for name, at in (("one", "t1"), ("two", "t1"), ("one", "t2")):
        desk_on.store.seen(name, at)
    assert desk_on.store.workers() == {"one": "t2", "two": "t1"}
    desk_on.store.forget_worker("two")
    desk_on.store.forget_worker("nobody")
    assert desk_on.store.workers() == {"one": "t2"}


def test_sessions_are_listed_by_state_the_newest_first(desk_on, clock):
    first = play(desk_on, "draft")
    clock.pass_by(1)
    second = play(desk_on, "open")
    assert [row["id"] for row in desk_on.store.sessions()] == [second.id, first.id]
    assert [row["id"] for row in desk_on.store.sessions(("draft", "failed"))] == [first.id]
    assert len(desk_on.store.sessions(most=1)) == 1
    with pytest.raises(NotFound), desk_on.store.reading() as connection:
        desk_on.store.head(connection, "0" * 24)


def test_a_session_of_another_state_of_the_log_is_refused(desk_on, connected, database_url):
    """Somebody who can write the database, and removes the trigger, is still found."""
    played = play(desk_on, "frozen")
    table = tables.entries
    drop = "DROP TRIGGER entries_no_update" + ("" if desk_on.store.sqlite else " ON entries")
    with desk_on.store.writing() as connection:
        connection.execute(sa.text(drop))
        connection.execute(
            sa.update(table).where(table.c.number == 2).values(body=sa.func.replace(table.c.body, "legal", "LEGAL"))
        )
    with pytest.raises(Unavailable, match=r"the log of session .* is damaged .*entry 2.* Restore"):
        connected(database_url).session(played.id)


def test_a_damaged_entry_of_another_process_is_not_taken_over(desk, connected):
    """Also by a process that knew the log before, and reads only what is new."""
    played = play(desk, "reporting")
    other = connected()
    other.session(played.id)
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    with desk.store.writing() as connection:
        connection.execute(sa.text("DROP TRIGGER entries_no_update"))
        table = tables.entries
        last = table.c.number == played.session.entries - 1
        changed = sa.func.replace(table.c.body, '"name": "legal"', '"name": "support"')
        assert connection.execute(sa.update(table).where(last).values(body=changed)).rowcount == 1
    with pytest.raises(Unavailable, match="damaged"):
        other.session(played.id)


def test_what_another_process_wrote_is_seen(desk_on, connected, database_url):
    played = play(desk_on, "reporting")
    other = connected(database_url)
    for name, report in REPORTS.items():
        (other if name == "support" else desk_on).report(played.groups[name], played.id, report)
        assert other.session(played.id) == desk_on.session(played.id)


# A database that goes away


def test_a_busy_database_is_waited_for_and_then_said_to_be_busy(desk, tmp_path, connected, monkeypatch):
    played = play(desk, "reporting")
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    impatient = connected()
    holder = sqlite3.connect(tmp_path / "tuneaccord.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="does not answer"):
        impatient.report(played.groups["legal"], played.id, REPORTS["legal"])
    assert impatient.session(played.id).reported == ()  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()
    impatient.report(played.groups["legal"], played.id, REPORTS["legal"])
    assert desk.session(played.id).reported == ("legal",)


def test_a_database_file_that_is_gone_and_comes_back(desk, tmp_path):
    played = play(desk, "reporting")
    desk.store.close()
    file = tmp_path / "tuneaccord.db"
    shutil.move(file, tmp_path / "away")
    file.mkdir()  # cannot be opened as a file
    with pytest.raises(Unavailable, match="the database does not answer"):
        desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    with pytest.raises(Unavailable), desk.store.writing():
        pass
    file.rmdir()
    shutil.move(tmp_path / "away", file)
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    assert played.session.reported == ("legal",)


@pytest.mark.postgres
@pytest.mark.slow
def test_a_postgresql_that_crashes_and_comes_back(restartable_postgres, connected):
    desk = connected(restartable_postgres.url())
    played = play(desk, "reporting")
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    restartable_postgres.stop("immediate")
    with pytest.raises(Unavailable, match="the database does not answer"):
        desk.report(played.groups["support"], played.id, REPORTS["support"])
    with pytest.raises(Unavailable):
        desk.session(played.id)
    restartable_postgres.start()
    desk.report(played.groups["support"], played.id, REPORTS["support"])
    restartable_postgres.restart("immediate")
    assert desk.session(played.id).reported == ("legal", "support")


@pytest.fixture
def refused_at_once(tmp_path):
    """Two connections to a new file; the first holds it, and the second is told so without any wait."""
    with (
        closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)) as holder,
        closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None, timeout=0)) as other,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        yield holder, other


def test_a_new_file_that_another_process_switches_at_the_same_moment(refused_at_once):
    holder, other = refused_at_once
    let_go = threading.Timer(0.2, holder.execute, ["COMMIT"])
    let_go.start()
    database.write_ahead(other)
    let_go.join()
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_new_file_that_stays_held_is_given_up(refused_at_once, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        database.write_ahead(refused_at_once[1])
