"""The files of a bargain: data, term sheet, spreadsheet, figures and tables in a folder, and the report as one page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tuneaccord.cli.settle import json_text
from tuneaccord.files import write_atomically
from tuneaccord.reporting.bargain_report import bargain_pictures, bargain_report
from tuneaccord.reporting.bargain_rows import party_rows, solution_rows
from tuneaccord.reporting.spreadsheet import MANY, workbook
from tuneaccord.reporting.term_sheet import term_sheet_html, term_sheet_markdown


def write(data: dict, out: Path | None, report: Path | None) -> list[Path]:
    """Write what was asked for, and return the paths: the folder ``out``, the page ``report``."""
    written = []
    if out is not None:
        for name, content in _contents(data).items():
            write_atomically(out / name, content)
        written.append(out)
    if report is not None:
        written.append(write_atomically(report, bargain_report(data)))
    return written


def _contents(data: dict) -> dict[str, str | bytes]:
    contents: dict[str, str | bytes] = {
        "agreement.json": json_text(data),
        "term-sheet.md": term_sheet_markdown(data),
        "term-sheet.html": term_sheet_html(data),
    }
    contents |= {f"{name}.csv": _csv(*table) for name, table in _tables(data).items()}
    if len(data["players"]) <= MANY + 1:
        contents["game.xlsx"] = workbook(data)
    for name, picture in bargain_pictures(data).items():
        contents |= {f"figures/{name}.svg": picture.svg(name), f"figures/{name}.png": picture.png()}
    return contents


def _tables(data: dict) -> dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]]:
    """Each table's header and rows, by the name of its file."""
    names = data["players"][1:]
    rows = party_rows(data)
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        "parties": (list(rows[0]), [list(row.values()) for row in rows]),
        "solutions": (
            ["solution", "chosen", "status", "party", "share", "utility", "gain"],
            [
                (row["name"], row["chosen"], row["status"], name, row["shares"].get(name), row["utilities"][name], gain)
                for row in solution_rows(data)
                for name, gain in row["gains"].items()
            ],
        ),
        "pareto": (
            [*(f"share of {name}" for name in names), *(f"utility of {name}" for name in data["players"])],
            [(*point["shares"].values(), *point["utilities"].values()) for point in data["frontier"]["points"]],
        ),
    }
    if data["share_curves"]:
        tables["shares"] = _share_table(data)
    if "sensitivity" in data:
        tables["sensitivity"] = _sensitivity_table(data["sensitivity"])
    if "map" in data:
        tables["map"] = _map_table(data["map"])
    return tables


def _share_table(data: dict):
    header = ["moved", "share", "base", "improvement", "performance", "regime"]
    rows = [
        (name, *(curve[column][i] for column in header[1:]), *(values[i] for values in curve["utilities"].values()))
        for name, curve in data["share_curves"].items()
        for i in range(len(curve["share"]))
    ]
    return [*header, *(f"utility of {name}" for name in data["players"])], rows


def _sensitivity_table(found: dict):
    rows = [
        (
            effect["parameter"],
            effect["value"],
            output,
            now,
            *(_then(effect[side], output, now) for side in ("low", "high")),
        )
        for effect in found["effects"]
        for output, now in found["now"].items()
    ]
    return ["parameter", "value", "output", "now", "when_down", "when_up"], rows


def _then(side: dict | None, output: str, now: float) -> float | None:
    return None if side is None or output not in side["changes"] else now + side["changes"][output]


def _map_table(found: dict):
    (first, second), names = found["values"], list(found["regimes"])
    rows = [
        (x, y, *(found["regimes"][name][i][j] for name in names), found["outputs"]["total utility"][i][j])
        for i, x in enumerate(first)
        for j, y in enumerate(second)
    ]
    return [*found["parameters"], *(f"regime of {name}" for name in names), "total utility"], rows


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[_cell(value) for value in row] for row in [header, *rows]])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets an apostrophe, which makes it text."""
    if isinstance(value, str):
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
    return "" if value is None else value
