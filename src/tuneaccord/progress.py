"""How long work shows itself: a task with a total, advanced as jobs finish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class Progress(ABC):
    """Shows tasks. The terminal's version is in ``tuneaccord.cli``."""

    @abstractmethod
    def task(self, label: str, total: int, done: int = 0) -> AbstractContextManager[Callable[[], None]]:
        """A context in which each call of the returned function advances the task by one."""

    @abstractmethod
    def note(self, message: str) -> None:
        """One line that stays."""


class Silent(Progress):
    """Shows nothing.

    >>> with Silent().task("sampling", 2) as advance:
    ...     advance()
    """

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        yield lambda: None

    def note(self, message: str) -> None:
        pass
