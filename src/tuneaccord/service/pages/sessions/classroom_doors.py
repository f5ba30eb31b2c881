"""Coming into a class, starting one, and going on to the next round: ordinary forms that leave a token as a cookie."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting.formatting import plain
from tuneaccord.service.classroom_room import Room
from tuneaccord.service.classroom_stories import STORIES, fitting_strength
from tuneaccord.service.desk import Joined
from tuneaccord.service.errors import Invalid, ServiceError
from tuneaccord.service.pages.frame import STATIC, frame
from tuneaccord.service.pages.parts import heading, labelled, text
from tuneaccord.service.pages.sessions.entering import form, hidden, submit
from tuneaccord.service.pages.sessions.parts import prepare
from tuneaccord.service.pages.sessions.plain import PRIVATE
from tuneaccord.service.pages.sessions.visits import Hall
from tuneaccord.service.terms import LONGEST_NAME
from tuneaccord.service.tokens import CODE_LENGTH

BOTS = {"truthful": "they tell the truth", "exaggerating": "they report twice their size"}
PAID = {"yes": "yes: each player pays what its report costs the others", "no": "no: nobody pays"}
MINUTES = {"2": "2 minutes", "3": "3 minutes", "4": "4 minutes", "6": "6 minutes", "10": "10 minutes"}


def prepare_class() -> None:
    """Load what class pages need beside the frame."""
    prepare()
    ui.add_head_html(
        f'<link rel="stylesheet" href="{STATIC}/classroom.css"><script src="{STATIC}/classroom.js" defer></script>'
    )


def class_page(hall: Hall, request: Request) -> None:
    """Join by code and name; whoever operates the server can start a class."""
    prepare_class()
    with frame("Classroom", lead="Lie to a mechanism, lose points, and see why."):
        with form("/class/join").classes("panel"):
            heading("Join a class")
            with ui.element("div").classes("fields"):
                _input("Code on the board", "code", autocomplete="off", autocapitalize="none", spellcheck="false",
                       maxlength=CODE_LENGTH + 8, classes="code-entry")  # fmt: skip
                _input("Your name", "name", autocomplete="nickname", maxlength=LONGEST_NAME)
            with ui.element("div").classes("rows"):
                submit("Join")
            text("Everybody in the class sees your name. A first name or a nickname is enough.", "p", "soft small")
        _teachers_part(hall, request)


def _teachers_part(hall: Hall, request: Request) -> None:
    with ui.element("section").classes("panel"):
        heading("Teach")
        text(
            "Each player is told in secret what it wants from one shared assistant, and reports it, or something else. "
            "Then the assistant is chosen, payments are charged, and everybody sees who lied and what it brought."
        )
        if _is_operator(hall, request):
            with ui.element("div").classes("rows"):
                text("Start a class", "a", "act main").props["href"] = "/class/new"
        else:
            text("To start a class, enter with the operator's link of this server first.", "p", "soft small")


def _is_operator(hall: Hall, request: Request) -> bool:
    try:
        hall.operator(request).caller()
    except TuneaccordError:
        return False
    return True


def new_page(hall: Hall, request: Request) -> Response | None:
    """The form that starts a class."""
    try:
        hall.operator(request).caller()
    except ServiceError as refusal:
        return refused_page(refusal)
    prepare_class()
    with (
        frame("Start a class", lead="Everything has a value that works. Press the button and show the next page."),
        form("/class/start").classes("panel"),
    ):
        with ui.element("div").classes("fields"):
            _select("Story", "story", {name: one.title for name, one in STORIES.items()}, "homework")
            _input("Title (empty: the story's)", "title", required=False, maxlength=LONGEST_NAME, autocomplete="off")
            _input("Seats, yours not counted", "seats", type="number", min=2, max=300, step=1, defaultValue="12")
            _select("The server plays empty seats", "bots", BOTS, "truthful")
            _select("Payments", "paid", PAID, "no")
            _select("Time for reports", "minutes", MINUTES, "4")
            _input(
                f"Strength (empty: fits the seats, {fitting_strength(12):g} for 12)", "strength", required=False,
                inputmode="decimal", maxlength=20, autocomplete="off",
            )  # fmt: skip
        with ui.element("div").classes("rows"):
            submit("Start the class")
        text(
            "A good lesson: the first round without payments, in which exaggerating pays, and the second with them. "
            "Strength is what it costs to move the assistant away from the base model: the larger, the less it moves.",
            "p",
            "soft small",
        )
    return None


def join(hall: Hall, request: Request, code: str, name: str) -> Response:
    """Take a seat by the code."""
    code = "".join(code.split()).lower()
    try:
        hall.check_origin(request)
        hall.limits.trial(request.scope)
        return _seated(hall, hall.desk.join_class(code, name))
    except ServiceError as refusal:
        return refused_page(hall.counted(request, refusal), f"/class#{quote(code[:40])}")


def start(hall: Hall, room: Room, request: Request, given: dict[str, str]) -> Response:
    """Start a class and become its teacher in this browser."""
    try:
        hall.check_origin(request)
        return _seated(hall, room.start(hall.operator(request).caller(), _given(given)))
    except ServiceError as refusal:
        return refused_page(refusal, "/class/new")


def again(hall: Hall, room: Room, request: Request, session_id: str, given: dict[str, str]) -> Response:
    """Open the next round and become its teacher in this browser."""
    try:
        hall.check_origin(request)
        teacher = hall.visit(request, session_id).caller()
        wanted = {"paid": given["paid"] == "yes", "story": given["story"], "minutes": _number(given["minutes"], "time")}
        return _seated(hall, room.again(hall.operator(request).caller(), teacher, session_id, wanted))
    except ServiceError as refusal:
        return refused_page(refusal, f"/class/{quote(session_id, safe='')}")


def follow(hall: Hall, room: Room, request: Request, session_id: str) -> Response:
    """Take the same player's seat in the next round."""
    try:
        hall.check_origin(request)
        return _seated(hall, room.follow(hall.visit(request, session_id).caller(), session_id))
    except ServiceError as refusal:
        return refused_page(refusal, f"/class/{quote(session_id, safe='')}")


