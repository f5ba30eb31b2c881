"""Files with secrets in them: only their owner can read them, and nothing is overwritten unless asked.

A file is claimed before the server is asked for what goes into it, because tokens and proofs are shown only once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneaccord.errors import InputError
from tuneaccord.files import storage_error, write_atomically


@contextmanager
def claimed(path: Path, replace: bool = False) -> Iterator[Callable[[str | bytes], None]]:
    """``with claimed(path) as keep: keep(text)``: a file of mode 0600, whole or not at all.

    Raises :class:`InputError` when there is such a file and ``replace`` is false, :class:`StorageError` when the
    folder cannot be written. A block that fails leaves things as they were.
    """
    kept = False

    def keep(content: str | bytes) -> None:
        nonlocal kept
        write_atomically(path, content, secret=True)
        kept = True

    new = _claim(path, replace)
    try:
        yield keep
    finally:
        if new and not kept:
            path.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """``path``, or the first of ``NAME-2``, ``NAME-3`` and so on that is not there."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _claim(path: Path, replace: bool) -> bool:
    """Whether the file is new."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return True
    except FileExistsError:
        if path.is_dir():
            raise InputError(f"{path} is a folder, expected the name of a file.") from None
        if not replace:
            raise InputError(f"{path} is there already. Give another name, or add --replace.") from None
    except OSError as error:
        raise storage_error(path, error) from error
    if not os.access(path.parent, os.W_OK):
        raise storage_error(path, PermissionError(13, "Permission denied"))
    return False
