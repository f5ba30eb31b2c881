"""The form with which a group reports: a size or a worth, and one score for each choice, by hand or from a file.

Once a report is sealed, the page says so first, and the form is folded away behind a button: what is in it then is not
what was sealed, unless this browser tab remembers it. A form that nobody touched is not sent.
"""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting.formatting import size
from tuneaccord.service.errors import Invalid
from tuneaccord.service.pages.parts import folded, heading, labelled, live, text
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import act_button, amount, field, options, panel
from tuneaccord.service.pages.sessions.pool_view import (
    cells_of,
    download_pool,
    pool_words,
    show_pool,
    show_prompt,
    show_response,
)
from tuneaccord.service.pages.sessions.report_sealed import Sealed
from tuneaccord.service.pages.sessions.report_ways import other_ways
from tuneaccord.service.pages.sessions.words import sentence
from tuneaccord.service.pages.sessions.words_of_terms import truth_is_best
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

MOST_SLIDERS = 48
_BOTH = (
    "(e) => { const row = e.target.closest('.score'); "
    "for (const one of row.querySelectorAll('input')) if (one !== e.target) one.value = e.target.value; }"
)


def report_part(page: Live, sealed: Sealed) -> Part:
    """The form while reports are taken, behind a button once a report is sealed."""

    def key(view: dict) -> Any:
        return [view["state"] == "reporting", view["pool"], sealed.number, sealed.proof is not None]

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return reading.pool(caller, view["id"]) if view["state"] == "reporting" else None

    def build(view: dict, pool: dict | None) -> None:
        if pool is None:
            return
        if sealed.entry is None:
            ReportForm(page, view, pool, sealed)
        else:
            _folded_form(page, view, pool, sealed)

    return Part(key, build, load)


def _folded_form(page: Live, view: dict, pool: dict, sealed: Sealed) -> None:
    place = ui.element("div").classes("rows")
    form = ui.element("div").classes("stack")

    def offer(again: bool = False) -> None:
        form.clear()
        place.clear()
        with place:
            button = act_button("Replace my report", unfold)
        if again:
            ui.run_javascript(f"getHtmlElement({button.id})?.focus()")

    def unfold() -> None:
        place.clear()
        with place:
            act_button("Keep the sealed report", lambda: offer(True))
        with form:
            ReportForm(page, view, pool, sealed)
        page.focus("report")

    offer()


