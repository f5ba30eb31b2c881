"""The results of the games benchmark in Markdown."""

from __future__ import annotations

import game_growth


def tables(found: dict) -> str:
    """Every part that was measured."""
    used = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    parts = [f"{'Quick run' if found['quick'] else 'Measured'} on {found['machine']}; {used}."]
    for name, table in (("nested", _nested), ("libraries", _libraries), ("family", _family), ("crowd", _crowd)):
        if name in found:
            parts.append(table(found[name]))
    return "\n\n".join(parts) + "\n"


def _table(title, columns, rows):
    lines = [title, "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _small(number):
    return "not bounded" if number is None else f"{number:.0e}"


def _nested(rows):
    return _table(
        "**One Nash bargain, one specialist**, against a nested `scipy.optimize` search over 201 shares",
        [
            "curves",
            "ours, ms",
            "nested, s",
            "ratio",
            "error bound of the play",
            "our play off brute force by",
            "product missed by us",
            "nested: gains off",
            "nested: product missed",
        ],
        [
            [
                row["family"],
                f"{1e3 * row['ours']:.1f}",
                f"{row['nested']:.2f}",
                f"{row['ratio']:.0f}",
                _small(row["error"]),
                _small(row["play_off"]),
                _small(max(row["missed"], 0.0)),
                _small(row["nested_misplayed"]),
                _small(max(row["nested_missed"], 0.0)),
            ]
            for row in rows
        ],
    )


def _libraries(rows):
    cells = []
    for row in rows:
        if "seconds" not in row:
            cells.append([row["library"], "not installed", row["what"], "", "", "", "", ""])
            continue
        cells.append(
            [
                row["library"],
                row["version"],
                row["what"],
                f"{row['seconds']:.3g}",
                f"{1e3 * row['ours']:.3g}",
                f"{row['ratio']:.0f}",
                _small(row["off"]),
                "yes" if row["agrees"] else "NO",
            ]
        )
    columns = ["library", "version", "what", "library, s", "ours, ms", "ratio", "differs by", "agrees on its own grid"]
    return _table("**The discretised game in general libraries** (quadratic costs, linear revenue)", columns, cells)


def _family(rows):
    return _table(
        "**Many games at once**, one specialist, power costs, linear revenue, all cores",
        ["what", "games", "seconds", "games a minute", "off by"],
        [
            [
                row["what"],
                f"{row['games']:,}",
                f"{row['seconds']:.2f}",
                f"{60 * row['games'] / row['seconds'] / 1e6:.2f} million",
                _small(row["off"]),
            ]
            for row in rows
        ],
    )


def _crowd(rows):
    lines = []
    titles = {"quadratic": "quadratic costs, linear revenues", "general": "exponent 1.6, four kinds of revenue"}
    for kind, words in titles.items():
        some = [row for row in rows if row["kind"] == kind]
        sizes = sorted({row["specialists"] for row in some})
        cells = []
        for rule in dict.fromkeys(row["rule"] for row in some):
            own = {row["specialists"]: row for row in some if row["rule"] == rule}
            power = game_growth.exponent(list(own.values()))
            missed = [row["missed"] for row in own.values() if "missed" in row]
            seconds = [f"{own[n]['seconds']:.3g}" if n in own else "" for n in sizes]
            last = [_small(max(missed[0], 0.0)) if missed else ""] if kind == "quadratic" else []
            cells.append([rule, *seconds, "" if power is None else f"{power:.2f}", *last])
        title = f"**Many specialists**, {words}: seconds for one bargain, and `p` of time ~ n ** p"
        checked = [f"missed at n = {sizes[0]}"] if kind == "quadratic" else []
        lines.append(_table(title, ["solution", *(f"n = {n}" for n in sizes), "p", *checked], cells))
    return "\n\n".join(lines)
