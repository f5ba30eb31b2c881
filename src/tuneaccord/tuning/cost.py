"""What a run will cost before it starts: tokens, seconds, memory and disk, step by step.

The tokens are counted in a rehearsal (``tuneaccord.tuning.rehearsal``), the seconds follow from a short measurement on
this machine (``tuneaccord.tuning.speed``). What is finished in the run's folder costs nothing more. Seconds are an
estimate: other work on the machine, and replies that end early, change them.
"""

from __future__ import annotations

import heapq
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tuneaccord.artifacts import Store
from tuneaccord.execution import default_workers, free_gigabytes
from tuneaccord.llm.backend import devices
from tuneaccord.llm.distil import training_prompts
from tuneaccord.progress import Progress, Silent
from tuneaccord.tuning.job import Frozen, Job, frozen
from tuneaccord.tuning.market import read_market
from tuneaccord.tuning.opening import check_same_run, folder_of, gigabytes_each
from tuneaccord.tuning.record import NUMERIC, package_versions
from tuneaccord.tuning.rehearsal import Rehearsal, Step
from tuneaccord.tuning.speed import Pace, Speeds, measure_speeds, peak_memory
from tuneaccord.tuning.stand_ins import TOKENS, Unforeseen
from tuneaccord.tuning.steps import measure_adapter, tune_adapter
from tuneaccord.tuning.ways.way import Way


@dataclass(frozen=True)
class StepCost:
    """What is left of one step: ``jobs`` in all of which ``done`` are finished; tokens and seconds are of the others.

    ``tokens`` says how many are ``read`` (prompts), ``sampled`` (at most), ``scored`` (passed forward) and ``trained``
    on (passed forward and back). ``cpu`` is in seconds of one core, ``wall`` on the clock, ``disk`` in bytes.
    """

    name: str
    jobs: int
    done: int
    tokens: dict[str, int]
    cpu: float
    wall: float
    disk: int
    rewards: int = 0  #: how many scores are asked of the groups' rewards
    part: str = ""  #: the way that the step belongs to


@dataclass(frozen=True)
class Plan:
    """What a run will cost. ``memory`` and ``disk`` are in bytes; ``free_memory`` and ``free_disk`` what there is now.

    ``notes`` names what could not be foreseen, and what will not fit.
    """

    name: str
    model: str
    workers: int
    steps: tuple[StepCost, ...]
    memory: int
    free_memory: int
    free_disk: int
    notes: tuple[str, ...] = ()

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens of all steps, by what they are needed for."""
        return {kind: sum(step.tokens[kind] for step in self.steps) for kind in TOKENS}

    @property
    def rewards(self) -> int:
        """Scores that are asked of the groups' rewards."""
        return sum(step.rewards for step in self.steps)

    @property
    def cpu(self) -> float:
        """Seconds of one core."""
        return sum(step.cpu for step in self.steps)

    @property
    def wall(self) -> float:
        """Seconds on the clock."""
        return sum(step.wall for step in self.steps)

    @property
    def disk(self) -> int:
        """Bytes."""
        return sum(step.disk for step in self.steps)

    def by_part(self) -> tuple[StepCost, ...]:
        """The steps of each way added up to one; those of no way are as they are."""
        parts = dict.fromkeys(step.part for step in self.steps if step.part)
        own = [step for step in self.steps if not step.part]
        return (*own, *(_added([step for step in self.steps if step.part == part], part) for part in parts))

    def to_dict(self) -> dict:
        """Plain data."""
        totals = {"tokens": self.tokens, "rewards": self.rewards, "cpu": self.cpu, "wall": self.wall, "disk": self.disk}
        return {"kind": "Plan", **asdict(self), "totals": totals}


def _added(steps: Sequence[StepCost], name: str) -> StepCost:
    tokens = {kind: sum(step.tokens[kind] for step in steps) for kind in TOKENS}
    jobs, done, cpu, wall, disk, rewards = (
        sum(getattr(step, field) for step in steps) for field in ("jobs", "done", "cpu", "wall", "disk", "rewards")
    )
    return StepCost(name, jobs, done, tokens, cpu, wall, disk, rewards, name)


def plan(
    config: Path,
    out: Path | None = None,
    train: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
    ways: Sequence[Way] = (),
    seconds: float = 12.0,
) -> Plan:
    """What :func:`~tuneaccord.tuning.run.run` will cost with the same arguments. Writes nothing.

    With ``ways`` it is what :func:`~tuneaccord.tuning.compare.compare_ways` will cost; work that several of them build
    on is counted at the first. ``seconds`` of one core is how long to measure this machine, besides loading the model.

    Raises :class:`~tuneaccord.errors.TuneaccordError` on bad input, and when a reward fails on a few replies.
    """
    progress = progress or Silent()
    cpu, clock = time.process_time(), time.perf_counter()
    rehearsal, notes = rehearse(config, out, train, progress, ways)
    here = Pace(time.process_time() - cpu, time.perf_counter() - clock)
    market, left = rehearsal.market, rehearsal.notes.steps.values()
    speeds = _measured(rehearsal, seconds, progress)
    workers = workers or default_workers(gigabytes_each(market.ref), devices(market.ref.device))
    made = Plan(
        market.settings.name,
        market.ref.name,
        workers,
        _costs(rehearsal, speeds, workers, here) if speeds else tuple(map(_finished, left)),
        _memory(speeds, workers) if speeds else peak_memory(),
        int(free_gigabytes() * 2**30),
        shutil.disk_usage(_existing(folder_of(market, out))).free,
        notes,
    )
    return replace(made, notes=(*made.notes, *_shortages(made)))


