"""Who uses a server's database on this machine: one server, any number of workers, nobody else while it is restored.

The locks are the system's, on files that stay: they go with the process that has them, however it ends. The files lie
beside an SQLite database; with PostgreSQL they lie in the server's folder, so a server that another machine or another
folder starts on the same database is not seen here.
"""

from __future__ import annotations

import errno
import os
import time

from tuneaccord.errors import InputError
from tuneaccord.files import storage_error
from tuneaccord.service.connect import database_file, private_folder, shown
from tuneaccord.service.settings import Settings

#: seconds for a process that is ending: the system takes its locks back a moment after it has said that it stops
_PATIENCE = 1.0
_NOT_HERE = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  #: file systems that know no locks
_SERVING, _USED = "serving", "used"  #: one server; everybody who works with the database


class Hold:
    """The locks that a process has; ``release`` gives them back, and so does its end."""

    def __init__(self, settings: Settings) -> None:
        base = database_file(settings.database_url) or settings.folder / "tuneaccord"
        self._base, self._descriptors = base.resolve(), []
        self._what = f"the database {shown(settings.database_url)}"
        private_folder(self._base.parent)

    def take(self, name: str, alone: bool, note: str, refusal: str) -> None:
        """Lock one file, for this process alone or beside others; :class:`InputError` where another has it.

        ``note`` is what others are told of this process.
        """
        path = self._base.with_name(f"{self._base.name}.{name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise storage_error(path, error) from error
        self._descriptors.append(descriptor)
        if not _locked(descriptor, alone):
            other = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise InputError(refusal.format(what=self._what, other=other or "another process"))
        if alone:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{note} (process {os.getpid()})\n".encode(), 0)

    def release(self) -> None:
        """Give all of them back."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def hold_to_serve(settings: Settings) -> Hold:
    """For the server. Raises :class:`InputError` while another one serves this database, or it is being restored."""
    return _taken(
        settings,
        "a server",
        (_SERVING, True, "{what} is in use by {other}. Stop that first, or give this one another --folder."),
        (_USED, False, "{what} is being restored. Wait until that is done."),
    )


def hold_to_work(settings: Settings) -> Hold:
    """For a worker. Raises :class:`InputError` while the database is being restored."""
    return _taken(settings, "a worker", (_USED, False, "{what} is being restored. Wait until that is done."))


def hold_to_restore(settings: Settings) -> Hold:
    """For a restore. Raises :class:`InputError` while a server or a worker uses the database."""
    return _taken(
        settings,
        "a restore",
        (_SERVING, True, "{what} is in use by {other}. Stop that first; a restore under it would mix two histories."),
        (_USED, True, "{what} is in use by a worker (tuneaccord work). Stop all workers first."),
    )


def _taken(settings: Settings, note: str, *locks: tuple[str, bool, str]) -> Hold:
    hold = Hold(settings)
    try:
        for name, alone, refusal in locks:
            hold.take(name, alone, note, refusal)
    except BaseException:
        hold.release()
        raise
    return hold


def _locked(descriptor: int, alone: bool) -> bool:
    import fcntl

    kind = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, kind)
            return True
        except OSError as error:
            if error.errno in _NOT_HERE:
                return True  # then nothing can be found out
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR):
                raise
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
