"""Parts of a session's page that several roles share: where it stands, what is agreed, who takes part, the log."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.service.pages.parts import folded, labelled, table_html, text
from tuneaccord.service.pages.sessions.entering import leave_form
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import (
    act_button,
    cells,
    countdown,
    digest,
    link_button,
    panel,
    plain_table,
    secret,
    time_of,
)
from tuneaccord.service.pages.sessions.words import (
    ROLES,
    by_words,
    entry_digest,
    entry_words,
    next_words,
    progress_words,
    steps_of,
)
from tuneaccord.service.pages.sessions.words_of_terms import terms_rows
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import GROUP
from tuneaccord.service.tokens import Caller

MOST_ROWS = 100  #: of groups or log entries that a page shows


def head_part() -> Part:
    """Steps, what to do next, and the time that is left."""

    def key(view: dict) -> Any:
        return [view["state"], view["deadline"], view["reveal_at"], next_words(view)]

    def build(view: dict, _: Any) -> None:
        with ui.element("ol").classes("steps") as line:
            labelled(line, "Where the session stands")
            for words, mark in steps_of(view):
                step = text(words, "li", mark)
                if "now" in mark:
                    step.props["aria-current"] = "step"
        with panel("Next", classes="next", element_id="next"):
            text(next_words(view))
            if view["state"] == "reporting" and view["deadline"]:
                with ui.element("p"):
                    text("Reports are taken until ", "span")
                    time_of(view["deadline"])
                    text(" · ", "span")
                    countdown(view["deadline"], view["now"])
            if view["reveal_at"] and view["state"] not in ("published", "cancelled"):
                with ui.element("p"):
                    text("The results are published by themselves at ", "span")
                    time_of(view["reveal_at"])

    return Part(key, build)


def progress_part() -> Part:
    """How far the server is with what it is doing."""

    def working(view: dict) -> bool:
        return view["sampling"] or view["state"] in ("closed", "settling")

    def build(view: dict, _: Any) -> None:
        if not working(view):
            return
        for row in view["progress"] or [None]:
            words = "The server begins with this in a moment." if row is None else progress_words(row)
            with ui.element("div").classes("stack"):
                text(words, "div", "small")
                bar = ui.element("progress")
                if row is not None:
                    bar.props.update(max=max(1, row["total"]), value=row["done"])
                labelled(bar, words)

    return Part(lambda view: [working(view), view["progress"] if working(view) else None], build)


def terms_part() -> Part:
    """What is agreed."""

    def build(view: dict, _: Any) -> None:
        with panel("What is agreed"):
            if view["terms"].get("description"):
                text(view["terms"]["description"], "div", "words")
            with ui.element("dl").classes("terms"):
                for name, words in terms_rows(view["terms"]):
                    text(name, "dt")
                    text(words, "dd")
            if view["terms"].get("sampling"):
                with folded("The prompts that replies are drawn for"), ui.element("ol"):
                    for prompt in view["terms"]["sampling"]["prompts"][:MOST_ROWS]:
                        text(prompt, "li", "reply")
            if view["pool"]:
                with ui.element("p"):
                    text("Digest of the pool: ", "span")
                    digest(view["pool"])

    return Part(lambda view: [view["terms"], view["pool"]], build)


def groups_part() -> Part:
    """Who takes part, for those who only look."""

    def build(view: dict, _: Any) -> None:
        groups = view["groups"]
        told = sum(one["reported"] for one in groups)
        with panel("Groups"):
            text(f"{len(groups)} joined, {told} reported." if groups else "Nobody has joined yet.")
            if groups:
                rows = [[one["name"], "sealed" if one["reported"] else "not yet"] for one in groups[:MOST_ROWS]]
                ui.html(table_html("Groups", ["group", "report"], rows), sanitize=False)
            if len(groups) > MOST_ROWS:
                text(f"… and {len(groups) - MOST_ROWS} more.", "p", "soft small")

    return Part(lambda view: view["groups"], build)


def log_part(live: Live, always: bool = False) -> Part:
    """The public log; where not ``always`` open, it is read when it is asked for, so that many pages stay cheap."""
    wanted = {"open": always}

    def key(view: dict) -> Any:
        return view["entries"] if wanted["open"] else "closed"

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if not wanted["open"]:
            return None
        return reading.log(caller, view["id"], max(0, view["entries"] - MOST_ROWS))

    async def show() -> None:
        wanted["open"] = True
        await live.refresh(anyway=True)

    def build(view: dict, log: list[dict] | None) -> None:
        with panel("Public log"):
            text(
                "Every move, each bound to the one before by its digest. Your receipt has all of it and can be checked "
                "offline at any time.",
                "p",
                "soft",
            )
            if log is None:
                with ui.element("div").classes("rows"):
                    act_button("Show the log", show)
                return
            if view["entries"] > MOST_ROWS:
                text(f"The last {MOST_ROWS} of {view['entries']} entries.", "p", "soft small")
            with plain_table("Log, the latest first", "number", "what", "by", "time", "digest", "binds to"):
                for entry in reversed(log):
                    _log_row(entry)

    return Part(key, build, load)


def _log_row(entry: dict) -> None:
    said = entry_words(entry)
    what = f"{entry['kind']}: {said}" if said else entry["kind"]
    bound = entry_digest(entry)
    cells(
        str(entry["number"]),
        what,
        by_words(entry["by"]),
        lambda: time_of(entry["at"]),
        lambda: digest(entry["digest"]),
        (lambda: digest(bound)) if bound else "",
    )


def papers_part(live: Live) -> Part:
    """The receipt, the token for another browser, and the way out."""

    def build(view: dict, _: Any) -> None:
        you, address = view["you"], f"/sessions/{view['id']}/documents"
        with panel("Receipt"):
            text(
                "One file with everything that you may have of this session. Keep it: with it anybody can check that "
                "nothing was changed, without this server."
            )
            with ui.element("div").classes("rows"):
                made = link_button("Download receipt.json", f"{address}/receipt.json")
                made.props["download"] = "receipt.json"
                pool = link_button("Terms (JSON)", f"{address}/terms.json")
                pool.props["download"] = "terms.json"
            text("Check it on your own computer: tuneaccord verify receipt.json", "p", "soft small")
        with panel("This browser"):
            named = f" {you['name']}" if you["role"] == GROUP else ""
            text(
                f"You are here as {ROLES[you['role']]}{named}. Your token is kept in this browser; save it to come "
                "back from another one."
            )
            _token(live)
            leave_form(view["id"])

    return Part(lambda view: view["you"], build)


def _token(live: Live) -> None:
    shown = ui.element("div").classes("stack")

    async def show() -> None:
        if await live.act(lambda desk, caller: True) is None:
            return
        shown.clear()
        with shown:
            secret(
                "Link with your token: whoever has it can act for you",
                live.visit.hall.link(f"/enter#token={live.visit.token}"),
            )
            with ui.element("div").classes("rows"):
                act_button(
                    "Save as a file", lambda: ui.download.content(live.visit.token.encode() + b"\n", "token.txt")
                )

    with shown, ui.element("div").classes("rows"):
        act_button("Show my token", show)
