"""Backup and restore of everything that a server keeps, between SQLite and PostgreSQL in either direction.

A backup is one moment of the database, read while the server goes on. Without the keys it can be stored anywhere: what
was sealed or encrypted stays so. With them, whoever has the file can read every report. Jobs are not in it: they follow
from the states of the sessions. Each log is checked, by its digests and by replaying its moves, before a row of it is
kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuneaccord.errors import InputError, StorageError, TuneaccordError
from tuneaccord.progress import Progress, Silent
from tuneaccord.service import tables
from tuneaccord.service.backup_file import KIND, VERSION, Writer, header_of, lines, row_of, writing
from tuneaccord.service.chain import Entry, first_fault
from tuneaccord.service.keys import KEY_FILES, Keys, key_texts, read_keys, write_key_texts
from tuneaccord.service.migrations import NEWEST, check_known, migrate, remove_all, revision_of
from tuneaccord.service.session import replay
from tuneaccord.service.store import Store, session_row

#: in this order no row comes before what it refers to; workers say that they live, and that is not kept
TABLES = ("sessions", "entries", "documents", "tokens", "progress")
_AT_ONCE = 200


@dataclass(frozen=True)
class Backup:
    """What a backup file has in it."""

    path: Path
    made_at: str
    sessions: int
    entries: int
    rows: int
    with_keys: bool
    digest: str = ""  #: of all its lines


def back_up(
    store: Store, keys_folder: Path, path: Path, at: str, with_keys: bool = False, progress: Progress | None = None
) -> Backup:
    """Write everything in ``store`` to ``path``, whole or not at all.

    The database stays at its revision. Raises :class:`InputError` when it has no tables of ours, :class:`StorageError`
    when the file cannot be written, or naming a session whose log is damaged.
    """
    if not any((keys_folder / name).exists() for name in KEY_FILES):
        raise InputError(f"there are no keys in {keys_folder}. Check --folder and TUNEACCORD_KEYS.")
    progress, keys = progress or Silent(), read_keys(keys_folder)
    with store.reading() as connection:
        check_known(revision := revision_of(connection), "this database")
        if revision is None:
            raise InputError("this database has no sessions: no server has used it. Check --folder and --database.")
        counts = {name: _count(connection, name) for name in TABLES}
        header = {
            "kind": KIND,
            "version": VERSION,
            "made_at": at,
            "revision": revision,
            "rows": counts,
            "keys": keys.fingerprint,
            "with_keys": with_keys,
        }
        _check_logs(connection, progress, counts["entries"], "checking the logs")
        with writing(path) as writer:
            writer.line(header)
            with progress.task("writing the backup", sum(counts.values())) as advance:
                _write_rows(connection, writer, advance)
            for name, text in key_texts(keys_folder).items() if with_keys else ():
                writer.line({"key": name, "text": text})
            writer.line({"end": sum(counts.values())})
    return _facts(path, header, writer.digest)


def check(path: Path, progress: Progress | None = None) -> Backup:
    """What a backup has in it, once every line of it and every log in it was checked.

    Raises :class:`InputError` for another file, :class:`StorageError` that names the first line or entry at fault.
    """
    header, seen = header_of(path), dict.fromkeys(TABLES, 0)
    sessions: dict[str, dict[str, Any]] = {}
    total = sum(header["rows"].values())
    with (progress or Silent()).task("checking the backup", total) as advance:
        for table, group in groupby(lines(path), key=lambda line: line.get("table", "")):
            if table == "":  # the first and the last line, and keys
                continue
            rows = _counted(group, table, seen, advance)
            if table == "sessions":
                sessions = {row["id"]: row for row in rows}
            elif table == "entries":
                _check_rows(sessions, rows)
            else:
                for _ in rows:
                    pass
    if seen != header["rows"]:
        raise StorageError(f"the backup {path} does not have the rows that it announces. Use another backup.")
    return _facts(path, header)


def restore(
    store: Store, keys_folder: Path, path: Path, replace: bool = False, progress: Progress | None = None
) -> Backup:
    """Fill ``store`` from the backup at ``path``, in one transaction.

    Raises :class:`InputError` when there are sessions already and ``replace`` was not said, or when the keys at hand
    are not those with which the backup was made; :class:`StorageError` when the file is damaged.
    """
    progress = progress or Silent()
    if not replace:
        with store.reading() as connection:
            _refuse_to_lose(connection)
    facts, header = check(path, progress), header_of(path)
    check_known(header["revision"], f"the backup {path}")
    missing_keys = _fitting_keys(keys_folder, header, path)
    with store.writing() as connection:
        if not replace:
            _refuse_to_lose(connection)
        remove_all(connection)
        migrate(connection, header["revision"])
        with progress.task("writing the rows", facts.rows) as advance:
            for table, group in groupby(lines(path), key=lambda line: line.get("table")):
                _insert(connection, table, group, advance)
        migrate(connection, NEWEST)
        _check_logs(connection, progress, facts.entries, "checking what was written")
        if missing_keys:
            write_key_texts(keys_folder, missing_keys)
    return facts


def _refuse_to_lose(connection: sa.Connection) -> None:
    if revision_of(connection) is not None and (sessions := _count(connection, "sessions")):
        raise InputError(
            f"the database has {sessions} sessions already. Restore into an empty one, or say --replace to lose them."
        )


def _facts(path: Path, header: Mapping[str, Any], digest: str = "") -> Backup:
    rows = header["rows"]
    return Backup(
        Path(path),
        header["made_at"],
        rows["sessions"],
        rows["entries"],
        sum(rows.values()),
        header["with_keys"],
        digest,
    )


# Rows


def _count(connection: sa.Connection, table: str) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()


def _rows(connection: sa.Connection, table: str) -> Iterator[Mapping[str, Any]]:
    chosen = sa.Table(table, sa.MetaData(), autoload_with=connection)  # as it is, which may be an older revision
    query = sa.select(chosen).order_by(*chosen.primary_key.columns)
    result = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
    return (row._mapping for row in result)


def _write_rows(connection: sa.Connection, writer: Writer, advance: Callable[[], None]) -> None:
    for table in TABLES:
        for row in _rows(connection, table):
            writer.row(table, row)
            advance()


def _insert(
    connection: sa.Connection, table: str | None, group: Iterator[dict[str, Any]], advance: Callable[[], None]
) -> None:
    if table is None:
        return
    batch: list[dict[str, Any]] = []
    for line in group:
        batch.append(row_of(line))
        advance()
        if len(batch) == _AT_ONCE:
            _insert_batch(connection, table, batch)
            batch = []
    if batch:
        _insert_batch(connection, table, batch)


def _insert_batch(connection: sa.Connection, table: str, batch: list[dict[str, Any]]) -> None:
    columns = sa.table(table, *(sa.column(name) for name in batch[0]))
    connection.execute(sa.insert(columns), batch)


def _counted(
    group: Iterator[dict[str, Any]], table: str, seen: dict[str, int], advance: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    if table not in seen:
        raise StorageError(f"the backup has rows of {table!r:.40}, which is no table of ours. Use another backup.")
    for line in group:
        if not isinstance(line.get("row"), dict):
            raise StorageError(f"the backup has a line of {table} without a row. Use another backup.")
        if unknown := sorted(set(line["row"]) - set(tables.metadata.tables[table].c.keys())):
            raise StorageError(f"the backup has the unknown column {unknown[0]!r:.40} in {table}. Use another backup.")
        seen[table] += 1
        advance()
        yield row_of(line)


# Logs


def _check_logs(connection: sa.Connection, progress: Progress, total: int, label: str) -> None:
    sessions = {row["id"]: dict(row) for row in _rows(connection, "sessions")}
    with progress.task(label, total) as advance:
        _check_rows(sessions, _advancing(_rows(connection, "entries"), advance))


def _advancing(rows: Iterator[Mapping[str, Any]], advance: Callable[[], None]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        advance()
        yield row


def _check_rows(sessions: dict[str, dict[str, Any]], entries: Iterator[Mapping[str, Any]]) -> None:
    """Raise :class:`StorageError` unless each session has an unbroken log of legal moves that leads to its row."""
    checked = set()
    for session_id, rows in groupby(entries, key=lambda row: row["session_id"]):
        checked.add(session_id)
        if fault := _fault(session_id, list(rows), sessions.get(session_id)):
            raise StorageError(f"the log of session {session_id} is damaged: {fault}.")
    if missing := sorted(set(sessions) - checked):
        raise StorageError(f"session {missing[0]} has no log.")


def _fault(session_id: str, rows: list[Mapping[str, Any]], session: Mapping[str, Any] | None) -> str | None:
    if session is None:
        return "there is no such session"
    try:
        log = [json.loads(row["body"]) for row in rows]
        if fault := first_fault(session_id, log):
            return fault
        for row, entry in zip(rows, log, strict=True):
            if (row["number"], row["at"], row["kind"]) != (entry["number"], entry["at"], entry["kind"]):
                return f"row {row['number']} does not have what its entry says"
        expected = session_row(replay(session_id, [Entry(**entry) for entry in log]))
    except (ValueError, TypeError, KeyError, TuneaccordError) as error:
        return str(error).rstrip(".")
    wrong = sorted(name for name, value in expected.items() if session.get(name, value) != value)
    return f"its row does not follow from it: {', '.join(wrong)}" if wrong else None


# Keys


def _fitting_keys(folder: Path, header: Mapping[str, Any], path: Path) -> dict[str, str]:
    """The keys to write; none where those at hand are the right ones."""
    if any((folder / name).exists() for name in KEY_FILES):
        if read_keys(folder).fingerprint != header["keys"]:
            raise InputError(
                f"the keys in {folder} are not those with which {path} was made, so what is sealed in it could not be "
                "opened. Move them away and put those of the old server there."
            )
        return {}
    texts = {line["key"]: line["text"] for line in lines(path) if "key" in line}
    if not texts:
        raise InputError(
            f"there are no keys in {folder}, and none in {path}, so what is sealed in it could not be opened. "
            "Put the keys of the old server there, or use a backup that was made --with-keys."
        )
    if Keys.from_texts(texts).fingerprint != header["keys"]:
        raise StorageError(f"the keys in the backup {path} are not those with which it was made. Use another backup.")
    return texts
