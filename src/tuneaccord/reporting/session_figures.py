"""The figures of a settled session: who pays and keeps what, and what the model is worth to each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneaccord.reporting.formatting import number, plain, short
from tuneaccord.reporting.pictures import Picture
from tuneaccord.reporting.svg import COLOURS


def payments_figure(rows: Sequence[dict[str, Any]], currency: str) -> Picture:
    """Bars of each group's payment beside its utility.

    >>> payments_figure.__name__
    'payments_figure'
    """

    def paint(figure):
        panel = figure.subplots()
        for shift, name in ((-0.2, "payment"), (0.2, "utility")):
            at = [place + shift for place in range(len(rows))]
            numbers = [row[name] for row in rows]
            panel.barh(at, numbers, 0.36, color=COLOURS[name], alpha=0.85, label=name)
            for place, one in zip(at, numbers, strict=True):
                panel.annotate(number(one), (max(one, 0.0), place), (5, 0), textcoords="offset points", va="center")
        panel.axvline(0, color=COLOURS["ink"], linewidth=0.8)
        panel.margins(x=0.15)
        _group_axis(panel, rows)
        panel.set_xlabel("payment and utility\n(units of size × score)")
        _legend(figure, panel)

    told = (
        f"{plain(row['group'])}: pays {number(row['payment'])} ({plain(currency)} {row['amount']}), "
        f"utility {number(row['utility'])}."
        for row in rows
    )
    return Picture(4.8, 1.35 + 0.5 * len(rows), paint, "Payment and utility of each group", " ".join(told))


def values_figure(rows: Sequence[dict[str, Any]]) -> Picture:
    """What base model and chosen model are worth to one member of each group.

    >>> values_figure.__name__
    'values_figure'
    """
    known = all(row["base_value"] is not None for row in rows)
    shown = [("base_value", "base model", "base", "o")] if known else []
    shown.append(("value", "chosen model", "policy", "s"))

    def paint(figure):
        panel = figure.subplots()
        for place, row in enumerate(rows):
            if known:
                panel.plot([row["base_value"], row["value"]], [place, place], color=COLOURS["grid"], linewidth=1.2)
        for field, label, colour, marker in shown:
            numbers = [row[field] for row in rows]
            panel.plot(numbers, range(len(rows)), marker, color=COLOURS[colour], markersize=6, label=label)
        panel.margins(x=0.12)
        _group_axis(panel, rows)
        panel.set_xlabel("value of one member\n(points of the agreed scale)")
        _legend(figure, panel)

    told = (
        f"{plain(row['group'])}: " + ", ".join(f"{label} {number(row[field])}" for field, label, _, _ in shown) + "."
        for row in rows
    )
    return Picture(4.8, 1.25 + 0.38 * len(rows), paint, "Value for one member of each group", " ".join(told))


def _group_axis(panel, rows: Sequence[dict[str, Any]]) -> None:
    panel.set_yticks(range(len(rows)), [short(row["group"], 22) for row in rows])
    panel.set_ylim(len(rows) - 0.45, -0.55)
    panel.set_ylabel("group (name)")
    panel.locator_params(axis="x", nbins=6)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color=COLOURS["grid"], linewidth=0.5, alpha=0.5)
    panel.set_axisbelow(True)


def _legend(figure, panel) -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, borderaxespad=0.2)