def rehearse(
    config: Path,
    out: Path | None = None,
    train: bool = True,
    progress: Progress | None = None,
    ways: Sequence[Way] = (),
) -> tuple[Rehearsal, tuple[str, ...]]:
    """Go through the run of :func:`plan`, counting; also what of it could not be foreseen."""
    market = read_market(config, progress)
    if train:
        training_prompts(len(market.prompts), market.settings.adapter.validation_prompts)
    for way in ways:
        way.check(market)
    folder = folder_of(market, out)
    check_same_run(folder, Path(config))
    rehearsal = Rehearsal.of(market, Store(folder / "steps", package_versions(NUMERIC)))
    drawn = frozen(rehearsal)
    rehearsal = rehearsal.ready(drawn)
    notes = []
    parts = {way.name: way.run for way in ways} or ({"": _adapter} if train else {})
    for name, steps in parts.items():
        try:
            steps(rehearsal.labelled(name), drawn)
        except Unforeseen as error:
            notes.append(f"{error}. Neither this step nor what comes after it is counted.")
    return rehearsal, tuple(notes)


def _adapter(job: Job, drawn: Frozen) -> None:
    distilled = tune_adapter(job, drawn.sheet, job.market.sizes)
    measure_adapter(job, distilled, drawn.held_out.pool)


def _measured(rehearsal: Rehearsal, seconds: float, progress: Progress) -> Speeds | None:
    """The speeds that the rest of the run depends on; None when nothing is left."""
    notes, market = rehearsal.notes, rehearsal.market
    called = {name for step in notes.steps.values() for name in step.rewards}
    if not called and not notes.largest:
        return None
    groups = [group for group in market.groups if group.name in called]
    return measure_speeds(market.ref, notes.largest, groups, notes.texts, seconds, progress)


def _costs(rehearsal: Rehearsal, speeds: Speeds, workers: int, here: Pace) -> tuple[StepCost, ...]:
    """The cost of getting ready, which every process pays, and of each step.

    To get ready includes what the main process does between the steps, which took the rehearsal ``here``.
    """
    processes = 1 if workers == 1 else 1 + workers
    first = [pace for pace, _ in speeds.rewards.values()]
    cpu = processes * speeds.start.cpu + here.cpu + sum(pace.cpu for pace in first)
    wall = min(processes, 2) * speeds.start.wall + here.wall + sum(pace.wall for pace in first)
    start = StepCost("getting ready", 1, 0, dict.fromkeys(TOKENS, 0), cpu, wall, 0)
    whole = {function: sum(tokens.values()) for function, tokens in rehearsal.notes.sizes.items()}
    return (start, *(_cost(step, whole, speeds, workers) for step in rehearsal.notes.steps.values()))


def _cost(step: Step, whole: dict[Callable, int], speeds: Speeds, workers: int) -> StepCost:
    """Each job takes its share of the largest of its kind, by tokens."""
    cpu = wall = 0.0
    for jobs in step.rounds:
        taken = []
        for function, counted in jobs:
            share, pace = sum(counted.values()) / whole[function], speeds.jobs[function]
            cpu += share * pace.cpu
            taken.append(share * pace.wall)
        wall += makespan(taken, workers)
    for name, replies in step.rewards.items():
        _, each = speeds.rewards[name]
        cpu, wall = cpu + replies * each.cpu, wall + replies * each.wall
    return StepCost(
        step.name, step.jobs, step.done, step.tokens, cpu, wall, step.disk, sum(step.rewards.values()), step.part
    )


def _finished(step: Step) -> StepCost:
    return StepCost(step.name, step.jobs, step.done, step.tokens, 0.0, 0.0, 0, part=step.part)


def _memory(speeds: Speeds, workers: int) -> int:
    """This process, which holds the model too, and the workers at their largest jobs."""
    worker = max([speeds.start.memory, *(pace.memory for pace in speeds.jobs.values())])
    return max(peak_memory(), worker) if workers == 1 else peak_memory() + workers * worker


def _shortages(made: Plan) -> list[str]:
    notes = []
    if made.memory > made.free_memory:
        notes.append(
            f"{gigabytes(made.memory)} of memory are needed and {gigabytes(made.free_memory)} are free: "
            "use fewer --workers, or a smaller adapter.block or pool.replies."
        )
    if made.disk > made.free_disk:
        notes.append(
            f"{gigabytes(made.disk)} of disk are needed and {gigabytes(made.free_disk)} are free: free some, or "
            "choose another folder with --out."
        )
    return notes


def gigabytes(count: int) -> str:
    """Bytes in words.

    >>> gigabytes(3 * 2**30)
    '3.0 GiB'
    """
    return f"{count / 2**30:.1f} GiB"


def _existing(folder: Path) -> Path:
    """The nearest folder above that exists."""
    folder = folder.resolve()
    return next(place for place in (folder, *folder.parents) if place.exists())


def makespan(seconds: list[float], workers: int) -> float:
    """How long jobs of these lengths take when each free worker takes the next one.

    >>> makespan([3.0, 1.0, 1.0, 1.0], workers=2)
    3.0
    """
    free = [0.0] * workers
    for taken in seconds:
        heapq.heapreplace(free, free[0] + taken)
    return max(free)
