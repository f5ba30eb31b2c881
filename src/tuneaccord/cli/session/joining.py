"""Becoming a party: by an invitation or a class code (``join``), by a link with a token (``enter``), by ``create``."""

from __future__ import annotations

from pathlib import Path

import typer

from tuneaccord.cli.session.access import (
    PATIENCE,
    Link,
    access_text,
    as_json,
    command,
    read_access,
    read_link,
    say,
    secret_text,
    who,
)
from tuneaccord.cli.session.keeping import claimed
from tuneaccord.config.loading import load_yaml
from tuneaccord.config.syntax import parse
from tuneaccord.errors import InputError
from tuneaccord.files import read_text
from tuneaccord.service.client import Client


def join(link: str, *, name: str | None, session: Path, replace: bool, json: bool) -> None:
    """Use an invitation, or a class code with a name, and keep the token."""
    found = read_link(secret_text("-") if link == "-" else link)
    _check_join(found, name)
    with claimed(session, replace) as keep, Client(found.server, patience=PATIENCE) as nobody:
        group = nobody.join(found.secret) if found.kind == "invitation" else nobody.join_class(found.secret, str(name))
        keep(access_text(found.server, str(group.token)))
        _entered(group, session, json)


def enter(source: str, *, session: Path, replace: bool, json: bool) -> None:
    """Keep the token of a link that somebody made for this party."""
    found = read_link(secret_text(source))
    if found.kind != "token":
        raise InputError(f"this link has no token but an {found.kind}. Use it with: tuneaccord session join LINK")
    with Client(found.server, found.secret, patience=PATIENCE) as party:
        party.me()  # nothing is kept of a token that is refused
        with claimed(session, replace) as keep:
            keep(access_text(found.server, found.secret))
        _entered(party, session, json)


def create(file: Path, *, operator: str, provider: str, session: Path, replace: bool, json: bool) -> None:
    """Begin a session with the terms of a file, and keep its provider's token."""
    from tuneaccord.service.terms import Terms

    load_yaml(file, Terms)  # says in which line something is wrong
    terms = parse(read_text(file, "file of terms"), str(file)).data
    server, token = _operator(operator)
    with claimed(session, replace) as keep, Client(server, token, patience=PATIENCE) as asking:
        made = asking.with_token(asking.create(terms, provider)["token"])
        keep(access_text(server, str(made.token)))
        _entered(made, session, json)


def _operator(source: str) -> tuple[str, str]:
    """(server, token) of an operator: from a session file, from a file with the link, or from standard input."""
    if source != "-" and source.endswith(".json"):
        return read_access(Path(source))
    link = read_link(secret_text(source))
    if link.kind != "token":
        raise InputError("this is not an operator's link, in which a token stands behind #token=.")
    return link.server, link.secret


def _check_join(link: Link, name: str | None) -> None:
    if link.kind == "token":
        raise InputError("this link has a token in it, not an invitation. Paste it into: tuneaccord session enter")
    if link.kind == "code" and not name:
        raise InputError("a class is joined by its code and a name. Add --name NAME.")
    if link.kind == "invitation" and name:
        raise InputError("--name is for a class: an invitation says already which group it is for.")


def _entered(client: Client, session: Path, json: bool) -> None:
    """Say who one is now; an operator's token is for no session."""
    me = client.me()
    if json:
        typer.echo(as_json({**me, "session_file": str(session)}))
        return
    where = f" of session {me['session_id']}" if me["session_id"] else f" of {client.url}"
    say(f"You are the {who(client)}{where}. Your token is in {session}: whoever has that file is you.")
    if me["session_id"]:
        say(f"How it stands: {command('status', session)}")
