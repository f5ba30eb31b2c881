"""The jobs themselves: workflows of short steps, each of which may be interrupted anywhere and done again.

DBOS writes down that a step was done, and what it returned, when it is done; a job whose process died goes on at the
first step of which that is not known. Such a step may have had its effect already, so all of them are written to
change nothing the second time: results are stored under the digest of what they are made of, and a move is only made
in the state that it leaves. Only digests and short texts go through DBOS.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dbos import DBOS

from tuneaccord.service.desk import Desk
from tuneaccord.service.jobs_patience import attempted
from tuneaccord.service.jobs_sampling import SamplingPlace, freeze_drawn_pool
from tuneaccord.service.jobs_tasks import CLOSE, PUBLISH, SAMPLE, SETTLE
from tuneaccord.service.server import Server

_log = logging.getLogger(__name__)

#: how many processes may die over one job before it is given up
MOST_DEATHS = 25


@dataclass
class Serving:
    """What the jobs of this process work with."""

    desk: Desk
    sampling: SamplingPlace
    stopping: threading.Event = field(default_factory=threading.Event)
    running: dict[str, float] = field(default_factory=dict)  #: job -> when it began here
    done: int = 0  #: jobs that came to their end here

    @property
    def server(self) -> Server:
        """The moves that the server makes by itself."""
        return Server(self.desk)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While the block runs, the job counts as running here."""
        name = str(DBOS.workflow_id)
        self.running[name] = time.monotonic()
        _log.info("job %s began", name)
        try:
            yield
            self.done += 1
            _log.info("job %s ended", name)
        finally:
            self.running.pop(name, None)


_serving: Serving | None = None


def serve(serving: Serving | None) -> None:
    """Have the jobs of this process work with ``serving``: DBOS knows one application a process."""
    global _serving
    _serving = serving


def _here() -> Serving:
    assert _serving is not None, "a job was started in a process that does not work on jobs"
    return _serving


def _step(name: str, function: Callable[[], Any]) -> dict[str, Any]:
    """What :func:`attempted` says of the step, from DBOS's notes if it was done before."""
    stopping = _here().stopping
    return DBOS.run_step({"name": name}, attempted, name, function, stopping)


@DBOS.workflow(name=SETTLE, max_recovery_attempts=MOST_DEATHS)
def settle(session_id: str) -> str:
    """Closed -> settling -> settled, or failed with a reason."""
    server = _here().server
    with _here().counted():
        begun = _step("begin", lambda: server.begin_settling(session_id))
        attempt = begun.get("done")
        if attempt is None:
            return _ended(begun, "nothing to settle")
        for name, function in (("compute", server.compute), ("audit", server.audit), ("record", server.record)):
            outcome = _step(name, partial(function, session_id, attempt))
            if "failed" in outcome and name != "audit":  # without one, the record says that there is none
                _step("fail", partial(server.fail, session_id, outcome["failed"]))
                break
        return _ended(outcome, "settled")


@DBOS.workflow(name=CLOSE, max_recovery_attempts=MOST_DEATHS)
def close(session_id: str) -> str:
    """Reporting -> closed, unless the deadline was moved."""
    with _here().counted():
        return _ended(_step("close", lambda: _here().server.close_when_due(session_id)), "looked at")


@DBOS.workflow(name=PUBLISH, max_recovery_attempts=MOST_DEATHS)
def publish(session_id: str) -> str:
    """Settled -> published."""
    with _here().counted():
        return _ended(_step("publish", lambda: _here().server.publish_when_due(session_id)), "looked at")


@DBOS.workflow(name=SAMPLE, max_recovery_attempts=MOST_DEATHS)
def sample(session_id: str) -> str:
    """Open -> frozen, with a pool drawn from a language model."""
    here = _here()
    with here.counted():
        outcome = _step("sample", lambda: freeze_drawn_pool(here.desk, session_id, here.sampling, here.stopping))
        if "failed" in outcome:
            _step("sampling failed", lambda: here.server.sampling_failed(session_id, outcome["failed"]))
        return _ended(outcome, "frozen")


def _ended(outcome: dict[str, Any], done: str) -> str:
    return outcome.get("failed") or outcome.get("needless") or done
