"""The pool: replies sampled from the base model before anything is known of the groups, then frozen.

A pool knows the model, the prompts, the sampling and a seed; it has no way to know a report. That is the
condition under which the mechanism on it is exactly truthful: the set of policies was fixed first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path

from tuneaccord.artifacts import Store, digest_of, seed_of
from tuneaccord.errors import InputError
from tuneaccord.execution import Executor
from tuneaccord.files import write_atomically
from tuneaccord.llm.generate import Sampling, sample_each
from tuneaccord.llm.hf import ModelRef, load
from tuneaccord.llm.prompts import Prompt
from tuneaccord.progress import Progress

#: labels of the two pools; they enter the seeds
TUNE, HELD_OUT = "sampling", "sampling, held out"
#: replies that are drawn together. On a CPU a core makes 430 tokens a second of 40 replies and 650 of 128
_ROWS, _ROWS_ON_GPU = {"cpu": 128}, 512


@dataclass(frozen=True)
class Pool:
    """For each prompt the same number of replies, as tokens and as text."""

    prompts: tuple[Prompt, ...]
    encoded: tuple[tuple[int, ...], ...]  #: token ids of each prompt, chat template included
    tokens: tuple[tuple[tuple[int, ...], ...], ...]  #: [prompt][reply] -> token ids, stop token included
    texts: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, prompts: Sequence[Prompt], encoded: Sequence[Sequence[int]], results: Sequence[dict]) -> Pool:
        """The pool of what workers drew: for each prompt a result with ``tokens`` and ``texts``."""
        return cls(
            tuple(prompts),
            tuple(tuple(prompt) for prompt in encoded),
            tuple(tuple(tuple(reply) for reply in result["tokens"]) for result in results),
            tuple(tuple(result["texts"]) for result in results),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(prompts, replies)."""
        return len(self.prompts), len(self.texts[0])

    def first(self, count: int) -> Pool:
        """The pool of the first ``count`` prompts."""
        return Pool(self.prompts[:count], self.encoded[:count], self.tokens[:count], self.texts[:count])

    @cached_property
    def digest(self) -> str:
        """A fingerprint of prompts and replies, in order."""
        prompts = [[prompt.id, prompt.text] for prompt in self.prompts]
        return digest_of({"prompts": prompts, "tokens": self.tokens, "texts": self.texts})

    def flat(self) -> tuple[list[str], list[str]]:
        """All (prompt, reply) texts, prompt by prompt."""
        pairs = [(p.text, reply) for p, row in zip(self.prompts, self.texts, strict=True) for reply in row]
        return [prompt for prompt, _ in pairs], [reply for _, reply in pairs]

    def write(self, path: Path) -> None:
        """Parquet with columns ``prompt_id, reply_id, prompt, reply, tokens``; the digest is in its metadata."""
        import pyarrow as pa

        rows = [(i, k) for i in range(self.shape[0]) for k in range(self.shape[1])]
        table = pa.table(
            {
                "prompt_id": [self.prompts[i].id for i, _ in rows],
                "reply_id": [str(k) for _, k in rows],
                "prompt": [self.prompts[i].text for i, _ in rows],
                "reply": [self.texts[i][k] for i, k in rows],
                "tokens": pa.array([list(self.tokens[i][k]) for i, k in rows], pa.list_(pa.int32())),
            }
        )
        write_parquet(path, table, {"digest": self.digest})


def read_pool(path: Path) -> Pool:
    """The pool that :meth:`Pool.write` wrote, but for its encoded prompts, which are left empty.

    Raises :class:`InputError` when the file is missing, no pool, or not as it was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
        digest = json.loads(table.schema.metadata[b"tuneaccord"])["digest"]
        rows: dict[str, list[dict]] = {}
        for row in table.to_pylist():
            rows.setdefault(row["prompt_id"], []).append(row)
        pool = Pool(
            tuple(Prompt(name, ours[0]["prompt"]) for name, ours in rows.items()),
            ((),) * len(rows),
            tuple(tuple(tuple(row["tokens"]) for row in ours) for ours in rows.values()),
            tuple(tuple(row["reply"] for row in ours) for ours in rows.values()),
        )
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not a pool of replies ({type(error).__name__}). Draw it with: tuneaccord pool FILE"
        ) from None
    if pool.digest != digest:
        raise InputError(f"{path} is not the pool that was written there: its digest is another. Draw it again.")
    return pool


def write_parquet(path: Path, table, metadata: dict[str, str]) -> None:
    """Write an Arrow table with text metadata, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(table.replace_schema_metadata({"tuneaccord": json.dumps(metadata)}), sink)
    write_atomically(path, sink.getvalue().to_pybytes())


