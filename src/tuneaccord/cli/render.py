"""Tables and sentences for people, the same for all commands. Nothing here computes a result.

Names come from files, so every cell is literal text: brackets are no markup, control characters are
spelt out.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneaccord.cli.errors import printable
from tuneaccord.mechanism.guarantees import Guarantee


def console() -> Console:
    """Standard output: colours on a terminal, plain text elsewhere."""
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def heading(out: Console, text: str) -> None:
    """A line that opens a part of the output."""
    out.print()
    out.print(Text(printable(text), style="bold"))


def sentence(out: Console, text: str) -> None:
    """A line of prose."""
    out.print(Text(printable(text)))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Table:
    """A table whose first ``left`` columns are words and the others numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        words = place < left
        made.add_column(
            Text(column), justify="left" if words else "right", overflow="fold", min_width=None if words else 5
        )
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    return made


def number(value: float) -> str:
    """A number in few characters: three decimals where they say something.

    >>> number(0.7654), number(0), number(1.2e-7), number(123456.7)
    ('0.765', '0.000', '1.2e-07', '123457')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value + 0.0:.3f}"
    if abs(value) < 0.0005:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10_000 else f"{value:.6g}"


def size(value: float) -> str:
    """A group's size, without decimals that it does not have.

    >>> size(3.0), size(0.25)
    ('3', '0.25')
    """
    return f"{value:.6g}"


def guarantees(out: Console, promises: Iterable[Guarantee]) -> None:
    """What holds and what is not claimed, in words."""
    for promise in promises:
        sentence(out, f"{promise.name} ({promise.status})")
        out.print(Padding(Text(printable(promise.statement)), (0, 0, 0, 4), expand=False))


def printable_lines(text: str) -> str:
    """Text of several lines, such as a model's reply, with control characters spelt out.

    >>> printable_lines("a\\nb")
    'a\\nb'
    """
    return "\n".join(printable(line) for line in text.splitlines())
