"""Small pools written by hand: rows that can be added and taken away, kept as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tuneaccord.service.errors import Invalid
from tuneaccord.service.pages.parts import text
from tuneaccord.service.pages.sessions.parts import act_button, amount, area, field

MOST_PROMPTS, MOST_RESPONSES = 12, 12


def _setter(row: dict[str, str], key: str) -> Callable[[str], None]:
    return lambda given: row.__setitem__(key, given)


def _chance(given: str, name: str) -> float | None:
    try:
        return amount(given)
    except ValueError:
        raise Invalid(f"the base chance of {name} must be a number, got {given!r:.40}.") from None


class ResponseEditor:
    """Prompts with the same number of responses each."""

    def __init__(self) -> None:
        self.prompts = [self._new_prompt(1, 3)]
        self.place: ui.element | None = None

    @staticmethod
    def _new_prompt(number: int, responses: int) -> dict[str, Any]:
        made = [{"id": f"response {place}", "text": "", "base": ""} for place in range(1, responses + 1)]
        return {"id": f"prompt {number}", "text": "", "responses": made}

    def show(self) -> None:
        """Make the rows."""
        text(
            "Leave the base chances empty where the base model gives each response with the same chance.",
            "p",
            "soft small",
        )
        self.place = ui.element("div").classes("stack")
        self._fill()

    def _fill(self) -> None:
        self.place.clear()
        with self.place:
            for number, prompt in enumerate(self.prompts, start=1):
                self._prompt(number, prompt)
            with ui.element("div").classes("rows"):
                if len(self.prompts[0]["responses"]) < MOST_RESPONSES:
                    act_button("Add a response", self._add_response)
                if len(self.prompts[0]["responses"]) > 2:
                    act_button("Take the last response away", self._drop_response)
                if len(self.prompts) < MOST_PROMPTS:
                    act_button("Add a prompt", self._add_prompt)
                if len(self.prompts) > 1:
                    act_button("Take the last prompt away", self._drop_prompt)

    def _prompt(self, number: int, prompt: dict[str, Any]) -> None:
        with ui.element("div").classes("stack prompt"):
            area(f"Prompt {number}: what is asked (may be empty)", prompt["text"], _setter(prompt, "text"), rows=2)
            with ui.element("ul").classes("choices"):
                for place, one in enumerate(prompt["responses"], start=1):
                    said = f"response {place} to prompt {number}" if len(self.prompts) > 1 else f"response {place}"
                    with ui.element("li"):
                        with ui.element("div").classes("fields"):
                            field(f"Name of {said}", one["id"], _setter(one, "id"), maxlength=80)
                            field(f"Base chance of {said}", one["base"], _setter(one, "base"), inputmode="decimal")
                        area(f"Text of {said} (may be empty)", one["text"], _setter(one, "text"), rows=2)

    def _add_response(self) -> None:
        for prompt in self.prompts:
            place = len(prompt["responses"]) + 1
            prompt["responses"].append({"id": f"response {place}", "text": "", "base": ""})
        self._fill()

    def _drop_response(self) -> None:
        for prompt in self.prompts:
            prompt["responses"].pop()
        self._fill()

    def _add_prompt(self) -> None:
        self.prompts.append(self._new_prompt(len(self.prompts) + 1, len(self.prompts[0]["responses"])))
        self._fill()

    def _drop_prompt(self) -> None:
        self.prompts.pop()
        self._fill()

    def pool(self) -> dict[str, Any]:
        """The pool as it is written; raises :class:`Invalid` on a chance that is no number."""
        chances = [[_chance(one["base"], repr(one["id"])) for one in prompt["responses"]] for prompt in self.prompts]
        given = [one is not None for row in chances for one in row]
        if any(given) and not all(given):
            raise Invalid("give every response a base chance, or none of them.")
        return {
            "prompts": [{"id": prompt["id"], "text": prompt["text"]} for prompt in self.prompts],
            "responses": [
                [{"id": one["id"].strip(), "text": one["text"]} for one in prompt["responses"]]
                for prompt in self.prompts
            ],
            "base": chances if any(given) else None,
        }


class CandidateEditor:
    """Candidate models with prices; the first is the untuned one."""

    def __init__(self) -> None:
        self.rows = [{"name": "base", "price": "0", "text": "the untuned model"}]
        self._add()
        self.place: ui.element | None = None

    def show(self) -> None:
        """Make the rows."""
        text(
            "The first is the untuned model, at price 0. A price is how dear leaving the base is, strength included.",
            "p",
            "soft small",
        )
        self.place = ui.element("div").classes("stack")
        self._fill()

    def _fill(self) -> None:
        self.place.clear()
        with self.place:
            with ui.element("ul").classes("choices"):
                for place, one in enumerate(self.rows, start=1):
                    with ui.element("li"):
                        with ui.element("div").classes("fields"):
                            field(f"Name of model {place}", one["name"], _setter(one, "name"), maxlength=80)
                            field(f"Price of model {place}", one["price"], _setter(one, "price"), inputmode="decimal")
                        area(f"What model {place} is like", one["text"], _setter(one, "text"), rows=2)
            with ui.element("div").classes("rows"):
                act_button("Add a model", self._more)
                if len(self.rows) > 2:
                    act_button("Take the last model away", self._fewer)

    def _add(self) -> None:
        self.rows.append({"name": f"model {len(self.rows) + 1}", "price": "0.1", "text": ""})

    def _more(self) -> None:
        self._add()
        self._fill()

    def _fewer(self) -> None:
        self.rows.pop()
        self._fill()

    def pool(self) -> dict[str, Any]:
        """The candidates as they are written; raises :class:`Invalid` on a price that is no number."""
        models = []
        for one in self.rows:
            try:
                price = amount(one["price"])
            except ValueError:
                price = None
            if price is None:
                raise Invalid(f"the price of {one['name']!r:.40} must be a number, got {one['price']!r:.40}.")
            models.append({"name": one["name"].strip(), "price": price, "text": one["text"]})
        return {"kind": "candidates", "candidates": models, "base": models[0]["name"]}
