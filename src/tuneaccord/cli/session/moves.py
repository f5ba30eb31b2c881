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


def without(waiting: Callable[[dict[str, Any]], list[str]], make: Move, missing: str, anyway: bool) -> Move:
    """The move, refused while there are groups that it would leave out, unless that is wanted.

    Nobody can take such a move back.
    """

    def checked(client: Client) -> dict[str, Any]:
        names = [] if anyway else waiting(client.view())
        if names:
            raise InputError(f"this leaves out {', '.join(names)}, who {missing}. Wait for them, or add --anyway.")
        return make(client)

    return checked


def close(*, anyway: bool, session: Path, json: bool) -> None:
    """Take no more reports."""

    def silent(view: dict[str, Any]) -> list[str]:
        names = [one["name"] for one in view["groups"] if not one["reported"]]
        return names if len(names) < len(view["groups"]) else []  # without any report the server refuses

    make = without(silent, Client.close, "did not report", anyway)
    move(make, "closed; the server settles", session=session, json=json)


def freeze(file: Path | None, *, sample: bool, anyway: bool, session: Path, json: bool) -> None:
    """Freeze a pool from a file, or have the server draw it."""

    def absent(view: dict[str, Any]) -> list[str]:
        return list(view["invited"])

    missing = "did not join yet"
    if (file is None) == (not sample):
        raise InputError("give the file of a pool, or --sample to have the server draw it as the terms say.")
    if file is None:
        make = without(absent, Client.sample, missing, anyway)
        move(make, "the server draws the pool", session=session, json=json)
        return
    if not file.is_file():
        raise InputError(f"there is no file {file}; looked for {file.resolve()}.")
    pool = parse(read_text(file, "pool"), str(file)).data if file.suffix.lower() in (".yaml", ".yml") else file
    if not isinstance(pool, dict | Path):
        raise InputError(f"{file} is no pool: expected keys such as prompts and responses, or candidates.")
    make = without(absent, lambda client: client.freeze(pool), missing, anyway)
    move(make, "the pool is frozen", session=session, json=json)
