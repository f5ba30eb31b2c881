"""What the steps of a run share: the market, the store, the workers, and the frozen pools with their score sheets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tuneaccord.artifacts import Store
from tuneaccord.execution import Executor
from tuneaccord.llm import hf
from tuneaccord.llm.pool import HELD_OUT, TUNE, Pool, sample_pool
from tuneaccord.llm.proposer import Tools
from tuneaccord.llm.scoring import ScoreSheet, score_pool
from tuneaccord.progress import Progress
from tuneaccord.tuning.ledger import Ledger
from tuneaccord.tuning.market import Market


@dataclass
class Job:
    """One run's market, tools, and wall-clock seconds by step."""

    market: Market
    store: Store
    executor: Executor
    progress: Progress
    ledger: Ledger
    timings: dict = field(default_factory=dict)

    @property
    def tools(self) -> Tools:
        """Store, executor and progress together."""
        return Tools(self.store, self.executor, self.progress)

    def labelled(self, label: str) -> Job:
        """The same job with the CPU-seconds of its workers counted under ``label``."""
        return replace(self, executor=self.ledger.metered(self.executor, label))

    @contextmanager
    def counted(self, label: str) -> Iterator[Job]:
        """The same job; in the block its CPU-seconds, here and in workers, count under ``label`` and no other."""
        with self.ledger.timed(label):
            yield replace(self, executor=self.ledger.metered(self.executor, label))

    def reported(self, pool: Pool, held_out: Pool) -> Job:
        """The same job with the reports taken up that were given on these pools, so that they can be scored."""
        return replace(self, market=self.market.on(pool, held_out))

    def ready(self, drawn: Frozen) -> Job:
        """The same job with the groups' reports taken up that were given on the frozen pools."""
        return replace(self, market=replace(self.market, groups=drawn.sheet.groups))

    def scored(self, pool: Pool, label: str) -> ScoreSheet:
        """All groups' scores of a pool; what exists is read back."""
        return score_pool(pool, self.market.groups, self.store, self.progress, label)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds of the block to ``timings``."""
        start = time.perf_counter()
        yield
        self.timings[step] = round(self.timings.get(step, 0.0) + time.perf_counter() - start, 2)


@dataclass(frozen=True)
class Frozen:
    """The pools that were drawn before any report, with all groups' scores: to settle on, and to measure on."""

    sheet: ScoreSheet
    held_out: ScoreSheet


def frozen(job: Job) -> Frozen:
    """Draw both pools and score them; what exists is read back."""
    drawn = pools(job)
    job = job.reported(*drawn)
    with job.timed("scoring"):
        sheets = [job.scored(pool, label) for pool, label in zip(drawn, ("scoring", "scoring, held out"), strict=True)]
    return Frozen(*sheets)


def pools(job: Job) -> tuple[Pool, Pool]:
    """The frozen replies to the prompts that are settled on, and to those that are only measured on."""
    market, settings = job.market, job.market.settings
    model = hf.load(market.ref)
    drawn = []
    for prompts, label in ((market.prompts, TUNE), (market.held_out, HELD_OUT)):
        encoded = hf.encode_all(model, {prompt.id: prompt.text for prompt in prompts}, settings.pool.new_tokens)
        with job.timed(label):
            drawn.append(
                sample_pool(
                    market.ref, prompts, encoded, settings.pool.replies, market.how, settings.seed,
                    job.store, job.executor, job.progress, label,
                )
            )  # fmt: skip
    return drawn[0], drawn[1]
