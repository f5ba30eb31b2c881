"""The operator's page for a new session."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.errors import ServiceError
from tuneaccord.service.pages.frame import frame
from tuneaccord.service.pages.parts import live, text
from tuneaccord.service.pages.sessions.entering import form, hidden, submit
from tuneaccord.service.pages.sessions.parts import field, panel, prepare, secret
from tuneaccord.service.pages.sessions.plain import refusal_page
from tuneaccord.service.pages.sessions.terms_form import TermsForm
from tuneaccord.service.pages.sessions.uploads import upload
from tuneaccord.service.pages.sessions.visits import Hall
from tuneaccord.service.pages.sessions.words import sentence


async def new_page(hall: Hall, request: Request) -> Response | None:
    """Terms, the provider's name, and the link that makes somebody the provider."""
    visit = hall.operator(request)
    prepare()
    try:
        await visit.read(lambda reading, caller: None)
    except ServiceError as refusal:
        return refusal_page(refusal, "/sessions/new")
    provider = {"name": "provider"}
    with frame(
        "New session", lead="Write down what the parties agree on. The provider can change it until the session opens."
    ):
        complaint, client = live(classes="notice"), ui.context.client
        done = ui.element("div").classes("stack")
        work = ui.element("div").classes("stack")

        async def save(terms: dict[str, Any]) -> None:
            try:
                made = await visit.act(lambda desk, caller: desk.create(caller, terms, provider["name"]))
            except TuneaccordError as refusal:
                complaint.set_text(sentence(refusal))
                return
            complaint.set_text("")
            work.clear()
            with done:
                _made(hall, made.session_id, made.token, terms["title"])
            client.run_javascript("document.getElementById('made')?.focus()")

        with work:
            with panel("From a file"):
                place = ui.element("div")
            with panel("What is agreed"):
                field(
                    "Provider's name",
                    provider["name"],
                    lambda given: provider.__setitem__("name", given),
                    help_words="Who leads the session; everybody in it sees this name.",
                    maxlength=80,
                )
                form_on_page = TermsForm(
                    None, "Create the session", save, getattr(hall.settings, "models", ("embedded",))
                )
            with place:
                upload(
                    visit,
                    "A market or terms file (YAML or JSON), if you have one",
                    ".yaml,.yml,.json",
                    form_on_page.take,
                )
    return None


def _made(hall: Hall, session_id: str, token: str, title: str) -> None:
    with panel(f"Created: {title}", element_id="made"):
        text(
            "Whoever has this link leads the session. It is shown only now: send it to the provider, or enter with it."
        )
        secret("Link for the provider", hall.link(f"/enter#token={token}"))
        with form("/enter").classes("rows"):
            hidden("token", token)
            submit("Enter as the provider in this browser")
        with ui.element("p"):
            text("Back to all sessions", "a").props["href"] = "/sessions"
