"""Numbers, intervals and arbitrary text as readers see them; rounding for display happens only here."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "not known"


def number(x: float | None, decimals: int | None = None, signed: bool = False) -> str:
    """``x`` with three decimals below one (more if that shows fewer than two digits), two above, or ``decimals``.

    >>> number(0.47712), number(-3.1), number(0.5, signed=True), number(1e-16)
    ('0.477', '−3.10', '+0.500', '1.0e−16')
    """
    if x is None or not math.isfinite(x):
        return UNKNOWN
    if decimals is None:
        if 0 < abs(x) < 1e-4:
            return f"{x:{'+' if signed else ''}.1e}".replace("-", MINUS)
        decimals = _decimals(abs(x), abs(x) / 10)
    text = f"{abs(x):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:  # no "−0.00"
        return text
    return (MINUS if x < 0 else "+" if signed else "") + text


def interval(data: dict, signed: bool = False) -> str:
    """``estimate [low, high]``, with enough decimals to tell the two ends apart.

    >>> interval({"estimate": 0.523, "low": 0.401, "high": 0.66, "level": 0.95}, signed=True)
    '+0.523 [0.401, 0.660]'
    """
    estimate, bounds = interval_parts(data, signed)
    return f"{estimate} {bounds}".rstrip()


def interval_parts(data: dict, signed: bool = False) -> tuple[str, str]:
    """The estimate and the bracketed bounds; the second is empty where the interval is one point.

    >>> interval_parts({"estimate": 0.0, "low": 0.0, "high": 0.0, "level": 0.95})
    ('0', '')
    """
    width = data["high"] - data["low"]
    if not width > 0:
        return number(data["estimate"], signed=signed), ""
    magnitude = max(abs(data["low"]), abs(data["high"]))
    decimals = _decimals(magnitude, min(width, magnitude / 10))
    low, high = number(data["low"], decimals), number(data["high"], decimals)
    return number(data["estimate"], decimals, signed), f"[{low}, {high}]"


def percent(data: dict) -> str:
    """An interval of shares in per cent.

    >>> percent({"estimate": 0.08, "low": -0.2, "high": 0.35, "level": 0.95})
    '8% [−20%, 35%]'
    """
    return " ".join(percent_parts(data)).rstrip()


def percent_parts(data: dict) -> tuple[str, str]:
    """The estimate and the bracketed bounds of an interval of shares, in per cent.

    >>> percent_parts({"estimate": 1.0, "low": 1.0, "high": 1.0, "level": 0.95})
    ('100%', '')
    """
    estimate, low, high = (number(100 * data[key], 0) + "%" for key in ("estimate", "low", "high"))
    return (estimate, "") if estimate == low == high else (estimate, f"[{low}, {high}]")


def _decimals(magnitude: float, step: float) -> int:
    """Decimals that show differences of ``step``, and three or two depending on the magnitude."""
    if magnitude == 0:
        return 0
    usual = 3 if magnitude < 1 else 2 if magnitude < 1000 else 0
    return min(6, max(usual, -math.floor(math.log10(step)))) if step > 0 else usual


def size(x: float) -> str:
    """A group's size without needless zeros.

    >>> size(5.0), size(2.5)
    ('5', '2.5')
    """
    return f"{x:g}"


def listing(parts: Sequence[str]) -> str:
    """Parts in a sentence.

    >>> listing(["a", "b", "c"]), listing(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def plain(text: object) -> str:
    """Any text without control characters and unpaired surrogates, which no document can carry; newlines stay.

    >>> plain("a" + chr(0) + "b" + chr(13) + chr(10) + "c") == "a" + chr(0xFFFD) + "b" + chr(10) + "c"
    True
    """
    text = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char if _printable(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _printable(char: str) -> bool:
    code = ord(char)
    return char in "\n\t" or not (code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE)


def short(text: str, width: int = 18) -> str:
    """At most ``width`` columns on one line, for the axes of a figure; wide characters take two.

    >>> short("department of everything else", 12)
    'department …'
    """
    text = " ".join(plain(text).split())
    if _columns(text) <= width:
        return text
    while _columns(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