@dataclass(frozen=True)
class SampleJob:
    """Draw ``count`` replies to one prompt from the base model."""

    ref: ModelRef
    prompt: Prompt
    encoded: tuple[int, ...]
    count: int
    how: Sampling
    seed: int
    place: tuple[int, int] = (0, 1)  #: which prompt of its batch this is, and of how many: it decides on rounding


def run_sample_batch(jobs: tuple[SampleJob, ...]) -> list[dict]:
    """Tokens and texts of the replies to prompts of one length, drawn together; runs in a worker."""
    model, first = load(jobs[0].ref), jobs[0]
    drawn = sample_each(
        model.model, [list(job.encoded) for job in jobs], first.count, first.how, [job.seed for job in jobs],
        model.stop_tokens,
    )  # fmt: skip
    return [{"tokens": replies, "texts": [model.decode(reply) for reply in replies]} for replies in drawn]


def batches_of(jobs: Iterable[SampleJob], rows: int) -> list[tuple[SampleJob, ...]]:
    """Jobs with prompts of one length together, evenly, while their replies are at most ``rows``.

    Which prompts share a batch depends on all of them and on nothing else, so that a run that is stopped goes on with
    the same batches.
    """
    batches = []
    by_length = sorted(jobs, key=lambda job: (len(job.encoded), job.prompt.id))
    for _, group in groupby(by_length, key=lambda job: len(job.encoded)):
        same = list(group)
        parts = -(-len(same) // max(1, rows // same[0].count))
        for part in range(parts):
            batch = same[part * len(same) // parts : (part + 1) * len(same) // parts]
            batches.append(tuple(replace(job, place=(at, len(batch))) for at, job in enumerate(batch)))
    return batches


def _run(
    executor: Executor, batches: list[tuple[SampleJob, ...]], missing: list[SampleJob]
) -> Iterator[tuple[int, dict]]:
    """Results of the missing jobs, by whole batches."""
    positions = {job: position for position, job in enumerate(missing)}
    needed = [batch for batch in batches if not positions.keys().isdisjoint(batch)]
    for number, results in executor.run(run_sample_batch, needed):
        for job, result in zip(needed[number], results, strict=True):
            if job in positions:
                yield positions[job], result


def pool_seed(seed: int, label: str, prompt: Prompt) -> int:
    """The seed of one prompt's replies in the pool of this label."""
    return seed_of(seed, label, prompt.id)


def sample_pool(
    ref: ModelRef,
    prompts: tuple[Prompt, ...],
    encoded: dict[str, list[int]],
    replies: int,
    how: Sampling,
    seed: int,
    store: Store,
    executor: Executor,
    progress: Progress,
    label: str,
) -> Pool:
    """Draw ``replies`` replies a prompt from the base model; what was drawn before is read back.

    Each prompt has its own seed, made of ``seed``, ``label`` and its id, so the pool does not depend on the
    order of work. Prompts of one length share batches, which decides on rounding and on nothing else. Raises
    :class:`InputError` for fewer than two replies.
    """
    if replies < 2:
        raise InputError(f"a pool needs at least 2 replies a prompt, got {replies}. Try 40.")
    jobs = [
        SampleJob(ref, prompt, tuple(encoded[prompt.id]), replies, how, pool_seed(seed, label, prompt))
        for prompt in prompts
    ]
    batches = batches_of(jobs, _ROWS.get(ref.device, _ROWS_ON_GPU))
    placed = {job.prompt: job for batch in batches for job in batch}
    jobs = [placed[prompt] for prompt in prompts]
    results = store.map("sample", jobs, _identity, partial(_run, executor, batches), progress, label)
    return Pool.of(prompts, [job.encoded for job in jobs], results)


def _identity(job: SampleJob) -> dict:
    place = {} if job.place == (0, 1) else {"place": job.place}
    return {
        **place,
        "model": job.ref.identity(),
        "prompt": job.prompt.text,
        "encoded": job.encoded,
        "count": job.count,
        "new_tokens": job.how.new_tokens,
        "temperature": job.how.temperature,
        "seed": job.seed,
    }
