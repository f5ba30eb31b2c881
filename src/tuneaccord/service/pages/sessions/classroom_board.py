"""Parts of the projector: what is played, and after the reveal the model, the leaderboard, the lies, the next round."""

from __future__ import annotations

import json
from typing import Any

from nicegui import ui

from tuneaccord.service.classroom_results import response_names
from tuneaccord.service.classroom_room import Plan, Room
from tuneaccord.service.classroom_stories import story
from tuneaccord.service.classroom_tables import everything, leaderboard, lies
from tuneaccord.service.classroom_words import class_words
from tuneaccord.service.pages.charts import csv_text
from tuneaccord.service.pages.parts import folded, labelled, plot, table_html, text
from tuneaccord.service.pages.sessions.classroom_doors import next_round_form
from tuneaccord.service.pages.sessions.classroom_plots import MOST_LIES, chances_plot, lies_plot
from tuneaccord.service.pages.sessions.live import Part
from tuneaccord.service.pages.sessions.parts import act_button, panel
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import OBSERVER, PROVIDER
from tuneaccord.service.tokens import Caller

MOST_STYLES = 12  #: that are shown on the board


def results_part(room: Room) -> Part:
    """Everything that the class sees, once it is revealed."""

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return room.results(caller, view["id"]) if view["state"] == "published" else None

    def show(view: dict, found: dict | None) -> None:
        if found is not None:
            _results(view, found)

    return Part(lambda view: view["state"] == "published", show, load)


def _results(view: dict, found: dict) -> None:
    currency = found["currency"]
    with ui.element("div").classes("pair"):
        with panel("What was chosen", element_id="result"):
            plot(chances_plot(found), "How often the assistant answers in each style", "middle")
            with folded("As a table"):
                _chances_table(found)
        with panel("In short"):
            for sentence in class_words(found):
                text(sentence)
            if found["paid"]:
                text(
                    "Each player pays what its report takes from all the others. That is why no lie brings more than "
                    "the truth, whatever the others do."
                )
            else:
                text(
                    "Without payments, whoever shouts louder gets more, and nobody is charged for what the others lose."
                )
    with panel("Leaderboard"):
        columns, rows = leaderboard(found)
        caption = f"By true utility, in {currency}: true size times true value, minus payment"
        ui.html(table_html(caption, columns, rows), sanitize=False).classes("board")
    _lies(found)
    _files(found)


def _chances_table(found: dict) -> None:
    columns = ["style", "base model", "chosen", "if all were true"]
    base = found["base"] or [float("nan")] * len(found["chosen"])
    rows = [[*row] for row in zip(found["responses"], base, found["chosen"], found["honest"], strict=True)]
    ui.html(table_html("Chance of each style", columns, rows), sanitize=False)


def _lies(found: dict) -> None:
    columns, rows = lies(found)
    with panel("Who did not report the truth, and what it brought"):
        if not rows:
            text("Nobody lied. Play again, and try it.")
            return
        plot(lies_plot(found), "Gain of each lie over the truth, with payments and without", "middle")
        if len(rows) > MOST_LIES:
            text(f"The {MOST_LIES} lies that moved most; all are in the table.", "p", "soft small")
        caption = f"Gains over the truth in {found['currency']}, everybody else as reported"
        ui.html(table_html(caption, columns, rows), sanitize=False).classes("board")


def _files(found: dict) -> None:
    def as_json() -> bytes:
        return json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False).encode()

    def as_csv() -> bytes:
        return csv_text(*everything(found)).encode("utf-8-sig")  # the mark tells spreadsheets that it is UTF-8

    with ui.element("div").classes("rows no-print"):
        act_button("Download everything (CSV)", lambda: ui.download.content(as_csv(), "class.csv"))
        act_button("Download everything (JSON)", lambda: ui.download.content(as_json(), "class.json"))


def again_part(room: Room) -> Part:
    """The way to the next round, for the teacher."""

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return room.following(caller, view["id"]) if view["state"] in ("published", "cancelled") else None

    def show(view: dict, following: str | None) -> None:
        if view["state"] not in ("published", "cancelled") or view["you"]["role"] != PROVIDER:
            return
        with panel("Next round"):
            if following is not None:
                text("The next round has been opened.")
                text("To the next round", "a", "act").props["href"] = f"/class/{following}"
                return
            text("Players keep their names and get other wishes. On their screens a button leads to it.", "p", "soft")
            next_round_form(view["id"], view["terms"]["payment"]["kind"] != "Free")

    return Part(lambda view: view["state"], show, load)


def rules_part(plan: Plan) -> Part:
    """What the class plays: the question, the styles, how the model is chosen and who pays."""

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if view["pool"] is None:
            return story(plan.story).pool()
        return reading.pool(caller, view["id"]) if caller.role != OBSERVER else None

    def show(view: dict, pool: dict | None) -> None:
        terms = view["terms"]
        with panel("The game"):
            if terms.get("description"):
                text(terms["description"], "div", "words question")
            if pool is not None:
                _styles(pool)
            paid = terms["payment"]["kind"] != "Free"
            text(
                "One assistant answers for all. It is chosen to be worth most to all players together, by what they "
                "report, minus the price of moving it away from the base model "
                f"({terms['divergence']['kind']}, strength {terms['divergence'].get('strength', 1):g}). "
                + ("Each player pays what its report takes from all the others." if paid else "Nobody pays.")
            )

    return Part(lambda view: [view["terms"], view["pool"]], show, load)


def _styles(pool: dict) -> None:
    texts = [one["text"] for row in pool.get("responses") or [pool["candidates"]] for one in row]
    with ui.element("ul").classes("styles") as styles:
        labelled(styles, "The styles in which the assistant can answer")
        for name, said in list(zip(response_names(pool), texts, strict=True))[:MOST_STYLES]:
            with ui.element("li"):
                text(name, "strong")
                text(f"“{said}”" if said else "", "span", "soft reply")
