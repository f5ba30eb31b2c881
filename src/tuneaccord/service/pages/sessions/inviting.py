"""Inviting groups, for the provider: names in, one-time links out, as text and as pictures for phones."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.errors import TooLarge
from tuneaccord.service.pages.parts import live as spoken
from tuneaccord.service.pages.parts import text
from tuneaccord.service.pages.sessions.classroom_code import only_here, qr
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import act_button, area, cells, copy_button, panel, plain_table, secret
from tuneaccord.service.pages.sessions.words import sentence
from tuneaccord.service.tokens import Caller

MOST_AT_ONCE = 300  #: invitations


def invite_part(live: Live) -> Part:
    """A box for names, and the links that were made from it."""
    links: dict[str, str] = {}

    def key(view: dict) -> Any:
        return view["state"] == "open" and not view["sampling"] and view["terms"].get("classroom") is None

    def build(view: dict, _: Any) -> None:
        if not key(view):
            return
        with panel("Invite groups"):
            text(
                "Each group gets a link of its own that works once. Send it only to that group: it becomes that group."
            )
            given = {"names": ""}
            box = ui.element("div")

            def fill() -> None:
                given["names"] = ""
                box.clear()
                with box:
                    area("Names of the groups, one a line", "", lambda value: given.__setitem__("names", value), rows=3)

            fill()
            told = spoken(classes="notice")

            async def invite() -> None:
                told.set_text("")
                names = [line.strip() for line in given["names"].splitlines() if line.strip()]
                if not names:
                    told.set_text("Write the name of a group first.")
                    return
                made: dict[str, str] = {}
                try:
                    await live.visit.act(lambda desk, caller: _invite(desk, caller, view["id"], names, made))
                    fill()
                except TuneaccordError as error:
                    told.set_text(sentence(error))  # those before it are made, and shown only now
                links.update({name: live.visit.hall.link(f"/join/{link}") for name, link in made.items()})
                show()
                await live.refresh()

            with ui.element("div").classes("rows"):
                act_button("Make the links", invite, True)
            shown = ui.element("div").classes("stack")

            def show() -> None:
                shown.clear()
                with shown:
                    _links(links)

            show()

    return Part(key, build)


def _invite(desk: Any, caller: Caller, session_id: str, names: list[str], made: dict[str, str]) -> None:
    if len(names) > MOST_AT_ONCE:
        raise TooLarge(f"invite at most {MOST_AT_ONCE} groups at once, got {len(names)}.")
    for name in dict.fromkeys(names):
        made[name] = desk.invite(caller, session_id, name)


def _links(links: dict[str, str]) -> None:
    if not links:
        return
    text(
        "Shown only on this page, and only now. If one gets lost, make a new one for the same name.", "p", "soft small"
    )
    picture = Picture()

    def link_of(name: str, link: str) -> None:
        with ui.element("div").classes("stack"):
            secret(f"Link for {name}", link)
            picture.offer(f"Link for {name}", link)

    with plain_table("Links", "group", "link", classes="figures full"):
        for name, link in links.items():
            cells(name, lambda name=name, link=link: link_of(name, link))
    picture.put()
    with ui.element("div").classes("rows"):
        copy_button("Copy all", "\n".join(f"{name}\t{link}" for name, link in links.items()))


def hand_over(words: str, link: str) -> None:
    """A link that is shown once, to be copied, or to be read from the screen by the phone of whoever it is for."""
    picture = Picture()
    secret(words, link)
    picture.offer(words, link)
    picture.put()


class Picture:
    """A place for the QR code of one link at a time: nobody who is shown theirs reads another one beside it."""

    def __init__(self) -> None:
        self._shown = ""

    def put(self) -> None:
        """The pictures are shown here."""
        self._place = ui.element("div").classes("stack")

    def offer(self, words: str, link: str) -> None:
        """A button that shows the link as a QR code, or takes it away again."""
        with ui.element("div").classes("rows"):
            act_button("QR code", lambda: self._show(words, link), name=f"QR code: {words}")

    def _show(self, words: str, link: str) -> None:
        self._place.clear()
        if self._shown == link:
            self._shown = ""
            return
        self._shown = link
        with self._place:
            text(f"{words}: only for the camera of whoever it is for.", "p", "strong").props["role"] = "status"
            qr(link, f"{words}, as a QR code")
            if only_here(link):
                text(
                    "This address works on this computer only. For phones, start the server with --url and its address "
                    "in your network, or behind TLS.",
                    "p",
                    "notice small",
                )
            with ui.element("div").classes("rows"):
                act_button("Hide the QR code", lambda: self._show(words, link))
