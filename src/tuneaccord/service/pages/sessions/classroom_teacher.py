"""The projector: the code in large letters, who is in, the time left, and after the reveal who lied, and why.

The page that the teacher sees is the page that the class sees, so nothing is on it that the class may not know. One
button leads to the next step; whoever looks on with an observer's token has the same page without it.
"""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.service.classroom_room import Plan, Room
from tuneaccord.service.pages.parts import folded, labelled, text
from tuneaccord.service.pages.sessions.classroom_board import again_part, results_part, rules_part
from tuneaccord.service.pages.sessions.classroom_code import only_here, qr
from tuneaccord.service.pages.sessions.common import progress_part
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import act_button, asked, countdown, options, panel, secret
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import PROVIDER
from tuneaccord.service.tokens import Caller

STEPS = ("join", "wishes", "report", "settle", "results")
STEP_OF = {
    "draft": 0, "open": 0, "frozen": 1, "reporting": 2, "closed": 3, "settling": 3, "settled": 3, "failed": 3,
    "published": 4,
}  # fmt: skip


def build(page: Live, room: Room, plan: Plan, address: str) -> None:
    """The parts of the page, from top to bottom."""
    page.add(_steps_part())
    page.add(_next_part(page, room, plan))
    page.add(progress_part())
    page.add(_joining_part(page, room, address))
    page.add(_players_part(page))
    page.add(results_part(room))
    page.add(again_part(room))
    page.add(rules_part(plan))
    page.add(_help_part(page, address))


def _leads(view: dict) -> bool:
    return view["you"]["role"] == PROVIDER


def _steps_part() -> Part:
    def show(view: dict, _: Any) -> None:
        now = STEP_OF.get(view["state"], -1)
        with ui.element("ol").classes("steps") as line:
            labelled(line, "Where the class stands")
            for place, words in enumerate(STEPS):
                step = text(words, "li", "now" if place == now else "done" if place < now else "")
                if place == now:
                    step.props["aria-current"] = "step"

    return Part(lambda view: view["state"], show)


# The one button


def _next_part(page: Live, room: Room, plan: Plan) -> Part:
    def key(view: dict) -> Any:
        people = sum(not one["bot"] for one in view["groups"])
        return [view["state"], view["deadline"], people, _all_in(view), view["reason"], view["moves"]]

    def show(view: dict, _: Any) -> None:
        with ui.element("section").classes("panel next"):
            _SHOWN.get(view["state"], _waiting)(page, room, plan, view)

    return Part(key, show)


def _opened(page: Live, room: Room, plan: Plan, view: dict) -> None:
    seats, joined = view["terms"]["classroom"]["seats"], len(view["groups"])
    free = seats - joined
    text(f"{joined} of {seats} seats are taken." + (f" The server will play the other {free}." if free else ""))
    if _leads(view) and joined:
        with ui.element("div").classes("rows"):
            act_button("Everybody is in: show the wishes", _move(page, room.freeze), True)


def _frozen(page: Live, room: Room, plan: Plan, view: dict) -> None:
    text("Everybody sees on their own screen what they truly want. Nobody else sees it.")
    if not _leads(view):
        return
    chosen = {"minutes": plan.minutes}
    ways = {f"{one:g}": f"{one:g} minutes" for one in sorted({1.0, 2.0, 3.0, 4.0, 6.0, 10.0, plan.minutes})}
    with ui.element("div").classes("rows"):
        act_button(
            "Take reports",
            _move(page, lambda caller, session_id: room.begin(caller, session_id, chosen["minutes"])),
            True,
        )
        options("for", ways, f"{plan.minutes:g}", lambda given: chosen.update(minutes=float(given)))


def _reporting(page: Live, room: Room, plan: Plan, view: dict) -> None:
    with ui.element("div").classes("clock"):
        if view["deadline"]:
            countdown(view["deadline"], view["now"]).classes("huge")
        else:
            text("No deadline: the teacher ends it.")
    if _all_in(view):
        text("All players have reported.")
    if not _leads(view):
        return
    close = _move(page, lambda caller, session_id: page.visit.hall.desk.close(caller, session_id))
    with ui.element("div").classes("rows"):
        if "closed" not in view["moves"]:
            text("Nobody has reported yet.")
        elif _all_in(view):
            act_button("Take no more reports", close, True)
        else:
            asked("Take no more reports", "Some have not reported yet. End it now?", "End it", close)
        if view["deadline"]:
            act_button("One minute more", _move(page, room.longer))


def _settled(page: Live, room: Room, plan: Plan, view: dict) -> None:
    text("Everything is settled. Guess first: who lied, and did it help?")
    if _leads(view):
        reveal = _move(page, lambda caller, session_id: page.visit.hall.desk.publish(caller, session_id))
        with ui.element("div").classes("rows"):
            act_button("Reveal", reveal, True)


