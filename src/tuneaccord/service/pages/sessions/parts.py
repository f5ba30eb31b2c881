"""Parts that only session pages need: copying, times in the reader's zone, panels, files to upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from nicegui import ui

from tuneaccord.reporting.formatting import plain
from tuneaccord.service.pages.frame import NAVIGATION, STATIC
from tuneaccord.service.pages.parts import heading, labelled, text


def prepare() -> None:
    """Load what session pages need beside the frame."""
    ui.add_head_html(
        f'<link rel="stylesheet" href="{STATIC}/sessions.css"><script src="{STATIC}/sessions.js" defer></script>'
        '<meta name="referrer" content="same-origin">'
    )


def navigate() -> None:
    """Put the sessions into the navigation, once."""
    if ("/sessions", "Sessions") not in NAVIGATION:
        NAVIGATION.append(("/sessions", "Sessions"))


def time_of(moment: str) -> ui.element:
    """A moment, shown in the reader's own time zone, which is named."""
    made = text(moment.replace("T", " ").replace(".000Z", " UTC"), "time")
    made.props["datetime"] = moment
    return made


def countdown(until: str, now: str) -> ui.element:
    """The time left until a moment; ``now`` is the server's clock, which counts."""
    made = ui.element("span").classes("countdown")
    made.props.update({"data-until": until, "data-now": now, "role": "timer"})
    return made


def copy_button(words: str, what: str, name: str = "") -> ui.element:
    """A button that copies a text."""
    made = text(words, "button", "act")
    made.props.update({"type": "button", "data-copy": what})
    return labelled(made, name) if name else made


def secret(words: str, what: str) -> None:
    """A link or token that is shown once, with its copy button."""
    with ui.element("div").classes("secret"):
        shown = ui.element("input").classes("plain grow")
        shown.props.update(readonly=True, defaultValue=what, type="text", spellcheck="false")
        labelled(shown, words)
        copy_button("Copy", what, f"Copy: {words}")


def digest(whole: str) -> None:
    """The first characters of a digest, with a button that copies all of it."""
    with ui.element("span").classes("digest"):
        short = whole.removeprefix("sha256:")[:8]
        text(short, "code").props["title"] = whole
        copy_button("copy", whole, f"Copy the digest {short}")


@contextmanager
def panel(title: str, level: int = 2, classes: str = "", element_id: str = "") -> Iterator[ui.element]:
    """A section with a heading."""
    with ui.element("section").classes(f"panel {classes}") as made:
        head = heading(title, level)
        if element_id:
            head.props.update(id=element_id, tabindex="-1")
        yield made


@contextmanager
def plain_table(caption: str, *columns: str, classes: str = "figures") -> Iterator[None]:
    """A table whose rows are made of elements: ``with plain_table("Groups", "name", "state"):``."""
    with ui.element("div").classes("scroll") as region:
        region.props.update(tabindex="0", role="region")
        labelled(region, caption)
        with ui.element("table").classes(classes):
            text(caption, "caption")
            with ui.element("thead"), ui.element("tr"):
                for words in columns:
                    text(words, "th", "text").props["scope"] = "col"
            with ui.element("tbody"):
                yield


def cells(*contents: str | Callable[[], Any], row_class: str = "") -> None:
    """A row of a :func:`plain_table`: texts, or functions that make elements."""
    with ui.element("tr").classes(row_class):
        for place, one in enumerate(contents):
            with ui.element("th" if place == 0 else "td").classes("text") as cell:
                if place == 0:
                    cell.props["scope"] = "row"
                text(one, "span") if isinstance(one, str) else one()


def act_button(words: str, act: Callable, main: bool = False, name: str = "") -> ui.element:
    """A button that asks the server; pressed again before the answer is there, it does nothing."""
    made = text(words, "button", "act main" if main else "act")
    made.props["type"] = "button"
    busy = False

    async def pressed() -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            answer = act()
            if isawaitable(answer):
                await answer
        finally:
            busy = False

    made.on("click", pressed)
    return labelled(made, name) if name else made


