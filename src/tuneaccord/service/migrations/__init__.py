"""The steps by which a database came to its present form, and what takes them.

Each revision is one small file in ``versions`` and is never edited once it has been released. All that are missing
are taken in one transaction, under a lock, so that of several processes that start at once one does it.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from tuneaccord.errors import StorageError
from tuneaccord.service.tables import metadata

NEWEST = "0002"  #: what this version of the package works with
REVISIONS = ("0001", "0002")
_LOCK = 7_283_461_905  #: of PostgreSQL's advisory locks; any number that nobody else uses
_one_at_a_time = Lock()  # Alembic keeps what it is doing in module variables


def revision_of(connection: sa.Connection) -> str | None:
    """The revision that a database is at; None for one without our tables."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def migrate(connection: sa.Connection, to: str = NEWEST) -> None:
    """Bring a database up to a revision, within the caller's transaction.

    Raises :class:`StorageError` for a database that a newer version has written.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = revision_of(connection)
    check_known(found, "this database")
    if found is not None and found >= to:
        return
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, to)


def remove_all(connection: sa.Connection) -> None:
    """Remove all our tables with what is in them, within the caller's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    metadata.drop_all(connection)
    connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("DROP FUNCTION IF EXISTS tuneaccord_only_added()"))


def check_known(revision: str | None, what: str) -> None:
    """Raise :class:`StorageError` for a revision that is not ours."""
    if revision is not None and revision not in REVISIONS:
        raise StorageError(
            f"{what} is at revision {revision!r:.40}, and this version of tuneaccord knows those up to {NEWEST}. "
            "Install the version that wrote it, or a newer one."
        )
