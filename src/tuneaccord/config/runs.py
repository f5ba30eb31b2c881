"""Measured runs and prices from CSV: chosen columns of chosen rows, as numbers.

Rows are counted as a spreadsheet shows them, the header being row 1. Columns that were not asked for are left alone.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuneaccord.errors import InputError, nearest
from tuneaccord.files import read_text


def read_columns(
    path: Path | str,
    numbers: Sequence[str],
    names: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> dict[str, list]:
    """The columns ``numbers`` as floats and ``names`` as texts, of the rows whose cells are as ``where`` says.

    Raises :class:`InputError` naming the file and the row on a column that is missing or there twice, on a cell that is
    empty or no finite number, and when no row is left.
    """
    path, where = Path(path), dict(where or {})
    header, records = _records(path)
    places = {column: _place(path, column, header) for column in (*numbers, *names, *where)}
    kept = [(row, cells) for row, cells in records if all(cells[places[key]] == want for key, want in where.items())]
    if not kept:
        raise InputError(_nothing(path, where, [[cells[places[key]] for key in where] for _, cells in records]))
    found: dict[str, list] = {column: [_number(path, row, column, cells[places[column]]) for row, cells in kept]
                              for column in numbers}  # fmt: skip
    return found | {column: [cells[places[column]] for _, cells in kept] for column in names}


def parse_where(given: Sequence[str]) -> dict[str, str]:
    """``COLUMN=VALUE`` options by column.

    >>> parse_where(["domain=code", "start=0"])
    {'domain': 'code', 'start': '0'}
    """
    where: dict[str, str] = {}
    for option in given:
        column, equals, value = option.partition("=")
        if not equals or not column:
            raise InputError(f"rows are chosen by COLUMN=VALUE, such as domain=code, got {option!r:.60}.")
        if column in where:
            raise InputError(f"rows are chosen by {column!r} twice. Give each column one value.")
        where[column] = value
    return where


def _records(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(read_text(path, "CSV file"), newline=""), strict=True)
    try:
        rows = [[cell.strip() for cell in record] for record in reader]
    except csv.Error as error:
        raise InputError(f"{path}, near row {reader.line_num}: this is not CSV ({error}).") from None
    if not rows or not any(rows[0]):
        raise InputError(f"{path} is empty. Its first row must name the columns, such as spend,score.")
    header, records = rows[0], [(number, row) for number, row in enumerate(rows[1:], start=2) if any(row)]
    for number, row in records:
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: expected {len(header)} columns, got {len(row)}.")
    return header, records


def _place(path: Path, column: str, header: list[str]) -> int:
    if header.count(column) > 1:
        raise InputError(f"{path} has the column {column!r} twice. Keep one of them.")
    if column not in header:
        separator = " Separate columns by commas." if len(header) == 1 else ""
        close = nearest(column, header)
        known = f"Its columns are: {', '.join(header)}." if close.startswith("Valid") else close
        raise InputError(f"{path} has no column {column!r}. {known}{separator}")
    return header.index(column)


def _number(path: Path, row: int, column: str, cell: str) -> float:
    try:
        number = math.nan if "_" in cell else float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{path}, row {row}: {column} must be a finite number, got {cell!r:.40}.")
    return number


def _nothing(path: Path, where: dict[str, str], cells: list[list[str]]) -> str:
    if not cells:
        return f"{path} has no rows below its header. Write one row for each measurement."
    for place, (column, want) in enumerate(where.items()):
        values = sorted({row[place] for row in cells})
        if want not in values:
            return f"{path} has no row with {column}={want}. {nearest(want, values)}"
    return f"{path} has no row with {' and '.join(f'{column}={want}' for column, want in where.items())}."
