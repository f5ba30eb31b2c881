"""The results of the service benchmark in Markdown."""

from __future__ import annotations


def tables(found: dict) -> str:
    """Both parts."""
    used = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    kind = "Quick run" if found["quick"] else "Measured"
    parts = [f"{kind} on {found['date']} on {found['machine']}, shared by server, database and the groups; {used}."]
    for part, table in (("load", _load), ("settlement", _settlement)):
        rows = [row for row in found["rows"] if row["part"] == part]
        if rows:
            parts.append(table(rows))
    return "\n\n".join(parts) + "\n"


def _load(rows: list[dict]) -> str:
    lines = []
    for row in rows:
        for kind in ("join", "look", "report"):
            one = row[kind]
            lines.append(
                [row["database"], str(row["groups"]), kind, *(f"{one[name]:.0f}" for name in _PERCENTILES),
                 f"{one['a_second']:.0f}", str(row["lost"]), _machine(row)]
            )  # fmt: skip
    return _table(
        f"**All groups at the same moment**, {rows[0]['cells']} scores a report; the server used "
        + " and ".join(f"{row['server_cpu_ms']:.1f} ms ({row['database']})" for row in rows)
        + " of processor time a request",
        ["database", "groups", "request", "median, ms", "95%, ms", "99%, ms", "slowest, ms", "requests/s", "lost",
         "load of the machine"],
        lines,
    )  # fmt: skip


def _settlement(rows: list[dict]) -> str:
    lines = [
        [row["database"], str(row["groups"]), f"{row['settled_s']:.1f}", f"{row['report']['a_second']:.0f}",
         f"{row['readable']} of {row['groups']}", f"{row['share']['p95_ms']:.0f}", f"{row['invoice']['p95_ms']:.0f}",
         f"{row['memory_mb']:.0f}", str(row["lost"]), _machine(row)]
        for row in rows
    ]  # fmt: skip
    return _table(
        f"**One large session**, {rows[0]['cells']} scores a report, sixteen requests at a time",
        ["database", "groups", "close to settled, s", "reports/s", "shares read", "share 95%, ms", "invoice 95%, ms",
         "memory, MB", "lost", "load of the machine"],
        lines,
    )  # fmt: skip


_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms", "most_ms")


def _machine(row: dict) -> str:
    return f"{row['load_before']:.1f} to {row['load_after']:.1f}"


def _table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    lines = [title, "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
