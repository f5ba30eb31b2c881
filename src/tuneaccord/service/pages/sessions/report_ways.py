"""Other ways to score than by hand: a score sheet, preference pairs, or a mix of published criteria."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nicegui import run, ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service import sources
from tuneaccord.service.pages.parts import folded, heading, live, text
from tuneaccord.service.pages.sessions.live import Live
from tuneaccord.service.pages.sessions.parts import act_button, amount, field, link_button
from tuneaccord.service.pages.sessions.pool_view import has_texts
from tuneaccord.service.pages.sessions.uploads import upload
from tuneaccord.service.pages.sessions.words import sentence


def other_ways(
    page: Live, view: dict, pool: dict, take: Callable[[dict], str], complain: Callable[[str], None]
) -> None:
    """Files and criteria, each of which gives scores to ``take``; what it answers is shown."""

    async def sheet(path: Path, name: str) -> str:
        return take(await run.io_bound(lambda: sources.report_from_sheet(path, name, pool)))

    async def pairs(path: Path, name: str) -> str:
        return take(await run.io_bound(lambda: sources.report_from_pairs(path, pool, view["terms"])))

    with (
        folded("Other ways: a score sheet, preference pairs, or a mix of criteria"),
        ui.element("div").classes("stack"),
    ):
        heading("A score sheet", 3)
        with ui.element("div").classes("rows"):
            address = f"/sessions/{view['id']}/documents/sheet.csv"
            link_button("Download the sheet to fill in (CSV)", address).props["download"] = "sheet.csv"
        upload(page.visit, "Filled-in sheet (CSV or Parquet)", ".csv,.parquet", sheet)
        if has_texts(pool):
            heading("Preference pairs", 3)
            text(
                'A JSON line for each pair: {"prompt": …, "chosen": …, "rejected": …}, with the texts of the pool.',
                "p",
                "small soft",
            )
            upload(page.visit, "Preference pairs (JSONL)", ".jsonl", pairs)
            if sources.CRITERIA_WORDS:
                _criteria(view, pool, take, complain)


def _criteria(view: dict, pool: dict, take: Callable[[dict], str], complain: Callable[[str], None]) -> None:
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
            chosen = _shares(mix)
        except ValueError:
            complain("A weight of a criterion must be a number.")
            return
        try:
            found = await run.io_bound(lambda: sources.report_from_criteria(chosen, pool, view["terms"]))
        except TuneaccordError as error:
            complain(sentence(error))
            return
        complain("")
        told.set_text(take(found))

    with ui.element("div").classes("rows"):
        act_button("Score with this mix", use)
    told = live(classes="small")


def _shares(mix: dict[str, str]) -> dict[str, Any]:
    weights = {name: amount(given) or 0.0 for name, given in mix.items()}
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items() if weight and whole > 0}