class ReportForm:
    """The form's elements, and what has been chosen so far; nothing leaves for the log before it is sealed."""

    def __init__(self, page: Live, view: dict, pool: dict, sealed: Sealed) -> None:
        self.page, self.view, self.pool, self.sealed = page, view, pool, sealed
        scale = view["terms"]["scores"]
        self.low, self.high = scale["lowest"], scale["highest"]
        self.by, self.weight, self.how, self.touched = "size", "1", "given", False
        self.scores: list[list[float]] | None = None
        self._begin()
        with panel("Your report" if sealed.entry is None else "Another report", element_id="report"):
            self._introduction()
            self._weight()
            heading("What each choice is worth to one member of your group", 3)
            text(
                f"{pool_words(pool)} Scores are from {size(self.low)} (useless) to {size(self.high)} (the best you can "
                "think of)."
            )
            self.choices = self._watched("stack")
            with self.choices:
                self._scores()
            other_ways(page, view, pool, self._take, lambda words: self.complaint.set_text(words))
            self.complaint = live(classes="notice")
            self.place = ui.element("div").classes("rows")
            self._offer()

    def _begin(self) -> None:
        """Where the form begins: at what was sealed, as far as this tab knows that, or else in the middle."""
        known = self.sealed.proof["report"] if self.sealed.proof else None
        if known is not None:
            self.by = "worth" if "worth" in known else "size"
            self.weight, self.how = f"{known[self.by]:.15g}", known["how"]
            self.scores = [list(row) for row in known["scores"]]
        elif cells_of(self.pool) <= MOST_SLIDERS:
            rows = [self.pool["candidates"]] if self.pool["kind"] == "candidates" else self.pool["responses"]
            self.scores = [[(self.low + self.high) / 2] * len(row) for row in rows]

    def _introduction(self) -> None:
        if self.sealed.entry is not None:
            known = "what you reported last" if self.sealed.proof else "its usual values, not at your sealed report"
            text(f"The form begins at {known}.", "p", "strong")
        if truth_is_best(self.view["terms"]):
            text("Say the truth as well as you can: rule and payments are made so that no other report pays better.")
        text("Your report is sealed as it arrives. Nobody in the session can read it before the close.")

    def _watched(self, classes: str) -> ui.element:
        """A place whose fields count as touched once something is typed, though it be what stood there before."""
        return ui.element("div").classes(classes).on("input", self._touch, throttle=1.0, js_handler="() => emit()")

    def _touch(self) -> None:
        self.touched = True

    def _set(self, name: str, given: str) -> None:
        setattr(self, name, given)
        self.touched = True

    def _weight(self) -> None:
        heading("How large you are", 3)
        currency = self.view["terms"]["money"]["currency"]
        ways = {"size": "by size", "worth": f"by worth ({currency})"}
        words = {
            "size": "Size: how many people or seats you speak for.",
            "worth": f"Worth: what you would pay at most for the model that is best for you, in {currency}.",
        }
        with self._watched("fields"):
            options("You are counted", ways, self.by, lambda given: self._set("by", given), words)
            most = f"{self.view['terms']['largest_size']:,.15g}"
            field(
                "Your size, or your worth",
                self.weight,
                lambda given: self._set("weight", given),
                help_words=f"A number above zero; the largest size agreed is {most}.",
                inputmode="decimal",
            )

    def _scores(self) -> None:
        if cells_of(self.pool) > MOST_SLIDERS:
            text(
                f"There are {cells_of(self.pool)} choices to score, too many for sliders: fill in the sheet and upload "
                "it, or use another way below."
            )
            with folded("Show what there is to choose from"):
                show_pool(self.pool)
            download_pool(self.view["id"])
            return
        if self.pool["kind"] == "candidates":
            with ui.element("ul").classes("choices"):
                for column, one in enumerate(self.pool["candidates"]):
                    with ui.element("li"):
                        text(one["name"], "strong")
                        if one["text"]:
                            text(one["text"], "div", "reply")
                        self._slider(0, column, one["name"])
            return
        for row, prompt in enumerate(self.pool["prompts"]):
            if len(self.pool["prompts"]) > 1 or prompt["text"]:
                show_prompt(prompt)
            with ui.element("ul").classes("choices"):
                for column, one in enumerate(self.pool["responses"][row]):
                    with ui.element("li"):
                        show_response(self.pool, row, column, one)
                        said = f"{one['id']} to {prompt['id']}" if len(self.pool["prompts"]) > 1 else one["id"]
                        self._slider(row, column, said)

    def _slider(self, row: int, column: int, name: str) -> None:
        step = (self.high - self.low) / 100
        begin = self.scores[row][column] if self.scores else self.low

        def moved(event: Any) -> None:
            try:
                found = amount(str(event.args))
            except ValueError:
                found = None
            if found is not None and self.scores is not None:
                self.scores[row][column] = found
                self.how, self.touched = "given", True

        with ui.element("div").classes("score"):
            for kind, words in (("range", f"Score of {name}"), ("number", f"Score of {name}, as a number")):
                made = ui.element("input").classes("plain")
                fine = step if kind == "range" else "any"
                made.props.update(
                    {"type": kind, "min": self.low, "max": self.high, "step": fine, "defaultValue": f"{begin:.12g}"}
                )
                labelled(made, words)
                made.on("input", js_handler=_BOTH)
                made.on("change", moved, js_handler="(e) => emit(e.target.value)")

    def _take(self, found: dict[str, Any]) -> str:
        self.scores, self.how, self.touched = found["scores"], found.get("how", "given"), True
        rows, columns = len(self.scores), len(self.scores[0])
        self.complaint.set_text("")
        self.choices.clear()
        with self.choices:
            text(
                f"Scores of {rows * columns} choices are taken from: {self.how}. Check your size, then seal and send.",
                "p",
                "good",
            )
        return f"Read: {rows} rows of {columns} scores. Now seal and send your report."

    # Sending

    def _offer(self, again: bool = False) -> None:
        self.place.clear()
        with self.place:
            button = act_button("Seal and send my report", self._press, True)
        if again:
            ui.run_javascript(f"getHtmlElement({button.id})?.focus()")

    async def _press(self) -> None:
        self.complaint.set_text("")
        try:
            report = self._report()
            self._check_changed(report)
        except Invalid as error:
            self.complaint.set_text(sentence(error))
            return
        if self.sealed.entry is None:
            await self._send(report)
            return
        self.place.clear()
        with self.place:
            text("This replaces the report that is sealed already, for good.", "span")
            sure = act_button("Yes, replace it", lambda: self._send(report), True)
            act_button("No", lambda: self._offer(True))
        ui.run_javascript(f"getHtmlElement({sure.id})?.focus()")

    async def _send(self, report: dict[str, Any]) -> None:
        session_id = self.view["id"]
        try:
            proof = await self.page.visit.act(lambda desk, caller: desk.report(caller, session_id, report))
        except TuneaccordError as error:
            self.complaint.set_text(sentence(error))
            self._offer(True)
            await self.page.refresh(anyway=True)
            return
        self.sealed.keep(proof)
        await self.page.refresh()

    def _check_changed(self, report: dict[str, Any]) -> None:
        known = self.sealed.proof["report"] if self.sealed.proof else {}
        same = known and all(known.get(name) == report[name] for name in (self.by, "scores"))
        if same and ("worth" in known) == (self.by == "worth"):
            raise Invalid("nothing was changed: this is the report that is sealed already.")
        if not self.touched:
            raise Invalid(
                "nothing was changed: the form still has the values that it began with. Move a slider, or type your "
                "size, even where a value is right as it stands."
            )

    def _report(self) -> dict[str, Any]:
        try:
            weight = amount(self.weight)
        except ValueError:
            weight = None
        if weight is None or not 0 < weight < float("inf"):
            raise Invalid(f"your {self.by} must be a number above zero, got {self.weight!r:.40}.")
        if self.scores is None:
            raise Invalid("there are no scores yet. Upload a score sheet, or use another way.")
        return {self.by: weight, "scores": [list(row) for row in self.scores], "how": self.how[:400]}
