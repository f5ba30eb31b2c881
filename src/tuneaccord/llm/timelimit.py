"""A time limit on a block of somebody else's Python code.

In the main thread the operating system's alarm raises in the block, also while it sleeps, waits or reads. In
other threads, and on Windows, the exception is left for the interpreter, which raises it at the next step of
Python code. Neither can stop one call into compiled code that does not come back: a limit there needs a
process of its own.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class OutOfTime(BaseException):
    """The block took longer than it was given. No ``Exception``, because the block may catch those."""


def within(seconds: float):
    """A context that raises :class:`OutOfTime` in its block when that takes longer than ``seconds``.

    It is raised again each second for blocks that catch everything.

    >>> try:
    ...     with within(0.05):
    ...         while True: pass
    ... except OutOfTime:
    ...     print("stopped")
    stopped
    """
    main = threading.current_thread() is threading.main_thread()
    return _by_alarm(seconds) if main and hasattr(signal, "setitimer") else _by_thread(seconds)


@contextmanager
def _by_alarm(seconds: float) -> Iterator[None]:
    running, start = True, time.monotonic()

    def stop(number, frame) -> None:
        if running:
            raise OutOfTime

    handler = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        try:
            yield
        finally:
            running = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's alarm was set
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 1e-3), interval)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    over, lock = threading.Event(), threading.Lock()
    target = ctypes.c_ulong(threading.get_ident())

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(OutOfTime))
            wait = 1.0

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, None)  # one that was left and not yet raised
