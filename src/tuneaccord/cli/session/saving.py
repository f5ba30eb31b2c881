"""What a party may take home: receipt, invoice, explanation, settlement, pool, score sheet, log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tuneaccord.cli.session.access import client_of, command, say
from tuneaccord.cli.session.keeping import claimed
from tuneaccord.errors import InputError
from tuneaccord.service.client import Client

DOCUMENTS = (".html", ".csv")


def save(file: Path, ask: Callable[[Client], str], then: str = "", *, session: Path, replace: bool) -> None:
    """Ask for a text and keep it; ``then`` says what to do with the file."""
    with claimed(file, replace) as keep, client_of(session) as client:
        keep(ask(client))
    say(f"{file}{f': {then}' if then else ''}")


def receipt(file: Path, *, session: Path, replace: bool) -> None:
    """Everything that the party may have, to be verified offline."""
    then = f"check it with tuneaccord verify {file}"
    save(file, lambda client: _text(client.receipt()), then, session=session, replace=replace)


def log(file: Path, *, session: Path, replace: bool) -> None:
    """The public log as it is now."""
    then = f"compare a later receipt with it: tuneaccord verify receipt.json --log {file}"
    save(file, lambda client: _text(client.log()), then, session=session, replace=replace)


def pool(file: Path, *, session: Path, replace: bool) -> None:
    """The frozen pool."""
    save(file, lambda client: _text(client.pool()), session=session, replace=replace)


def sheet(file: Path, *, session: Path, replace: bool) -> None:
    """A score sheet to fill in."""
    then = f"fill in the column score, then: {command(f'report {file} --size N', session)}"
    save(_ending(file, (".csv",)), Client.sheet, then, session=session, replace=replace)


def invoice(file: Path, *, group: str | None, session: Path, replace: bool) -> None:
    """A group's invoice, its own unless ``group`` names another, as the file's name ends."""
    form = _ending(file, DOCUMENTS).suffix[1:].lower()
    save(file, lambda client: client.invoice(_group(client, group), form), session=session, replace=replace)


def explanation(file: Path, *, group: str | None, session: Path, replace: bool) -> None:
    """What was decided and why a group pays what it pays."""
    ask = lambda client: client.explanation(_group(client, group))  # noqa: E731
    save(_ending(file, (".html",)), ask, session=session, replace=replace)


def settlement(file: Path, *, session: Path, replace: bool) -> None:
    """Everybody's payments, for provider and auditors."""
    form = _ending(file, DOCUMENTS).suffix[1:].lower()
    save(file, lambda client: client.settlement(form), session=session, replace=replace)


def _group(client: Client, group: str | None) -> str:
    me = client.me()
    if group is None and me["role"] != "group":
        raise InputError(f"you are the {me['role']}: say whose it is to be with --group NAME.")
    return group or str(me["name"])


def _ending(file: Path, endings: tuple[str, ...]) -> Path:
    if file.suffix.lower() not in endings:
        raise InputError(f"the file's name must end in {' or '.join(endings)}, got {str(file)!r:.80}.")
    return file


def _text(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