def link_button(words: str, address: str, new: bool = False) -> ui.element:
    """A link that looks like a button; ``new`` opens another tab."""
    made = text(words, "a", "act")
    made.props["href"] = address
    if new:
        made.props.update(target="_blank", rel="noopener")
    return made


def moment_field(name: str, on_change: Callable[[str], None]) -> ui.element:
    """A date and time of the reader's own zone; the handler gets it in UTC, or nothing."""
    with ui.element("label").classes("field"):
        with ui.element("span").classes("name"):
            text(name, "span")
        made = ui.element("input").classes("plain")
        made.props["type"] = "datetime-local"
    made.on(
        "change",
        lambda event: on_change(str(event.args or "")),
        js_handler="(e) => emit(e.target.value ? new Date(e.target.value).toISOString() : '')",
    )
    labelled(made, name)
    return made


def zone_words() -> None:
    """The name of the reader's time zone."""
    with ui.element("p").classes("soft small"):
        text("Times are those of your own time zone: ", "span")
        ui.element("span").props["data-zone"] = "1"


def area(name: str, value: str, on_change: Callable[[str], None], rows: int = 3) -> ui.element:
    """A field for text of several lines."""
    with ui.element("label").classes("field"):
        text(name, "span", "name")
        made = ui.element("textarea").classes("plain")
        made.props.update(rows=rows, defaultValue=plain(value))
    made.on("change", lambda event: on_change(str(event.args)), js_handler="(e) => emit(e.target.value)")
    return labelled(made, name)


def field(
    name: str, value: Any, on_change: Callable[[str], None], kind: str = "text", help_words: str = "", **attributes: Any
) -> ui.element:
    """A field with its name above it, which answers when it is left or Enter is pressed.

    What is being typed stays while the page around it changes: only the value at the beginning is set from here.
    """
    with ui.element("label").classes("field"):
        text(name, "span", "name")
        made = ui.element("input").classes("plain")
        made.props.update({"type": kind, **attributes, "defaultValue": plain(value)})
        if help_words:
            text(help_words, "span", "help")
    made.on("change", lambda event: on_change(str(event.args)), js_handler="(e) => emit(e.target.value)")
    return labelled(made, name)


def options(
    name: str, of: dict[str, str], value: str, on_change: Callable[[str], None], words: dict[str, str] | str = ""
) -> ui.element:
    """One of several options, as value -> name; ``words`` explains the field, or each of its options."""
    with ui.element("label").classes("field"):
        text(name, "span", "name")
        made = ui.element("select").classes("plain")
        with made:
            for key, shown in of.items():
                option = text(shown, "option")
                option.props["value"] = key
                option.props.set_bool("selected", key == value)
        explained = text(words if isinstance(words, str) else words.get(value, ""), "span", "help quiet")

    def chosen(event: Any) -> None:
        if isinstance(words, dict):
            explained.set_text(words.get(str(event.args), ""))
        on_change(str(event.args))

    made.on("change", chosen, js_handler="(e) => emit(e.target.value)")
    return labelled(made, name)


def amount(given: str) -> float | None:
    """A number as people type it, None for nothing; raises ValueError.

    >>> amount("1,5"), amount(" ")
    (1.5, None)
    """
    return float(given.strip().replace(",", ".")) if given.strip() else None


def asked(words: str, question: str, yes: str, act: Callable, main: bool = False) -> None:
    """A button for what cannot be undone: it asks once more before it acts."""
    place = ui.element("div").classes("rows")

    def show_button(again: bool = False) -> None:
        place.clear()
        with place:
            made = act_button(words, show_question, main)
        if again:
            ui.run_javascript(f"getHtmlElement({made.id})?.focus()")

    def show_question() -> None:
        place.clear()
        with place:
            text(question, "span")
            sure = act_button(yes, act, True)
            act_button("No", lambda: show_button(True))
        ui.run_javascript(f"getHtmlElement({sure.id})?.focus()")

    show_button()
