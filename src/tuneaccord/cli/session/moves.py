"""The provider's moves, each one request; what is printed is the log entry that it wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from tuneaccord.cli.session.access import as_json, client_of, say
from tuneaccord.config.syntax import parse
from tuneaccord.errors import InputError
from tuneaccord.files import read_text
from tuneaccord.service.client import Client

Move = Callable[[Client], dict[str, Any]]


def move(make: Move, words: str, *, session: Path, json: bool) -> None:
    """Make a move and say that it is in the log."""
    with client_of(session) as client:
        entry = make(client)
    if json:
        typer.echo(as_json(entry))
    else:
        say(f"{words} (log entry {entry['number']}, {entry['at']})")


def invite(names: Sequence[str], *, expires: str | None, session: Path, json: bool) -> None:
    """Print a link for each group; those that were made are printed also when a later one is refused."""
    made: list[dict[str, Any]] = []
    with client_of(session) as client:
        try:
            for name in names:
                made.append(client.invite(name, expires))
                if not json:
                    say(f"{made[-1]['group']}: {made[-1]['url']}")
        finally:
            if json:
                typer.echo(as_json(made))


def admit(role: str, name: str, *, session: Path, json: bool) -> None:
    """Print a link with a token for an auditor or observer."""
    with client_of(session) as client:
        _hand_over(client, client.issue_token(role, name), role, name, json)


def replace_token(group: str, *, session: Path, json: bool) -> None:
    """Print a link with a new token for a group that lost its own."""
    with client_of(session) as client:
        _hand_over(client, client.replace_token(group), "group", group, json)


def _hand_over(client: Client, token: str, role: str, name: str, json: bool) -> None:
    link = f"{client.url}/enter#token={quote(token)}"
    if json:
        typer.echo(as_json({"role": role, "name": name, "url": link}))
        return
    say(f"{name}: {link}")
    say(f"This is shown only now. The link is the {role}'s token and works until it is revoked: send it in secret.")


def freeze(file: Path | None, *, sample: bool, session: Path, json: bool) -> None:
    """Freeze a pool from a file, or have the server draw it."""
    if (file is None) == (not sample):
        raise InputError("give the file of a pool, or --sample to have the server draw it as the terms say.")
    if file is None:
        move(Client.sample, "the server draws the pool", session=session, json=json)
        return
    if not file.is_file():
        raise InputError(f"there is no file {file}; looked for {file.resolve()}.")
    pool = parse(read_text(file, "pool"), str(file)).data if file.suffix.lower() in (".yaml", ".yml") else file
    if not isinstance(pool, dict | Path):
        raise InputError(f"{file} is no pool: expected keys such as prompts and responses, or candidates.")
    move(lambda client: client.freeze(pool), "the pool is frozen", session=session, json=json)
