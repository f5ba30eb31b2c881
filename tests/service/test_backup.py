"""A backup is one moment of a running server, whole or not there, and can be restored anywhere or not at all."""

import errno
import json
import threading
import time
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from service_play import REPORTS, play
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.errors import InputError, StorageError
from tuneaccord.progress import Silent
from tuneaccord.service import tables
from tuneaccord.service.backup import TABLES, back_up, check, restore
from tuneaccord.service.backup_file import writing
from tuneaccord.service.keys import KEY_FILES
from tuneaccord.service.migrations import migrate, remove_all, revision_of

AT = "2026-03-01T12:00:00.000Z"


@pytest.fixture
def played(desk):
    """Two sessions: one published, one in which reports are sealed."""
    play(desk, "open")
    return play(desk, "published")


@pytest.fixture
def saved(played, tmp_path):
    """A backup with keys, and the desk that it is of."""
    back_up(played.desk.store, tmp_path / "keys", tmp_path / "all.backup", AT, with_keys=True)
    return tmp_path / "all.backup"


def rows(store):
    """Everything in a database, in no order."""
    with store.reading() as connection:
        found = {name: connection.execute(sa.select(tables.metadata.tables[name])).all() for name in TABLES}
    return {
        name: {tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in found[name]}
        for name in found
    }


def test_what_is_restored_is_what_was_there(saved, played, connected, tmp_path):
    other = connected(folder=tmp_path / "other")
    (other_keys := tmp_path / "new-keys").mkdir()
    done = restore(other.store, other_keys, saved)
    assert done.sessions == 2
    assert rows(other.store) == rows(played.desk.store)
    again = connected(folder=tmp_path / "other", keys=other_keys)
    provider = again.caller(played.tokens["provider"])
    assert type(played.reading)(again).receipt(provider, played.id) == played.reading.receipt(provider, played.id)
    assert [path.stat().st_mode & 0o777 for path in (saved, *(other_keys / name for name in KEY_FILES))] == [0o600] * 4


@pytest.mark.postgres
@pytest.mark.slow
def test_from_sqlite_to_postgresql_and_back(saved, played, connected, postgres_url, tmp_path):
    there = connected(postgres_url)
    restore(there.store, tmp_path / "keys", saved)
    assert rows(there.store) == rows(played.desk.store)
    with pytest.raises(sa.exc.DBAPIError, match="only ever added"), there.store.writing() as connection:
        connection.execute(sa.delete(tables.entries))
    back_up(there.store, tmp_path / "keys", tmp_path / "there.backup", AT)
    back = connected(folder=tmp_path / "back", keys=tmp_path / "keys")
    restore(back.store, tmp_path / "keys", tmp_path / "there.backup")
    assert rows(back.store) == rows(played.desk.store)
    assert back.session(played.id) == played.session


def test_a_server_goes_on_after_a_restore(desk_on, tmp_path):
    first = play(desk_on, "reporting")
    back_up(desk_on.store, tmp_path / "keys", tmp_path / "one", AT)
    desk_on.report(first.groups["legal"], first.id, REPORTS["legal"])
    play(desk_on, "open")
    with pytest.raises(InputError, match=r"has 2 sessions already.*--replace"):
        restore(desk_on.store, tmp_path / "keys", tmp_path / "one")
    restore(desk_on.store, tmp_path / "keys", tmp_path / "one", replace=True)
    assert len(desk_on.store.sessions()) == 1
    assert first.session.reported == ()  # although this desk had seen more
    for name, report in REPORTS.items():
        desk_on.report(first.groups[name], first.id, report)
    desk_on.close(first.provider, first.id)
    first.settle()
    assert first.session.state == "settled"


@pytest.mark.slow
def test_while_others_write_it_is_one_moment(desk_on, tmp_path):
    played = play(desk_on, "reporting")
    stop = threading.Event()

    def keep_reporting():
        while not stop.is_set():
            desk_on.report(played.groups["legal"], played.id, REPORTS["legal"])

    writer = threading.Thread(target=keep_reporting)
    writer.start()
    done, end = [], time.monotonic() + 120
    try:
        while len(done) < 5 or done[0].entries == done[-1].entries:  # the writer's turns can be far between
            assert time.monotonic() < end
            done.append(back_up(desk_on.store, tmp_path / "keys", tmp_path / f"{len(done)}.backup", AT))
    finally:
        stop.set()
        writer.join()
    assert [check(one.path).rows for one in done] == [one.rows for one in done]  # checks every log, too
    assert done[0].entries < done[-1].entries


