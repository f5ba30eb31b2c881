"""``tuneaccord compare``: all ways to obtain the shared model, side by side on one market."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from tuneaccord.cli import render
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import json_text
from tuneaccord.reporting.ways_report import LABELS, headline, ways_markdown


def run(file: Path, *, ways: list[str], out: Path | None, as_json: bool, workers: int | None, markdown: bool) -> None:
    """Obtain the model in each of these ways and print the table; all ways when none is named."""
    progress = TerminalProgress()
    from tuneaccord.tuning.compare import compare_ways
    from tuneaccord.tuning.ways import NAMES

    comparison = compare_ways(file, ways or NAMES, out, workers, progress)
    record, costs = comparison.record, comparison.costs
    if as_json:
        typer.echo(json_text({**record, "costs": costs}), nl=False)
    elif markdown:
        typer.echo(ways_markdown(record, costs))
    else:
        _print(render.console(), record, costs, comparison.folder)


def _print(out: Console, record: dict, costs: dict, folder: Path) -> None:
    groups = [group["name"] for group in record["groups"]]
    render.heading(out, f"Measured on {record['prompts']['held_out']} held-out prompts")
    columns = ["way", "welfare", "KL", "net welfare over the base", "CPU-s", "tokens"]
    out.print(render.table(columns, [_delivered(way, costs) for way in record["ways"]]))
    render.heading(out, "What each group would pay")
    rows = [(_label(way), *(_spread(way["payments"][group]) for group in groups)) for way in record["ways"]]
    out.print(render.table(["way", *groups], rows))
    render.heading(out, "May it be charged?")
    for way in record["ways"]:
        render.sentence(out, f"{_label(way)}: {'yes' if way['chargeable'] else 'no'}. {way['why']}")
        render.sentence(out, f"    {_promises(way['guarantees'])}")
    render.heading(out, " ".join(headline(record)))
    render.sentence(
        out, f"Open {folder / 'comparison.html'} in a browser; what each way delivers is in {folder / 'ways'}."
    )


def _promises(guarantees: list[dict]) -> str:
    """The promises by status, without their words."""
    by_status: dict[str, list[str]] = {}
    for promise in guarantees:
        by_status.setdefault(promise["status"], []).append(promise["name"])
    return "; ".join(f"{status}: {', '.join(names)}" for status, names in by_status.items())


def _delivered(way: dict, costs: dict) -> tuple[str, ...]:
    spent = costs.get(way["name"])
    return (
        _label(way),
        render.number(way["welfare"]["estimate"]),
        render.number(way["kl"]["estimate"]),
        _spread(way["gain"], "+"),
        "" if spent is None else f"{spent:.0f}",
        f"{way['generated'] + way['trained']:,}",
    )


def _label(way: dict) -> str:
    return LABELS.get(way["name"], way["name"])


def _spread(interval: dict, sign: str = "") -> str:
    return f"{interval['estimate']:{sign}.3f} [{interval['low']:{sign}.2f}, {interval['high']:{sign}.2f}]"
