"""Work that outlives processes: closing at the deadline, settling, publishing at its time, sampling a pool.

A :class:`Jobs` starts what sessions need and, unless told otherwise, also does it. The jobs are workflows of DBOS
Transact, which writes down each step that was done; here is what that leaves open: which jobs there have to be (told
from the states of the sessions, at the start and every few seconds), and who takes over from a process that died.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dbos import DBOS
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from tuneaccord.errors import InputError, first_line
from tuneaccord.service import jobs_flows
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.jobs_database import JobsDatabase
from tuneaccord.service.jobs_flows import Serving
from tuneaccord.service.jobs_sampling import SamplingPlace
from tuneaccord.service.jobs_starting import QUICK, SLOW, Starter
from tuneaccord.service.jobs_tasks import STATES, Task, task_of
from tuneaccord.service.jobs_workers import Heartbeats, new_executor
from tuneaccord.service.times import utc_now

if TYPE_CHECKING:
    from tuneaccord.service.session import Session
    from tuneaccord.service.settings import Settings

_log = logging.getLogger(__name__)
_working: list[str] = []  # the executor of this process's Jobs that works, if there is one


_LINGER = 1.0  #: seconds for the threads of jobs to end once their steps have


@dataclass(frozen=True)
class Pace:
    """How often a process looks for work, and how long it waits for others. Seconds, but for ``together``."""

    sweep: float = 2.0  #: between two looks at all sessions, or a quarter of the silence
    poll: float = 0.5  #: between two looks into the queues
    silence: float = 15.0  #: after which another process counts as dead
    grace: float = 30.0  #: for the steps that are being done when the process is to stop
    together: int = 4  #: quick jobs that one process does at the same time


class Jobs:
    """The jobs of a server: ``start``, ``stop``, ``submit``, ``figures``.

    With ``work=False`` this process only sees to it that jobs are started, and ``tuneaccord work`` does them. At most
    one instance that works a process: DBOS knows one application.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        work: bool = True,
        pace: Pace | None = None,
        sampling: SamplingPlace | None = None,
        name: str = "",
    ) -> None:
        self.desk, self.work, self.pace = desk, work, pace or Pace()
        self.database = JobsDatabase.beside(desk.store.url)
        folder = self.database.file.parent if self.database.file is not None else Path.cwd()
        self.serving = Serving(desk, sampling or SamplingPlace(folder / "sampling"))
        self.executor = new_executor(name)
        self.heartbeats = Heartbeats(desk.store, self.executor, self.pace.silence, utc_now)
        self.starter = Starter(self.serving.server)
        self._identity: tuple[int, int] | None = None
        self._moved: queue.SimpleQueue[Session | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._cleaned = float("-inf")
        self.lingering = False  #: after ``stop``: whether a step could not be waited for, so that Python would not end

    @classmethod
    def of(cls, settings: Settings, desk: Desk, *, work: bool | None = None, pace: Pace | None = None) -> Jobs:
        """The jobs of a process with these settings; ``work`` is what they say unless it is given."""
        sampling = SamplingPlace(settings.folder / "sampling", settings.models, settings.on)
        work = settings.worker if work is None else work
        pace = replace(pace or Pace(), silence=settings.silence)
        return cls(desk, work=work, pace=pace, sampling=sampling, name=settings.executor)

    def start(self) -> None:
        """Begin to see to the jobs, and to do them.

        Raises :class:`Unavailable` when the database does not answer for ``pace.grace`` seconds, :class:`InputError`
        when this process works on jobs already.
        """
        if self.work and _working:
            raise InputError("this process works on jobs already. Stop those, or start another process.")
        _patiently(self._launch, self.pace.grace, self._stop)
        self.desk.after = self._moved.put
        loops = {"jobs-watch": self._watch, **({"jobs-beat": self._beat} if self.work else {})}
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the steps that are being done; what is left of their jobs goes on in other processes, or later."""
        self.serving.stopping.set()
        self._stop.set()
        self.desk.after = lambda session: None
        self._moved.put(None)  # wakes the thread
        until = time.monotonic() + self.pace.grace
        while self.serving.running and time.monotonic() < until:
            time.sleep(0.02)
        for thread in self._threads:
            thread.join(self.pace.grace)
        self._shut()
        if self.work:
            self._wait_for_threads()
            with _logged("a process that stops could not strike itself off"):
                self.heartbeats.leave()

    def _wait_for_threads(self) -> None:
        until = time.monotonic() + _LINGER
        while (busy := _threads_busy()) and time.monotonic() < until:
            time.sleep(0.02)
        self.lingering = busy

    def submit(self, kind: str, session_id: str) -> str | None:
        """Start the job of this kind if the session needs it and it is not under way; its id if it was started now.

        Asking again changes nothing. Raises :class:`Unavailable` when the database does not answer; the job is then
        started as soon as it does.
        """
        task = _task(self.desk.session(session_id))
        if task is None or task.kind != kind:
            return None
        try:
            return self.starter.ensure(task, anew=True)
        except DBAPIError as error:
            raise Unavailable("the database of jobs does not answer. The job starts as soon as it does.") from error

    @property
    def ready(self) -> bool:
        """Whether jobs can be started."""
        return self.starter.client is not None and not self._stop.is_set()

    @property
    def done(self) -> int:
        """How many jobs came to their end in this process."""
        return self.serving.done

    def running(self) -> list[str]:
        """The jobs that run in this process, by kind and session, with the seconds that they have taken so far."""
        now, running = time.monotonic(), list(self.serving.running.items())
        return [f"{' '.join(name.split(':')[:2])} {now - began:.0f} s" for name, began in running]

    def figures(self) -> dict[str, int]:
        """How many processes work, and how many jobs wait for a time, wait for a process, run (all, and here).

        Raises :class:`Unavailable` when the database does not answer.
        """
        counts = dict.fromkeys(("DELAYED", "ENQUEUED", "PENDING"), 0)
        try:
            for job in self.starter.listed(status=list(counts)):
                counts[job.status] += 1
        except DBAPIError as error:
            raise Unavailable("the database of jobs does not answer.") from error
        return {
            "workers": len(self.desk.store.workers()),
            "timers": counts["DELAYED"],
            "waiting": counts["ENQUEUED"],
            "running": counts["PENDING"],
            "running_here": len(self.serving.running),
        }

    # Starting and ending DBOS

    def _launch(self) -> None:
        try:
            self.database.prepare()
            if self.work:
                self.heartbeats.beat()  # before it can own a job
                _working.append(self.executor)
                jobs_flows.serve(self.serving)
                DBOS(config=self.database.config(self.executor))
                DBOS.launch()
                for name, together in ((QUICK, self.pace.together), (SLOW, 1)):
                    DBOS.register_queue(name, worker_concurrency=together, polling_interval_sec=self.pace.poll)
            self._identity = self.database.identity()
            self.starter.connect(self.database.client())
        except BaseException:
            self._shut()  # or the next attempt would find it half launched
            raise

    def _shut(self) -> None:
        self.starter.disconnect()
        if self.work:
            DBOS.destroy()
            _working.clear()

    # What goes on in the background

    def _beat(self) -> None:
        while not self._stop.wait(self.pace.silence / 5):
            with _logged("no sign of life could be given"):
                self.heartbeats.beat()

    def _watch(self) -> None:
        swept, every = float("-inf"), min(self.pace.sweep, self.pace.silence / 4)
        while not self._stop.is_set():
            with _logged("jobs could not be looked after; trying again"):
                if time.monotonic() - swept >= every:
                    swept = time.monotonic()
                    self._sweep()
                self._after_moves(swept + every)

    def _after_moves(self, until: float) -> None:
        """Start what sessions need that have just moved here, until it is time for another look at all of them."""
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            try:
                session = self._moved.get(timeout=left)
            except queue.Empty:
                return
            if session is not None and (task := _task(session)):
                self.starter.ensure(task, anew=task.due is None)  # a timer is not asked about at every report

    def _sweep(self) -> None:
        """Everything that has to be seen to, whatever was missed before."""
        try:
            if self.starter.client is None or self._is_gone():
                self._begin_anew()
            if self.work:
                self._take_over()
            for row in self.desk.store.sessions(STATES, most=10**6):
                if task := task_of(row["id"], row["state"], row["sampling"], row["deadline"], row["reveal_at"]):
                    self.starter.ensure(task)
            if time.monotonic() - self._cleaned > 3600:
                self.starter.clean()
                self._cleaned = time.monotonic()
        except DBAPIError as error:
            if not (isinstance(error, ProgrammingError) or "no such table" in str(error)):
                raise
            self._begin_anew()

    def _is_gone(self) -> bool:
        try:
            return self.database.identity() != self._identity
        except FileNotFoundError:
            return True

    def _begin_anew(self) -> None:
        _log.warning("the database of jobs is gone; beginning with an empty one")
        self._shut()
        self._launch()

    def _take_over(self) -> None:
        """Let live processes do what the dead began."""
        owners = {job.executor_id for job in self.starter.listed(status="PENDING")}  # before asking who lives
        dead = sorted(owners - self.heartbeats.living() - {None})
        if dead:
            handles = DBOS._recover_pending_workflows(dead)
            _log.warning("took over %d jobs from processes that are gone: %s", len(handles), ", ".join(dead))


def _task(session: Session) -> Task | None:
    return task_of(session.id, session.state, session.sampling, session.deadline, session.reveal_at)


def _threads_busy() -> bool:
    return any(thread.name.startswith("dbos-executor") for thread in threading.enumerate())


def _patiently(function: Callable[[], None], seconds: float, stop: threading.Event) -> None:
    """``function()``, tried again for so long while the database does not answer."""
    until, pause = time.monotonic() + seconds, 0.2
    while True:
        try:
            function()
            return
        except (OperationalError, Unavailable) as error:
            if time.monotonic() + pause > until or stop.is_set():
                raise Unavailable(f"the database of jobs does not answer ({first_line(error):.200}).") from error
            stop.wait(pause)
            pause = min(5.0, 2 * pause)


@contextmanager
def _logged(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _log.warning("%s (%s: %s)", what, type(error).__name__, first_line(error))
        time.sleep(0.2)
