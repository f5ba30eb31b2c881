"""Measure proposals on the held-out prompts, the same for every way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tuneaccord.llm.measure import Measured, measure
from tuneaccord.llm.proposer import Proposal
from tuneaccord.tuning.comparison import Row, adapter_row
from tuneaccord.tuning.job import Frozen, Job


def measured_rows(job: Job, frozen: Frozen, proposals: Sequence[Proposal]) -> tuple[tuple[Row, ...], int]:
    """The base's row and one for each proposal, and how many tokens were generated for them.

    Fresh replies to the held-out prompts, drawn for every proposal with the same random numbers as the frozen
    pool; the pool is their control variate. The divergence of a reply is the sum over its positions of the KL of
    the two next-token distributions: without bias, and never negative.
    """
    rows, tokens = [base_row(frozen)], 0
    for proposal in proposals:
        measured = _measure(job, frozen, proposal)
        sheet = job.scored(measured.pool, f"scoring {proposal.name}")
        rows.append(replace(adapter_row(sheet, measured, frozen.held_out), name=proposal.name))
        tokens += tokens_of(measured.pool)
    return tuple(rows), tokens


def base_row(frozen: Frozen) -> Row:
    """The base model, measured on the whole held-out pool."""
    prompts, replies, _ = frozen.held_out.scores.shape
    return Row("base", frozen.held_out.scores.mean(axis=1), np.zeros(prompts), replies)


def tokens_of(pool) -> int:
    """How many tokens a pool's replies have."""
    return sum(len(reply) for row in pool.tokens for reply in row)


def _measure(job: Job, frozen: Frozen, proposal: Proposal) -> Measured:
    settings = job.market.settings
    return measure(
        job.market.ref, proposal.policy, frozen.held_out.pool, settings.measure.replies, job.market.how,
        settings.seed, *(job.store, job.executor, job.progress), label=f"measuring {proposal.name}",
    )  # fmt: skip
