"""``tuneaccord session status``: where the session stands, and waiting until it is somewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tuneaccord.cli.errors import printable
from tuneaccord.cli.session.access import as_json, client_of, command, has_reported, say, who
from tuneaccord.service.client import Client
from tuneaccord.service.client_waiting import BROKEN, check_state, ended_instead, reached
from tuneaccord.service.errors import Unavailable, WrongState
from tuneaccord.service.refusals import stands
from tuneaccord.service.session import GROUP

#: a move that can be made -> the command that makes it
COMMANDS = {
    "opened": "open",
    "invited": "invite NAME",
    "frozen": "freeze FILE",
    "reporting": "begin",
    "reported": "report FILE --size N",
    "deadline moved": "deadline TIME",
    "closed": "close",
    "published": "publish",
    "tried again": "try-again",
}
MOST_NAMES = 40
AGAIN = 5.0  #: seconds after which a server that is away is asked again


def run(*, wait: str | None, session: Path, json: bool) -> None:
    """Say it once, or when the session has come to the state ``wait``."""
    if wait is not None:
        check_state(wait)
    with client_of(session) as client:
        view = client.view() if wait is None else _waited(client, wait)
        if json:
            typer.echo(as_json(view))
        else:
            _print(client, view, session)


def _print(client: Client, view: Mapping[str, Any], session: Path) -> None:
    say(f"{view['title']}: {stands(view['state'])}")
    if view["reason"]:
        say(f"the reason given: {view['reason']}")
    say(f"you are the {who(client)}")
    if view["deadline"]:
        say(f"deadline: {view['deadline']}{_left_words(view)}")
    if view["reveal_at"]:
        say(f"will be published: {view['reveal_at']}")
    _print_groups(view)
    if client.me()["role"] == GROUP:
        _print_own(client, view, session)
    for words in _progress(view):
        say(words)
    again = " --replace" if has_reported(client, view) else ""
    words = {**COMMANDS, "reported": f"{COMMANDS['reported']}{again}"}
    commands = [command(words[move], session) for move in view["moves"] if move in COMMANDS]
    if commands:
        say(f"you can now: {', '.join(commands)}")


def _print_groups(view: Mapping[str, Any]) -> None:
    joined, invited = view["groups"], view["invited"]
    names = [f"{one['name']}{' (reported)' if one['reported'] else ''}" for one in joined]
    say(f"joined: {_listed(names)}")
    if invited:
        say(f"invited, not here yet: {_listed(invited)}")
    if view["pool"]:
        say(f"reported: {sum(one['reported'] for one in joined)} of {len(joined)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES]) or 'nobody yet'}{more}"


def _print_own(client: Client, view: Mapping[str, Any], session: Path) -> None:
    """A group's own report, and what it pays once that can be known."""
    sealed = has_reported(client, view)
    if view["pool"]:
        say("your report: sealed" if sealed else "your report: none yet")
    if view["state"] == "published" and sealed:
        amount, currency = client.share()["amount"], view["terms"]["money"]["currency"]
        say(f"you pay {amount} {currency}: {command('invoice', session)}, {command('receipt', session)}")


# Waiting


def _waited(client: Client, state: str) -> dict[str, Any]:
    """The session once it is in ``state`` or beyond; a line on standard error meanwhile."""
    screen = Console(file=sys.stderr, markup=False, highlight=False, emoji=False)
    shown: dict[str, Any] = {}
    line = Live(get_renderable=lambda: Text(_line(shown)), console=screen, refresh_per_second=1, transient=True)
    with line if screen.is_terminal else _Lines(screen) as live:
        for view in _changes(client):
            shown["away"] = view is None
            if view is None:
                if isinstance(live, _Lines):
                    live.say(_line(shown))
                continue
            shown.update(view, received=time.monotonic())
            if reached(view["state"], state):
                return view
            if view["state"] in BROKEN:
                raise ended_instead(view, state)
            if isinstance(live, _Lines):
                live.say(_line(view))
    raise WrongState(f"the session has ended without being {state}.")


def _changes(client: Client) -> Iterator[dict[str, Any] | None]:
    """The session at each change, and None each time that the server is away: it may only be restarting."""
    seen = False
    while True:
        try:
            for view in client.changes():
                seen = True
                yield view
            return
        except Unavailable:
            if not seen:
                raise
        yield None
        time.sleep(AGAIN)


class _Lines:
    """Where there is no terminal: one line for each change."""

    def __init__(self, screen: Console) -> None:
        self.screen, self.last = screen, ""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *why: object) -> None:
        """There is nothing to clear away."""

    def say(self, line: str) -> None:
        """Unless it was said just now."""
        if line != self.last:
            self.screen.print(Text(line))
            self.last = line


def _line(view: Mapping[str, Any]) -> str:
    """Where the session is, in one line."""
    if view.get("away"):
        return f"the server does not answer; asked again every {AGAIN:g} s"
    if not view:
        return "..."
    parts = [stands(view["state"])]
    if view["state"] == "reporting":
        told = sum(one["reported"] for one in view["groups"])
        parts.append(f"{told} of {len(view['groups'])} have reported{_left_words(view)}")
    parts += _progress(view)
    return printable("; ".join(parts))


def _progress(view: Mapping[str, Any]) -> list[str]:
    """How far work is that goes on now."""
    going = [row for row in view["progress"] if row["done"] < row["total"]]
    return [f"{row['label']}: {row['done']} of {row['total']}" for row in going]


def _left_words(view: Mapping[str, Any]) -> str:
    """Time left until the deadline by the server's clock, which went on since it was ``received``."""
    if not view["deadline"] or view["state"] != "reporting":
        return ""
    since = time.monotonic() - view["received"] if "received" in view else 0.0
    left = datetime.fromisoformat(view["deadline"]) - datetime.fromisoformat(view["now"]) - timedelta(seconds=since)
    return f", {duration(left)} left" if left > timedelta(0) else ", which has passed"


def duration(left: timedelta) -> str:
    """A time in its two largest units.

    >>> duration(timedelta(days=3, hours=2, minutes=5)), duration(timedelta(seconds=9.7))
    ('3 d 2 h', '9 s')
    """
    seconds, parts = int(left.total_seconds()), []
    for name, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length or (name == "s" and not parts):
            parts.append(f"{seconds // length} {name}")
            seconds %= length
        elif parts:
            break
    return " ".join(parts[:2])
