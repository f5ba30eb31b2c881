"""Figures for Prometheus: requests, sessions, jobs, the database. No label has a name, an identifier or a token.

Counts of requests and times are of this process since it started. Sessions, reports and jobs are read when somebody
asks, from the database, so they are those of all processes; they are kept for a few seconds, so asking often is cheap.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from tuneaccord.service import tables
from tuneaccord.service.session import STATES

if TYPE_CHECKING:
    from tuneaccord.service.store import Store

_log = logging.getLogger(__name__)

Family = GaugeMetricFamily | CounterMetricFamily
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STATEMENTS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_KEPT = 5.0  #: seconds
#: job -> the entry of a session's log that says that it failed
_FAILURES = {"settle": "failed", "sample": "sampling failed"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    """The figures of one server process. ``jobs`` gives those of the jobs, as :meth:`Jobs.figures` does."""

    def __init__(self, store: Store, jobs: Callable[[], dict[str, int]] | None = None) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        disable_created_metrics()
        self._requests = Counter("tuneaccord_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "tuneaccord_request_seconds", "Time to answer.", labels[:2], registry=self.registry, buckets=_SECONDS
        )
        self._statements = Histogram(
            "tuneaccord_database_seconds",
            "Time of one statement in the database.",
            ("kind",),
            registry=self.registry,
            buckets=_STATEMENTS,
        )
        self.websockets = Gauge("tuneaccord_websockets", "Pages that are open.", registry=self.registry)
        self.registry.register(_Kept(lambda: _figures(store, jobs)))  # type: ignore[arg-type]
        for engine in (store.engine, store.single):
            self._time_statements(engine)
        store.asking.timed = self._statements.labels("read").observe

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. ``route`` is its template, such as ``/api/v1/sessions/{session_id}``."""
        method = method if method in _METHODS else "other"  # a client may send any word
        which = method, route, status
        if which not in self._children:  # finding them by their labels takes longer than counting
            self._children[which] = self._requests.labels(method, route, str(status)), self._seconds.labels(*which[:2])
        count, times = self._children[which]
        count.inc()
        times.observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def _time_statements(self, engine: sa.Engine) -> None:
        kinds = {kind: self._statements.labels(kind) for kind in ("read", "write", "other")}

        def before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            context.tuneaccord_since = time.perf_counter()

        def after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            kinds[_kind(statement)].observe(time.perf_counter() - context.tuneaccord_since)

        sa.event.listen(engine, "before_cursor_execute", before)
        sa.event.listen(engine, "after_cursor_execute", after)


class _Kept:
    """A collector that asks at most every few seconds. When asking fails its figures are left out, not zero."""

    def __init__(self, ask: Callable[[], list[Family]]) -> None:
        self._ask, self._lock = ask, Lock()
        self._answer: list[Family] = []
        self._until = float("-inf")

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = self._ask()
                self._until = time.monotonic() + _KEPT
            yield from self._answer


def _figures(store: Store, jobs: Callable[[], dict[str, int]] | None) -> list[Family]:
    found = []
    try:
        found += _sessions(store)
    except Exception as error:
        _log.warning("figures of the sessions could not be read (%s)", type(error).__name__)
    if jobs is not None:
        with suppress(Exception):
            found.append(_jobs(jobs()))
    return found


def _sessions(store: Store) -> list[Family]:
    by_state = GaugeMetricFamily("tuneaccord_sessions", "Sessions in each state.", labels=["state"])
    reports = GaugeMetricFamily("tuneaccord_reports", "Reports accepted, replaced ones too.")
    failed = CounterMetricFamily("tuneaccord_jobs_failed", "Jobs that failed, as the logs say.", labels=["kind"])
    sessions, entries = tables.sessions, tables.entries
    with store.reading() as connection:
        rows = connection.execute(sa.select(sessions.c.state, sa.func.count()).group_by(sessions.c.state))
        counts = {state: count for state, count in rows}
        counted = sa.select(entries.c.kind, sa.func.count()).group_by(entries.c.kind)
        chosen = counted.where(entries.c.kind.in_(("reported", *_FAILURES.values())))
        made = {kind: count for kind, count in connection.execute(chosen)}
    reports.add_metric([], made.get("reported", 0))
    for job, kind in _FAILURES.items():
        failed.add_metric([job], made.get(kind, 0))
    for state in STATES:
        by_state.add_metric([state], counts.get(state, 0))
    return [by_state, reports, failed]


def _jobs(figures: dict[str, int]) -> GaugeMetricFamily:
    """Jobs by state; the state ``workers`` is the number of processes that do them."""
    family = GaugeMetricFamily("tuneaccord_jobs", "Jobs by state, and processes that do them.", labels=["state"])
    for state, count in figures.items():
        family.add_metric([state], count)
    return family


def _kind(statement: str) -> str:
    word = statement.lstrip()[:6].upper()
    if word == "SELECT":
        return "read"
    return "write" if word in ("INSERT", "UPDATE", "DELETE") else "other"
