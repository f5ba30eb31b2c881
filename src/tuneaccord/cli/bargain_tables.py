"""A bargain on the screen, in 80 columns: who invests what, who gets what, why, and under the other solutions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tuneaccord.cli import render
from tuneaccord.cli.errors import printable
from tuneaccord.reporting import bargain_words as words
from tuneaccord.reporting.bargain_rows import refusals, revenue_of, solution_rows

MANY = 20  #: parties in a table
WIDE = 4  #: specialists whose shares stand side by side


def show(out: Console, data: dict, written: Sequence[Path]) -> None:
    """Print the bargain and where its files are."""
    agreement = data["agreement"]
    render.heading(out, f"{data['title']}: {words.name_of(data)}")
    render.sentence(out, words.headline(data))
    render.heading(out, "What is agreed and built")
    out.print(render.table(["party", "share", "invests", "cost", "reaches", "regime"], _built(data)))
    render.heading(out, "Who gets what")
    out.print(render.table(_earned_columns(data), _earned(data)))
    hidden = len(data["players"]) - MANY
    if hidden > 0:
        render.sentence(out, f"... and {hidden} more parties; --out writes all of them")
    render.sentence(out, f"share: the generalist's, of that domain's revenue. {words.units_in_words(data)}".rstrip())
    render.heading(out, "Why")
    if agreement["reason"]:
        _indented(out, "these shares", agreement["reason"])
    for name, text in list(words.reasons(data).items())[:MANY]:
        _indented(out, name, text)
    if len(data["solutions"]) > (data["agreement"]["solution"] is not None):
        render.heading(out, "Under each solution: the generalist's share")
        _print_solutions(out, data)
    render.heading(out, "How sure this is")
    for line in words.certainty(data):
        render.sentence(out, line)
    if written:
        render.sentence(out, "")
        render.sentence(out, f"Written: {', '.join(str(path) for path in written)}")


def _built(data: dict) -> list[tuple[str, ...]]:
    agreement, play = data["agreement"], data["agreement"]["play"]
    base = render.number(play["base_performance"])
    does = "builds" if play["base_performance"] > 0 else "builds nothing"
    rows = [(words.GENERALIST, "", base, render.number(play["costs"][words.GENERALIST]), base, does)]
    for name in data["players"][1:MANY]:
        rows.append(
            (
                name,
                _share(agreement, name),
                render.number(play["improvements"][name]),
                render.number(play["costs"][name]),
                render.number(play["performance"][name]),
                play["regimes"][name],
            )
        )
    return rows


def _share(row: dict, name: str) -> str:
    return "" if row["status"] == "no trade" else f"{row['shares'][name]:.4f}"


def _earned_columns(data: dict) -> list[str]:
    columns = ["party", "revenue", "its part", "utility", "outside", "gain"]
    currency = data["money"]["currency"]
    return columns if currency == "units" else [*columns, f"gain, {currency}"]


def _earned(data: dict) -> list[tuple[str, ...]]:
    rows = []
    for name in data["players"][:MANY]:
        revenue, part = revenue_of(data, name)
        gain = data["agreement"]["gains"][name]
        row = [
            name,
            *("" if one is None else render.number(one) for one in (revenue, part)),
            render.number(data["agreement"]["play"]["utilities"][name]),
            render.number(data["outside"][name]),
            render.number(gain),
        ]
        if data["money"]["currency"] != "units":
            row.append(words.money_text(gain, data["money"]))
        rows.append(tuple(row))
    return rows


def _print_solutions(out: Console, data: dict) -> None:
    names = data["players"][1:]
    shown = names[:WIDE]
    rows = []
    for row in solution_rows(data):
        label = row["name"] + (" *" if row["chosen"] else "")
        shares = [_share(row, name) for name in shown]
        earned = (row["utilities"][words.GENERALIST], row["total"])
        rows.append((label, *shares, *map(render.number, (row["base_performance"], *earned))))
    out.print(render.table(["solution", *shown, "base", "generalist", "all"], rows))
    told = "generalist and all: its own utility and the sum of everybody's"
    if any(row["chosen"] for row in data["solutions"]):
        told = f"* chosen; {told}"
    if len(names) > WIDE:
        told += f"; {len(names) - WIDE} more specialists: --out writes their shares"
    render.sentence(out, told)
    for note in refusals(data):
        render.sentence(out, note)


def _indented(out: Console, name: str, text: str) -> None:
    out.print(Padding(Text(printable(f"{name}: {text}")), (0, 0, 0, 2), expand=False))
