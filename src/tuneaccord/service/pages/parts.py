"""Small parts that pages are made of. Text from people is only ever set as text or escaped, never as markup."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from tuneaccord.reporting.formatting import number, plain

#: the attribute, which says where an input begins; the property would be set back at every change of the page
_OWN_VALUE = "^value"
_LONG = 40  #: characters in a cell that gets a wide column
_SHORT = 12  #: characters in a cell that is not broken into lines
_FIGURES = re.compile(r"[-+\N{MINUS SIGN}]?\d[\d,]*(\.\d+)?")


def text(words: str, tag: str = "p", classes: str = "") -> TextElement:
    """An element that holds nothing but text; ``classes`` are those of the style sheet."""
    return TextElement(tag=tag, text=plain(words)).classes(classes)


def heading(words: str, level: int = 2) -> TextElement:
    """A heading; a page's only first-level one is made by ``frame``."""
    return text(words, f"h{level}")


def live(words: str = "", classes: str = "words") -> TextElement:
    """Text that is read out when it changes; set it with ``set_text``."""
    made = text(words, "div", classes)
    made.props["role"], made.props["aria-live"] = "status", "polite"
    return made


def labelled(element: ui.element, name: str) -> ui.element:
    """The element with a name for screen readers, which may be any text."""
    element.props["aria-label"] = plain(name)
    return element


def table_html(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]], mine: int | None = None) -> str:
    """A table as escaped HTML: numbers rounded for reading and set right, text as it is; row ``mine`` stands out.

    >>> "&lt;b&gt;" in table_html("t", ["who"], [["<b>"]])
    True
    """
    numeric = [any(_is_number(row[place], place) for row in rows) for place in range(len(columns))]
    head = "".join(
        f'<th scope="col"{_kind("" if one else "text")}>{_escaped(name)}</th>'
        for name, one in zip(columns, numeric, strict=True)
    )
    body = "".join(
        f"<tr{_kind('mine' if place == mine else '')}>{''.join(_cell(one, i) for i, one in enumerate(row))}</tr>"
        for place, row in enumerate(rows)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_escaped(caption)}"><table class="figures">'
        f"<caption>{_escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _is_number(given: object, place: int) -> bool:
    """A number, or one that is written already; the first column names its row."""
    written = isinstance(given, str) and place > 0 and _FIGURES.fullmatch(given) is not None
    return written or (isinstance(given, float | int) and not isinstance(given, bool))


def _kind(classes: str) -> str:
    return f' class="{classes}"' if classes else ""


def _cell(given: object, place: int) -> str:
    shown = number(given) if isinstance(given, float) else str(given)
    if place == 0:
        return f'<th scope="row">{_escaped(shown)}</th>'
    length = " long" if len(shown) > _LONG else " short" if len(shown) <= _SHORT else ""
    kind = "" if _is_number(given, place) else f"text{length}"
    return f"<td{_kind(kind)}>{_escaped(shown)}</td>"


def _escaped(words: object) -> str:
    return html.escape(plain(words), quote=True)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]], mine: int | None = None) -> ui.html:
    """The table on the page; change it with ``set_content(table_html(...))``."""
    return ui.html(table_html(caption, columns, rows, mine), sanitize=False)


def promises_html(guarantees: Sequence[dict]) -> str:
    """What a settlement promises, as an escaped list: a phone has no room for a table of sentences.

    >>> promises_html([{"name": "truthful", "status": "exact", "statement": "No lie pays."}])
    '<dl class="promises"><dt>truthful <span>exact</span></dt><dd>No lie pays.</dd></dl>'
    """
    rows = "".join(
        f"<dt>{_escaped(one['name'])} <span>{_escaped(one['status'])}</span></dt><dd>{_escaped(one['statement'])}</dd>"
        for one in guarantees
    )
    return f'<dl class="promises">{rows}</dl>'


def plot(figure: dict, label: str, height: str = "middle") -> ui.plotly:
    """A figure with a name for screen readers, ``low``, ``middle``, ``high`` or ``tall``; give it a table too."""
    made = ui.plotly(figure).classes(f"plot {height}")
    made.props["role"] = "img"
    return labelled(made, label)


def folded(summary: str) -> ui.element:
    """Content that opens on demand, with the browser's own keyboard handling: ``with folded("As a table"):``."""
    made = ui.element("details")
    with made:
        text(summary, "summary")
    return made


def slider(
    name: str,
    ends: tuple[float, float],
    step: float,
    value: float,
    on_change: Callable[[float], None],
    *,
    logarithmic: bool = False,
) -> ui.element:
    """The browser's own slider with its name and its value above it; arrow keys move it by ``step``.

    Where ``logarithmic``, equal moves multiply equally and ``step`` is the factor of one move; values are rounded to
    three digits.
    """
    base = math.log(step) if logarithmic else 1.0
    places = [math.log(one) / base for one in (*ends, value)] if logarithmic else [*ends, value]
    low, high = (math.ceil(places[0] - 1e-9), math.floor(places[1] + 1e-9)) if logarithmic else ends

    def back(place: float) -> float:
        return float(f"{math.exp(place * base):.3g}") if logarithmic else round(place, 9)

    with ui.element("div").classes("field"):
        with ui.element("div").classes("name"):
            text(name, "span")
            now = text(f"{value:g}", "span", "now")
        made = labelled(ui.element("input").classes("range"), name)
    made.props.update({"type": "range", "min": low, "max": high, "step": 1 if logarithmic else step})
    made.props[_OWN_VALUE] = round(places[2], 9)  # after the ends, which would clip it

    def moved(event) -> None:
        if isinstance(event.args, int | float):
            now.set_text(f"{back(event.args):g}")
            made.props["aria-valuetext"] = f"{back(event.args):g}"
            on_change(back(event.args))

    return made.on("input", moved, js_handler="(e) => emit(Number(e.target.value))", throttle=0.05)


def entry(name: str, value: object, on_change: Callable[[str], None], kind: str = "text", **attributes) -> ui.element:
    """A plain input that answers when it is left or Enter is pressed; ``attributes`` are those of HTML."""
    made = ui.element("input").classes("plain")
    made.props.update({"type": kind, **attributes, _OWN_VALUE: plain(value)})
    made.on("change", lambda event: on_change(str(event.args)), js_handler="(e) => emit(e.target.value)")
    return labelled(made, name)


def choice(name: str, options: dict[str, str], value: str, on_change: Callable[[str], None]) -> ui.element:
    """One of several options, as value -> words."""
    with ui.element("label").classes("field"):
        text(name, "span", "name")
        made = ui.element("select").classes("plain")
        with made:
            for key, words in options.items():
                option = text(words, "option")
                option.props["value"] = key
                option.props.set_bool("selected", key == value)
    made.on("change", lambda event: on_change(str(event.args)), js_handler="(e) => emit(e.target.value)")
    return labelled(made, name)


def button(words: str, act: Callable, main: bool = False) -> ui.element:
    """The browser's own button; ``main`` is for the one that a page is about. ``act`` may be asynchronous."""
    made = text(words, "button", "act main" if main else "act")
    made.props["type"] = "button"
    return made.on("click", act)


def download(words: str, name: str, content: Callable[[], str | bytes]) -> ui.element:
    """A button that hands the reader a file made at that moment."""

    def act() -> None:
        made = content()
        ui.download.content(made if isinstance(made, bytes) else made.encode(), name)

    return button(words, act)
