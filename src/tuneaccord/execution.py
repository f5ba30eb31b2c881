"""Run many independent jobs: in this process, on worker processes with one thread each, or on a Ray cluster.

A job is a pure function of plain data, so the results do not depend on how many workers there are or on
which of them ran what, or how often: jobs whose worker died are run again. Workers ignore Ctrl-C (the parent stops
them) and leave by themselves when the parent is gone, however it went.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tuneaccord.errors import InputError, TuneaccordError

#: how often unfinished jobs are run again without any of them being finished, before we give up
RETRIES = 2
#: where a worker finds its number among its like, from 0
WORKER = "TUNEACCORD_WORKER"

_said: list[str] = []


def remark(text: str) -> None:
    """Say something about a job from within it, such as that it had to work in smaller pieces.

    It reaches the :attr:`Executor.note` of whoever runs the job, wherever the job runs; the same text once.
    """
    _said.append(text)


def heard(function: Callable[[Any], Any], job: Any) -> tuple[Any, list[str]]:
    """The result and what was remarked."""
    _said.clear()
    result = function(job)
    return result, list(_said)


class Executor(ABC):
    """Runs ``function(job)`` for each job and yields ``(index, result)`` as results arrive."""

    #: takes the lines that the jobs and the executor have to say
    note: Callable[[str], None] = staticmethod(lambda text: None)
    _noted: frozenset[str] = frozenset()

    @abstractmethod
    def run(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Results in any order, each with the index of its job. A job's exception is raised."""

    def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        """All results, in the order of the jobs."""
        return [result for _, result in sorted(self.run(function, jobs), key=lambda pair: pair[0])]

    def close(self) -> None:  # noqa: B027  (nothing to release is a valid implementation)
        """Release workers."""

    def _pass_on(self, remarks: list[str]) -> None:
        for text in remarks:
            if text not in self._noted:
                self._noted = self._noted | {text}
                self.note(text)

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Serial(Executor):
    """One job after the other, here.

    >>> Serial().map(abs, [-1, 2])
    [1, 2]
    """

    def run(self, function, jobs):
        for index, job in enumerate(jobs):
            result, remarks = heard(function, job)
            self._pass_on(remarks)
            yield index, result


class WorkerDied(Exception):
    """A worker is gone, and with it the jobs that it had."""


class Workers(Executor):
    """Jobs on workers that may die. What a dead worker did not finish is run again, on new workers.

    A death before anything was finished is most likely one for lack of memory, so half as many workers go on.
    Raises :class:`TuneaccordError` when ``RETRIES`` further attempts in a row finish nothing.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, function, jobs):
        waiting = dict(enumerate(jobs))
        in_vain = 0
        while waiting:
            before = len(waiting)
            try:
                for index, (result, remarks) in self._attempt(partial(heard, function), dict(waiting)):
                    self._pass_on(remarks)
                    del waiting[index]
                    yield index, result
            except WorkerDied as death:
                in_vain = in_vain + 1 if len(waiting) == before else 0
                if in_vain > RETRIES:
                    self.close()
                    raise TuneaccordError(
                        "a worker process died, most likely for lack of memory, and again when its job was repeated. "
                        "What was finished is kept: run the same command again, with --workers 1 if it happens again."
                    ) from death
                if in_vain:
                    self.workers = max(1, self.workers // 2)
                self._renew()
                self.note(f"a worker died; what it had not finished is done again ({len(waiting)} jobs are left)")

    @abstractmethod
    def _attempt(self, function: Callable[[Any], Any], jobs: dict[int, Any]) -> Iterator[tuple[int, Any]]:
        """Results by index. Raises :class:`WorkerDied` when all that could be finished was yielded."""

    @abstractmethod
    def _renew(self) -> None:
        """Get ready for another attempt."""


class Processes(Workers):
    """``workers`` processes that stay alive between calls, so that each loads its model once."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._pool: ProcessPoolExecutor | None = None

    def _attempt(self, function, jobs):
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            number = spawn.Value("i", 0)
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=spawn, initializer=_start_worker, initargs=(number,)
            )
        futures: dict[Future, int] = {}
        death = None
        try:
            with _interrupts_held():
                for index, job in jobs.items():
                    futures[self._pool.submit(function, job)] = index
            for future in as_completed(futures):
                try:
                    result = future.result()
                except BrokenProcessPool as error:  # others may have been finished before
                    death = error
                    continue
                yield futures[future], result
        except BrokenProcessPool as error:  # died between two calls
            death = error
        finally:
            for future in futures:
                future.cancel()
        if death is not None:
            raise WorkerDied from death

    def _renew(self) -> None:
        self.close()

    def close(self) -> None:
        if self._pool is None:
            return
        workers = list((self._pool._processes or {}).values())
        manager = self._pool._executor_manager_thread
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
        if manager is not None:
            manager.join(10)  # or it closes its pipe while the interpreter, at its end, writes to it
        self._pool = None


def default_workers(gigabytes_each: float, gpus: int = 0) -> int:
    """As many workers as there are cores this process may use and memory to feed; at most 16.

    With ``gpus``, one for each of them: two processes on one GPU only take turns.

    >>> default_workers(0.01) >= 1
    True
    """
    if gpus:
        return gpus
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    return max(1, min(cores, int(free_gigabytes() / gigabytes_each), 16))


def free_gigabytes() -> float:
    """Memory that new processes can have, with what the system only keeps to read files faster; 8 if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 2**20
    except (OSError, ValueError, LookupError, StopIteration):  # not Linux
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, OSError, ValueError):
        return 8.0


#: what ``executor_for`` can run jobs on, and the environment variable that says which
PLACES, ON = ("processes", "ray"), "TUNEACCORD_ON"


def executor_for(workers: int, on: str | None = None, gpus: bool = False) -> Executor:
    """On ``"processes"``: serial for one worker, processes for more; on ``"ray"``: a Ray cluster, see ``ray_workers``.

    ``None`` is what the environment variable ``TUNEACCORD_ON`` says, or else processes. ``gpus`` says that each job
    needs a GPU, which Ray then reserves. Raises :class:`InputError` for another ``on``,
    :class:`~tuneaccord.errors.MissingDependencyError` without Ray.

    >>> type(executor_for(1)).__name__
    'Serial'
    """
    on = on or os.environ.get(ON) or PLACES[0]
    if on not in PLACES:
        raise InputError(f"jobs cannot run on {on!r}. Choose one of: {', '.join(PLACES)}.")
    if on == "ray":
        from tuneaccord.ray_workers import Ray

        return Ray(workers, gpus=gpus)
    return Serial() if workers <= 1 else Processes(workers)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep a Ctrl-C for the end of the block, so that workers started in it never see one, not even in an import."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(started: Any) -> None:
    with started.get_lock():
        os.environ[WORKER] = str(started.value)
        started.value += 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Two OpenMP threads on a busy machine can be far slower than one; a worker is one thread.
    os.environ["OMP_NUM_THREADS"] = "1"
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
