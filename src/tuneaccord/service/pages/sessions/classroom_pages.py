"""The pages of a class, and the forms that lead to them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from nicegui import app, ui

from tuneaccord.service.api.limits import Limits
from tuneaccord.service.classroom_room import Room
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import ServiceError, WrongState
from tuneaccord.service.pages import home
from tuneaccord.service.pages.frame import NAVIGATION, frame
from tuneaccord.service.pages.parts import text
from tuneaccord.service.pages.sessions import classroom_doors, classroom_student, classroom_teacher
from tuneaccord.service.pages.sessions.classroom_code import base_address
from tuneaccord.service.pages.sessions.live import Live
from tuneaccord.service.pages.sessions.parts import link_button
from tuneaccord.service.pages.sessions.visits import Hall
from tuneaccord.service.session import GROUP
from tuneaccord.service.settings import Settings

__all__ = ["register_classroom"]

_Field = Annotated[str, Form()]
_FORMS = ("/class/join", "/class/start", "/class/again", "/class/next")


def register_classroom(desk: Desk, settings: Settings, limits: Limits | None = None) -> None:
    """Make the class pages and their forms known."""
    hall, room = Hall(desk, settings, limits), Room(desk)
    if ("/class", "Classroom") not in NAVIGATION:
        NAVIGATION.append(("/class", "Classroom"))
    home.extras.append(_home_part)
    _pages(hall, room)
    _forms(hall, room)


def _home_part() -> None:
    with ui.element("section").classes("panel"), ui.element("div").classes("rows"):
        text("In a class? You need its code, and a name.", "span")
        link_button("Join or start a class", "/class")


def _pages(hall: Hall, room: Room) -> None:
    @ui.page("/class")
    def entrance(request: Request):
        return classroom_doors.class_page(hall, request)

    @ui.page("/class/new")
    def new(request: Request):
        return classroom_doors.new_page(hall, request)

    @ui.page("/class/{session_id}")
    async def one(request: Request, session_id: str):
        return await _page(hall, room, request, session_id)


async def _page(hall: Hall, room: Room, request: Request, session_id: str) -> Response | None:
    """The projector for the teacher and those who look on, the phone's page for a player."""
    visit = hall.visit(request, session_id)
    try:
        view = await visit.read(lambda reading, caller: reading.view(caller, session_id))
        plan = await visit.read(lambda reading, caller: room.plan(caller, session_id))
    except WrongState as refusal:
        return classroom_doors.refused_page(refusal, f"/sessions/{session_id}")
    except ServiceError as refusal:
        return classroom_doors.refused_page(refusal)
    classroom_doors.prepare_class()
    round_words = f", round {plan.round}" if plan.round > 1 else ""
    player = view["you"]["role"] == GROUP
    lead = f"You are {view['you']['name']}{round_words}." if player else ""
    with frame(view["title"] if player else f"{view['title']}{round_words}", wide=not player, lead=lead):
        live = Live(visit, view)
        with ui.element("div").classes("stack class-page" if player else "stack class-page projector"):
            if player:
                classroom_student.build(live, room)
            else:
                classroom_teacher.build(live, room, plan, base_address(hall.settings, request))
        await live.start()
    return None


def _forms(hall: Hall, room: Room) -> None:
    for path in _FORMS:
        app.remove_route(path)

    @app.post("/class/join", include_in_schema=False)
    def join(request: Request, code: _Field = "", name: _Field = "") -> Response:
        return classroom_doors.join(hall, request, code, name)

    @app.post("/class/start", include_in_schema=False)
    def start(
        request: Request,
        story: _Field = "",
        title: _Field = "",
        seats: _Field = "",
        bots: _Field = "",
        paid: _Field = "",
        minutes: _Field = "",
        strength: _Field = "",
    ) -> Response:
        given = {"story": story, "title": title, "seats": seats, "bots": bots, "paid": paid, "minutes": minutes}
        return classroom_doors.start(hall, room, request, {**given, "strength": strength})

    @app.post("/class/again", include_in_schema=False)
    def again(
        request: Request, session: _Field = "", paid: _Field = "", story: _Field = "", minutes: _Field = ""
    ) -> Response:
        given = {"paid": paid, "story": story, "minutes": minutes}
        return classroom_doors.again(hall, room, request, session, given)

    @app.post("/class/next", include_in_schema=False)
    def follow(request: Request, session: _Field = "") -> Response:
        return classroom_doors.follow(hall, room, request, session)
