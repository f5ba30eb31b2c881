"""The database is made by small steps that can be taken from any earlier one, on SQLite and on PostgreSQL."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from service_play import play
from sqlalchemy.exc import DBAPIError

from tuneaccord.errors import StorageError
from tuneaccord.service import migrations, tables
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.migrations import NEWEST, REVISIONS, migrate, revision_of
from tuneaccord.service.store import Store


@pytest.fixture
def empty(database_url):
    store = Store(database_url)
    yield store
    store.close()


def test_the_newest_revision_is_the_last_one_on_disk():
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    known = [one.revision for one in script.walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS
    assert known[0] == NEWEST


def test_migrated_tables_are_those_of_the_code(desk_on):
    with desk_on.store.reading() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), tables.metadata) == []
        )


def test_an_old_database_keeps_its_rows_and_gets_the_triggers(empty, database_url, connected):
    session = {
        "id": "s", "title": "old", "state": "draft", "created_at": "t", "at": "t", "sampling": 0, "entries": 1,
        "head": "h",
    }  # fmt: skip
    entry = {"session_id": "s", "number": 0, "at": "t", "kind": "created", "body": "{}"}
    with empty.writing() as connection:
        migrate(connection, "0001")
        connection.execute(sa.insert(tables.sessions).values(**session))
        connection.execute(sa.insert(tables.entries).values(**entry))
    with empty.writing() as connection:  # at the first revision nothing refuses
        assert connection.execute(sa.update(tables.entries).values(body="[]")).rowcount == 1
    store = connected(database_url).store
    with store.reading() as connection:
        assert revision_of(connection) == NEWEST
        assert dict(connection.execute(sa.select(tables.entries)).one()._mapping) == {**entry, "body": "[]"}
    with pytest.raises((DBAPIError, Unavailable)), store.writing() as connection:
        connection.execute(sa.update(tables.entries).values(body="{}"))


@pytest.mark.parametrize("table", ["entries", "documents"])
@pytest.mark.parametrize("change", ["update", "delete"])
def test_logs_and_documents_are_only_added_to(desk_on, table, change):
    played = play(desk_on, "frozen")
    chosen = tables.metadata.tables[table]
    statement = sa.delete(chosen) if change == "delete" else sa.update(chosen).values(at="never")
    with pytest.raises(DBAPIError, match=f"rows of {table} are only ever added"), desk_on.store.writing() as connection:
        connection.execute(statement)
    assert played.session.state == "frozen"


@pytest.mark.postgres
@pytest.mark.slow
def test_postgresql_does_not_truncate_logs_either(connected, postgres_url):
    desk = connected(postgres_url)
    with pytest.raises(DBAPIError, match="only ever added"), desk.store.writing() as connection:
        connection.execute(sa.text("TRUNCATE entries"))


def test_a_database_of_a_newer_version_is_left_alone(desk_on, connected, database_url):
    with desk_on.store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match=r"'9999'.*newer one"):
        connected(database_url)


@pytest.mark.slow
def test_processes_that_start_at_once_make_one_database_and_one_set_of_keys(database_url, tmp_path):
    code = (
        "import sys; from pathlib import Path; from tuneaccord.service.connect import connect; "
        "from tuneaccord.service.settings import Settings; sys.stdin.read(1); "
        "print(connect(Settings(folder=Path(sys.argv[1]), database=sys.argv[2])).keys.seal_public.hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new"), database_url]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 4
    assert len(set(told)) == 1


def test_the_folder_and_the_database_are_for_this_user_only(tmp_path, connected):
    desk = connected(folder=tmp_path / "new")
    play(desk, "open")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.name for path in files} >= {"tuneaccord.db", "data.key", "seal.key", "seal.pub"}
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_a_database_that_does_not_answer_is_named_without_its_password(connected):
    with pytest.raises(Unavailable, match=r"postgres.*us:\*\*\*@127\.0\.0\.1:1/none does not answer") as told:
        connected("postgresql://us:secret@127.0.0.1:1/none")
    assert "secret" not in str(told.value)
