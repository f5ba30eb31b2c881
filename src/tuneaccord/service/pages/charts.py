"""What all plots of the studio share: colours, axes with a name and a unit, and plain dictionaries for Plotly.

A figure is a dictionary; nothing here imports Plotly. Text, grid and hover labels take the page's colours from the
style sheet, so that a figure needs no second version for the dark theme; curves have mid-tones that read on both.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Sequence

from tuneaccord.reporting.formatting import short
from tuneaccord.reporting.svg import COLOURS

#: told apart with every common colour blindness, at least 3:1 against the light and the dark paper
CYCLE = tuple(COLOURS[name] for name in ("value", "payment", "utility", "adapter", "base"))
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")

#: no lists in here: Plotly 7 takes a list for a changed configuration at every update and draws for ever
CONFIG = {"displaylogo": False, "displayModeBar": False}

_LINE = 30  #: characters of an axis's title
#: before the first answer
EMPTY = {"data": [], "layout": {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}, "config": CONFIG}


def label(words: str, width: int = 18) -> str:
    """People's text for a figure: short, and nothing in it that Plotly would take for markup.

    >>> label("<b>a & b")
    '&lt;b&gt;a &amp; b'
    """
    return html.escape(short(words, width), quote=False)


def axis(name: str, unit: str = "", **more) -> dict:
    """An axis that says what it shows, and in which unit.

    >>> axis("price", "nats")["title"]["text"]
    'price (nats)'
    """
    break_here = "<br>" if len(name) + len(unit) > _LINE else " "  # a phone has no room for more on one line
    words = f"{name}{break_here}({unit})" if unit else name
    title = {"text": words, "standoff": 8}
    apart = {"ticklabelstandoff": 4}  # the zeros of two axes would touch in the corner
    return {"title": title, "automargin": True, "zeroline": True, "fixedrange": True, **apart, **more}


def figure(
    traces: Sequence[dict], across: dict, upwards: dict, *, shapes: Sequence[dict] = (), legend: bool = True, **more
) -> dict:
    """A Plotly figure of ``traces`` between two axes, without a background of its own."""
    layout = {
        "font": {"family": "inherit", "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 8, "b": 40},
        "xaxis": across,
        "yaxis": upwards,
        "shapes": list(shapes),
        "showlegend": legend,
        # at the top of the whole figure: above the plot it would lie on the curves once a window is made wider
        "legend": {"orientation": "h", "yref": "container", "yanchor": "top", "y": 1, "x": 0, "xanchor": "left"},
        "hovermode": "closest",
        "dragmode": False,
        **more,
    }
    return {"data": list(traces), "layout": layout, "config": CONFIG}


def curve(name: str, across: Sequence[float], heights: Sequence[float], place: int, **more) -> dict:
    """A line; ``place`` chooses its colour and its dashes, so that colour is never alone in telling lines apart."""
    line = {"color": CYCLE[place % len(CYCLE)], "dash": DASHES[place % len(DASHES)], "width": 2.5}
    return {
        "type": "scatter", "mode": "lines", "name": label(name), "x": list(across), "y": list(heights), "line": line,
        **more,
    }  # fmt: skip


def marks(name: str, across: Sequence[float], heights: Sequence[float], place: int, **more) -> dict:
    """Points; ``place`` chooses their colour and their shape."""
    marker = {"color": CYCLE[place % len(CYCLE)], "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 11}
    return {
        "type": "scatter", "mode": "markers", "name": label(name), "x": list(across), "y": list(heights),
        "marker": marker, **more,
    }  # fmt: skip


def bars(name: str, labels: Sequence[str], heights: Sequence[float], place: int, **more) -> dict:
    """A row of upright bars over ``labels``; stripes come with the colour."""
    shape = ("", "/", ".", "x", "-")[place % 5]
    pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.8)", "solidity": 0.2, "size": 7}
    marker = {"color": CYCLE[place % len(CYCLE)], "pattern": pattern}
    return {"type": "bar", "name": label(name), "x": list(labels), "y": list(heights), "marker": marker, **more}


def upright(at: float, dash: str = "dot") -> dict:
    """A line from the bottom to the top of the plot at ``at``."""
    line = {"color": COLOURS["ink"], "width": 1.5, "dash": dash}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as CSV; text that a spreadsheet would take for a formula is kept text.

    >>> csv_text(["who", "pays"], [["=a", 1.5]])
    "who,pays\\r\\n'=a,1.5\\r\\n"
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(one) for one in row] for row in rows)
    return out.getvalue()


def json_text(data: object) -> str:
    """Plain data as JSON; numbers that JSON lacks become null.

    >>> json_text({"share": float("nan")})
    '{\\n  "share": null\\n}\\n'
    """
    return json.dumps(finite(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def finite(data: object) -> object:
    """Nested plain data with None in place of numbers that JSON lacks."""
    if isinstance(data, dict):
        return {key: finite(one) for key, one in data.items()}
    if isinstance(data, list | tuple):
        return [finite(one) for one in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _cell(given: object) -> object:
    return f"'{given}" if isinstance(given, str) and given[:1] in ("=", "+", "-", "@", "\t", "\r") else given
