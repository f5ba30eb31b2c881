"""The provider's view: one page that leads a session from its draft to the published invoices."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.service.pages.parts import folded, text
from tuneaccord.service.pages.sessions import common
from tuneaccord.service.pages.sessions.inviting import invite_part
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import (
    act_button,
    asked,
    field,
    moment_field,
    panel,
    zone_words,
)
from tuneaccord.service.pages.sessions.people import issue_part, people_part, tokens_part
from tuneaccord.service.pages.sessions.pool_form import pool_form_part
from tuneaccord.service.pages.sessions.pool_view import pool_part
from tuneaccord.service.pages.sessions.results import record_part
from tuneaccord.service.pages.sessions.terms_form import TermsForm
from tuneaccord.service.pages.sessions.uploads import upload
from tuneaccord.service.pages.sessions.words import state_words


def build(live: Live) -> None:
    """The parts of the page, from top to bottom."""
    live.add(common.head_part())
    live.add(common.progress_part())
    live.add(_moves_part(live))
    live.add(record_part())
    live.add(invite_part(live))
    live.add(people_part(live))
    live.add(pool_form_part(live))
    live.add(pool_part())
    live.add(common.terms_part())
    live.add(issue_part(live))
    live.add(tokens_part(live))
    live.add(common.papers_part(live))
    live.add(common.log_part(live))
    live.add(_cancel_part(live))


def _moves_part(live: Live) -> Part:
    """What the provider can do next; inviting and the pool have parts of their own."""

    def build(view: dict, _: Any) -> None:
        make = {
            "draft": _draft,
            "frozen": _begin,
            "reporting": _reporting,
            "settled": _settled,
            "failed": _failed,
        }.get(view["state"])
        if make is not None:
            make(live, view)

    def key(view: dict) -> Any:
        terms = view["terms"] if view["state"] == "draft" else None
        return [view["state"], terms, "closed" in view["moves"]]

    return Part(key, build)


async def _moved(live: Live, move: Any, done: str) -> None:
    if await live.act(move, done) is not None:
        live.focus("next")


def _draft(live: Live, view: dict) -> None:
    session_id = view["id"]
    with panel("Open the session"):
        asked(
            "Open the session",
            "The terms cannot be changed after this. Open it?",
            "Yes, open",
            lambda: _moved(live, lambda desk, caller: desk.open(caller, session_id), "The session is open."),
            main=True,
        )
        with folded("Change what is agreed"):

            async def save(terms: dict[str, Any]) -> None:
                await _moved(live, lambda desk, caller: desk.revise(caller, session_id, terms), "The terms are saved.")

            place = ui.element("div")
            models = getattr(live.visit.hall.settings, "models", ("embedded",))
            form = TermsForm(view["terms"], "Save what is agreed", save, models)
            with place:
                upload(live.visit, "Or take them from a market or terms file", ".yaml,.yml,.json", form.take)


def _begin(live: Live, view: dict) -> None:
    session_id, given = view["id"], {"deadline": "", "reveal": ""}
    with panel("Let the groups report"):
        with ui.element("div").classes("fields"):
            moment_field(
                "Deadline for reports (empty: you close by hand)", lambda value: given.__setitem__("deadline", value)
            )
            moment_field(
                "Publish by itself at (empty: you publish by hand)", lambda value: given.__setitem__("reveal", value)
            )
        zone_words()

        async def begin() -> None:
            await _moved(
                live,
                lambda desk, caller: desk.begin(caller, session_id, given["deadline"] or None, given["reveal"] or None),
                "The groups can report now.",
            )

        with ui.element("div").classes("rows"):
            act_button("Begin taking reports", begin, True)


def _reporting(live: Live, view: dict) -> None:
    session_id, given = view["id"], {"deadline": ""}
    with panel("Close"):
        if "closed" in view["moves"]:
            asked(
                "Close now and settle",
                "Groups that have not reported yet are left out, and no report can be changed after this. Close?",
                "Yes, close",
                lambda: _moved(live, lambda desk, caller: desk.close(caller, session_id), "The session is closed."),
                main=True,
            )
        else:
            text("Nobody has reported yet, so there is nothing to settle. Wait for a report, or cancel the session.")
        with folded("Move the deadline"), ui.element("div").classes("stack"):
            moment_field("New deadline (empty: none)", lambda value: given.__setitem__("deadline", value))
            zone_words()

            async def move() -> None:
                await live.act(
                    lambda desk, caller: desk.move_deadline(caller, session_id, given["deadline"] or None),
                    "The deadline is moved.",
                )

            with ui.element("div").classes("rows"):
                act_button("Move the deadline", move)


def _settled(live: Live, view: dict) -> None:
    session_id = view["id"]
    with panel("Publish"):
        asked(
            "Publish",
            "Each group will see its own invoice. Publish?",
            "Yes, publish",
            lambda: _moved(live, lambda desk, caller: desk.publish(caller, session_id), "The session is published."),
            main=True,
        )


def _failed(live: Live, view: dict) -> None:
    session_id = view["id"]
    if "tried again" not in view["moves"]:
        return
    with panel("Try again"):
        text("The reports stay as they are.")
        with ui.element("div").classes("rows"):
            act_button(
                "Settle again",
                lambda: _moved(live, lambda desk, caller: desk.try_again(caller, session_id), "Settling begins again."),
                True,
            )


def _cancel_part(live: Live) -> Part:
    """The way to end a session without a settlement."""

    def possible(view: dict) -> bool:
        return "cancelled" in view["moves"]

    def build(view: dict, _: Any) -> None:
        if not possible(view):
            return
        session_id, given = view["id"], {"reason": ""}
        with panel("Cancel"), folded("End the session without a settlement"), ui.element("div").classes("stack"):
            field(
                "Reason (everybody in the session sees it)",
                "",
                lambda value: given.__setitem__("reason", value),
                maxlength=1000,
            )
            asked(
                "Cancel the session",
                "This cannot be undone. Cancel it?",
                "Yes, cancel it",
                lambda: _moved(
                    live,
                    lambda desk, caller: desk.cancel(caller, session_id, given["reason"]),
                    f"The session is {state_words('cancelled').lower()}.",
                ),
            )

    return Part(possible, build)
