"""``tuneaccord verify``: check a receipt or the proof of a report, offline."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from tuneaccord.cli import render
from tuneaccord.cli.errors import PROMISE_FAILED, error_line, printable
from tuneaccord.errors import InputError
from tuneaccord.service.checks import FAILS, HOLDS, Check
from tuneaccord.service.receipts import read_document, read_log
from tuneaccord.service.verify import holds_all, uncompared, verify

_MARKS = {HOLDS: "ok", FAILS: "FAILS"}


def run(file: Path, *, log: Path | None = None, other: Path | None = None, as_json: bool = False) -> None:
    """Check and print; exit status 1 when something does not hold, with the first fault on standard error.

    Raises :class:`InputError`, which is status 2, where another document was given and nothing of it can be compared.
    """
    document = read_document(file)
    checks = verify(document, None if log is None else read_log(log), None if other is None else read_document(other))
    gap = uncompared(checks)
    if as_json:
        right = holds_all(checks) and gap is None
        found = {"kind": document["kind"], "session": document["session"], "holds": right}
        typer.echo(json.dumps({**found, "checks": [check.to_dict() for check in checks]}, sort_keys=True, indent=2))
    else:
        _print(document, checks)
    fault = next((check for check in checks if check.result == FAILS), None)
    if fault is not None:
        typer.echo(error_line(f"{fault.part}: {fault.words}."), err=True)
        raise typer.Exit(PROMISE_FAILED)
    if gap is not None:
        raise InputError(f"the two proofs were not compared: {gap.words}. Give a receipt of this session: --with FILE")


def _print(document: dict, checks: list[Check]) -> None:
    out = render.console()
    holder = document.get("holder", {})
    whose = f" of {holder.get('role')} {holder.get('name')}" if holder else f" of {document.get('group')}"
    render.heading(out, f"{document['kind']}{whose}, session {document['session']}")
    grid = Table.grid(padding=(0, 2))
    for check in checks:
        mark, words = _MARKS.get(check.result, check.result), printable(f"{check.part}: {check.words}")
        grid.add_row(Text(mark), Text(words, overflow="fold"))
    out.print(grid)
    if holds_all(checks) and uncompared(checks) is None:
        unchecked = sum(check.result not in _MARKS for check in checks)
        more = f", {unchecked} could not be made" if unchecked else ""
        render.sentence(out, f"All checks hold{more}.")
