"""The mechanism explorer's controls: the market's table, sizes, strength, and the lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nicegui import ui

from tuneaccord.errors import InputError
from tuneaccord.service.pages.mechanism_state import (
    BENDS,
    DIVERGENCES,
    GROUPS,
    PAYMENTS,
    PRESETS,
    RESPONSES,
    SIZES,
    STRENGTHS,
    Scene,
    random_scene,
    with_cell,
    with_fields,
    with_group,
    with_responses,
    without_group,
)
from tuneaccord.service.pages.parts import button, choice, entry, folded, heading, live, slider, text

CLAIMS = (0.25, 4.0)


class Controls:
    """Elements that change a scene and tell ``on_change``; rebuilt where the market's shape changes.

    ``sliders()`` and ``market()`` say where on the page the two parts go; both are called once.
    """

    def __init__(self, scene: Scene, on_change: Callable[[Scene], None]) -> None:
        self.scene, self.on_change, self.seed = scene, on_change, 1

    def sliders(self) -> None:
        """The lie, the sizes and the strength."""
        self.complaint = live("", "notice")
        self.column = ui.element("div").classes("stack")
        self._fill(self.column, self._lie, self._sizes)

    def market(self) -> None:
        """Examples, and the market as a table."""
        with folded("Change the market: examples, rewards, groups and responses").classes("panel"):
            self.table = ui.element("div").classes("stack")
        self._fill(self.table, self._examples, self._cells)

    def _fill(self, place: ui.element, *parts: Callable[[], None]) -> None:
        place.clear()
        with place:
            for part in parts:
                part()

    def _set(self, scene: Scene) -> None:
        self.scene = scene
        self.complaint.set_text("")
        self.on_change(scene)

    def _try(self, change: Callable[[], Scene], rebuild: bool = False) -> None:
        """Take the changed scene, or say in one line why it is none."""
        try:
            self._set(change())
        except InputError as error:
            self.complaint.set_text(str(error))
            return
        if rebuild:
            self._fill(self.column, self._lie, self._sizes)
            self._fill(self.table, self._examples, self._cells)

    def _lie(self) -> None:
        scene = self.scene
        with ui.element("section").classes("panel"):
            heading("The lie", 2)
            names = {str(place): name for place, name in enumerate(scene.names)}
            choice("Who may lie", names, str(scene.liar), lambda to: self._try(lambda: self._with(liar=int(to))))
            slider(
                "α: claimed size / true size", CLAIMS, 2 ** (1 / 8), scene.factor,
                lambda to: self._set(self._with(factor=to)), logarithmic=True,
            )  # fmt: skip
            words = {key: f"{bend.symbol}: {bend.words}" for key, bend in BENDS.items()}
            choice("How it bends its rewards", words, scene.bend, self._bend)
            bend = BENDS[scene.bend]
            step = (bend.high - bend.low) / 40
            slider(
                f"{bend.symbol} ({bend.truth:g} is the truth)", (bend.low, bend.high), step, scene.amount,
                lambda to: self._set(self._with(amount=round(to, 6))),
            )  # fmt: skip
            button("Tell the truth", lambda: self._try(self._truth, rebuild=True))

    def _with(self, **fields) -> Scene:
        return replace(self.scene, **fields)

    def _bend(self, kind: str) -> None:
        if kind in BENDS:
            self._try(lambda: self._with(bend=kind, amount=BENDS[kind].truth), rebuild=True)

    def _truth(self) -> Scene:
        return self._with(factor=1.0, amount=BENDS[self.scene.bend].truth)

    def _sizes(self) -> None:
        scene = self.scene
        with ui.element("section").classes("panel"):
            heading("Payments, sizes and strength", 2)
            paid = {kind: words for kind, (words, _) in PAYMENTS.items()}
            choice("Each group pays", paid, scene.payment, lambda to: self._try(lambda: self._with(payment=to)))
            for place, group in enumerate(scene.groups):
                slider(
                    f"size of {group.name}", (SIZES[0], SIZES[1]), 0.1, group.size,
                    lambda to, place=place: self._set(with_fields(self.scene, place, size=round(to, 6))),
                )  # fmt: skip
            slider(
                "strength: price of leaving the base", STRENGTHS, 10 ** (1 / 20), scene.strength,
                lambda to: self._set(self._with(strength=min(max(to, STRENGTHS[0]), STRENGTHS[1]))), logarithmic=True,
            )  # fmt: skip
            kinds = {kind: kind for kind in DIVERGENCES}
            choice("Divergence", kinds, scene.divergence, lambda to: self._try(lambda: self._with(divergence=to)))

    def _examples(self) -> None:
        with ui.element("div").classes("rows"):
            for words, preset in PRESETS.values():
                button(words, lambda preset=preset: self._try(lambda: preset, rebuild=True))
            button("Draw a market with seed", lambda: self._try(lambda: random_scene(self.seed), rebuild=True))
            entry("seed", self.seed, self._set_seed, "number", min=0, max=999999999, step=1, style="width: 6rem")

    def _set_seed(self, words: str) -> None:
        if words.isascii() and words.isdigit() and len(words) <= 9:
            self.seed = int(words)
        else:
            self.complaint.set_text(f"a seed must be a whole number of at most nine digits, got {words!r:.30}.")

    def _cells(self) -> None:
        scene = self.scene
        with ui.element("div").classes("scroll"), ui.element("table").classes("entry"):
            text("Rewards, in [0, 1], and chances under the base, which are divided by their sum", "caption")
            with ui.element("tr"):
                for words in ("response", *(str(one + 1) for one in range(len(scene.base)))):
                    text(words, "th")
            self._row("base", None, scene.base, {"min": 0, "max": 1000, "step": "any"})
            for place, group in enumerate(scene.groups):
                self._row(group.name, place, group.rewards, {"min": 0, "max": 1, "step": 0.05})
        self._shape()

    def _row(self, name: str, place: int | None, numbers: tuple[float, ...], limits: dict) -> None:
        with ui.element("tr"):
            with ui.element("th"):
                if place is None:
                    text(name, "span")
                else:
                    rename = lambda to: self._try(lambda: with_fields(self.scene, place, name=to.strip()), True)  # noqa: E731
                    entry(f"name of {name}", name, rename, maxlength=40, style="width: 6rem")
            for response, number in enumerate(numbers):
                with ui.element("td"):
                    entry(
                        f"{name}, response {response + 1}", f"{number:g}",
                        lambda to, response=response: self._cell(place, response, to), "number",
                        style="width: 4.2rem", **limits,
                    )  # fmt: skip
            if place is not None and len(self.scene.groups) > GROUPS[0]:
                with ui.element("td"):
                    button(f"remove {name}", lambda: self._try(lambda: without_group(self.scene, place), rebuild=True))

    def _cell(self, place: int | None, response: int, words: str) -> None:
        try:
            given = float(words)
        except ValueError:
            self.complaint.set_text(f"response {response + 1} needs a number, got {words!r:.30}.")
            return
        self._try(lambda: with_cell(self.scene, place, response, given))

    def _shape(self) -> None:
        groups, responses = len(self.scene.groups), len(self.scene.base)
        with ui.element("div").classes("rows"):
            if groups < GROUPS[1]:
                button("Add a group", lambda: self._try(lambda: with_group(self.scene), rebuild=True))
            if responses < RESPONSES[1]:
                button("Add a response", lambda: self._try(lambda: with_responses(self.scene, responses + 1), True))
            if responses > RESPONSES[0]:
                button(
                    "Remove the last response",
                    lambda: self._try(lambda: with_responses(self.scene, responses - 1), True),
                )
