"""Writing files so that nothing is ever half-written, and reading them with clear errors."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from tuneaccord.errors import InputError, StorageError

#: ends the names of files that are still being written
_PARTIAL = ".partial"


def write_atomically(path: Path, content: str | bytes, secret: bool = False) -> Path:
    """Write ``content`` to ``path`` by way of a temporary file beside it; the old file stays until the end.

    A ``secret`` file can be read by its owner only, and is on the disk when this returns: it may be the only copy.
    Raises :class:`StorageError` when the folder cannot be written or there is no room on disk.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if secret:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o600 if secret else 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise storage_error(path, error) from error
    return path


def remove_partial(*folders: Path) -> None:
    """Remove what a killed process was writing. Only for folders that nobody else writes to now."""
    for folder in folders:
        for partial in folder.glob(f".*{_PARTIAL}"):
            partial.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The operating system's refusal in words, with what to try."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"no room on disk to write {path}. Free some space, or choose another folder with --out.")
    return StorageError(f"cannot write {path}: {error.strerror or error}. Check the folder and its permissions.")


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file; ``what`` names it in errors, such as "prompt file".

    Raises :class:`InputError` when the file is missing, a folder, or not UTF-8.
    """
    path = Path(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{what} {path} does not exist; looked for {path.resolve()}.") from None
    except IsADirectoryError:
        raise InputError(f"{what} {path} is a folder, expected a file.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} {path} is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}). "
            "Save it as UTF-8 and try again."
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror or error}.") from None
