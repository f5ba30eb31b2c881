"""A run without its work: the pipeline itself, with stand-ins for the results that are not there yet.

What a run will have to do is what it would do, so it is not written down a second time: the steps are called as in a
run, finished results are read back, and every job that would be given to a worker is counted and answered by a
stand-in of the same shape. Sampled replies are taken at their full length, since where they end is not known before
they are drawn; so what is counted is the most that a run can need, and exact for the steps whose replies exist. Nothing
is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tuneaccord.artifacts import Store, canonical_json, digest_of, read_arrays, read_json, seed_of
from tuneaccord.execution import Executor
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.scoring import ScoreSheet, score_pool
from tuneaccord.progress import Progress, Silent
from tuneaccord.tuning.job import Job
from tuneaccord.tuning.ledger import Ledger
from tuneaccord.tuning.market import Market
from tuneaccord.tuning.stand_ins import TOKENS, stand_in_of


@dataclass
class Step:
    """One step as a rehearsal saw it: jobs in all, and of those that are left, in rounds that run side by side."""

    name: str
    part: str = ""
    jobs: int = 0
    done: int = 0
    rounds: list[list[tuple[Any, dict[str, int]]]] = field(default_factory=list)  #: (function, tokens) of each job
    rewards: dict[str, int] = field(default_factory=dict)  #: replies to be scored, by group
    disk: int = 0  #: bytes
    given: int = 0  #: jobs that were given to workers, some of them several at once

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens of the jobs that are left, by what they are needed for."""
        counted = [tokens for jobs in self.rounds for _, tokens in jobs]
        return {kind: sum(tokens.get(kind, 0) for tokens in counted) for kind in TOKENS}


@dataclass
class Notes:
    """What a rehearsal wrote down: steps in order, the largest job of each kind, the texts of a pool that is drawn."""

    steps: dict[str, Step] = field(default_factory=dict)
    largest: dict[Callable, Any] = field(default_factory=dict)
    sizes: dict[Callable, dict[str, int]] = field(default_factory=dict)  #: the tokens of the largest
    texts: tuple[list[str], list[str]] | None = None
    now: str = "preparing"
    part: str = ""  #: of the run, such as a way's name; steps of several parts are told apart by it
    repeated: bool = False  #: whether what is under way was counted before

    @property
    def step(self) -> Step:
        """The step that is under way."""
        name = f"{self.part}: {self.now}" if self.part else self.now
        return self.steps.setdefault(name, Step(name, self.part))

    def add(self, function: Callable, jobs: list[Any]) -> None:
        """Jobs that a run would give to its workers together."""
        stand_in = stand_in_of(function, self.now)
        if self.repeated:
            return
        counted = [stand_in.tokens(job) for job in jobs]
        self.step.rounds.append([(function, tokens) for tokens in counted])
        self.step.given += sum(len(job) if isinstance(job, tuple) else 1 for job in jobs)
        for job, tokens in zip(jobs, counted, strict=True):
            if sum(tokens.values()) > sum(self.sizes.get(function, {}).values()):
                self.largest[function], self.sizes[function] = job, tokens


@dataclass
class Rehearsal(Job):
    """A job whose steps can be called as in a run, and which only takes notes.

    ``store`` is that of the run; it is read and never written.
    """

    notes: Notes = field(default_factory=Notes)

    @classmethod
    def of(cls, market: Market, store: Store) -> Rehearsal:
        """The rehearsal of a run whose results are in ``store``."""
        notes = Notes()
        tools = _Shadow(store, notes), _Counting(notes), _Following(notes), _NoLedger(store.folder)
        return cls(market, *tools, notes=notes)

    def labelled(self, label: str) -> Job:
        """The same job, with ``label`` before the names of its steps."""
        self.notes.part = label
        return self

    def reported(self, pool: Pool, held_out: Pool) -> Job:
        """Reports that are given on the pools are taken up once these are drawn."""
        if self.notes.largest:
            return self
        self.notes.texts = pool.flat()
        return super().reported(pool, held_out)

    def scored(self, pool: Pool, label: str) -> ScoreSheet:
        """Stored scores where there are all of a group's, otherwise stand-ins; no reward is called for them."""
        within, self.notes.now = self.notes.now, label
        step, alone = self.notes.step, label != within
        columns = []
        for group in self.market.groups:
            stored = self._stored(pool, group)
            # what is reported on the pools has nothing to call
            missing = stored is None and group.function is not None and not self._counted(pool, group)
            if missing:
                step.rewards[group.name] = step.rewards.get(group.name, 0) + pool.shape[0] * pool.shape[1]
            columns.append(_drawn(pool, label, group) if stored is None else stored)
            step.jobs, step.done = step.jobs + alone, step.done + (alone and not missing)
            step.disk += missing * len(canonical_json(columns[-1].tolist()))
        self.notes.now = within
        return ScoreSheet(pool, self.market.groups, np.stack(columns, axis=-1))

    def _counted(self, pool: Pool, group) -> bool:
        """Whether these replies were to be scored before."""
        return self.store.known(digest_of([pool.digest, group.identity]))

    def _stored(self, pool: Pool, group) -> np.ndarray | None:
        if group.pending is not None or (group.sheets is not None and pool.digest not in group.sheets):
            return None
        try:
            return score_pool(pool, (group,), _ReadOnly(self.store), Silent(), "").scores[:, :, 0]
        except _Missing:
            return None


