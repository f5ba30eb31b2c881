"""A player's report: sliders that begin at the truth."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting.formatting import number, size
from tuneaccord.service.classroom_results import response_names
from tuneaccord.service.pages.parts import labelled, live, text
from tuneaccord.service.pages.sessions.live import Live
from tuneaccord.service.pages.sessions.parts import act_button, panel
from tuneaccord.service.pages.sessions.report_sealed import Sealed

MOST_SLIDERS = 60
_STEPS = 100  #: of a score's slider
_SHOW = (
    "(e) => {{ e.target.closest('.told').querySelector('output').textContent = Number(e.target.value).toFixed({}); }}"
)


def player_report(page: Live, view: dict, truth: dict, pool: dict, sent: dict[str, Any], sealed: Sealed) -> None:
    """The sliders; behind a button where a report is sealed that this tab does not know: none goes by accident."""
    if "report" not in sent and sealed.proof is not None:
        sent["report"] = {name: sealed.proof["report"][name] for name in ("size", "scores")}
    if sealed.entry is None or "report" in sent:
        ReportSliders(page, view, truth, pool, sent, sealed)
        return
    place = ui.element("div").classes("stack")

    def change() -> None:
        place.clear()
        with place:
            ReportSliders(page, view, truth, pool, sent, sealed)
        page.focus("report")

    with place, panel("Your report is sealed", element_id="sealed"):
        text("You have reported, and it counts. You can change it until the time is over.")
        text(
            "Not even this page can show what you sent: it was sent from another tab or phone, or this tab was closed.",
            "p",
            "soft",
        )
        with ui.element("div").classes("rows"):
            act_button("Change my report", change)


class ReportSliders:
    """A slider for the size and one for each choice; they begin at the truth, or at what was sent last from here.

    What a report would bring is not shown: before the reveal nobody knows what the others report.
    """

    def __init__(self, page: Live, view: dict, truth: dict, pool: dict, sent: dict[str, Any], sealed: Sealed) -> None:
        self.page, self.view, self.truth, self.sent, self.sealed = page, view, truth, sent, sealed
        begin = sent.get("report", truth)
        self.size, self.scores = begin["size"], [list(row) for row in begin["scores"]]
        self.unknown = sealed.entry is not None and "report" not in sent
        self.touched = False
        scale, most = view["terms"]["scores"], view["terms"]["largest_size"]
        with panel("Your report", element_id="report"):
            if sum(len(row) for row in self.scores) > MOST_SLIDERS:
                text("There are too many choices for sliders. Report on the session's page.")
                text("To the session's page", "a").props["href"] = f"/sessions/{view['id']}"
                return
            begun = "at what you sent last" if "report" in sent else "at the truth"
            text(f"The sliders stand {begun}. Move them, or leave them.", "p", "soft")
            self._slider("Size", "", truth["size"], self.size, (0.5, most, 0.5), 1, self._sized)
            for place, (name, said, true_score) in enumerate(choices(pool, truth["scores"])):
                row, column = divmod(place, len(truth["scores"][0]))
                step = (scale["highest"] - scale["lowest"]) / _STEPS
                ends = (scale["lowest"], scale["highest"], step)
                now = self.scores[row][column]
                self._slider(name, said, true_score, now, ends, 2, self._scored(row, column))
            with ui.element("div").classes("stack send"):
                self.said = live(classes="words")
                self.said.props["id"] = "sent"
                with ui.element("div").classes("rows"):
                    act_button("Send my report", self._send, True)
                    act_button("Back to the truth", self._reset)
            if "report" in sent:
                self.said.set_text(f"Your report is in ({self._told(sent['report'])}). You can still change it.")
            elif self.unknown:
                self.said.set_text("A report of yours is sealed. Sending another one replaces it.")

    def _slider(self, name: str, said: str, true: float, now: float, ends: tuple, digits: int, moved: Any) -> None:
        low, high, step = ends
        with ui.element("div").classes("told"):
            with ui.element("div").classes("name"):
                text(name, "strong")
                with ui.element("span"):
                    text(f"truth {number(true, digits)} · you say ", "span", "soft small")
                    text(f"{now:.{digits}f}", "output", "now")
            if said:
                text(f"“{said}”", "div", "small soft reply")
            made = ui.element("input")
            made.props.update({"type": "range", "min": low, "max": high, "step": step, "defaultValue": f"{now:.12g}"})
            made.props["data-true"] = f"{true:g}"
            labelled(made, "Your size, as you report it" if not said and name == "Size" else f"Your score for {name}")
            made.on("input", js_handler=_SHOW.format(digits))
            made.on("change", lambda event: moved(float(event.args)), js_handler="(e) => emit(Number(e.target.value))")
            share = 100 * (true - low) / (high - low)
            ui.element("div").classes("truth-mark").style(f"--at: {share / 100:.4f}")

    def _sized(self, given: float) -> None:
        self.size, self.touched = given, True

    def _scored(self, row: int, column: int) -> Any:
        def moved(given: float) -> None:
            self.scores[row][column], self.touched = given, True

        return moved

    def _reset(self) -> None:
        self.size, self.scores, self.touched = self.truth["size"], [list(row) for row in self.truth["scores"]], True
        ui.run_javascript(
            "for (const one of document.querySelectorAll('.told input[type=range]')) "
            "{ one.value = one.dataset.true; one.dispatchEvent(new Event('input')); }"
        )

    async def _send(self) -> None:
        report = {"size": self.size, "scores": [list(row) for row in self.scores]}
        if self.sent.get("report") == report:
            self.said.set_text(f"Nothing was changed: your report is in already ({self._told(report)}).")
            return
        if self.unknown and not self.touched:
            self.said.set_text(
                "Nothing was changed: the report that is sealed still counts. To report the truth instead, press “Back "
                "to the truth” first."
            )
            return
        session_id = self.view["id"]
        try:
            proof = await self.page.visit.act(
                lambda desk, caller: desk.report(caller, session_id, {**report, "how": "by sliders"})
            )
        except TuneaccordError as error:
            self.said.set_text(f"Not sent: {error}")
            await self.page.refresh(anyway=True)
            return
        self.sealed.keep(proof)
        self.unknown = False
        self.sent["report"] = report
        self.sent["times"] = self.sent.get("times", 0) + 1
        again = f", number {self.sent['times']} from this page" if self.sent["times"] > 1 else ""
        self.said.set_text(f"Sent ({self._told(report)}){again}. You can change it until the time is over.")
        await self.page.refresh()

    def _told(self, report: dict[str, Any]) -> str:
        honest = report == {"size": self.truth["size"], "scores": self.truth["scores"]}
        return "the truth" if honest else f"size {size(report['size'])}, not the truth"


def choices(pool: dict, scores: list[list[float]]) -> list[tuple[str, str, float]]:
    """(name, text, score) of each response or candidate."""
    rows = [pool["candidates"]] if pool["kind"] == "candidates" else pool["responses"]
    texts = [one["text"] for row in rows for one in row]
    return list(zip(response_names(pool), texts, [score for row in scores for score in row], strict=True))
