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

MOST_SLIDERS = 60
_STEPS = 100  #: of a score's slider
_SHOW = (
    "(e) => {{ e.target.closest('.told').querySelector('output').textContent = Number(e.target.value).toFixed({}); }}"
)


class ReportSliders:
    """A slider for the size and one for each choice; they begin at the truth, or at what was sent last from here.

    What a report would bring is not shown: before the reveal nobody knows what the others report.
    """

    def __init__(self, page: Live, view: dict, truth: dict, pool: dict, sent: dict[str, Any]) -> None:
        self.page, self.view, self.truth, self.sent = page, view, truth, sent
        begin = sent.get("report", truth)
        self.size, self.scores = begin["size"], [list(row) for row in begin["scores"]]
        scale, most = view["terms"]["scores"], view["terms"]["largest_size"]
        with panel("Your report"):
            if sum(len(row) for row in self.scores) > MOST_SLIDERS:
                text("There are too many choices for sliders. Report on the session's page.")
                text("To the session's page", "a").props["href"] = f"/sessions/{view['id']}"
                return
            text("The sliders stand at the truth. Move them, or leave them.", "p", "soft")
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
            reported = next((one["reported"] for one in view["groups"] if one["name"] == view["you"]["name"]), False)
            if reported:
                words = "Your report is in, and sealed: not even this page can show it after a reload."
                if "report" in sent:
                    words = f"Your report is in ({self._told()})."
                self.said.set_text(f"{words} You can still change it.")

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
            made.props.update({"type": "range", "min": low, "max": high, "step": step, "defaultValue": f"{now:g}"})
            made.props["data-true"] = f"{true:g}"
            labelled(made, "Your size, as you report it" if not said and name == "Size" else f"Your score for {name}")
            made.on("input", js_handler=_SHOW.format(digits))
            made.on("change", lambda event: moved(float(event.args)), js_handler="(e) => emit(Number(e.target.value))")
            share = 100 * (true - low) / (high - low)
            ui.element("div").classes("truth-mark").style(f"--at: {share / 100:.4f}")

    def _sized(self, given: float) -> None:
        self.size = given

    def _scored(self, row: int, column: int) -> Any:
        def moved(given: float) -> None:
            self.scores[row][column] = given

        return moved

    def _reset(self) -> None:
        self.size, self.scores = self.truth["size"], [list(row) for row in self.truth["scores"]]
        ui.run_javascript(
            "for (const one of document.querySelectorAll('.told input[type=range]')) "
            "{ one.value = one.dataset.true; one.dispatchEvent(new Event('input')); }"
        )

    async def _send(self) -> None:
        report = {"size": self.size, "scores": self.scores, "how": "by sliders"}
        session_id = self.view["id"]
        try:
            await self.page.visit.act(lambda desk, caller: desk.report(caller, session_id, report))
        except TuneaccordError as error:
            self.said.set_text(f"Not sent: {error}")
            await self.page.refresh(anyway=True)
            return
        self.sent["report"] = {"size": self.size, "scores": [list(row) for row in self.scores]}
        self.sent["times"] = self.sent.get("times", 0) + 1
        again = f", number {self.sent['times']} from this page" if self.sent["times"] > 1 else ""
        self.said.set_text(f"Sent ({self._told()}){again}. You can change it until the time is over.")
        await self.page.refresh()

    def _told(self) -> str:
        honest = self.size == self.truth["size"] and self.scores == self.truth["scores"]
        return "the truth" if honest else f"size {size(self.size)}, not the truth"


def choices(pool: dict, scores: list[list[float]]) -> list[tuple[str, str, float]]:
    """(name, text, score) of each response or candidate."""
    rows = [pool["candidates"]] if pool["kind"] == "candidates" else pool["responses"]
    texts = [one["text"] for row in rows for one in row]
    return list(zip(response_names(pool), texts, [score for row in scores for score in row], strict=True))
