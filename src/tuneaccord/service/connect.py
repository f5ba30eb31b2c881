"""From settings to a desk: the folder, the database brought up to date, the keys."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

from tuneaccord.errors import InputError, first_line
from tuneaccord.files import storage_error
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.keys import read_keys
from tuneaccord.service.migrations import NEWEST, migrate, revision_of
from tuneaccord.service.settings import Settings
from tuneaccord.service.store import Store


def connect(settings: Settings) -> Desk:
    """The desk of the server that the settings describe; what does not exist yet is made.

    Any number of processes may do so at the same time. Raises :class:`StorageError` where the folder cannot be
    written, keys are missing, or a newer version wrote the database; :class:`Unavailable` when it does not answer.
    """
    private_folder(settings.folder)
    store = opened(settings.database_url)
    try:
        return Desk(store, read_keys(settings.keys_folder))
    except BaseException:
        store.close()
        raise


def opened(url: str) -> Store:
    """The store at ``url``, migrated."""
    store = Store(url)
    if (file := database_file(store.url)) is not None:
        _private_file(file)
    try:
        if not is_current(store):
            with store.writing() as connection:
                migrate(connection)
    except Unavailable as error:
        store.close()
        raise Unavailable(
            f"the database {shown(store.url)} does not answer ({first_line(error.__cause__ or error):.200}). "
            "Check that it runs, and its URL."
        ) from error
    except BaseException:
        store.close()
        raise
    return store


def is_current(store: Store) -> bool:
    """Whether the database is as this version needs it. Raises :class:`Unavailable`."""
    with store.reading() as connection:
        return revision_of(connection) == NEWEST


def shown(url: str) -> str:
    """A database's URL without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def private_folder(folder: Path) -> Path:
    """The folder, made for this user only where it is missing. Raises :class:`StorageError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise storage_error(folder, error) from error
    return folder


def need_database(url: str) -> None:
    """Raise :class:`InputError` where the file of an SQLite database is not there, for who must not make a new one."""
    if (file := database_file(url)) is not None and not file.exists():
        raise InputError(f"there is no database {file}. Say where the server keeps it, with --folder or --database.")


def database_file(url: str) -> Path | None:
    """The file of an SQLite database; None for another kind, or one in memory.

    >>> database_file("sqlite:///data/tuneaccord.db"), database_file("postgresql://db/tuneaccord")
    (PosixPath('data/tuneaccord.db'), None)
    """
    parsed = sa.make_url(url)
    known = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(parsed.database) if known else None


def _private_file(path: Path) -> None:
    private_folder(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its other files the same permissions
    except OSError as error:
        raise storage_error(path, error) from error
