"""The results of a class as tables: for the projector, and with everything in them for a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneaccord.service.classroom_words import amount, the_lie, verdict

LEADERS = ("place", "player", "utility", "value", "payment", "with the truth", "truth better?")
LIES = ("player", "what was not true", "size factor", "spread of scores", "gain with payments", "gain without")


def leaderboard(found: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of the leaderboard by true utility, in the session's money."""
    totals = found.get("round", 1) > 1
    rows = [
        [
            f"{row['rank']}",
            named(row),
            amount(row["utility"], found),
            amount(row["value"], found),
            amount(row["payment"], found),
            amount(row["truth_utility"], found),
            verdict(row, found),
            *([amount(row["total"], found)] if totals else []),
        ]
        for row in found["players"]
    ]
    return [*LEADERS, *(["all rounds"] if totals else [])], rows


def lies(found: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of who lied how much, the boldest first, and what each lie brings with and without payments."""
    liars = [row for row in found["players"] if row["lied"]]
    liars.sort(key=lambda row: (-abs(row["size_factor"] - 1) - row["moved"], row["name"]))
    return list(LIES), [
        [
            named(row),
            the_lie(row),
            f"{row['size_factor']:.3g}",
            "" if row["spread"] is None else f"{row['spread']:.3g}",
            amount(row["gain_charged"], found, True),
            amount(row["gain_free"], found, True),
        ]
        for row in liars
    ]


def everything(found: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows for a file: amounts as unrounded numbers in the session's money."""
    money = ("utility", "value", "payment", "base_value", "truth_utility", "truth_value", "truth_payment")
    gains = ("gain", "gain_charged", "gain_free")
    facts = ("name", "bot", "reported", "lied", "rank", "size_factor", "spread", "moved")
    names = found["responses"]
    columns = [
        *facts,
        *(f"{key} ({found['currency']})" for key in (*money, *gains)),
        "true size",
        "reported size",
        *(f"true score of {name}" for name in names),
        *(f"reported score of {name}" for name in names),
    ]
    rows = []
    for row in found["players"]:
        report = row["report"] or {"size": None, "scores": [[None] * len(names)]}
        rows.append(
            [
                *(row[key] for key in facts),
                *(None if row[key] is None else row[key] * found["rate"] for key in (*money, *gains)),
                row["truth"]["size"],
                report["size"],
                *(score for line in row["truth"]["scores"] for score in line),
                *(score for line in report["scores"] for score in line),
            ]
        )
    return columns, [["" if one is None else one for one in row] for row in rows]


def named(row: Mapping[str, Any]) -> str:
    """A player's name, marked where the server played."""
    return f"{row['name']} (server)" if row["bot"] else row["name"]
