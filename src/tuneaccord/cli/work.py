"""``tuneaccord work``: one more process that does the jobs of a server."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tuneaccord.cli.serve import need_web
from tuneaccord.errors import TuneaccordError

if TYPE_CHECKING:
    from tuneaccord.service.jobs import Jobs

_LOOK = 2.0  #: seconds between two looks at what is to be done
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  #: the last is not there on Windows


def run(*, folder: Path | None, database: str | None) -> None:
    """Work until somebody stops it. The step under way is ended first; a second signal does not wait for it."""
    need_web()
    from tuneaccord.service.connect import connect, need_database, shown
    from tuneaccord.service.holding import hold_to_work
    from tuneaccord.service.jobs import Jobs
    from tuneaccord.service.logs import configure
    from tuneaccord.service.settings import Settings

    settings = Settings.read(folder=folder, database=database)
    need_database(settings.database_url)
    configure(settings.log, settings.level)
    stop = _stop_signals()
    hold = hold_to_work(settings)
    desk = connect(settings)
    jobs = Jobs.of(settings, desk, work=True)
    jobs.start()
    console = Console(file=sys.stderr, markup=False, highlight=False, emoji=False)
    console.print(f"working on the jobs of {shown(desk.store.url)} (Ctrl-C stops it)", soft_wrap=True)
    try:
        _show(jobs, stop, console)
    finally:
        console.print("stopping after the steps under way")
        jobs.stop()
        desk.store.close()
        hold.release()
    if jobs.lingering:
        sys.stderr.flush()
        os._exit(0)  # a step that cannot be interrupted: it is done again elsewhere


def _stop_signals() -> threading.Event:
    stop = threading.Event()

    def asked(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)  # nothing is lost: a step that was not ended is done again
        stop.set()

    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), asked)
    return stop


def _show(jobs: Jobs, stop: threading.Event, console: Console) -> None:
    if not console.is_terminal:
        stop.wait()
        return
    with console.status("") as status:
        while not stop.is_set():
            status.update(_line(jobs))
            stop.wait(_LOOK)


def _line(jobs: Jobs) -> str:
    """What is done, runs and waits, in one line."""
    try:
        now = jobs.figures()
    except (TuneaccordError, OSError):
        return "the database does not answer; trying again"
    here = ", ".join(jobs.running()) or "idle"
    return (
        f"{jobs.done} done here | {here} | everywhere: {now['running']} running, {now['waiting']} waiting, "
        f"{now['timers']} timers, {now['workers']} workers"
    )
