"""``tuneaccord serve``: the server of sessions and the studio."""

from __future__ import annotations

import os
import sys
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tuneaccord.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from tuneaccord.service.desk import Desk
    from tuneaccord.service.running import Running
    from tuneaccord.service.settings import Settings

_NEEDS = (
    "fastapi",
    "uvicorn",
    "nicegui",
    "plotly",
    "sqlalchemy",
    "alembic",
    "dbos",
    "cryptography",
    "structlog",
    "segno",
)
LINK_FILE = "operator-link"


def run(
    *,
    folder: Path | None,
    database: str | None,
    host: str | None,
    port: int | None,
    url: str | None,
    reports: list[Path],
    worker: bool | None,
    insecure: bool,
    open_browser: bool,
    new_operator_token: bool,
    ready_file: Path | None,
) -> None:
    """Serve until somebody stops it; or only make a new operator token."""
    need_web()
    from tuneaccord.service.settings import Settings

    settings = Settings.read(
        folder=folder, database=database, host=host, port=port, url=url, reports=_folders(reports), worker=worker
    )
    if new_operator_token:
        _replace_operators(settings)
        return
    check_reach(settings, insecure)
    from tuneaccord.service.running import Running, tell_ready

    running = Running(settings)

    def ready() -> None:
        _announce(running)
        if ready_file is not None:
            tell_ready(ready_file, running)
        if open_browser:
            webbrowser.open(running.settings.public_url)

    running.run(ready)


def need_web() -> None:
    """Raise :class:`MissingDependencyError` that names the command, unless the packages of the server are there."""
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"the server needs packages that are not installed ({', '.join(missing)}). "
            "Install them with: pip install 'tuneaccord[web]'"
        )


def check_reach(settings: Settings, insecure: bool) -> None:
    """Raise :class:`InputError` where tokens and reports would cross a network that others can listen to."""
    if settings.local:
        return
    if not settings.url:
        raise InputError(
            f"--host {settings.host} lets other machines in, so say at which address they find this server: "
            "--url https://accord.example.org (TLS ends in a proxy in front; see docs/running.md)."
        )
    if not settings.url.startswith("https://") and not insecure:
        raise InputError(
            "without TLS everybody on the way can read tokens and reports. Put a proxy with TLS in front and give "
            "--url https://..., or add --insecure where the network is trusted."
        )


def _folders(reports: list[Path]) -> tuple[Path, ...] | None:
    for folder in reports:
        if not folder.is_dir():
            raise InputError(f"--reports {folder} is not a folder. Give the folder of a finished run.")
    return tuple(folder.absolute() for folder in reports) or None


def _announce(running: Running) -> None:
    settings = running.settings
    typer.echo(f"serving at {settings.public_url} (Ctrl-C stops it)")
    if not running.desk.store.tokens(None):
        _hand_over(settings, running.desk)
    sys.stdout.flush()


def _hand_over(settings: Settings, desk: Desk) -> None:
    """Show a new operator's link to a person; a stream that may be kept as a log does not get it."""
    link = f"{settings.public_url}/enter#token={desk.operator()}"
    if sys.stdout.isatty():
        typer.echo(f"operator (keep this link, it is shown once): {link}")
        return
    file = settings.folder / LINK_FILE
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(link + "\n")
    typer.echo(f"operator: the link is in {file}. Delete the file once you have used it.")


def _replace_operators(settings: Settings) -> None:
    """The earlier operators' tokens become void: the usual reason to ask is that one was lost."""
    from tuneaccord.service.connect import connect

    desk = connect(settings)
    try:
        with desk.store.writing() as connection:
            voided = desk.store.revoke(connection, None, desk.clock(), role="operator")
        _hand_over(settings, desk)
    finally:
        desk.store.close()
    if voided:
        typer.echo("earlier operator links no longer work.")
