"""Connections to SQLite and PostgreSQL: their settings, their transactions, and what is said when they fail."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tuneaccord.errors import InputError
from tuneaccord.service.errors import away, busy

_log = logging.getLogger(__name__)

PATIENCE = 30.0  #: seconds that a write waits for others
#: a server that is gone without a word is given up after half a minute, not after the system's many
_ALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
PAUSE = 0.1  #: seconds after which a connection is asked whether it still works, before it is used again


def database_url(url: str) -> str:
    """The URL with the driver that is installed.

    >>> database_url("postgresql://db/tuneaccord")
    'postgresql+psycopg://db/tuneaccord'
    """
    for given in ("postgresql://", "postgres://"):
        if url.startswith(given):
            url = "postgresql+psycopg://" + url.removeprefix(given)
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise InputError(
            "the database must be sqlite:///FILE or postgresql://USER@HOST/NAME, got one that starts with "
            f"{url.split(':')[0]!r:.40}."
        )
    return url


def engine_of(url: str, single: bool = False) -> sa.Engine:
    """An engine for the URL. Its errors do not repeat what statements were given: they go to the log.

    With ``single`` it is for statements that need no transaction around them, which take half the time then.
    """
    alone = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None} if single else {}
    pool = {"pool_size": 20, "max_overflow": 20, "pool_timeout": PATIENCE, "hide_parameters": True, **alone}
    if not url.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args=_ALIVE, **pool)
        sa.event.listen(engine, "connect", _be_patient)
        _ping_after_a_pause(engine)
        return engine
    # threads take turns on one connection, see sharing
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE, "check_same_thread": False}, **pool)
    sa.event.listen(engine, "connect", _prepare)
    if not single:
        sa.event.listen(engine, "begin", _begin)
    return engine


def _be_patient(connection: Any, record: Any) -> None:
    """A process that stands still must not make all others wait for the rows that it holds."""
    connection.execute(f"SET lock_timeout = '{PATIENCE:g}s'")
    connection.execute("SET idle_in_transaction_session_timeout = '120s'")
    connection.commit()


def _ping_after_a_pause(engine: sa.Engine) -> None:
    """As ``pool_pre_ping`` does, but not for a connection that was used a moment ago: no server restarts so fast."""

    def given_back(connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    def taken(connection: Any, record: Any, proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < PAUSE:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise sa.exc.InvalidatePoolError from None  # the pool then opens another, and trusts none of the old

    sa.event.listen(engine, "checkin", given_back)
    sa.event.listen(engine, "checkout", taken)


def _prepare(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so, see _begin
    write_ahead(connection)
    for setting in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def write_ahead(connection: sqlite3.Connection) -> None:
    """Let an SQLite file be read while it is written; it stays so.

    Two processes that switch a new file at the same moment each hold what the other needs. SQLite then refuses one of
    them without the wait that it was given, so that wait is here.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.005, 0.05))  # not both at the same moment again


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("tuneaccord_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def told() -> Iterator[None]:
    """Turn what a database raises when it is away or busy into :class:`Unavailable`."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, sa.exc.IntegrityError):
            raise
        _log.warning("the database does not answer: %s", type(error.orig).__name__)
        raise away() from error
    except sa.exc.TimeoutError as error:
        raise busy() from error
