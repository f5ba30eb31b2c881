"""One server process: the desk, its jobs, the application, and how it starts and ends.

There is one process a server, since the studio keeps the state of its pages in memory; work that takes long is done by
other processes (``tuneaccord work``). On SIGTERM or SIGINT no more connections are accepted, the requests under way
are answered, jobs stop between two of their steps, and the process ends with status 0, all within ten seconds. What a
job had not done yet goes on in another process or at the next start.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from tuneaccord.errors import InputError
from tuneaccord.files import write_atomically
from tuneaccord.service.api.app import build
from tuneaccord.service.connect import connect, private_folder
from tuneaccord.service.health import Health
from tuneaccord.service.holding import hold_to_serve
from tuneaccord.service.jobs import Jobs, Pace
from tuneaccord.service.logs import configure
from tuneaccord.service.metrics import Metrics
from tuneaccord.service.observing import Observed
from tuneaccord.service.settings import Settings

_REQUESTS_END = 4  #: seconds for requests under way
_STEPS_END = 3.0  #: seconds for steps of jobs under way, at the same time
_IDLE = 0.5  #: seconds in which threads end that have nothing to do
_AT_MOST = 4.0  #: seconds for what is left of the jobs once the requests have ended
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

_log = structlog.stdlib.get_logger("tuneaccord.running")


class Running:
    """A server that is put together but does not accept requests yet.

    Raises what :func:`connect` raises, and :class:`InputError` for a port or address that cannot be had, and for a
    database that another server serves.
    """

    def __init__(self, settings: Settings) -> None:
        configure(settings.log, "error")  # what keeps it from starting is told in one line by whoever starts it
        private_folder(settings.folder)
        with ExitStack() as undone:
            self._hold = undone.enter_context(hold_to_serve(settings))
            self.socket = undone.enter_context(bound(settings.host, settings.port))
            self.settings = replace(settings, port=self.socket.getsockname()[1])
            self.desk = connect(self.settings)
            undone.pop_all()
        configure(settings.log, settings.level)
        self.jobs = Jobs.of(self.settings, self.desk, pace=Pace(grace=_STEPS_END))
        self.app = build(self.desk, self.settings, self.jobs)
        self.stopping = self.app.state.stopping = threading.Event()

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until a signal says to stop; ``on_ready`` is called once requests are accepted."""
        server = _Server(self._configuration(), self._stop, on_ready)
        self.jobs.start()
        _log.info("serving", port=self.settings.port, worker_inside=self.settings.worker, pid=os.getpid())
        try:
            server.run(sockets=[self.socket])
        finally:
            ending = self._stop()
            ending.join(_AT_MOST)
            answering = self._end_requests()
            self.desk.store.close()
        if answering or ending.is_alive() or self.jobs.lingering:  # Python would wait for these, and we need not:
            # the step is repeated, and nobody waits for the answer any more
            _log.warning(
                "ended in the middle of a request"
                if answering
                else "ended in the middle of a job's step; it will be repeated"
            )
            sys.stdout.flush()
            os._exit(0)
        self._hold.release()
        _log.info("stopped")

    def _end_requests(self) -> bool:
        """Let the threads that answer requests go; whether one of them is still at work."""
        threads = self.app.state.threads
        ended = threading.Thread(target=lambda: threads.shutdown(cancel_futures=True), name="requests-end", daemon=True)
        ended.start()
        ended.join(_IDLE)
        return ended.is_alive()

    def _configuration(self) -> uvicorn.Config:
        health = Health(self.desk.store, self.settings.folder)
        observed = Observed(self.app, self.settings, health, Metrics(self.desk.store, self.jobs.figures))
        return uvicorn.Config(
            observed,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the application believes only the proxies it was told of
            timeout_graceful_shutdown=_REQUESTS_END,
            timeout_keep_alive=30,
            ws_max_size=self.settings.largest_body,
        )

    def _stop(self) -> threading.Thread:
        """Begin to end, once; the thread in which the jobs end."""
        if not self.stopping.is_set():
            self.stopping.set()
            self._ending = threading.Thread(target=self.jobs.stop, name="jobs-end", daemon=True)
            self._ending.start()
        return self._ending


class _Server(uvicorn.Server):
    """Uvicorn's server with our answer to signals: it ends with status 0, and at once when asked again."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], Any], on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop, self._on_ready = on_stop, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _expect_garbage_of_requests()
        self._on_ready()

    def handle_exit(self, sig: int, frame: Any) -> None:
        if self.should_exit:
            os._exit(128 + sig)  # nothing is lost: what is not written yet is done again
        self.should_exit = True
        self._on_stop()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours from here to the end of the process: one that comes while it ends must not break that."""
        if threading.current_thread() is threading.main_thread():
            for sig in _SIGNALS:
                signal.signal(sig, self.handle_exit)
        yield


def _expect_garbage_of_requests() -> None:
    """Leave what was loaded at the start out of the search for garbage, which would pass it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one. Raises :class:`InputError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InputError(_why_not(host, port, error)) from None


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken on this machine. Stop what uses it, or choose another: --port {port + 1}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is for administrators. Choose one above 1023: --port 8090"
    return (
        f"cannot listen on {host!r:.80} ({error.strerror or error}). Give an address of this machine: --host 127.0.0.1"
    )


def tell_ready(file: Path, running: Running) -> None:
    """Write where the server is, for whoever started it and waits: ``{"url", "port", "pid"}``."""
    settings = running.settings
    told = {"url": settings.public_url, "port": settings.port, "pid": os.getpid()}
    write_atomically(file, json.dumps(told).encode() + b"\n")