def _failed(page: Live, room: Room, plan: Plan, view: dict) -> None:
    text(f"This round could not be settled: {view['reason']}")
    if _leads(view):
        again = _move(page, lambda caller, session_id: page.visit.hall.desk.try_again(caller, session_id))
        cancel = _move(page, lambda caller, session_id: page.visit.hall.desk.cancel(caller, session_id, "given up"))
        with ui.element("div").classes("rows"):
            if "tried again" in view["moves"]:
                act_button("Try again", again, True)
            asked("Cancel this round", "Cancel it?", "Cancel it", cancel)


def _waiting(page: Live, room: Room, plan: Plan, view: dict) -> None:
    words = {
        "draft": "This class has not been opened yet.",
        "published": "The results.",
        "cancelled": f"This round was cancelled. {view['reason'] or ''}",
    }
    text(words.get(view["state"], "No more reports are taken. The server settles."))


_SHOWN = {"open": _opened, "frozen": _frozen, "reporting": _reporting, "settled": _settled, "failed": _failed}


def _move(page: Live, move: Any) -> Any:
    session_id = page.visit.session_id

    async def act() -> None:
        await page.act(lambda desk, caller: move(caller, session_id))

    return act


def _all_in(view: dict) -> bool:
    return bool(view["groups"]) and all(one["reported"] for one in view["groups"])


# Joining, and who is in


def _joining_part(page: Live, room: Room, address: str) -> Part:
    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return room.code(caller, view["id"]) if view["state"] == "open" and _leads(view) else None

    def show(view: dict, code: str | None) -> None:
        if code is not None:
            _code(page, room, code, address)

    return Part(lambda view: view["state"] == "open", show, load)


def _code(page: Live, room: Room, code: str, address: str) -> None:
    where = address.split("://", 1)[1]
    with ui.element("section").classes("panel joining"):
        with ui.element("div").classes("stack"):
            text("Open on your phone", "div", "soft")
            text(f"{where}/class", "div", "where-to")
            text("and enter the code", "div", "soft")
            shown = text(f"{code[:4]} {code[4:]}", "div", "code")
            labelled(shown, " ".join(code)).props["role"] = "img"
            if only_here(address):
                text(
                    "This address works on this computer only. For phones, start the server with its address in your "
                    "network: tuneaccord serve --host 0.0.0.0 --url http://ADDRESS:PORT --insecure, or behind TLS.",
                    "p",
                    "notice small",
                )
        qr(f"{address}/class#{code}", f"The address {where}/class with the code, as a QR code")


def _players_part(page: Live) -> Part:
    def key(view: dict) -> Any:
        return [view["state"], [(one["name"], one["reported"]) for one in view["groups"]]]

    def show(view: dict, _: Any) -> None:
        if view["state"] in ("published", "cancelled", "draft"):
            return
        reporting = view["state"] not in ("open", "frozen")
        done = sum(one["reported"] for one in view["groups"])
        title = f"Players: {done} of {len(view['groups'])} have reported" if reporting else "Players"
        with panel(title):
            if not view["groups"]:
                text("Nobody has joined yet.", "p", "soft")
            with ui.element("ul").classes("players") as names:
                labelled(names, "Players")
                for one in view["groups"]:
                    _player(one, reporting)

    return Part(key, show)


def _player(one: dict, reporting: bool) -> None:
    told = reporting and one["reported"]
    with ui.element("li").classes("told-it" if told else ""):
        text(one["name"], "span", "who")
        if one["bot"]:
            text("server", "span", "soft small")
        if told:
            text("✓ reported", "span", "good small")


# Help


def _help_part(page: Live, address: str) -> Part:
    """For the teacher: a player's name that has to go, or a phone that was lost."""

    def show(view: dict, _: Any) -> None:
        people = [one["name"] for one in view["groups"] if not one["bot"]]
        if not _leads(view) or not people or view["state"] in ("cancelled", "failed"):
            return
        with folded("Help with a player"):
            _help(page, view, people, address)

    def key(view: dict) -> Any:
        return [view["state"], [one["name"] for one in view["groups"]]]

    return Part(key, show)


def _help(page: Live, view: dict, people: list[str], address: str) -> None:
    chosen, session_id = {"place": "0"}, view["id"]
    names = {str(place): name for place, name in enumerate(people)}

    async def remove() -> None:
        name = names[chosen["place"]]
        await page.act(lambda desk, caller: desk.remove(caller, session_id, name))

    async def replace() -> None:
        name = names[chosen["place"]]
        token = await page.act(lambda desk, caller: desk.replace_token(caller, session_id, name))
        if token is not None and not place.is_deleted:
            place.clear()
            with place:
                secret(f"Link for {name}: open it on the new phone", f"{address}/enter#token={token}")
                qr(f"{address}/enter#token={token}", "The link as a QR code")

    with ui.element("div").classes("panel"):
        with ui.element("div").classes("fields"):
            options("Player", names, "0", lambda given: chosen.update(place=given))
        with ui.element("div").classes("rows"):
            if view["state"] == "open":
                act_button("Remove", remove)
            act_button("New link for a lost phone (the old one stops working)", replace)
        text("Hide the projector first: whoever sees the new link can play in that player's name.", "p", "small soft")
        place = ui.element("div").classes("stack")