def _drawn(pool: Pool, label: str, group) -> np.ndarray:
    """Scores of no reply, shape (prompts, replies)."""
    return np.random.default_rng(seed_of("rehearsal", label, group.name)).uniform(*group.scale, pool.shape)


class _Missing(Exception):
    """A result that is not stored."""


class _ReadOnly(Store):
    """Reads what is there."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.folder, store.made_with)

    def json(self, step, inputs, compute):
        def missing():
            raise _Missing(step)

        return super().json(step, inputs, missing)


class _Shadow(Store):
    """Reads a run's results and computes what is missing, but writes nothing: it adds up how large it would be.

    What another part of the run has made before is not counted again.
    """

    def __init__(self, store: Store, notes: Notes) -> None:
        super().__init__(store.folder, store.made_with)
        self.notes = notes
        self.seen: set = set()
        self.made: dict = {}

    def known(self, key) -> bool:
        """Whether this was asked before."""
        before, _ = key in self.seen, self.seen.add(key)
        return before

    def path(self, step, inputs, suffix):
        """Where the result is; if it would be there by now, some path that exists."""
        path = super().path(step, inputs, suffix)
        return Path(__file__) if path in self.seen or path in self.made else path

    def json(self, step, inputs, compute):
        return self._json(super().path(step, inputs, ".json"), compute)

    def arrays(self, step, inputs, compute):
        path = super().path(step, inputs, ".npz")
        if (stored := read_arrays(path)) is not None:
            return stored
        self.notes.repeated = self.known(path)
        try:
            made = compute()
        finally:
            repeated, self.notes.repeated = self.notes.repeated, False
        if not repeated:
            # besides the numbers, an archive has the header of each array, 128 bytes, and its name in two places
            self.notes.step.disk += sum(array.nbytes + 220 + 2 * len(name) for name, array in made.items())
        return made

    def map(self, step, jobs, inputs, run, progress=None, label=""):
        progress = progress or Silent()
        paths = [super(_Shadow, self).path(step, inputs(job), ".json") for job in jobs]
        missing = [index for index, path in enumerate(paths) if path not in self.made and read_json(path) is None]
        with progress.task(label or step, len(jobs), done=len(jobs) - len(missing)):
            for position, result in run([jobs[index] for index in missing]) if missing else ():
                self._json(paths[missing[position]], lambda result=result: result)
        return [self._json(path, None) for path in paths]

    def _json(self, path, compute):
        if (stored := read_json(path)) is not None:
            return stored
        if path not in self.made:
            self.made[path] = self._kept(compute())
        return self.made[path]

    def _kept(self, result: Any) -> Any:
        text = canonical_json(result)
        self.notes.step.disk += len(text)
        return json.loads(text)


class _Counting(Executor):
    """Counts jobs and answers with stand-ins."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    def run(self, function, jobs):
        self.notes.add(function, list(jobs))
        stand_in = stand_in_of(function, self.notes.now)
        yield from ((index, stand_in.result(job)) for index, job in enumerate(jobs))


class _Following(Progress):
    """Notes which step is under way."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        self.notes.now = label
        step = self.notes.step
        before = step.given
        yield lambda: None
        left = step.given - before
        step.jobs += total
        step.done += max(total - left, done)  # steps of training are stored by themselves

    def note(self, message: str) -> None:
        pass


class _NoLedger(Ledger):
    """Nothing is paid in a rehearsal."""

    def add(self, label: str, cpu: float, wall: float) -> None:
        pass

    def metered(self, executor: Executor, label: str) -> Executor:
        return executor
