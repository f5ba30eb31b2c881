"""The bargaining explorer's controls: shares, curves, outside options, and the parties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nicegui import ui

from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.errors import InputError
from tuneaccord.service.pages.bargaining_families import COSTS, REVENUES, Choice, Family, standard
from tuneaccord.service.pages.bargaining_state import (
    AMOUNTS,
    ENTRIES,
    MOST,
    NAME,
    PRESETS,
    Deal,
    changed,
    rule_name,
    with_firm,
    with_firm_fields,
    with_share,
    without_firm,
)
from tuneaccord.service.pages.bargaining_words import path_words
from tuneaccord.service.pages.parts import button, choice, entry, folded, heading, live, slider, text


class Controls:
    """Elements that change a deal and tell ``on_change``; rebuilt where parties or kinds of curves change.

    ``examples()``, ``sliders()`` and ``sides()`` say where on the page each part goes; each is called once.
    """

    def __init__(self, deal: Deal, on_change: Callable[[Deal], None]) -> None:
        self.deal, self.on_change = deal, on_change
        self.opened: set[str] = set()

    def examples(self) -> None:
        """Games to start from."""
        with ui.element("div").classes("rows"):
            for words, preset in PRESETS.values():
                button(words, lambda preset=preset: self._try(lambda: preset, rebuild=True))

    def sliders(self) -> None:
        """The shares, then everybody's curves."""
        self.complaint = live("", "notice")
        self.column = ui.element("div").classes("stack")
        self._fill_column()

    def sides(self) -> None:
        """What the map is drawn over."""
        self.map_place = ui.element("div").classes("rows")
        self._fill_sides()

    def _fill_column(self) -> None:
        self.column.clear()
        with self.column:
            self._shares()
            self._generalist()
            for place in range(len(self.deal.firms)):
                self._firm(place)
            if len(self.deal.firms) < MOST:
                button("Add a specialist", lambda: self._try(lambda: with_firm(self.deal), rebuild=True))

    def _fill_sides(self) -> None:
        self.map_place.clear()
        paths = {path: path_words(path) for path in self.deal.paths()}
        with self.map_place:
            for words, key in (("Across", "across"), ("Upwards", "upwards")):
                choice(words, paths, getattr(self.deal, key), lambda to, key=key: self._side(key, to))

    def _side(self, key: str, path: str) -> None:
        other = "upwards" if key == "across" else "across"
        swapped = {other: getattr(self.deal, key)} if getattr(self.deal, other) == path else {}
        self._try(lambda: replace(self.deal, **{key: path, **swapped}))
        if swapped:
            self._fill_sides()

    def _try(self, change: Callable[[], Deal], rebuild: bool = False) -> None:
        """Take the changed deal, or say in one line why it is none."""
        try:
            self.deal = change()
        except InputError as error:
            self.complaint.set_text(str(error))
            return
        self.complaint.set_text("")
        self.on_change(self.deal)
        if rebuild:
            self._fill_column()
            self._fill_sides()

    def _shares(self) -> None:
        deal = self.deal
        with ui.element("section").classes("panel"):
            heading("The deal")
            for place, name in enumerate(deal.names):
                slider(
                    f"generalist's share of {name}", (0.0, 1.0), 0.01, deal.shares[place],
                    lambda to, place=place: self._try(lambda: with_share(self.deal, place, round(to, 6))),
                )  # fmt: skip
            if len(deal.firms) > 1:
                names = {str(place): name for place, name in enumerate(deal.names)}
                moved = lambda to: self._try(lambda: replace(self.deal, moved=int(to)))  # noqa: E731
                choice("Share that the plot moves", names, str(deal.moved), moved)
            rules = {rule_name(rule): rule_name(rule) for rule in deal.rules()}
            agree = lambda to: self._try(lambda: replace(self.deal, solution=to))  # noqa: E731
            choice("Solution of the term sheet", rules, deal.solution, agree)

    def _generalist(self) -> None:
        with self._party(GENERALIST):
            self._curve("cost of the base", COSTS, lambda: self.deal.cost, lambda to: changed(self.deal, cost=to))
            self._amount(
                "outside option of the generalist",
                AMOUNTS,
                self.deal.outside,
                lambda to: changed(self.deal, outside=to),
            )

    def _firm(self, place: int) -> None:
        firm = self.deal.firms[place]

        def set_to(**fields) -> Deal:
            return with_firm_fields(self.deal, place, **fields)

        with self._party(firm.name):
            with ui.element("label").classes("field"):
                text("name", "span", "name")
                rename = lambda to: self._try(lambda: set_to(name=to.strip()), rebuild=True)  # noqa: E731
                entry(f"name of {firm.name}", firm.name, rename, maxlength=NAME)
            self._curve(f"cost of {firm.name}", COSTS, lambda: self.deal.firms[place].cost, lambda to: set_to(cost=to))
            self._curve(
                f"revenue of {firm.name}",
                REVENUES,
                lambda: self.deal.firms[place].revenue,
                lambda to: set_to(revenue=to),
            )
            self._amount(f"entry cost of {firm.name}", ENTRIES, firm.entry, lambda to: set_to(entry=to))
            self._amount(f"outside option of {firm.name}", AMOUNTS, firm.outside, lambda to: set_to(outside=to))
            if len(self.deal.firms) > 1:
                remove = lambda: self._try(lambda: without_firm(self.deal, place), rebuild=True)  # noqa: E731
                button(f"remove {firm.name}", remove)

    def _party(self, name: str) -> ui.element:
        """A part that stays open when the controls are built again."""
        made = folded(name).classes("panel")
        made.props.set_bool("open", name in self.opened or (name != GENERALIST and len(self.deal.firms) == 1))

        def toggled(event) -> None:
            (self.opened.add if event.args else self.opened.discard)(name)

        made.on("toggle", toggled, js_handler="(e) => emit(e.target.open)")
        return made

    def _curve(
        self, role: str, families: dict[str, Family], now: Callable[[], Choice], change: Callable[[Choice], Deal]
    ) -> None:
        words = {key: family.words for key, family in families.items()}
        other = lambda to: self._try(lambda: change(standard(families, to)), rebuild=True)  # noqa: E731
        choice(role, words, now().family, other)
        for place, (name, (low, high, _)) in enumerate(families[now().family].numbers.items()):
            slider(
                f"{role}: {name}", (low, high), 0.05 if high > 1 else 0.01, now().numbers[place],
                lambda to, place=place: self._try(lambda: change(_with_number(now(), place, to))),
            )  # fmt: skip

    def _amount(self, name: str, ends: tuple[float, float], now: float, change: Callable[[float], Deal]) -> None:
        slider(name, ends, 0.01, now, lambda to: self._try(lambda: change(round(to, 6))))


def _with_number(given: Choice, place: int, to: float) -> Choice:
    numbers = list(given.numbers)
    numbers[place] = round(to, 6)
    return replace(given, numbers=tuple(numbers))
