"""Files from an open page: each upload has a ticket that the page made, for one kind of file and one visitor.

The body comes raw, is bounded while it streams, and lies in a temporary file under a name of ours until the page has
read it; the name that it had only tells the format.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from fastapi import Request
from fastapi.responses import JSONResponse
from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.errors import Forbidden, Invalid, NotFound, ServiceError, TooLarge
from tuneaccord.service.pages.parts import labelled, text
from tuneaccord.service.pages.sessions.plain import PRIVATE
from tuneaccord.service.pages.sessions.visits import Hall, Visit
from tuneaccord.service.pages.sessions.words import sentence

#: given the file and the name that it had; returns what to tell the visitor
Receive = Callable[[Path, str], Awaitable[str]]


@dataclass
class _Ticket:
    visit: Visit
    receive: Receive
    element: ui.element
    busy: bool = False


_tickets: dict[str, _Ticket] = {}


def upload(visit: Visit, words: str, endings: str, receive: Receive) -> None:
    """A field for a file, sent as soon as it is chosen, with what came of it below."""
    key = secrets.token_urlsafe(16)
    with ui.element("label").classes("field"):
        text(words, "span", "name")
        made = ui.element("input")
        made.props.update(type="file", accept=endings)
        made.props["data-upload"] = f"/sessions/{visit.session_id}/files/{key}"
        made.props["data-most"] = str(visit.hall.settings.largest_upload)
        made.props["aria-describedby"] = f"said-{key}"
    labelled(made, words)
    said = ui.element("div").classes("small")
    said.props.update(id=f"said-{key}", role="status")
    _sweep()
    _tickets[key] = _Ticket(visit, receive, made)


def _sweep() -> None:
    for key in [key for key, ticket in _tickets.items() if ticket.element.is_deleted]:
        del _tickets[key]


async def received(hall: Hall, request: Request, session_id: str, key: str) -> JSONResponse:
    """Take a file that a page has asked for."""
    try:
        hall.check_origin(request)
        ticket = _ticket(hall, request, session_id, key)
        name = unquote(request.headers.get("x-file-name", ""))[-200:]
        ticket.busy = True
        try:
            with tempfile.TemporaryDirectory(prefix="tuneaccord-") as folder:
                path = Path(folder) / "upload"
                await _stream(request, path, hall.settings.largest_upload)
                with ticket.element.client:
                    words = await ticket.receive(path, name)
        finally:
            ticket.busy = False
        return JSONResponse({"message": words}, headers=PRIVATE)
    except TuneaccordError as error:
        status, code = (error.status, error.code) if isinstance(error, ServiceError) else (422, "invalid")
        told = {"code": code, "message": sentence(error), "status": status}
        return JSONResponse({"error": told}, status, headers=PRIVATE)


def _ticket(hall: Hall, request: Request, session_id: str, key: str) -> _Ticket:
    visit = hall.visit(request, session_id)
    visit.caller()
    ticket = _tickets.get(key)
    if ticket is None or ticket.element.is_deleted:
        raise NotFound("the page that asked for this file is no longer open. Load it again.")
    if ticket.visit.session_id != session_id or ticket.visit.token != visit.token:
        raise Forbidden("another page asked for this file.")
    if ticket.busy:
        raise Invalid("a file is being read already. Wait for it.")
    return ticket


async def _stream(request: Request, path: Path, most: int) -> None:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Invalid("send the file as it is, not compressed on the way.")
    taken = 0
    with path.open("wb") as file:
        async for piece in request.stream():
            taken += len(piece)
            if taken > most:
                raise TooLarge(f"a file has at most {most} bytes here. Send a smaller one, or Parquet instead of CSV.")
            file.write(piece)
    if not taken:
        raise Invalid("the file is empty.")
