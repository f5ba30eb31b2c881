"""The form for what is agreed: every choice with a sentence on what it means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from nicegui import run, ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service import sources
from tuneaccord.service.errors import Invalid
from tuneaccord.service.pages.parts import folded, heading, live, text
from tuneaccord.service.pages.sessions.parts import act_button, amount, area, field, options
from tuneaccord.service.pages.sessions.words import sentence
from tuneaccord.service.pages.sessions.words_of_terms import DIVERGENCES, PAYMENTS, RULES
from tuneaccord.service.plain_json import strict_json
from tuneaccord.service.terms import terms_data

LARGEST_TERMS = 2_000_000  #: bytes
_BEGIN = {
    "title": "", "description": "", "divergence": "KL", "strength": "1", "rule": "Welfare", "payment": "Externality",
    "currency": "EUR", "rate": "100", "lowest": "0", "highest": "1", "largest_size": "1000000",
    "model": "", "prompts": "", "replies": "16", "longest": "48", "temperature": "1", "seed": "0",
}  # fmt: skip


def values_of(terms: dict[str, Any]) -> dict[str, str]:
    """The form's values for some terms; what the form does not know is kept apart by :class:`TermsForm`."""
    drawn = terms.get("sampling") or {}
    return {
        **_BEGIN,
        "title": terms.get("title", ""),
        "description": terms.get("description", ""),
        "divergence": terms["divergence"]["kind"],
        "strength": f"{terms['divergence'].get('strength', 1):g}",
        "rule": terms["rule"]["kind"],
        "payment": terms["payment"]["kind"],
        "currency": terms["money"]["currency"],
        "rate": f"{terms['money']['rate']:g}",
        "lowest": f"{terms['scores']['lowest']:g}",
        "highest": f"{terms['scores']['highest']:g}",
        "largest_size": f"{terms['largest_size']:.15g}",
        "model": drawn.get("model", ""),
        "prompts": "\n".join(drawn.get("prompts", [])),
        **{key: f"{drawn[key]:g}" for key in ("replies", "longest", "temperature", "seed") if key in drawn},
    }


def terms_in(values: dict[str, str], kept: dict[str, Any] | None = None) -> dict[str, Any]:
    """The terms that the form's values are; a rule that ``kept`` has with parameters keeps them while it is chosen.

    Raises :class:`Invalid` that names the field.
    """
    kept = kept or {}
    largest = _number(values, "largest_size", "the largest size")
    low, high = _number(values, "lowest", "the lowest score"), _number(values, "highest", "the highest score")
    chosen = {key: _spec(values[key], kept.get(key)) for key in ("divergence", "rule", "payment")}
    chosen["divergence"]["strength"] = _number(values, "strength", "the strength")
    if values["payment"] == "Redistribution":
        chosen["payment"].update(largest_size=largest, reward_bound=max(abs(low), abs(high)))
    data = {
        "title": values["title"],
        "description": values["description"],
        **chosen,
        "money": {"currency": values["currency"], "rate": _number(values, "rate", "the money a unit")},
        "scores": {"lowest": low, "highest": high},
        "largest_size": largest,
        "classroom": kept.get("classroom"),
    }
    if values["model"].strip():
        data["sampling"] = {
            "model": values["model"].strip(),
            "prompts": [line.strip() for line in values["prompts"].splitlines() if line.strip()],
            "replies": _whole(values, "replies", "the replies to a prompt"),
            "longest": _whole(values, "longest", "the tokens of a reply"),
            "temperature": _number(values, "temperature", "the temperature"),
            "seed": _whole(values, "seed", "the seed"),
        }
    return data


def _spec(kind: str, kept: Any) -> dict[str, Any]:
    return dict(kept) if isinstance(kept, dict) and kept.get("kind") == kind else {"kind": kind}


def _number(values: dict[str, str], key: str, name: str) -> float:
    try:
        found = amount(values[key])
    except ValueError:
        found = None
    if found is None:
        raise Invalid(f"{name} must be a number, got {values[key]!r:.40}.")
    return found


def _whole(values: dict[str, str], key: str, name: str) -> int:
    found = _number(values, key, name)
    if found != int(found):
        raise Invalid(f"{name} must be a whole number, got {values[key]!r:.40}.")
    return int(found)


