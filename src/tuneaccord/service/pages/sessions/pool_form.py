"""What there is to choose from, before it is frozen: written by hand, uploaded, or drawn from a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nicegui import run, ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service import sources
from tuneaccord.service.errors import Invalid
from tuneaccord.service.pages.parts import folded, text
from tuneaccord.service.pages.parts import live as spoken
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import asked, options, panel
from tuneaccord.service.pages.sessions.pool_editor import CandidateEditor, ResponseEditor
from tuneaccord.service.pages.sessions.pool_view import pool_words, show_pool
from tuneaccord.service.pages.sessions.uploads import upload
from tuneaccord.service.pages.sessions.words import sentence
from tuneaccord.service.terms import pool_data, terms_of

_WAYS = {
    "responses": "write responses here",
    "candidates": "write candidate models here",
    "file": "upload a file",
    "sample": "draw it from the language model",
}
_EXPLAINED = {
    "responses": "The rule chooses how likely each response becomes.",
    "candidates": "The rule chooses one of the models.",
    "file": "CSV, Parquet, JSON, or a market's YAML.",
    "sample": "The server draws the replies, as the terms say.",
}


def pool_form_part(live: Live) -> Part:
    """The ways to a pool while the session is open."""

    def possible(view: dict) -> bool:
        return view["state"] == "open" and not view["sampling"]

    def build(view: dict, _: Any) -> None:
        if possible(view):
            PoolForm(live, view)

    return Part(possible, build)


_FREEZE = (
    "Groups that were invited and have not joined are left out, nobody can join after this, and the pool cannot be "
    "changed. Freeze it?"
)


class PoolForm:
    """The form's elements, and the pool so far."""

    def __init__(self, live: Live, view: dict) -> None:
        self.live, self.view = live, view
        self.file: dict[str, Any] | None = None
        self.editors = {"responses": ResponseEditor(), "candidates": CandidateEditor()}
        drawn = view["terms"].get("sampling") is not None
        self.way = "sample" if drawn else "responses"
        ways = {key: words for key, words in _WAYS.items() if drawn or key != "sample"}
        with panel("What there is to choose from"):
            text("This is fixed before anybody reports, so that no report can change it. Its digest becomes public.")
            options("Where it comes from", ways, self.way, self._choose, _EXPLAINED)
            self.place = ui.element("div").classes("stack")
            self.complaint = spoken(classes="notice")
            self.freezing = ui.element("div")
            self._show()

    def _choose(self, way: str) -> None:
        self.way = way
        self.complaint.set_text("")
        self._show()

    def _show(self) -> None:
        self.place.clear()
        with self.place:
            if self.way == "file":
                self._upload()
            elif self.way in self.editors:
                self.editors[self.way].show()
            else:
                drawn = self.view["terms"]["sampling"]
                text(
                    f"{drawn['replies']} replies to each of {len(drawn['prompts'])} prompts from {drawn['model']}. "
                    "Nobody can join any more once this begins."
                )
        self.freezing.clear()
        with self.freezing:
            if self.way == "sample":
                asked(
                    "Draw the replies and freeze",
                    "Groups that were invited and have not joined are left out, and nobody can join after this. Begin?",
                    "Yes, draw them",
                    self._sample,
                    main=True,
                )
            else:
                asked(
                    "Freeze this pool",
                    _FREEZE,
                    "Yes, freeze",
                    self._freeze,
                    main=True,
                )

    def _upload(self) -> None:
        text(
            "CSV or Parquet with the columns prompt_id, prompt, reply_id, reply and optionally base; JSON in the form "
            "of this session's pool; or a market's YAML.",
            "p",
            "soft small",
        )
        upload(self.live.visit, "File with the pool", ".csv,.parquet,.json,.jsonl,.yaml,.yml", self._take)
        self.shown = ui.element("div").classes("stack")

    async def _take(self, path: Path, name: str) -> str:
        terms = self.view["terms"]

        def read() -> dict[str, Any]:
            if name.lower().endswith((".yaml", ".yml")):
                _, found = sources.market_from_file(path, name)
                if found is None:
                    raise Invalid("this file has no pool: neither responses with a base, nor candidates.")
            else:
                found = sources.pool_from_file(path, name)
            return pool_data(found, terms_of(terms))

        self.file = await run.io_bound(read)
        self.shown.clear()
        with self.shown:
            text(f"Read: {pool_words(self.file)}", "p", "good")
            with folded("Look at it"):
                show_pool(self.file)
        return "The file is read. Look at it below, then freeze."

    async def _freeze(self) -> None:
        self.complaint.set_text("")
        try:
            pool = self.file if self.way == "file" else self.editors[self.way].pool()
            if pool is None:
                self.complaint.set_text("Upload a file first.")
                return
            await self.live.visit.act(lambda desk, caller: desk.freeze(caller, self.view["id"], pool))
        except TuneaccordError as error:
            self.complaint.set_text(sentence(error))
            self._show_again()
            return
        await self.live.refresh()
        self.live.focus("next")

    def _show_again(self) -> None:
        self.freezing.clear()
        with self.freezing:
            asked(
                "Freeze this pool",
                _FREEZE,
                "Yes, freeze",
                self._freeze,
                main=True,
            )

    async def _sample(self) -> None:
        if await self.live.act(lambda desk, caller: desk.sample(caller, self.view["id"])) is not None:
            self.live.focus("next")
