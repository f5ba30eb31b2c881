"""Coming in and going out: tokens become cookies of this browser, invitations become tokens.

A link never does anything by being opened: an invitation is used, and a token kept, when its button is pressed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.errors import ServiceError
from tuneaccord.service.pages.frame import frame
from tuneaccord.service.pages.parts import labelled, text
from tuneaccord.service.pages.sessions.parts import cells, panel, plain_table, prepare, time_of
from tuneaccord.service.pages.sessions.plain import PRIVATE, refusal_page
from tuneaccord.service.pages.sessions.visits import COOKIE, Hall, cookie_name, in_thread
from tuneaccord.service.pages.sessions.words import ROLES, state_words
from tuneaccord.service.pages.sessions.words_of_terms import truth_is_best
from tuneaccord.service.tokens import OPERATOR

MOST_ENTERED = 50  #: cookies of one browser that are looked at


def enter_form(words: str = "Enter a session with the token or the link that you were given.") -> None:
    """A box for a token; it sends an ordinary form."""
    with form("/enter").classes("panel"):
        text(words)
        with ui.element("div").classes("rows"):
            with ui.element("label").classes("field grow"):
                text("Your token", "span", "name")
                field = ui.element("input").classes("plain")
                field.props.update(name="token", type="password", autocomplete="off", required=True, maxlength=200)
            submit("Enter")


def submit(words: str) -> ui.element:
    """The button of an ordinary form."""
    made = text(words, "button", "act main")
    made.props["type"] = "submit"
    return made


def form(action: str) -> ui.element:
    """An ordinary form, sent by the browser itself."""
    made = ui.element("form")
    made.props.update(method="post", action=action)
    return made


def hidden(name: str, value: str) -> ui.element:
    """A field of an ordinary form that people do not see."""
    made = ui.element("input")
    made.props.update(type="hidden", name=name, defaultValue=value)
    return made


def enter_page() -> None:
    """Where a link with a token leads: the token is behind the #, which no browser sends to a server."""
    prepare()
    with frame("Enter a session"):
        with form("/enter").classes("panel") as sent:
            sent.props["data-enter"] = "1"
            text("If your link carries a token, press the button to keep it in this browser and enter.")
            labelled(hidden("token", ""), "Your token")
            with ui.element("div").classes("rows"):
                submit("Enter")
        enter_form("The link did not work? Paste your token instead.")


def enter(hall: Hall, request: Request, token: str) -> Response:
    """Keep a token in this browser."""
    try:
        hall.check_origin(request)
        hall.limits.trial(request.scope)
        _, found, invitation = token.strip().rpartition("/join/")
        if found:  # an invitation is used on its own page
            return RedirectResponse(f"/join/{quote(invitation, safe='')}", 303, headers=PRIVATE)
        caller = hall.desk.caller(token.strip().rpartition("#token=")[2])
        where = "/sessions" if caller.role == OPERATOR else f"/sessions/{caller.session_id}"
        answer = RedirectResponse(where, 303, headers=PRIVATE)
        hall.keep(answer, caller, token.strip().rpartition("#token=")[2])
        return answer
    except ServiceError as refusal:
        return _refused(hall, request, refusal)


async def join_page(hall: Hall, request: Request, invitation: str) -> Response | None:
    """Who invites to what, with the button that uses the invitation."""
    prepare()
    try:
        hall.limits.trial(request.scope)
        facts = await in_thread(lambda: hall.reading.invitation(invitation))
    except ServiceError as refusal:
        return _refused(hall, request, refusal)
    with frame(facts["title"], lead=f"{facts['provider']} invites you to take part as “{facts['group']}”."):
        if facts["description"]:
            with ui.element("div").classes("panel"):
                text(facts["description"], "div", "words")
        with form("/join").classes("panel"):
            text(
                "Several groups share one language model here. Each says in secret what it wants and how large it is; "
                "a rule that everybody knows chooses the model and says what each group pays."
            )
            if truth_is_best(facts["terms"]):
                text("Rule and payments are made so that the truth is the best that a group can report.")
            hidden("invitation", invitation)
            with ui.element("div").classes("rows"):
                submit(f"Join as {facts['group']}")
            text(
                "This link works once. Joining keeps a token in this browser; you can copy it for another one.",
                "p",
                "soft small",
            )
            if facts["expires_at"]:
                with ui.element("p").classes("soft small"):
                    text("It works until ", "span")
                    time_of(facts["expires_at"])
    return None


