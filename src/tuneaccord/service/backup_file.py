"""The file of a backup: plain rows, one a line, each line after a digest of it and of all lines before.

The first line says what the file is and how many rows of each table follow; then come the rows, then the keys if they
are included, then a line that ends it. It is the same for SQLite and PostgreSQL. A changed, missing or added byte is
found, and the line named.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tuneaccord.artifacts import canonical_json
from tuneaccord.errors import InputError, StorageError
from tuneaccord.files import storage_error

KIND, VERSION = "tuneaccord backup", 1
_START = hashlib.sha256(KIND.encode()).hexdigest()
_DIGITS = 64
_HEADER = {"made_at", "revision", "rows", "keys", "with_keys"}


class Writer:
    """Adds lines to a backup; ``digest`` is that of all lines so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, _START

    def line(self, content: Mapping[str, Any]) -> None:
        """One more line."""
        self.text(canonical_json(dict(content)))

    def text(self, text: bytes) -> None:
        """A line as it is, after its digest."""
        self.digest = _next(self.digest, text)
        self._file.write(self.digest.encode() + b" " + text + b"\n")

    def row(self, table: str, row: Mapping[str, Any]) -> None:
        """One more row."""
        self.line({"table": table, "row": {name: _portable(value) for name, value in row.items()}})


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A backup that is at ``path`` once it is whole, for this user only; on an exception nothing is there.

    Raises :class:`StorageError` when it cannot be written.
    """
    path, temporary = Path(path), None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            yield Writer(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a backup, each checked before it is given.

    Raises :class:`InputError` when there is no such file, :class:`StorageError` that names the first line that was
    changed.
    """
    try:
        with open(path, "rb") as file:
            yield from _checked(path, file)
    except OSError as error:
        raise InputError(f"cannot read the backup {path}: {error.strerror or error}.") from None


def _checked(path: Path, file: BinaryIO) -> Iterator[dict[str, Any]]:
    digest, number, last = _START, 0, {}
    for number, line in enumerate(file, start=1):
        told, text = line[:_DIGITS], line[_DIGITS + 1 : -1]
        digest = _next(digest, text)
        if line != digest.encode() + b" " + text + b"\n":
            if number == 1 and KIND.encode() not in line:
                raise InputError(f"{path} is not a backup of tuneaccord.")
            known = f": it should have the digest {told[:12].decode(errors='replace')}..." if len(told) else ""
            raise StorageError(f"line {number} of the backup {path} was changed{known} Use another backup.")
        last = _line(text, number, path)
        yield last
    if number == 0 or "end" not in last:
        raise StorageError(f"the backup {path} ends after line {number}, before its end. Use another backup.")


def _line(text: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise StorageError(f"line {number} of the backup {path} is not of the form of one. Use another backup.")
    return line


def header_of(path: Path) -> dict[str, Any]:
    """The first line of a backup: when and with what it was made, its revision and rows.

    Raises :class:`InputError` for another file, and for a backup of a form that is not known here.
    """
    first = next(lines(path))
    if first.get("kind") != KIND:
        raise InputError(f"{path} is not a backup of tuneaccord.")
    if first.get("version") != VERSION:
        raise InputError(
            f"the backup {path} has the form {first.get('version')!r:.20}, and this version of tuneaccord knows "
            f"{VERSION}. Install a newer one."
        )
    counts = first.get("rows")
    if not isinstance(counts, dict) or {type(count) for count in counts.values()} - {int} or not set(first) >= _HEADER:
        raise StorageError(f"line 1 of the backup {path} does not say what is in it. Use another backup.")
    return first


def row_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line's row as it goes into the database. Raises :class:`StorageError`."""
    try:
        return {name: _native(value) for name, value in line["row"].items()}
    except (ValueError, KeyError, TypeError):
        raise StorageError("the backup has a row that cannot be read. Use another backup.") from None


def _next(digest: str, text: bytes) -> str:
    return hashlib.sha256(digest.encode() + b" " + text).hexdigest()


def _portable(value: Any) -> Any:
    return {"base64": base64.b64encode(bytes(value)).decode()} if isinstance(value, bytes | memoryview) else value


def _native(value: Any) -> Any:
    return base64.b64decode(value["base64"], validate=True) if isinstance(value, dict) else value
