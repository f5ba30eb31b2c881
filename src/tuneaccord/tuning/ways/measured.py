"""Measure proposals on the held-out prompts, the same for every way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tuneaccord.artifacts import seed_of
from tuneaccord.llm.distil import Distilled, training_prompts
from tuneaccord.llm.measure import Measured, measure
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.proposer import Proposal
from tuneaccord.llm.scoring import ScoreSheet
from tuneaccord.tuning.comparison import Row, adapter_row
from tuneaccord.tuning.job import Frozen, Job


def measured_rows(
    job: Job, frozen: Frozen, proposals: Sequence[Proposal], seed: int | None = None
) -> tuple[tuple[Row, ...], int]:
    """The base's row and one for each proposal, and how many tokens were generated for them.

    Fresh replies to the held-out prompts, drawn for every proposal with the same random numbers as the frozen
    pool; the pool is their control variate. Another ``seed`` draws them anew: then the pool has nothing to do with
    them, and values are their plain means. The divergence of a reply is the sum over its positions of the KL of the two
    next-token distributions: without bias, and never negative.
    """
    rows, tokens = [base_row(frozen)], 0
    for proposal in proposals:
        measured = _measure(job, frozen, proposal, job.market.settings.seed if seed is None else seed)
        sheet = job.scored(measured.pool, f"scoring {proposal.name}")
        rows.append(_row(proposal.name, sheet, measured, frozen.held_out if seed is None else None))
        tokens += tokens_of(measured.pool)
    return tuple(rows), tokens


def _row(name: str, sheet: ScoreSheet, measured: Measured, control: ScoreSheet | None) -> Row:
    if control is not None:
        return replace(adapter_row(sheet, measured, control), name=name)
    return Row(name, sheet.scores.mean(axis=1), measured.kl.mean(axis=1), sheet.scores.shape[1])


def base_row(frozen: Frozen) -> Row:
    """The base model, measured on the whole held-out pool."""
    prompts, replies, _ = frozen.held_out.scores.shape
    return Row("base", frozen.held_out.scores.mean(axis=1), np.zeros(prompts), replies)


def tokens_of(pool: Pool) -> int:
    """How many tokens a pool's replies have."""
    return sum(len(reply) for row in pool.tokens for reply in row)


def trained_tokens(job: Job, pool: Pool, distilled: Distilled) -> int:
    """How many tokens gradients were taken of: all passes over the replies to the prompts that are trained on.

    None for the vocabulary's bias, which takes no gradient.
    """
    wanted = job.market.settings.adapter
    learnt = pool.first(training_prompts(len(pool.prompts), wanted.validation_prompts))
    return wanted.passes * tokens_of(learnt) if distilled.residuals else 0


def measured_again(job: Job, frozen: Frozen, proposal: Proposal) -> tuple[Row, int]:
    """The row of a model that was chosen from a table, by other replies than those that it was chosen for.

    The best of several noisy rows looks better than it is.
    """
    (_, row), tokens = measured_rows(job, frozen, [proposal], seed_of(job.market.settings.seed, "measured again"))
    return row, tokens


def _measure(job: Job, frozen: Frozen, proposal: Proposal, seed: int) -> Measured:
    settings = job.market.settings
    return measure(
        job.market.ref, proposal.policy, frozen.held_out.pool, settings.measure.replies, job.market.how,
        seed, job.store, job.executor, job.progress, label=f"measuring {proposal.name}",
    )  # fmt: skip
