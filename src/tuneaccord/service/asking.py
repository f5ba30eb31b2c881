"""Queries that every request asks, by the driver's own cursors: a third of the time that SQLAlchemy's results take.

They are written with SQLAlchemy, once, for the database that is used; connections come from its pool and go back to it.
Each is one statement, which needs no transaction around it. Rows are tuples, in the order of the query's columns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tuneaccord.service.database import told
from tuneaccord.service.errors import away

_log = logging.getLogger(__name__)


class Asking:
    """Asks one database; ``engine`` gives connections that begin no transactions.

    ``timed`` is called with the seconds that each query took.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._written: dict[sa.Select[Any], tuple[str, list[str] | None]] = {}
        self.timed: Callable[[float], None] = lambda seconds: None

    def rows(self, query: sa.Select[Any], **given: Any) -> list[tuple[Any, ...]]:
        """All rows of the query with these values. Raises :class:`Unavailable` when the database does not answer."""
        text, order = self._written.get(query) or self._write(query)
        values = given if order is None else [given[name] for name in order]
        began = time.perf_counter()
        try:
            with told():
                found = self._asked(text, values)
        except self._engine.dialect.loaded_dbapi.Error as error:
            _log.warning("the database does not answer: %s", type(error).__name__)
            raise away() from error
        self.timed(time.perf_counter() - began)
        return found

    def _asked(self, text: str, values: Any) -> list[tuple[Any, ...]]:
        connection = self._engine.raw_connection()
        try:
            cursor = connection.driver_connection.cursor()
            cursor.execute(text, values)
            return cursor.fetchall()
        except BaseException:
            connection.invalidate()  # so that nobody is given one that is broken
            raise
        finally:
            connection.close()

    def first(self, query: sa.Select[Any], **given: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.rows(query, **given)), None)

    def _write(self, query: sa.Select[Any]) -> tuple[str, list[str] | None]:
        compiled = query.compile(dialect=self._engine.dialect)
        written = str(compiled), (list(compiled.positiontup or ()) if compiled.positional else None)
        self._written[query] = written
        return written
