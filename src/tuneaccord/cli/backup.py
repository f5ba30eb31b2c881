"""``tuneaccord backup`` and ``tuneaccord restore``: everything a server keeps, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuneaccord.cli import render
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.serve import need_web
from tuneaccord.errors import InputError

if TYPE_CHECKING:
    from tuneaccord.service.backup import Backup
    from tuneaccord.service.settings import Settings


def backup(file: Path, *, folder: Path | None, database: str | None, with_keys: bool) -> None:
    """Write the backup and say what is in it, and where the keys are when they are not."""
    settings = _settings(folder, database)
    from tuneaccord.service.backup import back_up
    from tuneaccord.service.connect import need_database
    from tuneaccord.service.store import Store
    from tuneaccord.service.times import utc_now

    need_database(settings.database_url)
    if file.exists():
        raise InputError(f"{file} exists already. Give the backup another name, or delete that file first.")
    store = Store(settings.database_url)  # as it is: a server of an older version may be using it
    try:
        done = back_up(store, settings.keys_folder, file, utc_now(), with_keys, TerminalProgress())
    finally:
        store.close()
    out = render.console()
    render.sentence(out, f"{done.path}: {_contents(done)}")
    render.sentence(out, f"its digest is {done.digest}")
    if with_keys:
        render.sentence(out, "It has the keys: whoever has this file can read every report. Keep it as you keep them.")
    else:
        render.sentence(
            out,
            f"Reports in it can be read only with the keys in {settings.keys_folder}. Keep a copy of those elsewhere: "
            "without them this backup is of no use, and together with them it is no longer sealed.",
        )


def restore(file: Path, *, folder: Path | None, database: str | None, replace: bool) -> None:
    """Restore, and say what is there now."""
    settings = _settings(folder, database)
    from tuneaccord.service.backup import restore as restored
    from tuneaccord.service.connect import opened, private_folder
    from tuneaccord.service.holding import hold_to_restore

    private_folder(settings.folder)
    with hold_to_restore(settings):
        store = opened(settings.database_url)
        try:
            done = restored(store, settings.keys_folder, file, replace, TerminalProgress())
        finally:
            store.close()
    render.sentence(render.console(), f"restored {_contents(done)}, as of {done.made_at}")


def _settings(folder: Path | None, database: str | None) -> Settings:
    need_web()
    from tuneaccord.service.settings import Settings

    return Settings.read(folder=folder, database=database)


def _contents(done: Backup) -> str:
    return f"{done.sessions} sessions, {done.entries} log entries, {done.rows} rows in all"
