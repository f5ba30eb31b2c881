"""A player's page, for a phone: what it wants, its report, and after the reveal what it got and why."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting.formatting import number, size
from tuneaccord.service.classroom_room import Room
from tuneaccord.service.classroom_words import amount, own_words
from tuneaccord.service.pages.parts import folded, plot, table_html, text
from tuneaccord.service.pages.sessions.classroom_plots import own_plot
from tuneaccord.service.pages.sessions.classroom_sliders import choices, player_report
from tuneaccord.service.pages.sessions.entering import form, hidden, submit
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import countdown, panel
from tuneaccord.service.pages.sessions.report_sealed import Sealed
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

WHERE = {
    "open": "You are in. Wait until everybody has joined.",
    "frozen": "This is what you want. Soon you can report it, or something else.",
    "reporting": "Report now. You can change your report until the time is over.",
    "closed": "No more reports are taken. Wait for the reveal.",
    "settling": "No more reports are taken. The server settles.",
    "settled": "Everything is settled. Look at the board for the reveal.",
    "published": "The results are out.",
    "failed": "Something went wrong. Your teacher can try again.",
    "cancelled": "This round was cancelled.",
    "draft": "This class has not been opened yet.",
}


def build(page: Live, room: Room) -> None:
    """The parts of the page, from top to bottom."""
    page.add(_head_part())
    page.add(_result_part(room))
    page.add(_report_part(page))
    page.add(_wishes_part())
    page.add(_story_part())
    page.add(_next_part(page, room))


def _head_part() -> Part:
    def key(view: dict) -> Any:
        return [view["state"], view["deadline"], view["reason"]]

    def show(view: dict, _: Any) -> None:
        with ui.element("div").classes("panel where"):
            text(WHERE[view["state"]])
            if view["state"] == "reporting" and view["deadline"]:
                countdown(view["deadline"], view["now"]).classes("big")
            if view["state"] in ("failed", "cancelled") and view["reason"]:
                text(view["reason"], "p", "soft")

    return Part(key, show)


# Before the reveal


def _wishes_part() -> Part:
    """What the player truly wants; beside the form it is in the form."""

    def shown(view: dict) -> bool:
        return view["pool"] is not None and view["state"] not in ("reporting", "cancelled")

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if not shown(view):
            return None
        return reading.true_type(caller, view["id"]), reading.pool(caller, view["id"])

    def show(view: dict, loaded: Any) -> None:
        if loaded is None:
            return
        truth, pool = loaded
        with panel("What you truly want"):
            text(
                "Only you can see this." if view["state"] != "published" else "Now everybody can see this.", "p", "soft"
            )
            _size_line(truth)
            for name, said, score in choices(pool, truth["scores"]):
                with ui.element("div").classes("wish"):
                    text(name, "strong")
                    text(f"“{said}”", "div", "small soft reply") if said else None
                    _bar(score, view["terms"]["scores"])

    return Part(lambda view: [shown(view), view["state"] == "published"], show, load)


def _size_line(truth: dict) -> None:
    with ui.element("p"):
        text("Your size is ", "span")
        text(size(truth["size"]), "span", "big")
        text(": your wishes count this many times.", "span")


def _bar(score: float, scale: dict) -> None:
    with ui.element("div").classes("bar"):
        share = (score - scale["lowest"]) / (scale["highest"] - scale["lowest"])
        ui.element("div").classes("fill").style(f"width: {100 * share:.1f}%")
        text(number(score, 2), "span", "value")


def _story_part() -> Part:
    def show(view: dict, _: Any) -> None:
        if view["terms"].get("description"):
            with panel("The question to the assistant"):
                text(view["terms"]["description"], "div", "words")
                _rules(view["terms"])

    return Part(lambda view: view["terms"], show)


def _rules(terms: dict) -> None:
    paid = terms["payment"]["kind"] != "Free"
    text(
        "One assistant answers for all. It moves towards what the players report they want, weighted by their reported "
        "sizes. "
        + (
            "Each player then pays what its report takes from all the others."
            if paid
            else "Nobody pays anything in this round."
        ),
        "p",
        "soft",
    )
    text(
        "Your result is what the assistant is truly worth to you"
        + (", minus what you pay." if paid else ".")
        + f" It is counted in {terms['money']['currency']}.",
        "p",
        "soft",
    )


def _report_part(page: Live) -> Part:
    sent: dict[str, Any] = {}
    sealed = Sealed(page)

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if view["state"] != "reporting":
            return None
        return reading.true_type(caller, view["id"]), reading.pool(caller, view["id"])

    def show(view: dict, loaded: Any) -> None:
        if loaded is not None:
            player_report(page, view, *loaded, sent, sealed)

    return Part(lambda view: [view["state"] == "reporting", sealed.recalled], show, load, sealed.follow)


# After the reveal


def _result_part(room: Room) -> Part:
    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if view["state"] != "published":
            return None
        return room.own(caller, view["id"]), room.curve(caller, view["id"])

    def show(view: dict, loaded: Any) -> None:
        if loaded is not None:
            _result(view, *loaded)

    return Part(lambda view: view["state"] == "published", show, load)


def _result(view: dict, found: dict, lines: dict) -> None:
    you, currency = found["you"], found["currency"]
    with panel("Your result", element_id="result"):
        with ui.element("dl").classes("facts"):
            _fact("You have", f"{amount(you['utility'], found)} {currency}", big=True)
            _fact("Place", f"{you['rank']} of {found['players']}", big=True)
            _fact("The assistant is worth to you", amount(you["value"], found))
            _fact("You paid", amount(you["payment"], found))
            _fact("The truth would have brought", amount(you["truth_utility"], found))
            if "total" in you:
                _fact("All rounds together", amount(you["total"], found))
        for sentence in own_words(you, found):
            text(sentence)
    with panel("Had you exaggerated"):
        text(
            "Your utility against the factor on your size, true scores told, everybody else as reported. The dotted "
            "line is the truth.",
            "p",
            "soft small",
        )
        plot(own_plot(found, lines), "Your utility against the factor on your size", "middle")
        with folded("As a table"):
            rows = [
                [f"{factor:g}", amount(charged, found), amount(free, found)]
                for factor, charged, free in zip(lines["factor"], lines["charged"], lines["free"], strict=True)
            ]
            columns = ["reported size over true size", "with payments", "if nobody pays"]
            ui.html(table_html(f"Your utility ({currency})", columns, rows), sanitize=False)
        with ui.element("p").classes("small"):
            text("Invoice, receipt and log of this round", "a").props["href"] = f"/sessions/{view['id']}"


def _fact(name: str, value: str, big: bool = False) -> None:
    with ui.element("div"):
        text(name, "dt")
        text(value, "dd", "big" if big else "")


def _next_part(page: Live, room: Room) -> Part:
    """Once the round is over: the way to the next one, as soon as the teacher has opened it."""

    def show(view: dict, _: Any) -> None:
        if view["state"] not in ("published", "cancelled"):
            return
        place = ui.element("div")

        async def look() -> None:
            if page.over:
                timer.deactivate()
                return
            try:
                following = await page.visit.read(lambda reading, caller: room.following(caller, view["id"]))
            except TuneaccordError:
                return
            if following is None or place.is_deleted:
                return
            timer.deactivate()
            with place, form("/class/next").classes("panel next-round"):
                text("The next round is open.", "p").props["role"] = "status"
                hidden("session", view["id"])
                with ui.element("div").classes("rows"):
                    submit(f"Play on as {view['you']['name']}")

        timer = ui.timer(2.0, look)

    return Part(lambda view: view["state"], show)
