"""Progress on the terminal: a bar with time left; one line a task where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from tuneaccord.progress import Progress


class TerminalProgress(Progress):
    """Bars on standard error, so that standard output stays clean."""

    def __init__(self) -> None:
        self.console = Console(file=sys.stderr, markup=False, highlight=False, emoji=False)

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        if not self.console.is_terminal:
            yield from self._lines(label, total, done)
            return
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self.console) as bars:
            task = bars.add_task(label, total=total, completed=done)
            yield lambda: bars.advance(task)

    def _lines(self, label: str, total: int, done: int) -> Iterator[Callable[[], None]]:
        start = time.monotonic()
        known = f", {done} of {total} read back" if done else ""
        self.note(f"{label} ...{known}")
        yield lambda: None
        self.note(f"{label}: done in {time.monotonic() - start:.1f} s")

    def note(self, message: str) -> None:
        self.console.print(message)
