"""The page of one session: what a visitor sees and can do follows from the role that its token has."""

from __future__ import annotations

from fastapi import Request, Response
from nicegui import ui

from tuneaccord.service.errors import ServiceError, Unauthenticated
from tuneaccord.service.pages.frame import frame
from tuneaccord.service.pages.sessions import auditor, group, provider
from tuneaccord.service.pages.sessions.live import Live
from tuneaccord.service.pages.sessions.parts import link_button, prepare
from tuneaccord.service.pages.sessions.plain import refusal_page
from tuneaccord.service.pages.sessions.visits import Hall
from tuneaccord.service.pages.sessions.words import ROLES
from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER

_VIEWS = {PROVIDER: provider.build, GROUP: group.build, AUDITOR: auditor.build, OBSERVER: auditor.build}


async def page(hall: Hall, request: Request, session_id: str) -> Response | None:
    """The session's page for whoever this browser has entered as."""
    visit = hall.visit(request, session_id)
    try:
        view = await visit.read(lambda reading, caller: reading.view(caller, session_id))
    except ServiceError as refusal:
        again = f"/sessions/{session_id}" if isinstance(refusal, Unauthenticated) else ""
        return refusal_page(refusal, again)
    prepare()
    you, role = view["you"], ROLES[view["you"]["role"]]
    named = f" “{you['name']}”" if you["role"] == GROUP else f" ({you['name']})" if you["name"] != role else ""
    with frame(view["title"], lead=f"You are here as {role}{named}."):
        if view["terms"].get("classroom") is not None:
            link_button("To the class page", f"/class/{session_id}")
        live = Live(visit, view)
        with ui.element("div").classes("stack"):
            _VIEWS[you["role"]](live)
        await live.start()
    return None
