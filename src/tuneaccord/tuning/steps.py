"""The steps of a run after the pools are drawn: settle, tune an adapter, measure it."""

from __future__ import annotations

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.llm.adapters import Lora
from tuneaccord.llm.distil import Distilled, Training, distil, training_prompts
from tuneaccord.llm.edits import draw_contexts, edited_pool, token_credits
from tuneaccord.llm.hf import load
from tuneaccord.llm.measure import Measured, measure, pool_log_ratios
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.scoring import ScoreSheet
from tuneaccord.llm.vocabulary import likely_tokens, vocabulary_bias
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.tuning.job import Job
from tuneaccord.tuning.market import Market
from tuneaccord.tuning.policy import settle_replies


def settle_pool(market: Market, sheet: ScoreSheet) -> Settlement:
    """The settlement on a frozen pool.

    Raises :class:`InputError` when sizes, scales and strength are too far apart for floating point.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        result = settle_replies(sheet.scores, market.groups, market.settings.divergence)
    if not np.isfinite([*result.payments.values(), result.net_welfare, result.gap]).all():
        raise InputError("sizes, scales and strength are too far apart for floating point. Choose smaller sizes.")
    return result


def tune_adapter(job: Job, sheet: ScoreSheet, sizes: np.ndarray) -> Distilled:
    """The adapter trained towards the policy that these sizes choose."""
    market, settings = job.market, job.market.settings
    wanted = settings.adapter
    targets = wanted.targets if isinstance(wanted.targets, str) else tuple(wanted.targets)
    lora = Lora(wanted.rank, wanted.alpha, targets, settings.seed)
    training = Training(
        wanted.learning_rate,
        wanted.blocks_per_step,
        wanted.block,
        wanted.passes,
        wanted.validation_prompts,
        settings.seed,
    )
    common = training, job.store, job.executor, job.progress
    scored = market.ref, sheet.pool, sheet.scores @ sizes / market.strength
    with job.timed("tuning"):
        if wanted.method == "vocabulary" and market.scores_new_texts:
            with job.counted("vocabulary") as shared:  # the same for all sizes: soups and runs without a group use it
                credits = _vocabulary_credits(shared, sheet.pool) @ sizes / market.strength
            return vocabulary_bias(*scored, credits, market.how.temperature, *common)
        return distil(*scored, market.how.temperature, lora, *common)


def _vocabulary_credits(job: Job, pool: Pool) -> np.ndarray:
    """What each token is worth to each group, (vocabulary, groups), from edits of the replies that are trained on."""
    market, settings = job.market, job.market.settings
    learnt = pool.first(training_prompts(len(pool.prompts), settings.adapter.validation_prompts))
    model = load(market.ref)
    likely = likely_tokens(
        market.ref, learnt, settings.adapter.block, market.how.temperature, job.store, job.executor, job.progress
    )
    likely = likely[likely < len(model.tokenizer)]  # the rest of the matrix is padding
    contexts = draw_contexts(learnt, settings.adapter.contexts, settings.seed)
    edited = job.scored(edited_pool(model, learnt, contexts, likely.tolist()), "scoring the vocabulary")
    credits = np.zeros((len(model.tokenizer), edited.scores.shape[-1]))
    for group in range(edited.scores.shape[-1]):
        credits[likely, group] = token_credits(edited.scores[:, :, group])
    return credits


def measure_adapter(job: Job, distilled: Distilled, held_out: Pool) -> tuple[Measured, ScoreSheet | None, np.ndarray]:
    """Fresh replies of the adapter with their scores, and its log-ratios on the frozen held-out pool.

    There are no scores where a group's report is a sheet, which knows the frozen pools only.
    """
    market, settings = job.market, job.market.settings
    made = market.ref, distilled.adapter, held_out
    tools = job.store, job.executor, job.progress
    with job.timed("measuring"):
        measured = measure(*made, settings.measure.replies, market.how, settings.seed, *tools)
        sheet = job.scored(measured.pool, "scoring the adapter") if market.scores_new_texts else None
        log_ratios = pool_log_ratios(*made, settings.adapter.block, market.how.temperature, *tools)
    return measured, sheet, log_ratios
