"""Measure an adapter with fresh samples: what it says, and how far it is from the base.

The divergence of a reply is the sum over its positions of ``KL(p(. | prefix) || q(. | prefix))`` between
the two full next-token distributions. Averaged over replies drawn from ``p`` it estimates the divergence of
whole replies without bias, is never negative, and varies about half as much as the mean log-ratio.

The adapter's replies are drawn with the same random numbers as the held-out pool's, reply by reply. They are
fresh draws of the adapter; where the two models agree they say the same, which makes the pool a control
variate for them (``tuneaccord.tuning.comparison``). Sampling reads the text word by word from a cache and the
divergence reads it whole; in bfloat16 the two round differently, and "without bias" is up to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tuneaccord.artifacts import Store
from tuneaccord.execution import Executor
from tuneaccord.llm.adapters import Adapter, TunedPolicy, diverged
from tuneaccord.llm.backend import torch
from tuneaccord.llm.distil import base_of, blocks_of, log_ratios_of
from tuneaccord.llm.generate import Sampling, reply_logits, sample
from tuneaccord.llm.hf import ModelRef
from tuneaccord.llm.memory import fitting, pieces
from tuneaccord.llm.pool import HELD_OUT, Pool, pool_seed
from tuneaccord.progress import Progress


@dataclass(frozen=True)
class MeasureJob:
    """Draw ``count`` replies to one prompt from a tuned policy and compare it with the base on them."""

    ref: ModelRef
    policy: TunedPolicy
    encoded: tuple[int, ...]
    count: int
    how: Sampling
    seed: int


@dataclass(frozen=True)
class Measured:
    """Fresh replies of a tuned policy, and the divergence from the base in nats, shape (prompts, replies)."""

    pool: Pool
    kl: np.ndarray


def run_measure_job(job: MeasureJob) -> dict:
    """Tokens, texts and divergences; runs in a worker."""
    language_model = job.policy.on(job.ref)
    prompt = list(job.encoded)
    replies = sample(language_model.model, prompt, job.count, job.how, job.seed, language_model.stop_tokens)
    with torch.inference_mode():
        kl = reply_divergence(language_model.model, prompt, replies, job.how.temperature)
    if not torch.isfinite(kl).all():
        raise diverged()
    return {"tokens": replies, "texts": [language_model.decode(reply) for reply in replies], "kl": kl.tolist()}


def reply_divergence(model, prompt: list[int], replies: list[list[int]], temperature: float):
    """``sum_t KL(p_t || q_t)`` for each reply, p with the adapter and q without it, in nats; on the CPU."""

    def measured(size: int):
        parts = [replies[rows] for rows in pieces(len(replies), size)]
        return torch.cat([_reply_divergence(model, prompt, part, temperature) for part in parts])

    return fitting("measuring", len(replies), measured)


def _reply_divergence(model, prompt: list[int], replies: list[list[int]], temperature: float):
    logits, _, mask = reply_logits(model, prompt, replies)
    tuned = torch.log_softmax(logits.float() / temperature, dim=-1)
    with model.disable_adapter():
        logits, _, _ = reply_logits(model, prompt, replies)
    base = torch.log_softmax(logits.float() / temperature, dim=-1)
    # p log(p/q) - p + q is non-negative term by term, so rounding cannot make the sum negative
    by_position = (tuned.exp() * (tuned - base) - tuned.exp() + base.exp()).sum(dim=-1).clamp_(min=0.0)
    return (by_position * mask).sum(dim=1).cpu()


def measure(
    ref: ModelRef,
    policy: TunedPolicy,
    held_out: Pool,
    replies: int,
    how: Sampling,
    seed: int,
    store: Store,
    executor: Executor,
    progress: Progress,
    label: str = "measuring the adapter",
) -> Measured:
    """Fresh replies of the policy to the held-out prompts, with divergences; finished prompts are read back."""
    jobs = [
        MeasureJob(ref, policy, encoded, replies, how, pool_seed(seed, HELD_OUT, prompt))
        for prompt, encoded in zip(held_out.prompts, held_out.encoded, strict=True)
    ]
    adapter = {"model": ref.identity(), **policy.identity()}

    def identity(job: MeasureJob) -> dict:
        sampling = [job.encoded, job.count, job.how.new_tokens, job.how.temperature, job.seed]
        return {"adapter": adapter, "sampling": sampling}

    run = partial(executor.run, run_measure_job)
    results = store.map("measure", jobs, identity, run, progress, label)
    return Measured(
        Pool.of(held_out.prompts, held_out.encoded, results), np.array([result["kl"] for result in results])
    )


def pool_log_ratios(
    ref: ModelRef,
    adapter: Adapter,
    pool: Pool,
    block: int,
    temperature: float,
    store: Store,
    executor: Executor,
    progress: Progress,
) -> np.ndarray:
    """``log p - log q`` of the adapter on replies of the base, shape (prompts, replies)."""
    blocks = blocks_of(ref, pool, np.zeros(pool.shape), block, temperature)
    base = base_of(blocks, store, executor, progress, "base, held out")
    ratios = log_ratios_of(blocks, base, adapter.lora, adapter.state, store, executor, progress, "adapter, held out")
    return ratios.reshape(pool.shape)
