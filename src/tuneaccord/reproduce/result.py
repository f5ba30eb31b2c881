"""What a reproduction returns: its setting, tables of numbers beside the paper's, one verdict, and what to know.

Everything is plain data, the same for the same number of games and the same seed. Wall-clock time is no part of it.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, and how its numbers are written (Python's format codes).

    >>> Column("gain", ".1%").text(0.0523), Column("gain").text(None)
    ('5.2%', '')
    """

    name: str
    format: str = ".4g"

    def text(self, cell: Cell) -> str:
        """The cell as people read it; the exact number stays in the table."""
        if cell is None:
            return ""
        if isinstance(cell, bool):
            return "yes" if cell else "no"
        if isinstance(cell, str):
            return cell
        if isinstance(cell, int) and "%" not in self.format:
            return str(cell)
        text = format(cell, self.format)
        # a number that rounds to nothing has no sign
        return text.lstrip("+-") if not any(digit in text.partition("e")[0] for digit in "123456789inf") else text


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns. The first ``words`` columns say what the row is."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 1

    def column(self, name: str) -> list[Cell]:
        """The cells of one column, top to bottom."""
        place = [column.name for column in self.columns].index(name)
        return [row[place] for row in self.rows]

    def texts(self) -> list[list[str]]:
        """The rows as people read them."""
        return [[column.text(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows]

    def to_dict(self) -> dict:
        """Plain data: one mapping a row."""
        names = [column.name for column in self.columns]
        rows = [{name: _plain(cell) for name, cell in zip(names, row, strict=True)} for row in self.rows]
        return {"key": self.key, "title": self.title, "columns": names, "rows": rows}

    def to_csv(self) -> str:
        """The table with a header line and full precision."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows(self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class Curve:
    """One line of a figure. ``paper`` marks numbers that were read from the paper; ``band`` is low and high ends."""

    name: str
    at: tuple[float, ...]
    heights: tuple[float, ...]
    paper: bool = False
    band: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def to_dict(self) -> dict:
        """Plain data."""
        plain = {"name": self.name, "at": list(self.at), "heights": list(self.heights)}
        return plain if self.band is None else {**plain, "low": list(self.band[0]), "high": list(self.band[1])}


@dataclass(frozen=True)
class Picture:
    """Lines over one axis, as plain data; :func:`tuneaccord.reproduce.picture.svg` draws it."""

    title: str
    across: str
    upwards: str
    curves: tuple[Curve, ...]
    logarithmic: tuple[bool, bool] = (False, False)

    def to_dict(self) -> dict:
        """Plain data."""
        curves = [curve.to_dict() for curve in self.curves]
        return {"title": self.title, "across": self.across, "upwards": self.upwards, "curves": curves}


@dataclass(frozen=True)
class Panels:
    """Pictures of the same curves side by side, row by row, with one legend; a line marks the truth at 1."""

    key: str
    title: str
    rows: tuple[tuple[Picture, ...], ...]

    def to_dict(self) -> dict:
        """Plain data."""
        return {"key": self.key, "title": self.title, "rows": [[one.to_dict() for one in row] for row in self.rows]}


@dataclass(frozen=True)
class Reproduction:
    """One table or theorem of the paper, recomputed.

    ``claim`` is the statement that was tested and ``holds`` whether every number agrees with it; ``verdict`` says
    so in one sentence. ``notes`` are what the paper leaves out or gets wrong, and what this run leaves out.
    ``samples`` and ``seed`` give the same numbers again.
    """

    name: str
    title: str
    claim: str
    setting: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    verdict: str
    holds: bool
    notes: tuple[str, ...]
    samples: int
    seed: int
    picture: Picture | None = None
    panels: tuple[Panels, ...] = ()

    def table(self, key: str) -> Table:
        """The table of that key."""
        return next(table for table in self.tables if table.key == key)

    def to_dict(self) -> dict:
        """Plain data that JSON can hold."""
        return {
            "kind": "Reproduction",
            "name": self.name,
            "title": self.title,
            "source": "arXiv 2405.16276",
            "claim": self.claim,
            "setting": dict(self.setting),
            "tables": [table.to_dict() for table in self.tables],
            "verdict": self.verdict,
            "holds": self.holds,
            "notes": list(self.notes),
            "samples": self.samples,
            "seed": self.seed,
            "picture": self.picture.to_dict() if self.picture else None,
            "panels": [panels.to_dict() for panels in self.panels],
        }

    def to_markdown(self, most_rows: int | None = None) -> str:
        """Claim, setting, tables (of each the first ``most_rows`` rows), verdict and notes as Markdown."""
        parts = [f"{self.claim}", "Setting: " + "; ".join(f"{key} {value}" for key, value in self.setting) + "."]
        for table in self.tables:
            lines = [f"| {' | '.join(column.name for column in table.columns)} |", "|---" * len(table.columns) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in table.texts()[:most_rows]]
            if most_rows is not None and len(table.rows) > most_rows:
                lines += ["", f"... and {len(table.rows) - most_rows} more rows."]
            parts += [f"{table.title}:", "\n".join(lines)]
        parts.append(f"**Verdict.** {self.verdict}")
        parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts)


def _plain(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
