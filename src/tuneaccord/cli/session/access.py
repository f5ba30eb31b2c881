"""The session file and the links that lead to it: which server, and the token that says who one is there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import typer

from tuneaccord.cli.errors import printable
from tuneaccord.cli.session.app import HERE
from tuneaccord.errors import InputError
from tuneaccord.files import read_text
from tuneaccord.service.client import Client
from tuneaccord.service.errors import Unauthenticated

KIND = "session access"
PATIENCE = 20.0  #: seconds for which a busy server is asked again
#: where the secret stands in a link: what it is called here, and what stands before it
_LINKS = {"invitation": "/join/", "token": "/enter#token=", "code": "/class#"}


@dataclass(frozen=True)
class Link:
    """What somebody was sent: a server, and an ``invitation``, a ``token`` or a classroom's ``code``."""

    server: str
    kind: str
    secret: str = field(repr=False)


def read_link(text: str) -> Link:
    """The parts of a link.

    Raises :class:`InputError` that does not repeat the secret in it.

    >>> read_link("https://accord.example.org/join/tac_x")
    Link(server='https://accord.example.org', kind='invitation')
    """
    for kind, before in _LINKS.items():
        server, found, secret = text.strip().partition(before)
        if found and secret and server.startswith(("http://", "https://")):
            return Link(server, kind, unquote(secret))
    shown = re.sub(r"tac_\S*|#\S*", "...", text.strip())
    raise InputError(
        "expected the whole link that you were given, such as https://accord.example.org/join/tac_..., "
        f"got {shown!r:.80}."
    )


def secret_text(source: str) -> str:
    """The first line of a file, or of standard input for ``-``; a person at a terminal is asked and it is not shown."""
    if source != "-":
        lines = read_text(Path(source), "file with a link").split()
    elif sys.stdin.isatty():
        lines = [typer.prompt("Link (what you paste is not shown)", hide_input=True, err=True).strip()]
    else:
        lines = sys.stdin.readline().split()
    if not lines:
        raise InputError(f"there is no link in {'standard input' if source == '-' else source}.")
    return lines[0]


def access_text(server: str, token: str) -> str:
    """The content of a session file."""
    return json.dumps({"kind": KIND, "version": 1, "server": server, "token": token}, indent=2) + "\n"


def read_access(path: Path) -> tuple[str, str]:
    """(server, token) in a session file.

    Raises :class:`InputError` when there is none.
    """
    if not path.exists():
        raise InputError(
            f"there is no session file {path} here. Take part with tuneaccord session join LINK, "
            "or name the file with --session."
        )
    try:
        data = json.loads(read_text(path, "session file"))
        if data["kind"] == KIND and data["version"] == 1:
            return str(data["server"]), str(data["token"])
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path} is not a session file. Name the one that tuneaccord session join wrote with --session.")


@contextmanager
def client_of(session: Path) -> Iterator[Client]:
    """The party of a session file; a token that is refused is told together with what to do."""
    server, token = read_access(session)
    try:
        with Client(server, token, patience=PATIENCE) as client:
            yield client
    except Unauthenticated as refusal:
        raise InputError(f"{session}: {refusal} Then: tuneaccord session enter --replace --session {session}") from None


def who(client: Client) -> str:
    """Role and name for people."""
    me = client.me()
    return me["role"] if not me["name"] or me["name"] == me["role"] else f"{me['role']} {me['name']}"


def has_reported(client: Client, view: Mapping[str, Any]) -> bool:
    """Whether this group's report is sealed; ``view`` is the session as it is now."""
    return any(one["reported"] for one in view["groups"] if one["name"] == client.me()["name"])


def as_json(data: Any) -> str:
    """Data as the commands print it."""
    return json.dumps(data, sort_keys=True, indent=2)


def say(words: str) -> None:
    """A line for people. It is not wrapped, so that commands and digests in it can be copied."""
    typer.echo(printable(words))


def command(words: str, session: Path) -> str:
    """How the holder of a session file types a command.

    >>> command("status", HERE), command("status", Path("legal.json"))
    ('tuneaccord session status', 'tuneaccord session status --session legal.json')
    """
    return f"tuneaccord session {words}{'' if session == HERE else f' --session {session}'}"
