"""The database: logs of sessions that are only ever appended to, documents, tokens. SQLite (WAL) or PostgreSQL.

A :class:`Store` reads and writes rows and decides nothing. Each write is one short transaction, or a part
of one, that first takes the session's row, so that moves of one session come one after the other, whichever process
makes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tuneaccord.service import statements, tables
from tuneaccord.service.asking import Asking
from tuneaccord.service.chain import Entry
from tuneaccord.service.database import PATIENCE, database_url, engine_of, told
from tuneaccord.service.errors import NotFound
from tuneaccord.service.session import Session
from tuneaccord.service.sharing import SharedWrites, kept_with, to_keep


@dataclass(frozen=True)
class TokenRow:
    """A token as it is stored: everything but the token."""

    id: str
    session_id: str | None
    role: str
    name: str
    hash: str
    created_at: str
    expires_at: str | None = None
    used_at: str | None = None
    revoked_at: str | None = None


_NO_SESSION = "there is no such session, or you are not part of it."
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class Store:
    """All reads and writes of one database.

    ``url`` is an SQLAlchemy URL: ``sqlite:///folder/tuneaccord.db`` or ``postgresql+psycopg://user@host/name``.
    Raises :class:`InputError` on another kind of URL, :class:`Unavailable` when the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = database_url(url)
        self.sqlite = self.url.startswith("sqlite")
        self.engine = engine_of(self.url)
        self.single = engine_of(self.url, single=True)
        self.asking = Asking(self.single)
        self._writes = SharedWrites(self._to_write, PATIENCE, _write_rows)  # SQLite has one writer
        self._by_session: dict[Any, tuple[SharedWrites, int]] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Give back all connections."""
        for engine in (self.engine, self.single):
            engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for a few reads, all of the same moment, whatever is written meanwhile."""
        with told(), self.engine.connect() as connection:
            if not self.sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        """A connection for one statement, which needs no transaction around it."""
        with told(), self.single.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, session_id: str | None = None) -> Iterator[sa.Connection]:
        """A transaction, committed at the end of the block and taken back on an exception.

        Blocks of several threads that come at the same time may share one (see ``sharing``): on SQLite all, on
        PostgreSQL those of one session.
        """
        with told(), self._shared(session_id) as writes, writes.write() as connection:
            yield connection

    @contextmanager
    def _shared(self, session_id: str | None) -> Iterator[SharedWrites]:
        if self.sqlite:
            yield self._writes
            return
        key = session_id or object()
        with self._lock:
            writes, users = self._by_session.get(key, (None, 0))
            writes = writes or SharedWrites(self._to_write, PATIENCE, _write_rows)
            self._by_session[key] = writes, users + 1
        try:
            yield writes
        finally:
            with self._lock:
                _, users = self._by_session.pop(key)
                if users > 1:
                    self._by_session[key] = writes, users - 1

    def _to_write(self) -> sa.Connection:
        return self.engine.connect().execution_options(tuneaccord_write=True, **to_keep())

    # Sessions and their logs

    def begin_session(self, session: Session, entry: Entry, token: TokenRow) -> None:
        """The first entry of a session, with its provider's token."""
        with self.writing() as connection:
            connection.execute(sa.insert(tables.sessions).values(id=session.id, **session_row(session)))
            _insert_entry(connection, session.id, entry)
            connection.execute(sa.insert(tables.tokens).values(**token.__dict__))

    def head(self, connection: sa.Connection, session_id: str, lock: bool = False) -> tuple[int, str]:
        """How many entries the log has and the digest of the last; with ``lock``, until the transaction ends.

        Raises :class:`NotFound`.
        """
        row = connection.execute(
            statements.HEAD_LOCKED if lock else statements.HEAD, {"session_id": session_id}
        ).first()
        if row is None:
            raise NotFound(_NO_SESSION)
        return row.entries, row.head

    def head_now(self, session_id: str) -> tuple[int, str]:
        """The same in a statement of its own. Raises :class:`NotFound`."""
        row = self.asking.first(statements.HEAD, session_id=session_id)
        if row is None:
            raise NotFound(_NO_SESSION)
        return row[0], row[1]

    def entries(self, connection: sa.Connection, session_id: str, start: int = 0) -> list[Entry]:
        """The log from entry ``start`` on."""
        rows = connection.execute(statements.LOG, {"session_id": session_id, "start": start})
        return [Entry(**json.loads(body)) for (body,) in rows]

    def last(self, connection: sa.Connection, session_id: str, kind: str) -> Entry | None:
        """The last entry of a kind; looked for from the end of the log, however long that is."""
        row = connection.execute(statements.LAST, {"session_id": session_id, "kind": kind}).first()
        return None if row is None else Entry(**json.loads(row.body))

    def append(self, connection: sa.Connection, session: Session, entry: Entry) -> None:
        """An entry, and the session as it is after it, whose row is written once at the end of the transaction."""
        _insert_entry(connection, session.id, entry)
        kept_with(connection)[session.id] = session

    def moved(self, connection: sa.Connection, session_id: str) -> Session | None:
        """The session as the last :meth:`append` of this transaction left it, which nobody else can have changed."""
        return kept_with(connection).get(session_id)

    def sessions(self, states: tuple[str, ...] | None = None, most: int = 1000) -> list[dict[str, Any]]:
        """The rows of all sessions, or of those in some states; the newest first."""
        table = tables.sessions
        query = sa.select(table).order_by(table.c.created_at.desc(), table.c.id).limit(most)
        if states is not None:
            query = query.where(table.c.state.in_(states))
        with self._asking() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    # Documents

    def put(self, connection: sa.Connection, session_id: str, name: str, content: bytes, at: str) -> None:
        """A document, unless one of that name is there already: a step that is done again changes nothing."""
        dialect = sqlite if self.sqlite else postgresql
        row = {"session_id": session_id, "name": name, "content": content, "at": at}
        connection.execute(statements.NEW_DOCUMENT[dialect], row)

    def document(self, session_id: str, name: str) -> bytes | None:
        """A document's content, or None."""
        row = self.asking.first(statements.DOCUMENT, session_id=session_id, name=name)
        return None if row is None else bytes(row[0])

    def documents(self, session_id: str, prefix: str, connection: sa.Connection | None = None) -> dict[str, bytes]:
        """All documents whose names start with ``prefix``; within a transaction, by its ``connection``."""
        table = tables.documents
        query = sa.select(table.c.name, table.c.content).where(
            table.c.session_id == session_id,
            sa.func.substr(table.c.name, 1, len(prefix)) == prefix,  # LIKE would take capitals for small letters
        )
        with self._asking() if connection is None else nullcontext(connection) as asked:
            return {row.name: bytes(row.content) for row in asked.execute(query.order_by(table.c.name))}

    # Tokens

    def add_token(self, connection: sa.Connection, token: TokenRow) -> None:
        """A new token."""
        connection.execute(statements.NEW_TOKEN, token.__dict__)

    def token(self, hashed: str) -> TokenRow | None:
        """The token with this hash, or None."""
        row = self.asking.first(statements.TOKEN, hash=hashed)
        return None if row is None else TokenRow(**dict(zip(tables.tokens.c.keys(), row, strict=True)))

    def tokens(self, session_id: str | None) -> list[TokenRow]:
        """All tokens of a session (None: the operators'), oldest first."""
        table = tables.tokens
        query = sa.select(table).where(table.c.session_id == session_id).order_by(table.c.created_at, table.c.id)
        with self._asking() as connection:
            return [TokenRow(**row._mapping) for row in connection.execute(query)]

    def use_token(self, connection: sa.Connection, token_id: str, at: str) -> bool:
        """Mark a one-time token as used; False when it was used or revoked before."""
        return connection.execute(statements.USED, {"token_id": token_id, "at": at}).rowcount == 1

    def revoke(self, connection: sa.Connection, session_id: str | None, at: str, **where: str) -> int:
        """Revoke a session's tokens whose columns are as given; how many."""
        table = tables.tokens
        chosen = (table.c.session_id == session_id) & table.c.revoked_at.is_(None)
        for column, value in where.items():
            chosen &= table.c[column] == value
        return connection.execute(sa.update(table).where(chosen).values(revoked_at=at)).rowcount

    # Progress

    def set_progress(self, session_id: str, label: str, done: int, total: int, at: str) -> None:
        """How far a piece of work is."""
        dialect = sqlite if self.sqlite else postgresql
        row = {"session_id": session_id, "label": label, "done": done, "total": total, "started_at": at, "at": at}
        insert = dialect.insert(tables.progress).values(**row)
        changed = {"done": done, "total": total, "at": at}
        with self.writing() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["session_id", "label"], set_=changed))

    def progress(self, session_id: str) -> list[dict[str, Any]]:
        """How far each piece of work of a session is, in the order in which they began."""
        names = tables.progress.c.keys()
        rows = self.asking.rows(statements.PROGRESS, session_id=session_id)
        return [dict(zip(names, row, strict=True)) for row in rows]

    # Workers

    def seen(self, worker_id: str, at: str) -> None:
        """A process says that it is at work."""
        dialect = sqlite if self.sqlite else postgresql
        insert = dialect.insert(tables.workers).values(id=worker_id, at=at)
        with self.writing() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_={"at": at}))

    def workers(self) -> dict[str, str]:
        """The processes that work on jobs, each with the time at which it last said so."""
        with self._asking() as connection:
            return {row.id: row.at for row in connection.execute(sa.select(tables.workers))}

    def forget_worker(self, worker_id: str) -> None:
        """Strike a process off."""
        with self.writing() as connection:
            connection.execute(sa.delete(tables.workers).where(tables.workers.c.id == worker_id))


def session_row(session: Session) -> dict[str, Any]:
    """What the session's row has beside its id: all of it follows from the log."""
    return {
        "title": session.title,
        "state": session.state,
        "created_at": session.created_at,
        "at": session.at,
        "deadline": session.deadline,
        "reveal_at": session.reveal_at,
        "sampling": int(session.sampling),
        "entries": session.entries,
        "head": session.head,
    }


def _write_rows(connection: sa.Connection) -> None:
    """The rows of the sessions that moved in a transaction, before it is committed."""
    for session in kept_with(connection).values():
        connection.execute(statements.MOVED, {"moved_id": session.id, **session_row(session)})


def _insert_entry(connection: sa.Connection, session_id: str, entry: Entry) -> None:
    body = _JSON.encode(vars(entry))
    row = {"session_id": session_id, "number": entry.number, "at": entry.at, "kind": entry.kind, "body": body}
    connection.execute(statements.NEW_ENTRY, row)
