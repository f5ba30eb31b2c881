"""Writes that come at the same time share one transaction, so that the disk is waited for once for all of them.

A commit waits until the disk has what was written, which often takes longer than everything else in a move. Writes take
turns on one connection; whoever ends a turn leaves the transaction open while others wait for theirs, up to a number
and a time, and else commits it. Nobody goes on before the commit. All but the first write are savepoints: one that
fails takes back only itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Event
from typing import Any

import sqlalchemy as sa

from tuneaccord.service.errors import Unavailable, away, busy

_log = logging.getLogger(__name__)

MOST = 64  #: writes of one transaction
LONGEST = 0.1  #: seconds after which a transaction takes no more
LOOK = 1.0  #: seconds after which one that waits for the commit sees whether somebody still is to make it
_KEPT = "tuneaccord_kept"


def to_keep() -> dict[str, Any]:
    """An option for a connection of :class:`SharedWrites`; see :func:`kept_with`."""
    return {_KEPT: {}}


def kept_with(connection: sa.Connection) -> dict[str, Any]:
    """What the writes of a transaction leave for those after them; a write that is taken back leaves nothing."""
    return connection.get_execution_options().get(_KEPT, {})


class _Shared:
    """An open transaction, and what became of it once ``ended`` is set."""

    def __init__(self, connection: sa.Connection, finish: Callable[[sa.Connection], None]) -> None:
        try:
            self.connection, self._transaction, self._finish = connection, connection.begin(), finish
        except BaseException:
            connection.close()
            raise
        self.began, self.writes = time.monotonic(), 0
        self.ended, self.error = Event(), None

    @contextmanager
    def part(self) -> Iterator[None]:
        """The block as one write."""
        kept = kept_with(self.connection)
        before = dict(kept)
        if self.writes:  # what is not released goes with the transaction; releasing each would only take time
            self.connection.exec_driver_sql(f"SAVEPOINT part_{self.writes}")
        try:
            yield
        except BaseException:
            kept.clear()
            kept.update(before)
            if self.writes and not self.connection.invalidated:
                self._take_back()
            raise
        self.writes += 1

    def _take_back(self) -> None:
        try:
            self.connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT part_{self.writes}")
        except Exception:
            self.writes = 0  # then nothing of it can be trusted
            _log.warning("a write could not be taken back; all that share its transaction are")

    @property
    def takes_more(self) -> bool:
        """Whether another write may come."""
        young = time.monotonic() - self.began < LONGEST
        return 0 < self.writes < MOST and young and not self.connection.invalidated

    def end(self) -> None:
        """Commit, or take everything back when there is nothing to keep; what fails is kept in ``error``.

        Only an interrupt is raised, once those who wait have been told that nothing was written.
        """
        try:
            if self.writes and not self.connection.invalidated:
                self._finish(self.connection)
                self._transaction.commit()
            else:
                self.error = Unavailable("the transaction was taken back")
                self._transaction.rollback()
        except BaseException as error:
            _log.warning("a transaction could not be committed: %s", type(error).__name__)
            self.error = error
            with suppress(Exception):
                self._transaction.rollback()
            if not isinstance(error, Exception):
                raise
        finally:
            with suppress(Exception):
                self.connection.close()
            self.ended.set()


class SharedWrites:
    """The writes of one process on one database, or on one session of it.

    ``connected`` gives a connection that is ready to begin a transaction; a write waits ``patience`` seconds for its
    turn and then raises :class:`Unavailable`. ``finish`` is called with the connection once, before the commit.
    """

    def __init__(
        self, connected: Callable[[], sa.Connection], patience: float, finish: Callable[[sa.Connection], None]
    ) -> None:
        self._connected, self._patience, self._finish = connected, patience, finish
        self._turns = Condition()
        self._taken, self._waiting = False, 0
        self._open: _Shared | None = None  # between two turns

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A connection for one write; at the end of the block it is committed, on an exception taken back."""
        shared = self._take_turn()
        try:
            with shared.part():
                yield shared.connection
        finally:
            self._end_turn(shared)
        while not shared.ended.wait(LOOK):
            self._rescue(shared)
        if shared.error is not None:
            raise away() from shared.error

    def _take_turn(self) -> _Shared:
        with self._turns:
            self._waiting += 1
            try:
                if not self._turns.wait_for(lambda: not self._taken, self._patience):
                    raise busy()
            finally:
                self._waiting -= 1
            self._taken = True
            shared, self._open = self._open, None
        try:
            return shared or _Shared(self._connected(), self._finish)
        except BaseException:
            self._give_turn(None)
            raise

    def _end_turn(self, shared: _Shared) -> None:
        with self._turns:
            goes_on = self._waiting > 0 and shared.takes_more
        try:
            if not goes_on:
                shared.end()
        finally:
            self._give_turn(shared if goes_on else None)

    def _give_turn(self, left_open: _Shared | None) -> None:
        with self._turns:
            self._taken, self._open = False, left_open
            self._turns.notify()

    def _rescue(self, shared: _Shared) -> None:
        """Commit what was left open for somebody who then did not come."""
        with self._turns:
            if self._open is not shared or self._taken or self._waiting:
                return
            self._taken, self._open = True, None
        try:
            shared.end()
        finally:
            self._give_turn(None)
