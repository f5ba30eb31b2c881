"""Which processes are at work, and which have died: each says now and then in the store that it is alive.

A process is taken for dead when what it says has not changed for ``silence`` seconds on the clock of the one that
looks, so clocks of different machines are never compared. It must have been looked at four times at least, so that
one that was itself stopped for a while, or could not read the store, does not take the others for dead. A wrong guess
costs only work done twice: DBOS lets one process own a job, and the steps have the same effect when they are repeated.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Callable
from typing import Protocol


class Register(Protocol):
    """The part of the store in which processes sign."""

    def seen(self, worker_id: str, at: str) -> None:
        """This process lives."""

    def workers(self) -> dict[str, str]:
        """When each was last seen."""

    def forget_worker(self, worker_id: str) -> None:
        """Strike a process off."""


def new_executor(name: str = "") -> str:
    """A name that no process had before, beginning with ``name`` or the machine's: jobs are owned by names."""
    return f"{(name or platform.node())[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


class Heartbeats:
    """The signs of life of one process, and what it knows of the others."""

    def __init__(
        self,
        register: Register,
        executor: str,
        silence: float,
        now: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.register, self.executor, self.silence = register, executor, silence
        self._now, self._clock = now, clock
        self._looked: float | None = None
        self._said: dict[str, tuple[str, float]] = {}  # executor -> (what it said last, its silence since)

    def beat(self) -> None:
        """Say that this process lives, also when others have struck it off."""
        self.register.seen(self.executor, self._now())

    def leave(self) -> None:
        """Strike this process off, so that others take over at once."""
        self.register.forget_worker(self.executor)

    def living(self) -> set[str]:
        """The processes that are not known to be dead; the dead are struck off. One thread at a time.

        Of the time between two looks at most a quarter of ``silence`` counts.
        """
        rows = self.register.workers()
        now = self._clock()
        passed = 0.0 if self._looked is None else min(now - self._looked, self.silence / 4)
        self._looked = now
        self._said = {name: (said, self._quiet(name, said, passed)) for name, said in rows.items()}
        dead = {name for name, (_, quiet) in self._said.items() if quiet >= self.silence} - {self.executor}
        for name in dead:
            self.register.forget_worker(name)
        return {self.executor, *rows} - dead

    def _quiet(self, name: str, said: str, passed: float) -> float:
        known = self._said.get(name)
        return known[1] + passed if known is not None and known[0] == said else 0.0