def terms_from_file(path: Path, name: str) -> dict[str, Any]:
    """What a file says of the terms: the terms of another session as JSON, or a market.

    Raises :class:`Invalid`.
    """
    if name.lower().endswith(".json") and path.stat().st_size <= LARGEST_TERMS:
        data = strict_json(path.read_bytes(), "the file")
        if isinstance(data, dict) and "title" in data:
            return data
    return sources.market_from_file(path, name)[0]


class TermsForm:
    """The form on a page; ``save`` gets the checked terms when the button is pressed."""

    def __init__(
        self,
        terms: dict[str, Any] | None,
        words: str,
        save: Callable[[dict[str, Any]], Awaitable[Any]],
        models: tuple[str, ...] = ("embedded",),
    ) -> None:
        self.kept, self.words, self.save, self.models = dict(terms or {}), words, save, models
        self.values = values_of(self.kept) if terms else dict(_BEGIN)
        self.place = ui.element("div").classes("stack form-stack")
        self._build()

    def _build(self) -> None:
        self.place.clear()
        with self.place:
            self._field("title", "Title", "What the parties call it.", maxlength=80)
            area(
                "Description (shown to everybody who is invited)",
                self.values["description"],
                self._setter("description"),
            )
            with ui.element("div").classes("fields"):
                self._choice("rule", "The model is chosen by", RULES)
                self._choice("payment", "Each group pays", PAYMENTS)
                self._choice("divergence", "Leaving the base model costs by", DIVERGENCES)
                self._number(
                    "strength", "Strength", "How dear leaving the base is: at 0.1 the model moves far, at 10 hardly."
                )
                self._field("currency", "Currency", "What payments are counted in: EUR, points, hours.", maxlength=20)
                self._number("rate", "Money for one unit", "How many of these one unit of size × value is worth.")
            with folded("Scale, largest size, and a language model to draw from"):
                self._more()
            self.complaint = live(classes="notice")
            with ui.element("div").classes("rows"):
                act_button(self.words, self._save, True)

    def _more(self) -> None:
        with ui.element("div").classes("fields"):
            self._number("lowest", "Lowest score", "Every group scores on this scale, so that no scale dominates.")
            self._number("highest", "Highest score", "The best that a response can be for anybody.")
            self._number("largest_size", "Largest size", "No group may claim to be larger than this.")
        heading("Replies from a language model", 3)
        text("Leave the model out if you bring the responses or candidate models yourself.", "p", "soft small")
        with ui.element("div").classes("fields"):
            names = {"": "none", **{name: name for name in self.models}}
            names.setdefault(self.values["model"], self.values["model"])
            words = "The server draws the replies; “embedded” needs no download."
            options("Language model", names, self.values["model"], self._setter("model"), words)
            self._number("replies", "Replies to each prompt", "More replies give the groups more to choose from.")
            self._number("longest", "Longest reply (tokens)", "A reply ends there at the latest.")
            self._number("temperature", "Temperature", "1 draws as the model speaks; less is more cautious.")
            self._number("seed", "Seed", "The same seed draws the same replies.")
        area("Prompts, one a line", self.values["prompts"], self._setter("prompts"), rows=4)

    def _setter(self, key: str) -> Callable[[str], None]:
        return lambda given: self.values.__setitem__(key, given)

    def _field(self, key: str, name: str, words: str, **more: Any) -> None:
        field(name, self.values[key], self._setter(key), help_words=words, **more)

    def _number(self, key: str, name: str, words: str) -> None:
        field(name, self.values[key], self._setter(key), help_words=words, inputmode="decimal")

    def _choice(self, key: str, name: str, of: dict[str, tuple[str, str]]) -> None:
        now = self.values[key]
        names = {kind: shown for kind, (shown, _) in of.items()}
        names.setdefault(now, f"{now} (from a file)")
        options(name, names, now, self._setter(key), {kind: words for kind, (_, words) in of.items()})

    async def take(self, path: Path, name: str) -> str:
        """Fill the form from an uploaded market or terms file."""
        given = await run.io_bound(lambda: terms_from_file(path, name))
        named = {"title": self.values["title"] or "untitled", **given}
        terms = await run.io_bound(lambda: terms_data(named))
        self.kept, self.values = terms, values_of(terms)
        if "title" not in given and self.values["title"] == "untitled":
            self.values["title"] = ""
        self._build()
        return "The form below is filled from the file. Check it."

    async def _save(self) -> None:
        self.complaint.set_text("")
        try:
            data = terms_in(self.values, self.kept)
            await run.io_bound(lambda: terms_data(data))
        except TuneaccordError as error:
            self.complaint.set_text(sentence(error))
            return
        await self.save(data)
