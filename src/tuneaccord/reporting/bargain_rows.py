"""The tables of a bargain's documents as rows, shared by the term sheet, the report and the spreadsheet."""

from __future__ import annotations

from typing import Any

from tuneaccord.reporting.bargain_words import GENERALIST, solution_name

_ROUNDING = 1e-12  #: of the largest utility: nothing, for a reader


def party_rows(data: dict) -> list[dict[str, Any]]:
    """One row a party, the generalist first: what it invests, reaches, earns and gains; None where nothing applies."""
    agreement, play = data["agreement"], data["agreement"]["play"]
    built = "builds the base" if play["base_performance"] > 0 else "builds nothing"
    rows = []
    for name in data["players"]:
        base = name == GENERALIST
        revenue, part = revenue_of(data, name)
        rows.append(
            {
                "party": name,
                "share": None if base else agreement["shares"][name],
                "investment": play["base_performance"] if base else play["improvements"][name],
                "cost": play["costs"][name],
                "performance": play["base_performance"] if base else play["performance"][name],
                "regime": built if base else play["regimes"][name],
                "revenue": revenue,
                "part": part,
                "utility": play["utilities"][name],
                "outside": data["outside"][name],
                "gain": agreement["gains"][name],
                "ideal": None if agreement["ideal"] is None else agreement["ideal"][name],
            }
        )
    return rows


def revenue_of(data: dict, name: str) -> tuple[float | None, float]:
    """A domain's revenue and the party's part of it; the generalist has a part of all domains and no own one."""
    play, shares = data["agreement"]["play"], data["agreement"]["shares"]
    if name == GENERALIST:
        return None, sum(shares[one] * play["revenues"][one] for one in shares)
    return play["revenues"][name], (1 - shares[name]) * play["revenues"][name]


def solution_rows(data: dict) -> list[dict[str, Any]]:
    """One row a solution that could be computed: its name, whether chosen, shares and utilities by name."""
    kept = [row for row in data["solutions"] if "refused" not in row]
    least = _ROUNDING * max((abs(one) for row in kept for one in row["utilities"].values()), default=0.0)
    rows = []
    for row in kept:
        utilities = {name: one if abs(one) > least else 0.0 for name, one in row["utilities"].items()}
        total = sum(utilities.values())
        rows.append({**row, "name": solution_name(row["solution"]), "utilities": utilities, "total": total})
    return rows


def refusals(data: dict) -> list[str]:
    """Why a solution could not be computed."""
    return [f"{solution_name(row['solution'])}: {row['refused']}" for row in data["solutions"] if "refused" in row]


def moving_rows(data: dict, most: int) -> list[dict[str, Any]]:
    """The parameters that move any share (at given shares: any utility) most, the largest first.

    Each row has the parameter, its value, the output it moves most, that output now, and with the parameter down and
    up (None where there is no such game).
    """
    found = data.get("sensitivity")
    if not found:
        return []
    kind = "utility." if data["agreement"]["solution"] is None else "share."
    outputs = [name for name in found["now"] if name.startswith(kind)]
    rows = []
    for effect in found["effects"]:
        sides = [effect["low"], effect["high"]]
        sizes = {name: max(abs(side["changes"].get(name, 0.0)) if side else 0.0 for side in sides) for name in outputs}
        output = max(outputs, key=sizes.__getitem__)
        now = found["now"][output]
        then = [now + side["changes"][output] if side and output in side["changes"] else None for side in sides]
        row = {"parameter": effect["parameter"], "value": effect["value"], "output": output.removeprefix(kind)}
        moved = {"now": now, "down": then[0], "up": then[1], "switches": effect["switches"], "size": sizes[output]}
        rows.append(row | moved)
    rows.sort(key=lambda row: -float(f"{row['size']:.5e}"))
    return [row for row in rows if row["size"] > 1e-6 * max(abs(row["now"]), 1e-12)][:most]