def test_the_keys_stay_out_unless_asked_for(played, tmp_path, connected):
    back_up(played.desk.store, tmp_path / "keys", tmp_path / "closed.backup", AT)
    texts = [(tmp_path / "keys" / name).read_text().strip() for name in KEY_FILES]
    assert not [text for text in texts if text in (tmp_path / "closed.backup").read_text()]
    empty = connected(folder=tmp_path / "empty")
    with pytest.raises(InputError, match=r"there are no keys in .*none in .*--with-keys"):
        restore(empty.store, tmp_path / "nowhere", tmp_path / "closed.backup")
    with pytest.raises(InputError, match="not those with which"):
        restore(empty.store, tmp_path / "empty" / "keys", tmp_path / "closed.backup")
    assert empty.store.sessions() == []


def test_no_report_can_be_read_in_a_backup(saved, played):
    text = saved.read_text()
    assert '"scores":[[0.1,0.9,0.0]]' not in text.replace(" ", "")
    assert not [token for token in played.tokens.values() if token in text]


@pytest.mark.slow
def test_a_changed_byte_anywhere_is_found_and_named(saved, connected, tmp_path):
    content = saved.read_bytes()
    other, damaged = connected(folder=tmp_path / "other"), tmp_path / "damaged"
    starts = [0, *(place + 1 for place, byte in enumerate(content) if byte == ord("\n"))]
    step = max(1, len(content) // 300)
    places = sorted({*range(0, len(content), step), *(place - 1 for place in starts[1:])})
    for place in places:
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        line = sum(start <= place for start in starts)
        with pytest.raises((StorageError, InputError), match=rf"line {line} of the backup|not a backup") as told:
            check(damaged)
        assert "line" in str(told.value) or line == 1
    with pytest.raises(StorageError, match="line"):
        restore(other.store, tmp_path / "other" / "keys", damaged)
    assert other.store.sessions() == []


def test_a_backup_that_was_cut_short_is_refused(saved, tmp_path):
    lines = saved.read_bytes().splitlines(keepends=True)
    for kept in (0, 1, len(lines) // 2, len(lines) - 1):
        (tmp_path / "short").write_bytes(b"".join(lines[:kept]))
        with pytest.raises(StorageError, match=f"ends after line {kept}"):
            check(tmp_path / "short")
    (tmp_path / "short").write_bytes(b"".join([*lines[:3], *lines[4:]]))
    with pytest.raises(StorageError, match="line 4"):
        check(tmp_path / "short")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "other").write_text("hello\n")
    with pytest.raises(InputError, match="is not a backup"):
        check(tmp_path / "other")
    with pytest.raises(InputError, match="cannot read the backup"):
        check(tmp_path / "missing")
    with writing(tmp_path / "newer") as writer:
        writer.line({"kind": "tuneaccord backup", "version": 2})
        writer.line({"end": 0})
    with pytest.raises(InputError, match="the form 2"):
        check(tmp_path / "newer")


def forged(saved, path, change):
    """The backup again, its lines changed and its digests right."""
    lines = [json.loads(line.partition(" ")[2]) for line in saved.read_text().splitlines()]
    with writing(path) as writer:
        for line in change(lines):
            writer.line(line) if isinstance(line, dict) else writer.text(str(line).encode())


@pytest.mark.slow
def test_a_log_that_was_forged_with_the_right_digests_of_the_file_is_found(saved, tmp_path):
    def another_title(lines):
        for line in lines:
            if line.get("table") == "entries" and line["row"]["number"] == 2:
                line["row"]["body"] = line["row"]["body"].replace("legal", "LEGAL")
        return lines

    def another_state(lines):
        return [
            line if line.get("table") != "sessions" else {**line, "row": {**line["row"], "state": "cancelled"}}
            for line in lines
        ]

    def fewer(lines):
        return [line for line in lines if line.get("table") != "tokens"]

    for change, told in ((another_title, "entry 2"), (another_state, "state"), (fewer, "rows that it announces")):
        forged(saved, tmp_path / "forged", change)
        with pytest.raises(StorageError, match=told):
            check(tmp_path / "forged")


def test_tables_and_columns_that_are_not_ours_are_refused(saved, tmp_path):
    forged(saved, tmp_path / "forged", lambda lines: [*lines[:-1], {"table": "others", "row": {"a": 1}}, lines[-1]])
    with pytest.raises(StorageError, match="'others'"):
        check(tmp_path / "forged")
    row = {"table": "progress", "row": {'a" b': 1}}
    forged(saved, tmp_path / "forged", lambda lines: [*lines[:-1], row, lines[-1]])
    with pytest.raises(StorageError, match="unknown column"):
        check(tmp_path / "forged")


def test_a_damaged_log_is_not_backed_up(desk, tmp_path):
    played = play(desk, "open")
    with desk.store.writing() as connection:
        connection.execute(sa.text("DROP TRIGGER entries_no_update"))
        connection.execute(
            sa.update(tables.entries)
            .where(tables.entries.c.number == 1)
            .values(body=sa.func.replace(tables.entries.c.body, "opened", "openeD"))
        )
    with pytest.raises(StorageError, match=f"{played.id} is damaged: entry 1"):
        back_up(desk.store, tmp_path / "keys", tmp_path / "bad", AT)
    assert not [path for path in tmp_path.iterdir() if "bad" in path.name]


class FullDisk(Silent):
    """The disk is full after a few rows."""

    @contextmanager
    def task(self, label, total, done=0):
        left = iter(range(5 if label == "writing the backup" else total))

        def advance():
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")

        yield advance


def test_a_backup_that_cannot_be_finished_leaves_the_old_one(saved, played, tmp_path):
    before = saved.read_bytes()
    with pytest.raises(StorageError, match="no room on disk"):
        back_up(played.desk.store, tmp_path / "keys", saved, AT, progress=FullDisk())
    assert saved.read_bytes() == before
    assert not list(tmp_path.glob(".*.partial"))
    with pytest.raises(StorageError, match="cannot write"):
        back_up(played.desk.store, tmp_path / "keys", tmp_path / "no" / "folder", AT)


def test_a_backup_of_an_older_database_is_brought_up_to_date(desk_on, connected, tmp_path):
    with desk_on.store.writing() as connection:
        remove_all(connection)
        migrate(connection, "0001")
    played = play(desk_on, "frozen")
    back_up(desk_on.store, tmp_path / "keys", tmp_path / "old", AT)
    new = connected(folder=tmp_path / "new", keys=tmp_path / "keys")
    restore(new.store, tmp_path / "keys", tmp_path / "old")
    assert new.session(played.id) == played.session
    with pytest.raises(sa.exc.DBAPIError, match="only ever added"), new.store.writing() as connection:
        connection.execute(sa.delete(tables.entries))


def test_a_backup_changes_nothing(desk_on, connected, tmp_path):
    """A server of an older version may be using the database."""
    with desk_on.store.writing() as connection:
        remove_all(connection)
        migrate(connection, "0001")
    play(desk_on, "open")
    back_up(desk_on.store, tmp_path / "keys", tmp_path / "old", AT)
    with desk_on.store.writing() as connection:
        assert revision_of(connection) == "0001"
        remove_all(connection)
    with pytest.raises(InputError, match="no server has used it"):
        back_up(desk_on.store, tmp_path / "keys", tmp_path / "none", AT)
    with pytest.raises(InputError, match="there are no keys in"):
        back_up(desk_on.store, tmp_path / "elsewhere", tmp_path / "none", AT)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [7, *lines[1:]], "line 1 .* not of the form"),
        (lambda lines: [{**lines[0], "rows": {"sessions": "2"}}, *lines[1:]], "does not say what is in it"),
        (lambda lines: [{**lines[0], "rows": {}}, *lines[1:]], "rows that it announces"),
        (lambda lines: [{**lines[0], "revision": "9999"}, *lines[1:]], "'9999'"),
        (lambda lines: [*lines[:1], {"table": "sessions"}, *lines[1:]], "without a row"),
        (
            lambda lines: [*lines[:1], {"table": "sessions", "row": {"id": {"base64": "?"}}}, *lines[1:]],
            "cannot be read",
        ),
    ],
)
def test_a_forged_backup_is_refused_in_words(saved, connected, tmp_path, change, told):
    forged(saved, tmp_path / "forged", change)
    other = connected(folder=tmp_path / "other")
    with pytest.raises(StorageError, match=told):
        restore(other.store, tmp_path / "keys", tmp_path / "forged")
    assert other.store.sessions() == []


@pytest.mark.slow
def test_the_commands(played, tmp_path):
    run = CliRunner().invoke
    file, new = str(tmp_path / "a.backup"), str(tmp_path / "new")
    done = run(app, ["backup", file, "--folder", str(tmp_path), "--with-keys"])
    assert done.exit_code == 0, done.output
    assert "2 sessions" in " ".join(done.stdout.split())  # lines are wrapped
    assert "can read every report" in done.stdout
    again = run(app, ["backup", file, "--folder", str(tmp_path)])
    assert again.exit_code == 2
    assert "exists already" in " ".join(again.stderr.split())
    done = run(app, ["restore", file, "--folder", new])
    assert done.exit_code == 0, done.output
    done = run(app, ["restore", file, "--folder", new])
    assert done.exit_code == 2
    assert "error: the database has 2 sessions already." in done.stderr
    assert run(app, ["restore", file, "--folder", new, "--replace"]).exit_code == 0
    done = run(app, ["backup", file, "--folder", str(tmp_path / "nobody")])
    assert done.exit_code == 2
    assert "there is no database" in done.stderr
    assert not (tmp_path / "nobody").exists()
