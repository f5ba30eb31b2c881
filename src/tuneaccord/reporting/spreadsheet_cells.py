"""Cells of a workbook: text that stays text, live formulas, and bytes that do not depend on the clock."""

from __future__ import annotations

import io
import re
import zipfile

from tuneaccord.reporting.formatting import plain
from tuneaccord.reporting.needs import need


def text(sheet, row: int, column: int, words: str, bold: bool = False) -> None:
    """Text that stays text, also when it begins like a formula."""
    cell = sheet.cell(row, column)
    cell.value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "\N{REPLACEMENT CHARACTER}", plain(words))[:32000]
    cell.data_type = "s"
    cell.quotePrefix = str(words)[:1] in ("=", "+", "-", "@")
    if bold:
        cell.font = need("openpyxl.styles").Font(bold=True)


def formula(sheet, row: int, column: int, expression: str) -> None:
    """A live cell."""
    sheet.cell(row, column).value = f"={expression}"


def formula_or(sheet, row: int, column: int, expression: str | None, number: float | None) -> None:
    """The formula, or where there is none the solved number, in italics."""
    if expression:
        formula(sheet, row, column, expression)
    else:
        sheet.cell(row, column, number).font = need("openpyxl.styles").Font(italic=True)


def widths(sheet, *each: float) -> None:
    """The widths of the columns, in characters."""
    letter = need("openpyxl.utils").get_column_letter
    for column, width in enumerate(each, start=1):
        sheet.column_dimensions[letter(column)].width = width


def without_clock(content: bytes) -> bytes:
    """The same workbook without the times at which it was written."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", part)
            new.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()
