"""The bargaining explorer: a fine-tuning game whose curves, shares and outside options can be moved."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from functools import partial

from fastapi import Request
from nicegui import ui

from tuneaccord.errors import InputError, MissingDependencyError
from tuneaccord.service.pages import charts_bargaining as charts
from tuneaccord.service.pages.bargaining_controls import Controls
from tuneaccord.service.pages.bargaining_numbers import mapped, pareto, played
from tuneaccord.service.pages.bargaining_sheet import term_sheet
from tuneaccord.service.pages.bargaining_state import ONE, Deal, deal_of, game_yaml, query_of, query_pairs
from tuneaccord.service.pages.bargaining_words import better, headline
from tuneaccord.service.pages.charts import EMPTY, csv_text, json_text
from tuneaccord.service.pages.frame import frame
from tuneaccord.service.pages.latest import Latest, Step
from tuneaccord.service.pages.parts import button, choice, download, folded, heading, live, plot, table_html, text
from tuneaccord.service.pages.solving import Solving

LEAD = (
    "A generalist builds a model and specialists adapt it. They agree on shares of the revenue first; then each "
    "invests what is best for itself, or sells the base as it is, or stays out."
)


def register() -> None:
    """Make the page known."""
    ui.page("/bargaining")(_page)


def _page(request: Request) -> None:
    try:
        deal, wrong = deal_of(query_pairs(request.url.query)), ""
    except (InputError, ValueError) as error:
        deal, wrong = ONE, f"The address is not a game: {error} This is the example instead."
    with frame("Bargaining explorer", wide=True, lead=LEAD):
        Explorer(deal, wrong)


class Explorer:
    """The page's elements and the deal that they show."""

    def __init__(self, deal: Deal, wrong: str = "") -> None:
        self.deal, self.wrong, self.specialist = deal, wrong, deal.mover
        self.found: dict = {}
        self.front: dict | None = None
        self.map: dict | None = None
        self.rows: list[dict] = []
        self.complaint = live(wrong, "notice")
        self.controls = Controls(deal, self.change)
        self.controls.examples()
        with ui.element("div").classes("bench"):
            with ui.element("div").classes("controls stack"):
                self.controls.sliders()
            with ui.element("div").classes("stack"):
                self._results()
        # each has a line of its own: the play must not wait for a Pareto set that nobody wants any more
        self.plays = Latest(self._steps_of_play, self._complain)
        later = {"eager": False, "patience": 0.2}
        self.maps = Latest(lambda deal: [(partial(mapped, deal), self._show_map)], self._complain_of_map, **later)
        self.fronts = Latest(lambda deal: [(partial(pareto, deal), self._show_front)], lambda _: None, **later)
        self.solving = Solving(self._show_rows, lambda words: self.progress.set_text(words))
        for line in (self.plays, self.maps, self.fronts, self.solving):
            line.ask(deal)

    def _results(self) -> None:
        with ui.element("section").classes("panel"):
            heading("At these shares")
            self.words = live()
            self.liked = text("", classes="soft small")
        with ui.element("section").classes("panel"):
            heading("Utilities along the share", 3)
            self.share_plot = plot(EMPTY, "Everybody's utility along the generalist's share", "high")
            with folded("The same as a table"):
                self.share_table = ui.html("", sanitize=False)
        self.party_table = ui.html("", sanitize=False)
        with ui.element("section").classes("panel"):
            heading("What can be agreed", 3)
            self.progress = live(classes="soft small quiet")
            self.front_plot = plot(EMPTY, "The Pareto set and the solutions", "tall")
            self.solution_table = ui.html("", sanitize=False)
            with folded("Where the Pareto set begins and ends"):
                self.front_table = ui.html("", sanitize=False)
        with ui.element("div").classes("pair"):
            with ui.element("section").classes("panel"):
                heading("Costs", 3)
                self.cost_plot = plot(EMPTY, "The cost curves")
            with ui.element("section").classes("panel"):
                heading("Revenues", 3)
                self.revenue_plot = plot(EMPTY, "The revenue curves")
        self._map_panel()
        self._downloads()

    def _map_panel(self) -> None:
        with ui.element("section").classes("panel"):
            heading("Who contributes, free-rides or abstains", 3)
            self.controls.sides()
            self.map_choice = ui.element("div")
            self.map_plot = plot(EMPTY, "Regimes over two parameters", "high")
            self.map_words = text("", classes="small")
        self._fill_map_choice()

    def _fill_map_choice(self) -> None:
        self.map_choice.clear()
        if len(self.deal.names) > 1:
            with self.map_choice:
                names = {str(place): name for place, name in enumerate(self.deal.names)}
                choice("Specialist", names, str(self.deal.names.index(self.specialist)), self._map_of)

    def _map_of(self, place: str) -> None:
        self.specialist = self.deal.names[int(place)]
        if self.map is not None:
            self._show_map(self.map)

    def _downloads(self) -> None:
        heading("Take it with you")
        with ui.element("div").classes("rows"):
            button("Term sheet (HTML)", self._term_sheet)
            download("Game for tuneaccord bargain (YAML)", "game.yaml", lambda: game_yaml(self.deal))
            download("Solutions (CSV)", "solutions.csv", self._solutions_csv)
            download("Shares (CSV)", "shares.csv", lambda: csv_text(*charts.share_table(self.found, 10_000)))
            download("Everything (JSON)", "explorer.json", self._json)
            self.link = text("Link to this game", "a")
        self.sheet_words = live(classes="words small quiet")

    def change(self, deal: Deal) -> None:
        """Show this deal from now on; its solutions are found again only where the game is another one."""
        before, self.deal, self.wrong = self.deal, deal, ""
        if deal.names != before.names:
            self.specialist = deal.mover
            self._fill_map_choice()
        self.plays.ask(deal)
        self.maps.ask(deal)
        if _game_of(deal) != _game_of(before):
            self.rows, self.front = [], None
            self.solution_table.classes(add="stale")
            self.fronts.ask(deal)
            self.solving.ask(deal)
        elif deal.solution != before.solution:
            self._show_rows(self.rows, len(self.rows))

    def _steps_of_play(self, deal: Deal) -> list[Step]:
        # the browser draws five plots slower than they are computed: the one that the share moves comes first
        return [(partial(played, deal), self._show_play), (lambda: self.found, self._show_rest)]

    def _complain(self, message: str) -> None:
        self.complaint.set_text(message or self.wrong)

    def _complain_of_map(self, message: str) -> None:
        if message:
            self.map_words.set_text(f"There is no map: {message}")

    def _show_play(self, found: dict) -> None:
        self.found = found
        self.words.set_text(headline(found))
        self.liked.set_text(better(found))
        self.share_plot.update_figure(charts.share_figure(found))

    def _show_rest(self, found: dict) -> None:
        self.cost_plot.update_figure(charts.cost_figure(found))
        self.revenue_plot.update_figure(charts.revenue_figure(found))
        self.share_table.set_content(table_html("Along the share", *charts.share_table(found)))
        self.party_table.set_content(table_html("Who does what, and why", *charts.party_table(found)))
        self._draw_front()
        query = query_of(found["deal"])
        self.link.props["href"] = f"/bargaining?{query}"
        ui.run_javascript(f"history.replaceState(null, '', {json.dumps('/bargaining?' + query)})")

    def _show_front(self, front: dict) -> None:
        self.front = front
        self.front_table.set_content(table_html(f"Found by: {front['method']}", *charts.pareto_table(front)))
        self._draw_front()

    def _show_rows(self, rows: list[dict], _: int) -> None:
        self.rows = rows
        self.solution_table.classes(remove="stale")
        columns, lines = charts.solution_table(rows, self.deal.names)
        chosen = next((place for place, row in enumerate(rows) if row["name"] == self.deal.solution), None)
        self.solution_table.set_content(table_html("The solutions", columns, lines, chosen))
        self._draw_front()

    def _draw_front(self) -> None:
        if self.found:
            self.front_plot.update_figure(charts.frontier_figure(self.front, self.rows, self.found))

    def _show_map(self, found: dict) -> None:
        self.map = found
        if self.specialist in found["codes"]:
            self.map_plot.update_figure(charts.map_figure(found, self.specialist))
            self.map_words.set_text(charts.map_words(found))

    async def _term_sheet(self) -> None:
        try:
            sheet = await asyncio.to_thread(term_sheet, self.deal, list(self.rows))
        except (InputError, MissingDependencyError) as error:
            self.sheet_words.set_text(f"There is no term sheet: {error}")
            return
        self.sheet_words.set_text("")
        ui.download.content(sheet, "term-sheet.html")

    def _solutions_csv(self) -> str:
        return csv_text(*charts.solution_table(self.rows, self.deal.names))

    def _json(self) -> str:
        found = {**self.found, "deal": asdict(self.deal)}
        whole = {**found, "solutions": self.rows, "pareto": self.front, "map": self.map}
        return json_text(whole)


def _game_of(deal: Deal) -> Deal:
    """What solutions and the Pareto set depend on: the deal without its shares and what is drawn."""
    usual = tuple(0.0 for _ in deal.shares)
    return replace(deal, shares=usual, moved=0, solution="Nash", across="", upwards="")
