"""Starting the job that a session needs, once, and looking at those that were started before."""

from __future__ import annotations

import threading
import time
from typing import Any

from dbos import DBOSClient, WorkflowStatus

from tuneaccord.service.jobs_database import VERSION
from tuneaccord.service.jobs_flows import MOST_DEATHS
from tuneaccord.service.jobs_tasks import DEADLY, SAMPLE, Started, Task, next_id
from tuneaccord.service.server import Server

QUICK, SLOW = "quick", "slow"  #: queues: jobs of seconds, and those that keep a machine busy
#: seconds for which a job that is under way is not asked about again: a timer, and one that may end any moment
_RECHECK_TIMER, _RECHECK = 10.0, 1.0
_KEPT_DAYS = 7  #: how long ended jobs stay in the jobs database
_MOST_KNOWN = 100_000


class Starter:
    """Starts jobs through a client of DBOS. ``client`` is None while there is no database of jobs."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client: DBOSClient | None = None
        self._known: dict[str, float] = {}  # task -> until when it is not asked about again
        self._lock = threading.Lock()

    def connect(self, client: DBOSClient) -> None:
        """Use this client, and know nothing of the jobs of an earlier one."""
        with self._lock:
            self._known.clear()
            self.client = client

    def disconnect(self) -> None:
        """Let the client go."""
        with self._lock:
            if self.client is not None:
                self.client.destroy()
                self.client = None

    def ensure(self, task: Task, anew: bool = False) -> str | None:
        """Start the job unless it is under way; its id if it was started now.

        What was found to be under way a few seconds ago is taken to be so still, unless the session has moved ``anew``.
        """
        with self._lock:
            if self.client is None or (time.monotonic() < self._known.get(task.id, 0.0) and not anew):
                return None
            earlier = [
                Started(job.workflow_id, job.status, (job.completed_at or 0) / 1000)
                for job in self.listed(workflow_id_prefix=task.id)
            ]
            if deadly := [job.id for job in earlier if job.status == DEADLY]:
                self._give_up(task, deadly)
                return None
            name = next_id(task, earlier, time.time())
            if name is not None:
                self._enqueue(task, name)
            if name is not None or not all(job.ended for job in earlier):
                self._remember(task)
            else:
                self._known.pop(task.id, None)
            return name

    def listed(self, **which: Any) -> list[WorkflowStatus]:
        """The jobs that DBOS knows, without what goes in and out."""
        if self.client is None:
            return []
        return self.client.list_workflows(load_input=False, load_output=False, **which)

    def clean(self) -> None:
        """Forget jobs that ended long ago."""
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - _KEPT_DAYS * 86400))
        old = [job.workflow_id for job in self.listed(completed_before=before, limit=1000)]
        if old and self.client is not None:
            self.client.delete_workflows(old)

    def _enqueue(self, task: Task, name: str) -> None:
        options = {
            "workflow_name": task.kind,
            "queue_name": SLOW if task.kind == SAMPLE else QUICK,
            "workflow_id": name,
            "app_version": VERSION,
        }
        wait = task.wait(time.time())
        self.client.enqueue({**options, "delay_seconds": wait} if wait > 0 else options, task.session_id)

    def _give_up(self, task: Task, names: list[str]) -> None:
        reason = (
            f"the process that did it died {MOST_DEATHS} times, most likely for lack of memory. "
            "Try again with more memory or a smaller pool."
        )
        if task.kind == SAMPLE:
            self.server.sampling_failed(task.session_id, reason)
        else:
            self.server.fail(task.session_id, reason)
        self.client.delete_workflows(names)

    def _remember(self, task: Task) -> None:
        now = time.monotonic()
        if len(self._known) > _MOST_KNOWN:
            self._known = {name: until for name, until in self._known.items() if until > now}
        self._known[task.id] = now + (_RECHECK_TIMER if task.due else _RECHECK)
