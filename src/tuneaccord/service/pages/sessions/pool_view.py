"""What there is to choose from, as text: replies with markup in them are shown as they are written."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tuneaccord.reporting.formatting import number
from tuneaccord.service.pages.parts import folded, text
from tuneaccord.service.pages.sessions.live import Part
from tuneaccord.service.pages.sessions.parts import link_button, panel
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

MOST_PROMPTS = 40
MOST_RESPONSES = 24


def pool_part(skip_while_reporting: bool = False) -> Part:
    """The frozen pool; a group sees it inside its report form while that is open."""

    def key(view: dict) -> Any:
        return [view["pool"], skip_while_reporting and view["state"] == "reporting"]

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return None if view["pool"] is None else reading.pool(caller, view["id"])

    def build(view: dict, pool: dict | None) -> None:
        if pool is None or (skip_while_reporting and view["state"] == "reporting"):
            return
        with panel("What there is to choose from"):
            text(pool_words(pool))
            with folded("Show all of it"):
                show_pool(pool)
            download_pool(view["id"])

    return Part(key, build, load)


def download_pool(session_id: str) -> None:
    """The pool as a file."""
    with ui.element("div").classes("rows"):
        link_button("Download the pool (JSON)", f"/sessions/{session_id}/documents/pool.json").props["download"] = (
            "pool.json"
        )


def pool_words(pool: dict) -> str:
    """A pool in a sentence.

    >>> pool_words({"kind": "candidates", "candidates": [{"name": "base"}, {"name": "soup"}], "base": "base"})
    '2 candidate models; “base” is the untuned model.'
    """
    if pool["kind"] == "candidates":
        base = (
            f"; “{pool['base']}” is the untuned model." if pool.get("base") else "; none of them is the untuned model."
        )
        return f"{len(pool['candidates'])} candidate models{base}"
    prompts, responses = len(pool["prompts"]), len(pool["responses"][0])
    if prompts == 1:
        return f"{responses} responses. The rule chooses how likely each of them becomes."
    return f"{prompts} prompts with {responses} responses each. The rule chooses how likely each response becomes."


def show_pool(pool: dict) -> None:
    """All texts with the base model's chances, or candidates with their prices."""
    if pool["kind"] == "candidates":
        with ui.element("ul").classes("choices"):
            for one in pool["candidates"]:
                with ui.element("li"):
                    text(one["name"], "strong")
                    text(f"price {number(one['price'])}", "div", "soft small")
                    if one["text"]:
                        text(one["text"], "div", "reply")
        return
    for row, prompt in enumerate(pool["prompts"][:MOST_PROMPTS]):
        show_prompt(prompt)
        with ui.element("ul").classes("choices"):
            for column, one in enumerate(pool["responses"][row][:MOST_RESPONSES]):
                with ui.element("li"):
                    show_response(pool, row, column, one)
        _more(len(pool["responses"][row]) - MOST_RESPONSES, "responses")
    _more(len(pool["prompts"]) - MOST_PROMPTS, "prompts")


def _more(left: int, what: str) -> None:
    if left > 0:
        text(f"… and {left} more {what}; the file has all of them.", "p", "soft small")


def show_prompt(prompt: dict) -> None:
    """A prompt's name and text."""
    with ui.element("div").classes("prompt"):
        text(f"Prompt {prompt['id']}", "div", "soft small")
        if prompt["text"]:
            text(prompt["text"], "div", "reply")


def show_response(pool: dict, row: int, column: int, one: dict) -> None:
    """A response's name, text, and the base model's chance."""
    chance = base_chance(pool, row, column)
    with ui.element("div").classes("rows"):
        text(one["id"], "strong")
        text(
            f"chance in the base model: {chance:.0%}" if chance >= 0.01 else f"chance in the base model: {chance:.2%}",
            "span",
            "soft small",
        )
    if one["text"]:
        text(one["text"], "div", "reply")


def base_chance(pool: dict, row: int, column: int) -> float:
    """How likely the base model is to give a response."""
    if pool.get("base") is None:
        return 1 / len(pool["responses"][row])
    return pool["base"][row][column] / sum(pool["base"][row])


def has_texts(pool: dict) -> bool:
    """Whether there is anything to read in the pool's responses."""
    if pool["kind"] == "candidates":
        return False
    return any(one["text"] for row in pool["responses"] for one in row)


def cells_of(pool: dict) -> int:
    """How many scores a report has."""
    if pool["kind"] == "candidates":
        return len(pool["candidates"])
    return len(pool["prompts"]) * len(pool["responses"][0])
