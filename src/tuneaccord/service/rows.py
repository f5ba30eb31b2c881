"""Rows of uploaded files: CSV, Parquet and JSON Lines, read with bounds on everything that a file can have too much of.

A row is its number, as a reader of the file would count, and its values by column. CSV has texts only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneaccord.service.errors import Invalid, TooLarge
from tuneaccord.service.foreign import MOST_COLUMNS, in_a_child
from tuneaccord.service.plain_json import strict_json

UNPACKED = 64_000_000  #: bytes of a Parquet file as CSV
LONGEST_LINE = 1_000_000
Row = tuple[int, dict[str, Any]]


def format_of(name: str, valid: tuple[str, ...]) -> str:
    """The format that a file's name tells; raises :class:`Invalid`."""
    kind = str(name).rpartition(".")[2].lower()
    if kind not in valid:
        raise Invalid(
            f"the file's name must end in one of {', '.join('.' + one for one in valid)}; got {name[-40:]!r}."
        )
    return kind


def as_csv(path: Path, kind: str, folder: str, most_rows: int, most: int = UNPACKED) -> Path:
    """The file as CSV; Parquet is unpacked into ``folder``.

    Raises :class:`Invalid` when it cannot be read, :class:`TooLarge` when it unpacks to more than ``most`` bytes.
    """
    if kind == "csv":
        return Path(path)
    target = Path(folder) / "unpacked.csv"
    in_a_child("parquet", source=str(path), target=str(target), most=most, most_rows=most_rows)
    return target


def json_rows(path: Path) -> Iterator[Row]:
    """The rows of JSON Lines; raises :class:`Invalid` that names the line."""
    with open(path, "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if len(line) > LONGEST_LINE:
                raise TooLarge(f"line {number} has more than 1,000,000 bytes.")
            if line.strip():
                row = strict_json(line, f"line {number}")
                if not isinstance(row, dict) or len(row) > MOST_COLUMNS:
                    raise Invalid(f"line {number}: expected a mapping such as {{'prompt_id': ..., 'reply_id': ...}}.")
                yield number, row


def csv_rows(path: Path) -> Iterator[Row]:
    """The rows of CSV with a header; raises :class:`Invalid` that names the row."""
    number = 1
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_bounded_lines(file), strict=True)
            header = next(reader, [])
            _check_header(header)
            for number, record in enumerate(reader, start=2):
                if record and len(record) != len(header):
                    raise Invalid(f"row {number}: expected {len(header)} columns, got {len(record)}.")
                if record:
                    yield number, dict(zip(header, record, strict=True))
    except csv.Error as error:
        raise Invalid(f"near row {number + 1}: this is not CSV ({error}).") from None
    except UnicodeDecodeError:
        raise Invalid("the file is not UTF-8 text. Save it as UTF-8 and try again.") from None


def _bounded_lines(file: io.TextIOBase) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise TooLarge("a line of the file has more than 1,000,000 characters.")
        if "\0" in line:
            raise Invalid("the file has a zero character, so it is not CSV.")
        yield line


def _check_header(header: list[str]) -> None:
    if len(header) > MOST_COLUMNS:
        raise TooLarge(f"the file has {len(header):,} columns; at most {MOST_COLUMNS} are taken.")
    if len(set(header)) < len(header):
        raise Invalid("the file has a column twice. Keep one of them.")
