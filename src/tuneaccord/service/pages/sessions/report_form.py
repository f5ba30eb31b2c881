"""The form with which a group reports: a size or a worth, and one score for each choice, by hand or from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nicegui import run, ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting.formatting import size
from tuneaccord.service import sources
from tuneaccord.service.errors import Invalid
from tuneaccord.service.pages.parts import folded, heading, labelled, live, text
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import act_button, amount, digest, field, link_button, options, panel
from tuneaccord.service.pages.sessions.pool_view import (
    cells_of,
    download_pool,
    has_texts,
    pool_words,
    show_pool,
    show_prompt,
    show_response,
)
from tuneaccord.service.pages.sessions.uploads import upload
from tuneaccord.service.pages.sessions.words import sentence
from tuneaccord.service.pages.sessions.words_of_terms import truth_is_best
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

MOST_SLIDERS = 48
_BOTH = (
    "(e) => { const row = e.target.closest('.score'); "
    "for (const one of row.querySelectorAll('input')) if (one !== e.target) one.value = e.target.value; }"
)


def report_part(page: Live) -> Part:
    """The form while reports are taken, and the proofs of the reports sent from this page."""
    proofs: list[dict[str, Any]] = []

    def key(view: dict) -> Any:
        return [view["state"] == "reporting", view["pool"]]

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return reading.pool(caller, view["id"]) if view["state"] == "reporting" else None

    def build(view: dict, pool: dict | None) -> None:
        if pool is not None:
            ReportForm(page, view, pool, proofs)
        elif proofs:
            with panel("Your proof"):
                _proof(proofs[-1])

    return Part(key, build, load)


class ReportForm:
    """The form's elements, and what has been chosen so far; nothing leaves for the log before it is sealed."""

    def __init__(self, page: Live, view: dict, pool: dict, proofs: list[dict[str, Any]]) -> None:
        self.page, self.view, self.pool, self.proofs = page, view, pool, proofs
        scale = view["terms"]["scores"]
        self.low, self.high = scale["lowest"], scale["highest"]
        self.by, self.weight, self.how = "size", "1", "given"
        self.scores: list[list[float]] | None = None
        with panel("Your report", element_id="report"):
            if truth_is_best(view["terms"]):
                text(
                    "Say the truth as well as you can: rule and payments are made so that no other report pays better."
                )
            text("Your report is sealed as it arrives. Nobody in the session can read it before the close.")
            self._weight()
            heading("What each choice is worth to one member of your group", 3)
            text(
                f"{pool_words(pool)} Scores are from {size(self.low)} (useless) to {size(self.high)} (the best you can "
                "think of)."
            )
            self.choices = ui.element("div").classes("stack")
            with self.choices:
                self._scores()
            self._files()
            self.complaint = live(classes="notice")
            with ui.element("div").classes("rows"):
                self.send_button = act_button("Seal and send my report", self._send, True)
            self.done = ui.element("div").classes("stack")
            if proofs:
                self._show_proof()

    def _weight(self) -> None:
        heading("How large you are", 3)
        currency = self.view["terms"]["money"]["currency"]
        ways = {
            "size": "by size: how many people or seats you speak for",
            "worth": f"by worth: what you would pay at most for the model that is best for you ({currency})",
        }
        with ui.element("div").classes("fields"):
            options("You are counted", ways, self.by, lambda given: setattr(self, "by", given))
            most = f"{self.view['terms']['largest_size']:,.15g}"
            field(
                "Your size, or your worth",
                self.weight,
                lambda given: setattr(self, "weight", given),
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
        middle = (self.low + self.high) / 2
        if self.pool["kind"] == "candidates":
            self.scores = [[middle] * len(self.pool["candidates"])]
            with ui.element("ul").classes("choices"):
                for column, one in enumerate(self.pool["candidates"]):
                    with ui.element("li"):
                        text(one["name"], "strong")
                        if one["text"]:
                            text(one["text"], "div", "reply")
                        self._slider(0, column, one["name"])
            return
        self.scores = [[middle] * len(row) for row in self.pool["responses"]]
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
                self.how = "given"

        with ui.element("div").classes("score"):
            for kind, words in (("range", f"Score of {name}"), ("number", f"Score of {name}, as a number")):
                made = ui.element("input").classes("plain")
                fine = step if kind == "range" else "any"
                made.props.update(
                    {"type": kind, "min": self.low, "max": self.high, "step": fine, "defaultValue": f"{begin:g}"}
                )
                labelled(made, words)
                made.on("input", js_handler=_BOTH)
                made.on("change", moved, js_handler="(e) => emit(e.target.value)")

    def _files(self) -> None:
        with (
            folded("Other ways: a score sheet, preference pairs, or a mix of criteria"),
            ui.element("div").classes("stack"),
        ):
            heading("A score sheet", 3)
            with ui.element("div").classes("rows"):
                address = f"/sessions/{self.view['id']}/documents/sheet.csv"
                link_button("Download the sheet to fill in (CSV)", address).props["download"] = "sheet.csv"
            upload(self.page.visit, "Filled-in sheet (CSV or Parquet)", ".csv,.parquet", self._sheet)
            if has_texts(self.pool):
                heading("Preference pairs", 3)
                text(
                    'A JSON line for each pair: {"prompt": …, "chosen": …, "rejected": …}, with the texts of the pool.',
                    "p",
                    "small soft",
                )
                upload(self.page.visit, "Preference pairs (JSONL)", ".jsonl", self._pairs)
                self._criteria()

    def _criteria(self) -> None:
        if not sources.CRITERIA_WORDS:
            return
        heading("A mix of criteria", 3)
        mix: dict[str, str] = {}
        with ui.element("div").classes("fields"):
            for name, words in sources.CRITERIA_WORDS.items():
                field(
                    f"Weight of “{name}”",
                    "0",
                    lambda given, name=name: mix.__setitem__(name, given),
                    help_words=words,
                    inputmode="decimal",
                )

        async def use() -> None:
            try:
                weights = {name: amount(given) or 0.0 for name, given in mix.items()}
            except ValueError:
                self.complaint.set_text("A weight of a criterion must be a number.")
                return
            whole = sum(weights.values())
            chosen = {name: weight / whole for name, weight in weights.items() if weight and whole > 0}
            try:
                found = await run.io_bound(lambda: sources.report_from_criteria(chosen, self.pool, self.view["terms"]))
            except TuneaccordError as error:
                self.complaint.set_text(sentence(error))
                return
            self.complaint.set_text("")
            told.set_text(self._take(found))

        with ui.element("div").classes("rows"):
            act_button("Score with this mix", use)
        told = live(classes="small")

    async def _sheet(self, path: Path, name: str) -> str:
        return self._take(await run.io_bound(lambda: sources.report_from_sheet(path, name, self.pool)))

    async def _pairs(self, path: Path, name: str) -> str:
        terms = self.view["terms"]
        return self._take(await run.io_bound(lambda: sources.report_from_pairs(path, self.pool, terms)))

    def _take(self, found: dict[str, Any]) -> str:
        self.scores, self.how = found["scores"], found.get("how", "given")
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

    async def _send(self) -> None:
        self.complaint.set_text("")
        try:
            report = self._report()
        except Invalid as error:
            self.complaint.set_text(sentence(error))
            return
        session_id = self.view["id"]
        self.send_button.props["disabled"] = True
        try:
            proof = await self.page.visit.act(lambda desk, caller: desk.report(caller, session_id, report))
        except TuneaccordError as error:
            self.complaint.set_text(sentence(error))
            await self.page.refresh(anyway=True)
            return
        finally:
            self.send_button.props.pop("disabled", None)
            self.send_button.update()
        self.proofs.append(proof)
        self._show_proof()
        await self.page.refresh()

    def _report(self) -> dict[str, Any]:
        try:
            weight = amount(self.weight)
        except ValueError:
            weight = None
        if weight is None or not 0 < weight < float("inf"):
            raise Invalid(f"your {self.by} must be a number above zero, got {self.weight!r:.40}.")
        if self.scores is None:
            raise Invalid("there are no scores yet. Upload a score sheet, or use another way.")
        return {self.by: weight, "scores": self.scores, "how": self.how[:400]}

    def _show_proof(self) -> None:
        self.done.clear()
        with self.done:
            heading("Your report is sealed", 3).props["role"] = "status"
            _proof(self.proofs[-1])
            if len(self.proofs) > 1:
                text(
                    f"It replaces the one before: of the {len(self.proofs)} sent from this page only the last counts.",
                    "p",
                    "soft small",
                )


def _proof(proof: dict[str, Any]) -> None:
    with ui.element("p"):
        text("Everybody can see its commitment in the log, and nobody what is in it: ", "span")
        digest(proof["commitment"])
    text(
        "Keep the proof file. It has your report with the random number that hides it, and is given only now: with it "
        "you can show later that exactly this report was settled, or that it was not.",
    )
    content = json.dumps(proof, ensure_ascii=False, indent=1).encode()
    name = f"proof-{proof['entry']['number']}.json"
    with ui.element("div").classes("rows"):
        act_button("Download the proof", lambda: ui.download.content(content, name), True)
    text(f"Check it against your receipt: tuneaccord verify {name} --with receipt.json", "p", "soft small")