def _seated(hall: Hall, joined: Joined) -> Response:
    answer = RedirectResponse(f"/class/{joined.session_id}", 303, headers=PRIVATE)
    hall.keep(answer, hall.desk.caller(joined.token), joined.token)
    return answer


def _given(form_data: dict[str, str]) -> dict[str, Any]:
    strength = form_data["strength"].strip().replace(",", ".")
    return {
        "title": form_data["title"].strip() or None,
        "story": form_data["story"],
        "seats": int(_number(form_data["seats"], "seats")),
        "bots": form_data["bots"],
        "paid": form_data["paid"] == "yes",
        "minutes": _number(form_data["minutes"], "time"),
        "strength": _number(strength, "strength") if strength else None,
    }


def _number(given: str, what: str) -> float:
    try:
        found = float(given)
    except ValueError:
        raise Invalid(f"{what} must be a number, got {given!r:.40}.") from None
    if not abs(found) < 1e9:
        raise Invalid(f"{what} must be a number of ordinary size, got {given!r:.40}.")
    return found


def refused_page(refusal: ServiceError, again: str = "/class") -> HTMLResponse:
    """A refusal for people in a class, without a live page.

    >>> refused_page(Invalid("seats <3")).status_code
    422
    """
    words = html.escape(plain(refusal))
    body = f"""<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><title>Refused · tuneaccord</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{STATIC}/studio.css"></head>
<body><main id="content" class="sheet"><h1>This did not work</h1>
<p class="notice" role="alert">{words[:1].upper()}{words[1:]}</p>
<p><a href="{html.escape(again, quote=True)}">Try again</a> · <a href="/class">Join a class by its code</a> ·
<a href="/sessions">Enter with a token</a></p></main></body></html>"""
    return HTMLResponse(body, refusal.status, headers=PRIVATE)


def _input(name: str, key: str, classes: str = "", **attributes: Any) -> ui.element:
    with ui.element("label").classes("field"):
        text(name, "span", "name")
        made = ui.element("input").classes(f"plain {classes}")
        made.props.update({"type": "text", "name": key, "required": True, **attributes})
    return made


def _select(name: str, key: str, of: dict[str, str], value: str) -> ui.element:
    with ui.element("label").classes("field"):
        text(name, "span", "name")
        made = ui.element("select").classes("plain")
        made.props["name"] = key
        with made:
            for one, words in of.items():
                option = text(words, "option")
                option.props["value"] = one
                option.props.set_bool("selected", one == value)
    return labelled(made, name)


def next_round_form(session_id: str, paid: bool) -> None:
    """The teacher's form for the next round; by default it has payments where this one had none."""
    with form("/class/again").classes("stack"):
        hidden("session", session_id)
        with ui.element("div").classes("fields"):
            _select("Payments in the next round", "paid", PAID, "no" if paid else "yes")
            _select("Story", "story", {name: one.title for name, one in STORIES.items()}, "homework")
            _select("Time for reports", "minutes", MINUTES, "3")
        with ui.element("div").classes("rows"):
            submit("Open the next round")
