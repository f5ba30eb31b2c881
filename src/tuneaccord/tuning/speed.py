"""How fast this machine works, from a few jobs of the run itself.

In a fresh worker process, as in a run: how long it takes to be ready, then the largest job of each kind with replies of
1, 4, 8, ... tokens until they are whole or the time is up; the whole job lies on the straight line through the shortest
and the longest. Clock and CPU are both taken: on a busy machine they differ, and a run would find it so too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuneaccord.execution import Executor, Processes
from tuneaccord.llm import hf
from tuneaccord.llm.pool import SampleJob, run_sample_batch
from tuneaccord.llm.scoring import GroupReward
from tuneaccord.progress import Progress
from tuneaccord.tuning.stand_ins import STAND_INS

#: replies that a reward is timed on, and for how many seconds or calls
_FEW, _MOMENT, _CALLS = 16, 0.5, 1000


@dataclass(frozen=True)
class Pace:
    """What something takes: seconds of one core, seconds on the clock, and the most memory of its process in bytes."""

    cpu: float
    wall: float
    memory: int = 0


@dataclass(frozen=True)
class Speeds:
    """A worker's start, the whole job of each kind, and a reward's first call and each reply after it, by group."""

    start: Pace
    jobs: dict[Callable, Pace]
    rewards: dict[str, tuple[Pace, Pace]]


def measure_speeds(
    ref: hf.ModelRef,
    largest: dict[Callable, Any],
    groups: Sequence[GroupReward],
    texts: tuple[list[str], list[str]] | None,
    seconds: float,
    progress: Progress,
) -> Speeds:
    """Time the start of a worker, the largest job of each kind, and the rewards of ``groups``.

    Rewards are called on a few of ``texts``, prompts and replies, or where there are none yet, on replies that are
    drawn for it. Takes about ``seconds`` of one core, and more where jobs with replies of four tokens do. Raises what
    jobs and rewards raise.
    """
    each = seconds / max(1, len(largest))
    with progress.task("measuring this machine", 1 + len(largest) + len(groups)) as advance, Processes(1) as worker:
        began = time.perf_counter()
        cpu, memory = _one(worker, _ready, ref)
        start = Pace(cpu, time.perf_counter() - began, memory)
        advance()
        jobs = {}
        for function, job in largest.items():
            jobs[function] = _one(worker, _clock, (function, job, each))
            advance()
        if groups and texts is None:
            texts = _one(worker, _some_texts, largest[run_sample_batch][0])
        rewards = {}
        for group in groups:
            rewards[group.name] = _reward(group, *texts)
            advance()
    return Speeds(start, jobs, rewards)


def _one(worker: Executor, function: Callable, job: Any) -> Any:
    return worker.map(function, [job])[0]


def _ready(ref: hf.ModelRef) -> tuple[float, int]:
    """Load the model; the CPU-seconds since this process began, and its memory."""
    hf.load(ref)
    return time.process_time(), peak_memory()


def _some_texts(job: SampleJob) -> tuple[list[str], list[str]]:
    short = replace(job.how, new_tokens=min(_FEW, job.how.new_tokens))
    replies = run_sample_batch((replace(job, count=min(_FEW, job.count), how=short),))[0]["texts"]
    return [job.prompt.text] * len(replies), replies


def _clock(task: tuple[Callable, Any, float]) -> Pace:
    """The pace of the whole job, from shorter ones that take about so many CPU-seconds together; runs in a worker."""
    function, job, seconds = task
    stand_in = STAND_INS[function]
    whole = stand_in.positions(job)
    function(stand_in.cut(job, 1))  # what only the first job does, such as attaching the adapter
    before = peak_memory()
    runs: list[tuple[int, float, float]] = []
    for length in _lengths(whole):
        if len(runs) > 1 and sum(run[1] for run in runs) + _at(length, runs, 1) > seconds:
            break
        cpu, wall = time.process_time(), time.perf_counter()
        function(stand_in.cut(job, length))
        runs.append((length, time.process_time() - cpu, time.perf_counter() - wall))
    more = (peak_memory() - before) * whole // runs[-1][0]
    return Pace(_at(whole, runs, 1), _at(whole, runs, 2), before + more)


def _lengths(whole: int) -> list[int]:
    """
    >>> _lengths(1), _lengths(20)
    ([1], [1, 4, 8, 16, 20])
    """
    return [1, *(length for power in range(2, 31) if (length := 2**power) < whole), *([whole] if whole > 1 else [])]


def _at(whole: int, runs: list[tuple], column: int) -> float:
    """The straight line from the first to the last run at the whole length, and no less than the last run took.

    >>> _at(8, [(1, 1.0), (3, 2.0)], 1)
    4.5
    """
    (first, least), (last, most) = ((run[0], run[column]) for run in (runs[0], runs[-1]))
    if last == whole:
        return most
    return most + max(most - least, 0.0) / (last - first) * (whole - last)


def _reward(group: GroupReward, prompts: list[str], replies: list[str]) -> tuple[Pace, Pace]:
    """A reward's first call, which may load a model, and each reply after that."""
    cpu, wall = time.process_time(), time.perf_counter()
    group.score(prompts[:1], replies[:1])
    first = Pace(time.process_time() - cpu, time.perf_counter() - wall)
    few, calls = min(_FEW, len(replies)), 0
    cpu, wall = time.process_time(), time.perf_counter()
    while calls == 0 or (calls < _CALLS and time.perf_counter() < wall + _MOMENT):  # long enough to be interrupted
        group.score(prompts[:few], replies[:few])
        calls += 1
    scored = few * calls
    each = Pace((time.process_time() - cpu) / scored, (time.perf_counter() - wall) / scored)
    return Pace(max(0.0, first.cpu - each.cpu), max(0.0, first.wall - each.wall)), each


def peak_memory() -> int:
    """The most bytes that this process held at once; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
