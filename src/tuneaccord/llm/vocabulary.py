"""Carry the chosen policy into an adapter without training: one number for each token of the vocabulary.

With ``p(. | h)`` the base model after the prefix ``h``, the adapted model is

    p(v | h) exp(b(v)) / Z(h),        b(v) = [c(v) + d(v)] / strength

* ``c(v)`` is what the token is worth by itself: for each group the score of a reply with v put in the place of one of
  its tokens, the median over a few places of the pool (``edits``); of these the sum weighted by size. Tokens that the
  base expects to say less than once in ten pools are not scored and keep ``c(v) = 0``: they are seven of eight, and
  hardly ever said.
* ``d(v)`` is what it leads to: with ``e_t = sum_v p(v | h_t) c(v)`` the credit that the base expects at each position
  of the pool's replies, the mean over the occurrences of v of ``e_t+1 + ... + e_t+horizon``, relative to the mean over
  the replies to the same prompt at the same position, shrunk by n / (n + shrinkage) for a token that occurs n times.

Were the score a sum of credits of single tokens, and what follows independent of the token, this would be the training
rule's optimum: it would choose each token by ``p(v | h) exp(s(v) / strength)``. Neither holds, so nothing here is
exact: the score of a sentence saturates, and what a token leads to depends on where it stands. Hence the factor,
as for the log-variance objective: some prompts are kept out, and the bias is multiplied by the slope of the
targets on its log-ratios there, never above 1.

The bias is written as a LoRA of rank 1 on the output layer. Its update ``B A`` gives the logits ``B (A h)`` for the
last hidden state h; ``B`` is the bias times the temperature and ``A`` is fitted so that ``A h = 1`` (it is within about
a tenth). Letting the bias depend on the hidden state, or an adapter on the layers beneath, added nothing that
carried over to other prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tuneaccord.artifacts import Store, digest_of
from tuneaccord.errors import ModelError
from tuneaccord.execution import Executor
from tuneaccord.llm.adapters import Lora, State, diverged, initial_state
from tuneaccord.llm.backend import torch
from tuneaccord.llm.distil import (
    Block,
    Distilled,
    Training,
    base_of,
    blocks_of,
    fit_factor,
    log_ratios_of,
    scaled,
    training_prompts,
)
from tuneaccord.llm.generate import reply_logits
from tuneaccord.llm.hf import ModelRef, load
from tuneaccord.llm.memory import fitting, pieces
from tuneaccord.llm.pool import Pool
from tuneaccord.progress import Progress

#: positions over which a token's consequences are counted
HORIZON = 8
#: a token that occurs this often is believed by half
SHRINKAGE = 10.0
#: hidden states kept of each block, to fit the constant direction
STATES = 24
#: a token is scored if the base expects to say it so often in the replies of the pool
EXPECTED = 0.1
#: ridge of that fit, relative to the mean square of a hidden number
RIDGE = 0.1


@dataclass(frozen=True)
class ReadJob:
    """Read some replies with the base model: the credit it expects at each position, and a few hidden states."""

    block: Block
    credits: tuple[float, ...]

    def identity(self) -> dict:
        """What the result depends on."""
        return {**self.block.identity(), "credits": digest_of(self.credits), "states": STATES}


def count_block(block: Block) -> dict:
    """How often the base expects to say each token in the places of these replies; runs in a worker.

    Of the tokens that are expected a thousandth of ``EXPECTED`` or more: their numbers and the expectations.
    """
    model, replies = load(block.ref).model, [list(reply) for reply in block.replies]

    def count(size: int) -> np.ndarray:
        return sum(_expected_counts(model, block, replies[rows]) for rows in pieces(len(replies), size))

    with torch.inference_mode():
        expected = fitting("reading", len(replies), count)
    tokens = np.flatnonzero(expected >= 1e-3 * EXPECTED)
    return {"tokens": tokens.tolist(), "expected": [round(float(number), 9) for number in expected[tokens]]}


def _expected_counts(model, block: Block, replies: list[list[int]]) -> np.ndarray:
    logits, _, mask = reply_logits(model, list(block.prompt), replies)
    policy = torch.softmax(logits.float() / block.temperature, dim=-1)
    return torch.einsum("rpv,rp->v", policy, mask.to(policy.dtype)).double().cpu().numpy()


def likely_tokens(
    ref: ModelRef,
    pool: Pool,
    block: int,
    temperature: float,
    store: Store,
    executor: Executor,
    progress: Progress,
) -> np.ndarray:
    """The tokens that the base expects to say ``EXPECTED`` times or more in the places of a pool's replies, ascending.

    ``sum_t p(v | prefix_t)`` over all positions of all replies; a token below a thousandth of ``EXPECTED`` in a block
    of replies counts nothing there.
    """
    blocks = blocks_of(ref, pool, np.zeros(pool.shape), block, temperature)
    run = partial(executor.run, count_block)
    results = store.map("count", blocks, Block.identity, run, progress, "likely tokens")
    expected: dict[int, float] = {}
    for result in results:
        for token, number in zip(result["tokens"], result["expected"], strict=True):
            expected[token] = expected.get(token, 0.0) + number
    return np.array(sorted(token for token, number in expected.items() if number >= EXPECTED), dtype=int)


def read_block(job: ReadJob) -> dict:
    """``expected`` (replies, positions), zero after the end of a reply, and ``states``; runs in a worker."""
    model, replies = load(job.block.ref).model, [list(reply) for reply in job.block.replies]

    def read(size: int) -> dict:
        parts = [_read_replies(model, job, replies[rows]) for rows in pieces(len(replies), size)]
        states = np.concatenate([states for _, states in parts])
        chosen = np.linspace(0, len(states) - 1, min(STATES, len(states))).astype(int)
        return {"expected": [row for rows, _ in parts for row in rows], "states": states[chosen].tolist()}

    with torch.inference_mode():
        return fitting("reading", len(replies), read)


def _read_replies(model, job: ReadJob, replies: list[list[int]]) -> tuple[list[list[float]], np.ndarray]:
    """The expected credits, a row for each reply, and the hidden state at each position of all replies."""
    seen = []
    hook = output_layer(model)[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        logits, _, mask = reply_logits(model, list(job.block.prompt), replies)
    finally:
        hook.remove()
    policy = torch.softmax(logits.float() / job.block.temperature, dim=-1)
    credit = torch.zeros(policy.shape[-1], dtype=torch.float32, device=policy.device)
    credit[: len(job.credits)] = torch.tensor(job.credits[: len(credit)], dtype=torch.float32)
    return ((policy @ credit) * mask).cpu().tolist(), seen[-1][mask.bool()].float().cpu().numpy()


def output_layer(model) -> tuple[str, object]:
    """The layer that turns the last hidden state into logits, with its name.

    Raises :class:`ModelError` when the model has none that an adapter can be put on.
    """
    layer = model.get_output_embeddings()
    for name, module in model.named_modules():
        if module is layer and isinstance(module, torch.nn.Linear):
            return name, module
    raise ModelError(
        f"models of the type {type(model).__name__} have no linear output layer to put an adapter on. "
        "Try adapter.method: log-variance."
    )


def vocabulary_bias(
    ref: ModelRef,
    pool: Pool,
    targets: np.ndarray,
    credits: np.ndarray,
    temperature: float,
    training: Training,
    store: Store,
    executor: Executor,
    progress: Progress,
) -> Distilled:
    """An adapter that adds to every token's logit what the token is worth, and what it leads to.

    ``credits`` (vocabulary,) are those of single tokens in nats, ``targets`` (prompts, replies) the scores of the pool
    in nats, both divided by strength. The last ``validation_prompts`` prompts only set the factor.
    """
    kept = training_prompts(len(pool.prompts), training.validation_prompts)
    learnt = pool.first(kept)
    blocks = blocks_of(ref, learnt, targets[:kept], training.block, temperature)
    expected, states = _read(blocks, credits, store, executor, progress)
    bias = credits + consequences(learnt, expected, len(credits))
    lora = Lora(1, 1.0, (output_layer(load(ref).model)[0],), training.seed)
    weights = _weights(ref, lora, bias * temperature, constant_direction(states))
    if kept == len(pool.prompts):
        return Distilled(lora, weights, (), None, 1.0, "vocabulary")
    held = blocks_of(ref, pool, targets, training.block, temperature)[len(blocks) :]
    base = base_of(held, store, executor, progress)
    ratios = log_ratios_of(held, base, lora, weights, store, executor, progress, "validating")
    correlation, factor = fit_factor(ratios.reshape(training.validation_prompts, -1), targets[kept:])
    return Distilled(lora, scaled(weights, factor), (), correlation, factor, "vocabulary")


def _read(
    blocks: list[Block], credits: np.ndarray, store: Store, executor: Executor, progress: Progress
) -> tuple[list[list[float]], np.ndarray]:
    """The expected credits of all replies, one list a reply, and the hidden states of all blocks."""
    jobs = [ReadJob(block, tuple(credits.tolist())) for block in blocks]
    run = partial(executor.run, read_block)
    results = store.map("read", jobs, ReadJob.identity, run, progress, "reading the pool")
    expected = [row for result in results for row in result["expected"]]
    states = np.array([state for result in results for state in result["states"]])
    if not (np.isfinite(states).all() and all(np.isfinite(row).all() for row in expected)):
        raise diverged()
    return expected, states


def consequences(
    pool: Pool,
    expected: list[list[float]],
    vocabulary: int,
    horizon: int = HORIZON,
    shrinkage: float = SHRINKAGE,
) -> np.ndarray:
    """What each token leads to: the ``d(v)`` of this module, (vocabulary,).

    ``expected`` has the credit that the base expects at each position, a row for each reply, prompt by prompt.
    """
    prompts, replies = pool.shape
    longest = max(map(len, expected))
    credit = np.array([[*row, *[0.0] * (longest - len(row))] for row in expected]).reshape(prompts, replies, longest)
    before = np.concatenate([np.zeros((prompts, replies, 1)), credit.cumsum(axis=2)], axis=2)
    start = np.arange(1, longest + 1)
    ahead = before[:, :, np.minimum(start + horizon, longest)] - before[:, :, start]  # e_t+1 + ... + e_t+horizon
    ahead -= ahead.mean(axis=1, keepdims=True)
    total, count = np.zeros(vocabulary), np.zeros(vocabulary)
    for prompt, rows in enumerate(pool.tokens):
        for reply, tokens in enumerate(rows):
            said = np.array(tokens)
            known = said < vocabulary  # a model may also say what is padding of its output matrix
            np.add.at(total, said[known], ahead[prompt, reply, : len(tokens)][known])
            np.add.at(count, said[known], 1.0)
    return total / (count + shrinkage)


def constant_direction(states: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """The ``A`` with ``A h`` as near to 1 as can be for hidden states h, (states, width) -> (width,).

    Ridge regression of the number 1 on the states, scaled so that the mean of ``A h`` is 1.

    >>> constant_direction(np.array([[2.0, 1.0], [2.0, -1.0]])).round(6).tolist()
    [0.5, 0.0]
    """
    square = states.T @ states / len(states)
    square += ridge * np.trace(square) / len(square) * np.eye(len(square))
    direction = np.linalg.solve(square, states.mean(axis=0))
    return direction / (states @ direction).mean()


def _weights(ref: ModelRef, lora: Lora, bias: np.ndarray, direction: np.ndarray) -> State:
    """The adapter's two matrices by PEFT's names; tokens that the tokenizer does not know are left alone."""
    weights = initial_state(ref, lora)
    for name, weight in weights.items():
        if "lora_A" in name:
            weight[0] = direction
        else:
            weight[: len(bias), 0] = bias[: len(weight)]
    return weights
