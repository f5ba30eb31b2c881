"""The pool: replies sampled from the base model before anything is known of the groups, then frozen.

A pool knows the model, the prompts, the sampling and a seed; it has no way to know a report. That is the
condition under which the mechanism on it is exactly truthful: the set of policies was fixed first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from tuneaccord.artifacts import Store, digest_of, seed_of
from tuneaccord.errors import InputError
from tuneaccord.execution import Executor
from tuneaccord.files import write_atomically
from tuneaccord.llm.generate import Sampling, sample
from tuneaccord.llm.hf import ModelRef, load
from tuneaccord.llm.prompts import Prompt
from tuneaccord.progress import Progress

#: labels of the two pools; they enter the seeds
TUNE, HELD_OUT = "sampling", "sampling, held out"


@dataclass(frozen=True)
class Pool:
    """For each prompt the same number of replies, as tokens and as text."""

    prompts: tuple[Prompt, ...]
    encoded: tuple[tuple[int, ...], ...]  #: token ids of each prompt, chat template included
    tokens: tuple[tuple[tuple[int, ...], ...], ...]  #: [prompt][reply] -> token ids, stop token included
    texts: tuple[tuple[str, ...], ...]

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


def run_sample_job(job: SampleJob) -> dict:
    """Tokens and texts of the replies; runs in a worker."""
    model = load(job.ref)
    replies = sample(model.model, list(job.encoded), job.count, job.how, job.seed, model.stop_tokens)
    return {"tokens": replies, "texts": [model.decode(reply) for reply in replies]}


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
    order of work. Raises :class:`InputError` for fewer than two replies.
    """
    if replies < 2:
        raise InputError(f"a pool needs at least 2 replies a prompt, got {replies}. Try 40.")
    jobs = [
        SampleJob(ref, prompt, tuple(encoded[prompt.id]), replies, how, pool_seed(seed, label, prompt))
        for prompt in prompts
    ]
    results = store.map("sample", jobs, _identity, partial(executor.run, run_sample_job), progress, label)
    return Pool(
        prompts,
        tuple(job.encoded for job in jobs),
        tuple(tuple(tuple(reply) for reply in result["tokens"]) for result in results),
        tuple(tuple(result["texts"]) for result in results),
    )


def _identity(job: SampleJob) -> dict:
    return {
        "model": job.ref.identity(),
        "prompt": job.prompt.text,
        "encoded": job.encoded,
        "count": job.count,
        "new_tokens": job.how.new_tokens,
        "temperature": job.how.temperature,
        "seed": job.seed,
    }
