"""Whether a server is alive, and whether it is ready: the answers to ``/healthz`` and ``/readyz``.

Alive means that the process answers; it needs no database, so that a database that is away restarts nothing. Ready
means that a session could go through it now. Each check says in one word what is wrong; none says where things are.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tuneaccord.service import tables
from tuneaccord.service.connect import is_current

if TYPE_CHECKING:
    from tuneaccord.service.store import Store

SILENCE = 30.0  #: seconds after which a worker that said nothing counts as gone
ROOM = 200_000_000  #: bytes that must be free where the database and the keys are
_KEPT = 1.0  #: seconds

Check = Callable[[], dict[str, Any]]


class Health:
    """The checks of a server with this database and this folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._checks: dict[str, Check] = {
            "database": lambda: _written(store),
            "migrations": lambda: _told(is_current(store), "other tables than this version expects"),
            "worker": lambda: _working(store),
            "disk": lambda: _room(folder),
        }
        self._lock = Lock()
        self._answer: dict[str, Any] = {}
        self._until = float("-inf")

    def ready(self) -> dict[str, Any]:
        """``{"ready": bool, "checks": {name: {"ok": bool, ...}}}``; asked again within a second it is the same."""
        with self._lock:
            if time.monotonic() >= self._until:
                checks = {name: _answered(check) for name, check in self._checks.items()}
                self._answer = {"ready": all(check["ok"] for check in checks.values()), "checks": checks}
                self._until = time.monotonic() + _KEPT
            return self._answer


def _answered(check: Check) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        found = check()
    except Exception as error:
        found = {"ok": False, "problem": f"no answer ({type(error).__name__})"}
    return {**found, "milliseconds": round(1000 * (time.perf_counter() - began), 1)}


def _told(right: bool, problem: str) -> dict[str, Any]:
    return {"ok": True} if right else {"ok": False, "problem": problem}


def _written(store: Store) -> dict[str, Any]:
    """A write that changes nothing: it needs the lock and the right to write, which a read does not."""
    table = tables.sessions
    with store.writing() as connection:
        connection.execute(sa.update(table).where(table.c.id == "").values(title=""))
    return {"ok": True}


def _working(store: Store) -> dict[str, Any]:
    now = datetime.now(UTC)
    ages = [(now - datetime.fromisoformat(at)).total_seconds() for at in store.workers().values()]
    alive = sum(age <= SILENCE for age in ages)
    return {**_told(alive > 0, f"no worker in the last {SILENCE:.0f} seconds: tuneaccord work"), "workers": alive}


def _room(folder: Path) -> dict[str, Any]:
    free = shutil.disk_usage(folder).free
    return {**_told(free >= ROOM, f"less than {ROOM // 10**6} MB free"), "free_megabytes": free // 10**6}
