"""Session pages: entering, and one page a session that shows each role what it may see and do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from nicegui import app, ui

from tuneaccord.service.api.limits import Limits
from tuneaccord.service.desk import Desk
from tuneaccord.service.pages import home
from tuneaccord.service.pages.sessions import creating, documents, entering, room, uploads
from tuneaccord.service.pages.sessions.classroom_pages import register_classroom
from tuneaccord.service.pages.sessions.parts import navigate, prepare
from tuneaccord.service.pages.sessions.visits import Hall
from tuneaccord.service.settings import Settings

__all__ = ["register"]

_Field = Annotated[str, Form()]


def register(desk: Desk | None, settings: Settings | None, limits: Limits | None = None) -> None:
    """Make the pages and their forms known; without a desk there are none."""
    if desk is None or settings is None:
        return
    hall = Hall(desk, settings, limits)
    navigate()
    home.extras[:] = [_home_part]
    _pages(hall)
    _forms(hall)
    register_classroom(desk, settings, hall.limits)


def _home_part() -> None:
    prepare()
    entering.enter_form()


def _pages(hall: Hall) -> None:
    for path in ("/sessions/{session_id}/files/{key}", "/sessions/{session_id}/documents/{name}"):
        app.remove_route(path)

    @ui.page("/sessions")
    async def sessions(request: Request):
        return await entering.sessions_page(hall, request)

    @ui.page("/sessions/new")
    async def new(request: Request):
        return await creating.new_page(hall, request)

    @ui.page("/sessions/{session_id}")
    async def one(request: Request, session_id: str):
        return await room.page(hall, request, session_id)

    @ui.page("/join/{invitation}")
    async def invited(request: Request, invitation: str):
        return await entering.join_page(hall, request, invitation)

    @ui.page("/join")
    def join_without_invitation():
        return entering.bare_join_page()

    @ui.page("/enter")
    def enter_with_link():
        return entering.enter_page()


def _forms(hall: Hall) -> None:
    app.remove_route("/leave")

    @app.post("/enter", include_in_schema=False)
    def enter(request: Request, token: _Field = "") -> Response:
        return entering.enter(hall, request, token)

    @app.post("/join", include_in_schema=False)
    def join(request: Request, invitation: _Field = "") -> Response:
        return entering.join(hall, request, invitation)

    @app.post("/leave", include_in_schema=False)
    def leave(request: Request, session: _Field = "") -> Response:
        return entering.leave(hall, request, session)

    @app.post("/sessions/{session_id}/files/{key}", include_in_schema=False)
    async def received(request: Request, session_id: str, key: str) -> Response:
        return await uploads.received(hall, request, session_id, key)

    @app.get("/sessions/{session_id}/documents/{name}", include_in_schema=False)
    def document(request: Request, session_id: str, name: str) -> Response:
        return documents.answer(hall, request, session_id, name)