def bare_join_page() -> None:
    """The address alone, as somebody types it who has cut a link short: what is missing, and a box for it."""
    prepare()
    with frame("Join a session"):
        with form("/join").classes("panel"):
            text(
                "Groups join by an invitation, a link that the provider of a session sends to each of them: it ends in "
                "/join/ and a long code, and works once. Paste the whole link."
            )
            with ui.element("div").classes("rows"):
                with ui.element("label").classes("field grow"):
                    text("Your invitation", "span", "name")
                    field = ui.element("input").classes("plain")
                    field.props.update(name="invitation", autocomplete="off", required=True, maxlength=400)
                submit("Join")
        with ui.element("p"):
            text("You have joined already? ", "span")
            text("Enter with your token", "a").props["href"] = "/sessions"
            text(". In a class, ", "span")
            text("join by its code", "a").props["href"] = "/class"
            text(".", "span")


def join(hall: Hall, request: Request, invitation: str) -> Response:
    """Use an invitation; a whole link may be pasted."""
    if "#token=" in invitation:
        return enter(hall, request, invitation)
    try:
        hall.check_origin(request)
        hall.limits.trial(request.scope)
        joined = hall.desk.join(invitation.strip().rpartition("/join/")[2])
        answer = RedirectResponse(f"/sessions/{joined.session_id}", 303, headers=PRIVATE)
        hall.keep(answer, hall.desk.caller(joined.token), joined.token)
        return answer
    except ServiceError as refusal:
        return _refused(hall, request, refusal)


def leave(hall: Hall, request: Request, session: str) -> Response:
    """Forget a token in this browser; it stays valid elsewhere."""
    try:
        hall.check_origin(request)
    except ServiceError as refusal:
        return refusal_page(refusal)
    answer = RedirectResponse("/sessions", 303, headers=PRIVATE)
    answer.delete_cookie(cookie_name(session), httponly=True, samesite="strict")
    return answer


def leave_form(session_id: str) -> None:
    """The button that forgets this session in this browser."""
    with form("/leave").classes("rows"):
        hidden("session", session_id)
        text("Leave on this browser", "button", "act").props["type"] = "submit"


def _refused(hall: Hall, request: Request, refusal: ServiceError) -> HTMLResponse:
    return refusal_page(hall.counted(request, refusal))


async def sessions_page(hall: Hall, request: Request) -> None:
    """The sessions that this browser has entered; for an operator, all of this server."""
    prepare()
    rows = await in_thread(lambda: _all_sessions(hall, request))
    views = await in_thread(lambda: _entered(hall, request))
    with frame("Sessions", lead="Groups report in secret, one model is chosen, and each group gets its bill."):
        if rows is not None:
            _operators_part(request, rows)
        enter_form()
        _entered_part(views)
        if rows is None:
            text(
                "A new session is opened by the operator of this server, whose link `tuneaccord serve` prints when it "
                "starts for the first time.",
                "p",
                "soft small",
            )


def _all_sessions(hall: Hall, request: Request) -> list[dict] | None:
    """All sessions, for an operator."""
    try:
        return hall.reading.sessions(hall.operator(request).caller())
    except TuneaccordError:
        return None


def _entered(hall: Hall, request: Request) -> list[dict]:
    """The sessions that this browser's tokens are for."""
    found = []
    for session_id in [name.removeprefix(COOKIE) for name in request.cookies if name.startswith(COOKIE)][:MOST_ENTERED]:
        with suppress(TuneaccordError):
            found.append(hall.reading.view(hall.visit(request, session_id).caller(), session_id))
    return found


def _operators_part(request: Request, rows: list[dict]) -> None:
    with panel("All sessions of this server"):
        text("You are an operator: you see what there is and can create sessions, not what is in them.", "p", "soft")
        with ui.element("div").classes("rows"):
            text("Create a session", "a", "act main").props["href"] = "/sessions/new"
            leave_form(OPERATOR)
        if rows:
            _table(request, rows)


def _table(request: Request, rows: list[dict]) -> None:
    with plain_table("All sessions", "session", "state", "created", "deadline"):
        for row in rows:
            _session_row(request, row)


def _session_row(request: Request, row: dict) -> None:
    def named() -> None:
        if cookie_name(row["id"]) in request.cookies:
            text(row["title"], "a").props["href"] = f"/sessions/{row['id']}"
        else:
            text(row["title"], "span")

    def at(moment: str | None) -> Any:
        return (lambda: time_of(moment)) if moment else "none"

    cells(named, state_words(row["state"]), at(row["created_at"]), at(row["deadline"]))


def _entered_part(views: list[dict]) -> None:
    if not views:
        return
    with panel("Entered in this browser"), ui.element("ul"):
        for view in views:
            with ui.element("li"):
                text(view["title"], "a").props["href"] = f"/sessions/{view['id']}"
                you = view["you"]
                named = f" {you['name']}" if you["role"] == "group" else ""
                text(f" as {ROLES[you['role']]}{named}: {state_words(view['state']).lower()}", "span", "soft")
