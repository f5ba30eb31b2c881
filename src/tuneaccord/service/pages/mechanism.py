"""The mechanism explorer: a small market whose numbers can be moved, and one group that may lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from fastapi import Request
from nicegui import ui

from tuneaccord.errors import InputError
from tuneaccord.service.pages import charts_mechanism as charts
from tuneaccord.service.pages.charts import EMPTY, csv_text, json_text
from tuneaccord.service.pages.frame import frame
from tuneaccord.service.pages.latest import Latest, Step
from tuneaccord.service.pages.mechanism_address import market_yaml, query_of, query_pairs, scene_json, scene_of
from tuneaccord.service.pages.mechanism_controls import Controls
from tuneaccord.service.pages.mechanism_numbers import curves, outcome
from tuneaccord.service.pages.mechanism_state import BENDS, README, Scene
from tuneaccord.service.pages.mechanism_words import best_in_words, others_in_words, report_in_words, verdict
from tuneaccord.service.pages.parts import download, folded, heading, live, plot, promises_html, table_html, text

LEAD = (
    "Groups report how large they are and what they want. The model maximises the sum of size times value minus the "
    "price of leaving the base. If each group pays what its presence costs the others, no lie pays."
)


def register() -> None:
    """Make the page known."""
    ui.page("/mechanism")(_page)


def _page(request: Request) -> None:
    try:
        scene, wrong = scene_of(query_pairs(request.url.query)), ""
    except (InputError, ValueError) as error:
        scene, wrong = README, f"The address is not a market: {error} This is the example instead."
    with frame("Mechanism explorer", wide=True, lead=LEAD):
        Explorer(scene, wrong)


class Explorer:
    """The page's elements and the scene that they show."""

    def __init__(self, scene: Scene, wrong: str = "") -> None:
        self.scene = scene
        self.found: dict = {}
        self.lines: dict = {}
        self.complaint = live(wrong, "notice")
        with ui.element("div").classes("bench"):
            with ui.element("div").classes("controls stack"):
                self.controls = Controls(scene, self.change)
                self.controls.sliders()
            with ui.element("div").classes("stack"):
                self._verdict()
                self.controls.market()
                self._results()
        self.latest = Latest(self._plan, self._complain)
        self.wrong = wrong
        self.latest.ask(scene)

    def _verdict(self) -> None:
        with ui.element("section").classes("panel"):
            heading("Would lying have helped?")
            self.report, self.verdict, self.others = live(), live(), live(classes="words soft small quiet")

    def _results(self) -> None:
        with ui.element("div").classes("pair"):
            with ui.element("section").classes("panel"):
                self.size_title = heading("If it claims another size", 3)
                self.size_plot = plot(EMPTY, "Change of value, payment and utility along the claimed size")
                with folded("The same as a table"):
                    self.size_table = ui.html("", sanitize=False)
            with ui.element("section").classes("panel"):
                self.bend_title = heading("If it bends its rewards", 3)
                self.bend_plot = plot(EMPTY, "Change of value, payment and utility along the bend of the rewards")
                with folded("The same as a table"):
                    self.bend_table = ui.html("", sanitize=False)
        text(
            "The two lies of Figure 2 in arXiv 2405.16276. Dotted: the truth. Marks: where you are. The value's "
            "curve is what the lie would bring if nobody paid.",
            classes="soft small",
        )
        self.best = live(classes="words small quiet")
        with ui.element("div").classes("pair"):
            with ui.element("section").classes("panel"):
                heading("What each group gets and pays", 3)
                self.groups_plot = plot(EMPTY, "Value, payment and utility of every group")
            with ui.element("section").classes("panel"):
                heading("The chosen policy", 3)
                self.policy_plot = plot(EMPTY, "Probability of every response")
        self.groups_table = ui.html("", sanitize=False)
        self.policy_table = ui.html("", sanitize=False)
        with folded("What this settlement promises, and on which conditions"):
            self.guarantees = ui.html("", sanitize=False)
        self._downloads()

    def _downloads(self) -> None:
        heading("Take it with you")
        with ui.element("div").classes("rows"):
            download("Market for tuneaccord settle (YAML)", "market.yaml", lambda: market_yaml(self.scene))
            download("Groups (CSV)", "groups.csv", lambda: csv_text(*charts.groups_table(self.found)))
            download("Lies (CSV)", "lies.csv", self._lies_csv)
            download("Everything (JSON)", "explorer.json", self._json)
            self.link = text("Link to this market", "a")

    def change(self, scene: Scene) -> None:
        """Show this scene from now on."""
        self.scene = scene
        self.wrong = ""
        self.latest.ask(scene)

    def _plan(self, scene: Scene) -> Iterator[Step]:
        yield partial(outcome, scene), self._show_outcome
        yield partial(curves, scene), partial(self._show_curves, scene)

    def _complain(self, message: str) -> None:
        self.complaint.set_text(message or self.wrong)

    def _show_outcome(self, found: dict) -> None:
        scene, self.found = found["scene"], found
        self.report.set_text(report_in_words(scene))
        self.verdict.set_text(verdict(found))
        self.others.set_text(others_in_words(found))
        self.groups_plot.update_figure(charts.groups_figure(found))
        self.policy_plot.update_figure(charts.policy_figure(found))
        liar = scene.liar if scene.lies else None
        self.groups_table.set_content(table_html("Every group, in size × reward", *charts.groups_table(found), liar))
        self.policy_table.set_content(table_html("Every response", *charts.policy_table(found)))
        self.guarantees.set_content(promises_html(found["guarantees"]))

    def _show_curves(self, scene: Scene, lines: dict) -> None:
        self.lines = lines
        name, bend = scene.names[scene.liar], BENDS[scene.bend]
        self.size_title.set_text(f"If {name} claims another size")
        self.bend_title.set_text(f"If {name} bends its rewards: {bend.words}")
        for kind, shown, table in (
            ("size", self.size_plot, self.size_table),
            ("bend", self.bend_plot, self.bend_table),
        ):
            shown.update_figure(charts.lie_figure(scene, lines, kind))
            table.set_content(table_html(f"Lies of {name}", *charts.lies_table(scene, lines, kind)))
        self.best.set_text(best_in_words(scene, lines["best"]))
        query = query_of(scene)
        self.link.props["href"] = f"/mechanism?{query}"
        ui.run_javascript(f"history.replaceState(null, '', {json.dumps('/mechanism?' + query)})")

    def _lies_csv(self) -> str:
        both = [(kind, *charts.lies_table(self.scene, self.lines, kind)) for kind in ("size", "bend")]
        columns = ["lie", "at", *both[0][1][1:]]
        return csv_text(columns, [[kind, *row] for kind, _, rows in both for row in rows])

    def _json(self) -> str:
        found = {**self.found, "scene": scene_json(self.scene), "lies": self.lines}
        return json_text(found)
