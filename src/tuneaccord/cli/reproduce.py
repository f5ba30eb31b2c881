"""``tuneaccord reproduce``: the paper's tables, theorems and figure, recomputed and printed beside the paper."""

from __future__ import annotations

import textwrap
from pathlib import Path

import typer
from rich.console import Console

from tuneaccord.cli import render
from tuneaccord.cli.errors import PROMISE_FAILED, error_line
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import json_text
from tuneaccord.errors import MissingDependencyError
from tuneaccord.files import write_atomically
from tuneaccord.progress import Silent
from tuneaccord.reproduce import CATALOGUE, Reproduction, reproduce
from tuneaccord.reproduce.result import Table

_GAP = 3  #: between two columns of a table
_LEAST = 6  #: characters that a column of words keeps on a narrow terminal


def run(
    name: str | None,
    *,
    out: Path | None,
    as_json: bool,
    samples: int | None,
    seed: int,
    market: Path | None = None,
    workers: int | None = None,
) -> None:
    """Recompute, write and print; without a name list them. Exit status 1 when the paper's claim fails."""
    if name is None:
        _list(as_json)
        return
    progress = Silent() if as_json else TerminalProgress()
    result = reproduce(name, samples, seed, progress, market=market, workers=workers)
    written = _write(out, result) if out is not None else []
    if as_json:
        typer.echo(json_text(result.to_dict()), nl=False)
    else:
        _print(result)
        if written:
            render.sentence(render.console(), f"Written to {out}: {', '.join(written)}")
    if not result.holds:
        typer.echo(error_line(f"{name} was not reproduced."), err=True)
        raise typer.Exit(PROMISE_FAILED)


def _list(as_json: bool) -> None:
    if as_json:
        entries = {
            name: {"line": entry.line, "samples": entry.samples, "unit": entry.unit}
            for name, entry in CATALOGUE.items()
        }
        typer.echo(json_text(entries), nl=False)
        return
    out = render.console()
    rows = [(name, entry.line, f"{entry.samples:,} {entry.unit}") for name, entry in CATALOGUE.items()]
    out.print(render.table(["tuneaccord reproduce", "what", "draws"], rows, left=2))


def _write(folder: Path, result: Reproduction) -> list[str]:
    """The JSON, one CSV file a table, and the pictures where matplotlib is there to draw them."""
    contents = {f"{result.name}.json": json_text(result.to_dict())}
    contents |= {f"{result.name}-{table.key}.csv": table.to_csv() for table in result.tables}
    try:
        contents |= _pictures(result)
    except MissingDependencyError as error:
        typer.echo(f"no picture: {error}", err=True)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return list(contents)


def _pictures(result: Reproduction) -> dict[str, str | bytes]:
    from tuneaccord.reproduce.picture import panels_png, panels_svg, svg

    drawn: dict[str, str | bytes] = {}
    if result.picture is not None:
        drawn[f"{result.name}.svg"] = svg(result.picture, result.name.replace(".", "-"))
    for panels in result.panels:
        name = f"{result.name}-{panels.key}"
        drawn |= {f"{name}.svg": panels_svg(panels, name), f"{name}.png": panels_png(panels)}
    return drawn


def _print(result: Reproduction) -> None:
    out = render.console()
    render.heading(out, result.title)
    render.sentence(out, result.claim)
    out.print()
    for key, what in result.setting:
        render.sentence(out, f"{key}: {what}")
    for table in result.tables:
        _print_table(out, table)
    render.heading(out, "Verdict")
    render.sentence(out, result.verdict)
    render.heading(out, "What to know")
    for note in result.notes:
        render.sentence(out, f"- {note}")


def _print_table(out: Console, table: Table) -> None:
    render.heading(out, table.title)
    texts = table.texts()
    widths = [_width(column.name, [row[place] for row in texts]) for place, column in enumerate(table.columns)]
    # numbers stay whole, headings fold, and words take the room that is left
    room = out.width - sum(width + _GAP for width in widths[table.words :])
    share = max(room // max(table.words, 1) - _GAP, _LEAST)
    widths = [min(width, share) if place < table.words else width for place, width in enumerate(widths)]
    headings = [_folded(column.name, width) for column, width in zip(table.columns, widths, strict=True)]
    made = render.table(headings, texts, left=table.words)
    for column, width in zip(made.columns, widths, strict=True):
        column.min_width = column.max_width = width
    out.print(made)


def _width(name: str, cells: list[str]) -> int:
    return max(len(part) for part in (*cells, *name.split()))


def _folded(name: str, width: int) -> str:
    return textwrap.fill(name, width, break_long_words=False)
