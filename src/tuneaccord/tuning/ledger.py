"""What a run cost: CPU-seconds by label, of every process that worked, added up over interruptions.

Costs depend on the machine and on how often a run was stopped, so they are kept beside the results and never in
them. A job that is repeated because its result was lost is counted again: it was paid for again.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tuneaccord.execution import Executor


class Ledger:
    """Lines of ``{"label", "cpu", "wall"}`` in one file, in seconds; each appended when the work is done."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._inner: list[list[float]] = []  # CPU and clock of the blocks within each open block

    def add(self, label: str, cpu: float, wall: float) -> None:
        """Append one line, in one write; a folder that cannot be written is left to whoever stores results there."""
        line = json.dumps({"label": label, "cpu": round(cpu, 4), "wall": round(wall, 4)}) + "\n"
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """Count what this process does in the block: its CPU-seconds and the clock's.

        What a block within this one counts under its own label is not counted here.
        """
        cpu, wall = time.process_time(), time.perf_counter()
        self._inner.append([0.0, 0.0])
        try:
            yield
        finally:
            spent = time.process_time() - cpu, time.perf_counter() - wall
            inner = self._inner.pop()
            if self._inner:
                self._inner[-1] = [before + own for before, own in zip(self._inner[-1], spent, strict=True)]
            self.add(label, *(whole - part for whole, part in zip(spent, inner, strict=True)))

    def metered(self, executor: Executor, label: str) -> Executor:
        """The same executor, with the CPU-seconds of its jobs in other processes counted under ``label`` alone.

        Jobs that run in this process are left to :meth:`timed`.
        """
        return _Metered(executor.executor if isinstance(executor, _Metered) else executor, self, label)

    def totals(self) -> dict[str, float]:
        """CPU-seconds by label; a line that a killed process left half-written does not count."""
        totals: dict[str, float] = defaultdict(float)
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
                totals[entry["label"]] += entry["cpu"]
            except (ValueError, LookupError, TypeError):
                continue
        return dict(totals)


class _Metered(Executor):
    """Passes jobs on, each wrapped in a clock that ticks where the job runs."""

    def __init__(self, executor: Executor, ledger: Ledger, label: str) -> None:
        self.executor, self.ledger, self.label = executor, ledger, label

    def run(self, function, jobs):
        for index, (result, process, cpu, wall) in self.executor.run(partial(_clocked, function), jobs):
            if process != (platform.node(), os.getpid()):
                self.ledger.add(self.label, cpu, wall)
            yield index, result


def _clocked(function, job):
    cpu, wall = time.process_time(), time.perf_counter()
    result = function(job)
    process = platform.node(), os.getpid()
    return result, process, time.process_time() - cpu, time.perf_counter() - wall
