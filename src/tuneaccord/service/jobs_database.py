"""Where jobs are kept: the tables of DBOS.

They live apart from the sessions, in a file of their own beside an SQLite database or in a schema of their own in
PostgreSQL, and can be thrown away at any time: every job follows from the state of a session, so what is missing here
is started again. They need no backup.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from tuneaccord.errors import InputError
from tuneaccord.service.database import PATIENCE, write_ahead
from tuneaccord.service.errors import Unavailable

APPLICATION = "tuneaccord"
#: raised when a job's steps change, so that no half-done job is continued by code that does not fit it
VERSION = "1"
SCHEMA = "tuneaccord_jobs"
_LOCK = 7_283_461_906  #: of PostgreSQL's advisory locks; any number that nobody else uses
_LONGEST_WAIT = 600.0  #: seconds for others that make the tables; on a slow disk each of them takes many

_dbos_log = logging.getLogger("dbos")
_dbos_log.setLevel(logging.WARNING)
_dbos_log.addHandler(logging.NullHandler())  # it would otherwise write to the terminal past everybody's settings


@dataclass(frozen=True)
class JobsDatabase:
    """The database of jobs at ``url``, an SQLAlchemy URL of SQLite or PostgreSQL."""

    url: str = field(repr=False)  #: may hold a password

    @classmethod
    def beside(cls, url: str) -> JobsDatabase:
        """The one that belongs to the sessions' database at ``url``.

        Raises :class:`InputError` for a database that other processes cannot open, or of another kind.

        >>> JobsDatabase.beside("sqlite:////data/tuneaccord.db").url
        'sqlite:////data/tuneaccord.jobs.db'
        >>> JobsDatabase.beside("postgresql+psycopg://us@host/sessions").url
        'postgresql+psycopg://us@host/sessions'
        """
        parsed = sa.make_url(url)
        kind = parsed.get_backend_name()
        if kind == "postgresql":
            return cls(parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False))
        if kind != "sqlite" or parsed.database in (None, "", ":memory:"):
            raise InputError(
                "jobs need an SQLite file or PostgreSQL, so that they outlive the process. "
                "Try sqlite:////path/to/tuneaccord.db or postgresql://user@host/name."
            )
        file = Path(parsed.database)
        return cls(f"sqlite:///{file.with_name(f'{file.stem}.jobs{file.suffix}')}")

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None for PostgreSQL."""
        parsed = sa.make_url(self.url)
        return Path(parsed.database) if parsed.get_backend_name() == "sqlite" else None

    def prepare(self) -> None:
        """Create what is missing. Several processes may do so at the same time."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as connection:
                write_ahead(connection)
            DBOS.migrate(self.url, schema=SCHEMA)
            return
        with self._alone():
            DBOS.migrate(self.url, schema=SCHEMA)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process after the other, in PostgreSQL. DBOS has a lock for this that it heeds for 30 seconds only.

        It is asked for again and again: a statement that waits for it would hold up the indexes that are being made.
        """
        engine = sa.create_engine(
            self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 10}
        )
        until = time.monotonic() + _LONGEST_WAIT
        with engine.connect() as connection:  # the lock goes with the connection
            while not connection.execute(sa.select(sa.func.pg_try_advisory_lock(_LOCK))).scalar():
                if time.monotonic() > until:
                    raise Unavailable("another process has been making the tables of jobs for ten minutes. Stop it.")
                time.sleep(0.2)
            yield

    def client(self) -> DBOSClient:
        """What starts jobs and looks at them, in any process. It raises when the database is away."""
        return DBOSClient(
            system_database_url=self.url,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )

    def config(self, executor: str) -> DBOSConfig:
        """How a process that works on jobs runs DBOS. What it loses for want of a connection it tries again."""
        return DBOSConfig(
            name=APPLICATION,
            system_database_url=self.url,
            dbos_system_schema=SCHEMA,
            application_version=VERSION,
            executor_id=executor,
            serializer=DBOSPortableJSONSerializer(),  # the default would unpickle what it reads
            run_migrations=False,
            log_level="WARNING",
        )

    def identity(self) -> tuple[int, int] | None:
        """What an SQLite file is known by: another one after it was removed. None for PostgreSQL.

        Raises :class:`FileNotFoundError` when it is gone.
        """
        if self.file is None:
            return None
        found = self.file.stat()
        return found.st_dev, found.st_ino
