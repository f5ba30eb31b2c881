"""Run many independent jobs: in this process, or on worker processes with one thread each.

A job is a pure function of plain data, so the results do not depend on how many workers there are or on
which of them ran what. Workers ignore Ctrl-C (the parent stops them) and leave by themselves when the
parent is gone, however it went.
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
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tuneaccord.errors import TuneaccordError


class Executor(ABC):
    """Runs ``function(job)`` for each job and yields ``(index, result)`` as results arrive."""

    @abstractmethod
    def run(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Results in any order, each with the index of its job. A job's exception is raised."""

    def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        """All results, in the order of the jobs."""
        return [result for _, result in sorted(self.run(function, jobs), key=lambda pair: pair[0])]

    def close(self) -> None:  # noqa: B027  (nothing to release is a valid implementation)
        """Release workers."""

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
            yield index, function(job)


class Processes(Executor):
    """``workers`` processes that stay alive between calls, so that each loads its model once.

    Raises :class:`TuneaccordError` when a worker dies, which is nearly always for lack of memory.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def run(self, function, jobs):
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=spawn, initializer=_start_worker)
        futures: dict[Future, int] = {}
        try:
            with _interrupts_held():
                for index, job in enumerate(jobs):
                    futures[self._pool.submit(function, job)] = index
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            self.close()
            raise TuneaccordError(
                "a worker process died, most likely for lack of memory. What was finished is kept: run the "
                "same command again, with --workers 1 if it happens again."
            ) from error
        finally:
            for future in futures:
                future.cancel()

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


def default_workers(gigabytes_each: float) -> int:
    """As many workers as there are cores this process may use and memory to feed; at most 16.

    >>> default_workers(0.01) >= 1
    True
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    return max(1, min(cores, int(_free_gigabytes() / gigabytes_each), 16))


def _free_gigabytes() -> float:
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


def executor_for(workers: int) -> Executor:
    """Serial for one worker, processes for more.

    >>> type(executor_for(1)).__name__
    'Serial'
    """
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


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Two OpenMP threads on a busy machine can be far slower than one; a worker is one thread.
    os.environ["OMP_NUM_THREADS"] = "1"
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
