"""The plots of a class: the chosen model against the base, what exaggerating brings, and one player's curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneaccord.service.pages.charts import axis, bars, curve, figure, label, marks, upright

MOST_LIES = 20  #: in the comparison plot


def chances_plot(found: Mapping[str, Any]) -> dict:
    """How often the assistant answers in each style: the base model, the chosen one, and the one of an honest class."""
    names = [label(name, 14) for name in found["responses"]]
    rows = [
        ("base model", found["base"], 4),
        ("chosen", found["chosen"], 0),
        ("if all were true", found["honest"], 1),
    ]
    traces = [bars(name, names, chances, place) for name, chances, place in rows if chances is not None]
    return figure(
        traces,
        axis("style of the answer", type="category"),
        axis("chance of the style", "share of answers", rangemode="tozero"),
        barmode="group",
    )


def lies_plot(found: Mapping[str, Any]) -> dict:
    """What each lie brings to the liar, with and without payments, the largest first."""
    liars = sorted((row for row in found["players"] if row["lied"]), key=lambda row: -abs(row["gain_free"]))[:MOST_LIES]
    names = [label(row["name"], 14) for row in liars]
    rate, unit = found["rate"], label(found["currency"], 12)
    return figure(
        [
            bars("if nobody pays", names, [row["gain_free"] * rate for row in liars], 2),
            bars("with payments", names, [row["gain_charged"] * rate for row in liars], 1),
        ],
        axis("player who did not report the truth", type="category"),
        axis("gain over the truth", unit),
        barmode="group",
    )


def own_plot(found: Mapping[str, Any], lines: Mapping[str, Any]) -> dict:
    """A player's utility against the factor on its size, with and without payments, and where it was."""
    rate, unit, you = found["rate"], label(found["currency"], 12), found["you"]
    traces = [
        curve("with payments", lines["factor"], [one * rate for one in lines["charged"]], 1),
        curve("if nobody pays", lines["factor"], [one * rate for one in lines["free"]], 2),
    ]
    if you["reported"]:
        traces.append(marks("what you got", [you["size_factor"]], [you["utility"] * rate], 0))
    ticks = [factor for factor in (0.25, 0.5, 1, 2, 4, 8, 16, 32) if factor <= max(lines["factor"])]
    across = axis("reported size over true size", type="log", tickvals=ticks, ticktext=[f"{one:g}" for one in ticks])
    return figure(traces, across, axis("your utility", unit), shapes=[upright(1.0)])
