"""How many groups a server bears at once, on SQLite and on PostgreSQL, and how long a thousand groups take to settle.

    python benchmarks/service.py [--quick] [--databases sqlite postgresql] [--parts load settlement] [--out FOLDER]

Each measurement starts a real server (one process, as ``tuneaccord serve`` does) in a temporary folder, and for
PostgreSQL a server of its own that writes to disk as one in use does. Requests come from this process by HTTP over the
loopback address, so both share the cores. Nothing but this machine is ever asked. Afterwards the log is checked: every
report is in it, and it binds to what each group was given as proof.

In **load**, all groups send at the same moment: first each joins by an invitation of its own, then each looks at the
session and reports. In **settlement**, the parties come in a stream of sixteen, and the job is what is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from service_parts import Party, Server, postgres
from service_tables import tables

from tuneaccord.files import write_atomically
from tuneaccord.service.chain import commitment, first_fault

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "running.md"
MARK = "<!-- load -->"
PARTS, DATABASES = ("load", "settlement"), ("sqlite", "postgresql")
PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "psycopg", "dbos")


async def load(server: Server, groups: int, cells: tuple[int, int]) -> dict:
    """Everybody at once: how long each kind of request took, and whether anything was lost."""
    async with Party(server, groups) as party:
        await party.open(cells)
        used = server.cpu()
        joined = await party.all_join(at_once=groups)
        await party.begin()
        looked = await party.all_look(at_once=groups)
        reported = await party.all_report(at_once=groups)
        used = server.cpu() - used
        return {
            "groups": groups,
            "cells": cells[0] * cells[1],
            "join": joined.summary(),
            "look": looked.summary(),
            "report": reported.summary(),
            "server_cpu_ms": 1000 * used / (3 * groups),
            "lost": checked(party.id, await party.log(), party.proofs),
        }


async def settlement(server: Server, groups: int, cells: tuple[int, int]) -> dict:
    """Many groups in one session: from the close to everybody's invoice."""
    async with Party(server, groups) as party:
        await party.open(cells)
        await party.all_join(at_once=16)
        await party.begin()
        reported = await party.all_report(at_once=16)
        lost = checked(party.id, await party.log(), party.proofs)
        seconds = await party.settle()
        shares, documents = await party.all_invoices(at_once=16)
        return {
            "groups": groups,
            "cells": cells[0] * cells[1],
            "report": reported.summary(),
            "settled_s": seconds,
            "share": shares.summary(),
            "invoice": documents.summary(),
            "readable": party.readable,
            "memory_mb": server.memory_mb(),
            "lost": lost,
        }


def checked(session_id: str, log: list[dict], proofs: dict[str, dict]) -> int:
    """How many reports are not in the log as their proofs say. Raises where the log itself does not hold."""
    fault = first_fault(session_id, log)
    if fault is not None:
        raise AssertionError(f"the log does not hold: {fault}")
    by_digest = {entry["digest"]: entry for entry in log if entry["kind"] == "reported"}
    kept = 0
    for group, proof in proofs.items():
        entry = by_digest.get(proof["entry"]["digest"])
        right = entry is not None and entry["by"]["name"] == group
        kept += right and entry["data"]["commitment"] == commitment(proof["salt"], proof["report"])
    return len(proofs) - kept


@contextmanager
def serving(database: str):
    """A fresh server on a fresh database of this kind."""
    with tempfile.TemporaryDirectory(prefix="tuneaccord-load-") as folder:
        if database == "sqlite":
            with Server(Path(folder), "") as server:
                yield server
        else:
            with postgres() as url, Server(Path(folder), url) as server:
                yield server


def measure(given: argparse.Namespace) -> dict:
    """All that was asked for."""
    cells = (8, 8) if given.quick else (24, 16)
    versions = {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}
    found: dict = {"quick": given.quick, "machine": given.machine, "versions": versions, "rows": []}
    for part in given.parts:
        for database in given.databases:
            groups = given.groups if part == "load" else given.settle
            print(f"{part}, {database}, {groups} groups ...", flush=True)
            before = os.getloadavg()[0]
            with serving(database) as server:
                row = asyncio.run((load if part == "load" else settlement)(server, groups, cells))
            row = {"part": part, "database": database, **row, "load_before": before, "load_after": os.getloadavg()[0]}
            print(f"  {json.dumps(row)}", flush=True)
            found["rows"].append(row)
    return found


def write(found: dict, folder: Path, page: Path | None) -> None:
    """The results as JSON and Markdown, and into the page; what was measured before and not now is kept."""
    found = {**found, "date": time.strftime("%Y-%m-%d"), "rows": with_kept(found, folder / "service.json")}
    write_atomically(folder / "service.json", json.dumps(found, indent=1) + "\n")
    text = tables(found)
    write_atomically(folder / "service.md", text)
    if page is not None:
        head, _, tail = page.read_text().split(MARK)
        write_atomically(page, f"{head}{MARK}\n\n{text}\n{MARK}{tail}")


def with_kept(found: dict, file: Path) -> list[dict]:
    """The new rows, and those of the last results that none of them replaces."""
    if found["quick"] or not file.exists():
        return found["rows"]
    measured = {(row["part"], row["database"]) for row in found["rows"]}
    last = json.loads(file.read_text())
    kept = [] if last["quick"] else [row for row in last["rows"] if (row["part"], row["database"]) not in measured]
    order = [(part, database) for part in PARTS for database in DATABASES]
    return sorted([*found["rows"], *kept], key=lambda row: order.index((row["part"], row["database"])))


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; status 1 when a report was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few groups and small tables, for a first look")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--databases", nargs="+", default=list(DATABASES), choices=DATABASES)
    parser.add_argument("--groups", type=int, help="that report at once; default 200")
    parser.add_argument("--settle", type=int, help="in the settlement; default 1000")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--machine", default="two cores", help="the class of machine, for the record")
    given = parser.parse_args(arguments)
    given.groups = given.groups or (20 if given.quick else 200)
    given.settle = given.settle or (50 if given.quick else 1000)
    usual = not given.quick and (given.groups, given.settle, given.out) == (200, 1000, HERE / "results")
    found = measure(given)
    write(found, given.out, PAGE if usual else None)
    return int(any(row["lost"] for row in found["rows"]))


if __name__ == "__main__":
    sys.exit(main())
