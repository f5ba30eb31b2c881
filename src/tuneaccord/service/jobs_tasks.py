"""Which jobs a session needs, told from its state alone, and when one that ended has to be started again.

A job's id is made of what it is for, so that however often and from wherever it is asked for, one is started. A job
that has ended while its session still needs one (the provider asked for another attempt, or a timer fired a moment too
early) is followed by another with a number, after a pause that doubles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tuneaccord.service.jobs_database import VERSION

SAMPLE, CLOSE, SETTLE, PUBLISH = "sample", "close", "settle", "publish"
KINDS = (SAMPLE, CLOSE, SETTLE, PUBLISH)
#: the states of sessions that may need a job
STATES = ("open", "reporting", "closed", "settling", "settled")
LONGEST_PAUSE = 60.0
#: what DBOS calls a job whose process died again and again
DEADLY = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
_ACTIVE = ("DELAYED", "ENQUEUED", "PENDING")


@dataclass(frozen=True)
class Task:
    """A job that a session needs: its kind, and the time (UTC, ISO 8601) before which it is not started."""

    kind: str
    session_id: str
    due: str | None = None

    @property
    def id(self) -> str:
        """The same for the same need.

        >>> Task("settle", "abc").id, Task("close", "abc", "2026-01-01T00:00:00.000Z").id
        ('settle:abc:v1', 'close:abc:2026-01-01T00:00:00.000Z:v1')
        """
        return ":".join((self.kind, self.session_id, *([self.due] if self.due else []), f"v{VERSION}"))

    def wait(self, now: float) -> float:
        """Seconds from ``now`` (of the epoch) until it is due; 0 when it is."""
        return max(0.0, datetime.fromisoformat(self.due).timestamp() - now) if self.due else 0.0


@dataclass(frozen=True)
class Started:
    """A job that was started before: its id, DBOS's word for its status, and when it ended (seconds of the epoch)."""

    id: str
    status: str
    ended: float | None = None


def task_of(
    session_id: str, state: str, sampling: bool = False, deadline: str | None = None, reveal_at: str | None = None
) -> Task | None:
    """The job that a session needs now, if any.

    >>> task_of("s", "closed")
    Task(kind='settle', session_id='s', due=None)
    >>> task_of("s", "reporting") is None
    True
    """
    if state == "open" and sampling:
        return Task(SAMPLE, session_id)
    if state == "reporting" and deadline:
        return Task(CLOSE, session_id, deadline)
    if state in ("closed", "settling"):
        return Task(SETTLE, session_id)
    if state == "settled" and reveal_at:
        return Task(PUBLISH, session_id, reveal_at)
    return None


def next_id(task: Task, earlier: Iterable[Started], now: float) -> str | None:
    """The id under which the task is to be started now, or None while one is active or has only just ended.

    >>> task = Task("settle", "s")
    >>> next_id(task, [], now=100.0), next_id(task, [Started(task.id, "PENDING")], now=100.0)
    ('settle:s:v1', None)
    >>> next_id(task, [Started(task.id, "SUCCESS", ended=90.0)], now=100.0)
    'settle:s:v1:again-1'
    """
    ours = [one for one in earlier if one.id == task.id or one.id.startswith(f"{task.id}:again-")]
    if not ours:
        return task.id
    if any(one.status in _ACTIVE for one in ours):
        return None
    pause = min(LONGEST_PAUSE, 0.5 * 2 ** len(ours))
    if now - max(one.ended or 0.0 for one in ours) < pause:
        return None
    return f"{task.id}:again-{1 + max(_number(one.id) for one in ours)}"


def _number(workflow_id: str) -> int:
    """How many came before it: 0 for the first."""
    return int(workflow_id.rpartition(":again-")[2]) if ":again-" in workflow_id else 0
