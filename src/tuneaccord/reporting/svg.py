"""Matplotlib figures as SVG text: the same bytes every time, no outside references, readable on light and dark.

Only matplotlib's objects are used, never pyplot, so nothing is left behind in the process. Colours are
mid-tones that can be read on white and on black; inside a page, :func:`inline` hands them to the page's
style sheet.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuneaccord.reporting.formatting import plain
from tuneaccord.reporting.needs import need

# Okabe and Ito's hues (told apart with every common colour blindness), brought to middle lightness.
COLOURS = {
    "ink": "#6f7780",
    "grid": "#9aa1a9",
    "value": "#1f82c6",
    "payment": "#d2610f",
    "utility": "#139a72",
    "base": "#7d858d",
    "policy": "#1f83c7",
    "adapter": "#b8629b",
}

_STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "svg.hashsalt": "tuneaccord",
    "text.parse_math": False,  # a group may be called "$"
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    **{
        key: COLOURS["ink"]
        for key in ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    },
}


def draw(width: float, height: float, paint: Callable, title: str, description: str, key: str) -> str:
    """An SVG of ``width`` by ``height`` inches that ``paint(figure)`` fills.

    ``title`` and ``description`` are what a screen reader says; ``key`` keeps the ids of several figures
    on one page apart.
    """
    out = io.StringIO()
    with _painted(width, height, paint) as figure:
        figure.savefig(out, format="svg", metadata={"Date": None})
    return _tidy(out.getvalue(), title, description, key)


def pixels(width: float, height: float, paint: Callable) -> bytes:
    """The same as a PNG on white, 200 dots an inch."""
    out = io.BytesIO()
    with _painted(width, height, paint) as figure:
        figure.savefig(out, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return out.getvalue()


@contextmanager
def _painted(width: float, height: float, paint: Callable) -> Iterator:
    matplotlib, figures = need("matplotlib"), need("matplotlib.figure")
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a document
        matplotlib.rcParams.update(_STYLE)
        # a group's name may be written in a script that the measuring font lacks; the reader's font has it
        warnings.filterwarnings("ignore", message="Glyph")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = figures.Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        yield figure


def inline(svg: str) -> str:
    """The SVG with its colours as CSS variables of the page; outside a page they keep their mid-tones."""

    def themed(tag: str) -> str:
        for name, colour in COLOURS.items():
            tag = tag.replace(colour, f"var(--{name}, {colour})")
        return tag

    return _in_tags(themed, svg)


def _tidy(svg: str, title: str, description: str, key: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    # matplotlib's style rule for "*" would reach the whole page; on the root it is inherited by the figure only
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = _in_tags(lambda tag: _own_names(tag, key), svg)
    root = (
        f'<svg role="img" aria-labelledby="{key}-title {key}-desc" font-family="system-ui, sans-serif" '
        'style="stroke-linejoin: round; stroke-linecap: butt" '
    )
    words = f'<title id="{key}-title">{_escape(title)}</title><desc id="{key}-desc">{_escape(description)}</desc>'
    head, rest = svg.replace("<svg ", root, 1).split(">", 1)
    return f"{head}>{words}{rest}"


def _own_names(tag: str, key: str) -> str:
    tag = re.sub(r' id="', f' id="{key}-', tag)
    tag = tag.replace('href="#', f'href="#{key}-').replace("url(#", f"url(#{key}-")
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    return re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font-size: \1", tag)


def _in_tags(change: Callable[[str], str], svg: str) -> str:
    return re.sub(r"<[^>]*>", lambda tag: change(tag[0]), svg)


def _escape(text: str) -> str:
    return html.escape(plain(text))
