"""``tuneaccord audit``: look for lies that pay in a market or a stored settlement."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path

import typer
from rich.console import Console

from tuneaccord.cli import render
from tuneaccord.cli.errors import PROMISE_FAILED, error_line
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import json_text, parse_sizes
from tuneaccord.config.market import read_market
from tuneaccord.errors import InputError, MissingDependencyError
from tuneaccord.files import read_text, write_atomically
from tuneaccord.mechanism.audit import AuditReport, GroupAudit, audit
from tuneaccord.mechanism.lie_curves import lie_curves
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.progress import Silent

MOST_NAMES = 4  #: an audit tries one, two, four and eight names


def run(
    file: Path,
    *,
    out: Path | None,
    as_json: bool,
    strength: float | None,
    sizes: Iterable[str],
    groups: list[str],
    effort: str,
    pairs: bool,
    seed: int,
) -> None:
    """Audit, write and print; exit status 1 when a lie gains more than is certified."""
    settlement = _settlement(file, strength, parse_sizes(sizes))
    watch = Silent() if as_json else TerminalProgress()
    found = audit(settlement, groups or None, pairs=pairs, effort=effort, seed=seed, progress=watch)
    written = [] if out is None else _write(out, settlement, found)
    if as_json:
        typer.echo(json_text(found.to_dict()), nl=False)
    else:
        _print(found)
        if written:
            render.sentence(render.console(), f"Written to {out}: {', '.join(written)}")
    if found.promise_broken:
        typer.echo(error_line("a promise fails: a lie gains more than the settlement certifies."), err=True)
        raise typer.Exit(PROMISE_FAILED)


def _settlement(file: Path, strength: float | None, sizes: dict[str, float]) -> Settlement:
    if file.suffix.lower() != ".json":
        return read_market(file, strength, sizes).settle()
    if strength is not None or sizes:
        raise InputError("a stored settlement has its own strength and sizes. Leave --strength and --size out.")
    text = read_text(file, "settlement")
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}. Give the settlement.json that settle --out writes.") from None
    if not isinstance(data, dict) or data.get("kind") != "Settlement":
        raise InputError(
            f"{file} is not a settlement that settle --out wrote. For a tuning run audit its score sheet: "
            "tuneaccord audit runs/NAME/scores.parquet --strength 0.5 --size NAME=N"
        )
    return Settlement.from_dict(data)


def _write(folder: Path, settlement: Settlement, found: AuditReport) -> list[str]:
    contents = {"audit.json": json_text(found.to_dict()), "audit.csv": _csv(found)}
    try:
        contents["lies.svg"] = _figure(settlement, found)
    except MissingDependencyError as error:
        typer.echo(f"no picture: {error}", err=True)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return list(contents)


def _figure(settlement: Settlement, found: AuditReport) -> str:
    from tuneaccord.reporting.figures import misreport_figure

    names = [one.group for one in found.groups]
    curves = {name: lie_curves(settlement, name, found.scale) for name in names}
    return misreport_figure({"misreports": curves}, names)


def _csv(found: AuditReport) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "family", "lie", "gain", "gain_if_nobody_paid", "size"])
    for group in found.groups:
        writer.writerows((group.group, one.family, one.words, one.gain, one.value_gain, one.size) for one in group.lies)
    return text.getvalue()


def _print(found: AuditReport) -> None:
    out = render.console()
    _print_groups(out, found)
    if found.false_names:
        _print_false_names(out, found)
    render.heading(out, "What this says")
    for verdict in found.verdicts:
        render.sentence(out, f"- {verdict}")
    if found.pairs_skipped:
        render.sentence(out, f"- {found.pairs_skipped} more pairs were not tried; --effort thorough tries more.")


def _print_groups(out: Console, found: AuditReport) -> None:
    render.heading(out, "The best lie found for each group, and what no lie can exceed")
    rows = [
        (
            one.group,
            render.number(one.utility),
            render.number(one.regret[0]) if one.pays else "none",
            _at_most(one),
            render.number(one.gain_without_payments_any_size),
        )
        for one in found.groups
    ]
    out.print(render.table(["group", "utility", "lie gains", "at most", "if nobody paid"], rows))
    sizes = ", ".join(f"{size:g}" for size in found.sizes)
    render.sentence(out, f"Lies may claim {sizes} times the true size. If nobody paid: the gain of the best of them.")


def _at_most(one: GroupAudit) -> str:
    if math.isinf(one.certificate):
        return "nothing proved"
    return render.number(one.certificate) if one.certificate > one.rounding else "rounding"


def _print_false_names(out: Console, found: AuditReport) -> None:
    render.heading(out, "One group under several names: what it would pay in total")
    counts = sorted({one.count for one in found.false_names})
    by_group: dict[str, dict[int, float]] = {}
    for one in found.false_names:
        by_group.setdefault(one.group, {})[one.count] = one.payment
    rows = [
        (name, *(render.number(paid[count]) if count in paid else "" for count in counts))
        for name, paid in by_group.items()
    ]
    out.print(render.table(["group", *(f"as {count}" for count in counts)], rows))
    if any("" in row for row in rows) or len(counts) < MOST_NAMES:
        render.sentence(out, "Where nothing stands the rule or the payment refuses so many names.")
