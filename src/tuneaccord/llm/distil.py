"""Carry the chosen distribution into an adapter: log-variance regression on the frozen pool.

The training rule's optimum satisfies ``log p(y) - log q(y) = s(y) / strength - log Z`` for every reply,
with ``s`` the size-weighted score. So we minimise, within each prompt, the variance over its replies of

    s(y) / strength - [log p(y) - log q(y)]

which the training rule brings to zero. It is the same as regressing score differences on
log-ratio differences over all pairs. Differences from the usual ways: it learns from poor replies as well
as good ones, needs no sampling while it trains, and its residual (1 at the base, 0 at the optimum) is an
honest progress bar, though on the training replies only. Variances are taken within blocks of one
prompt's replies, with n - 1, which keeps them unbiased and memory small.

A dozen steps from a thousand replies point in a direction that is right only in part: taken at full length, most of
its divergence is spent on noise. So some prompts are kept out of the gradient, and at the end the adapter is
multiplied by the factor that, to first order, minimises the same objective on them: the slope of the targets on the
log-ratios.
A factor of 0 gives the base model back: nothing was learnt that carries over to other prompts.

Each optimiser step is stored, so a stopped run continues with the next one.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from tuneaccord.artifacts import Store, digest_of
from tuneaccord.errors import InputError
from tuneaccord.execution import Executor
from tuneaccord.llm.adapters import Adapter, Lora, State, attach, digest_state, diverged, initial_state, put, trainable
from tuneaccord.llm.backend import torch
from tuneaccord.llm.generate import backward, log_probabilities
from tuneaccord.llm.hf import ModelRef, load
from tuneaccord.llm.pool import Pool
from tuneaccord.progress import Progress

#: targets, in nats, that vary less than this ask for nothing
_NOTHING = 1e-12


@dataclass(frozen=True)
class Training:
    """How the adapter is trained. ``block`` replies of one prompt share a gradient; a step has several blocks."""

    learning_rate: float
    blocks_per_step: int
    block: int
    passes: int
    validation_prompts: int
    seed: int


@dataclass(frozen=True)
class Block:
    """Some replies to one prompt with their targets ``s / strength``."""

    ref: ModelRef
    prompt: tuple[int, ...]
    replies: tuple[tuple[int, ...], ...]
    targets: tuple[float, ...]
    temperature: float

    def identity(self) -> dict:
        """What the base log-probabilities depend on."""
        return {
            "model": self.ref.identity(),
            "prompt": self.prompt,
            "replies": self.replies,
            "temperature": self.temperature,
        }


@dataclass(frozen=True)
class GradientJob:
    """A block, the base model's log-probabilities of its replies, and the adapter's present weights."""

    block: Block
    base: tuple[float, ...]
    lora: Lora
    state: State


@dataclass(frozen=True)
class Distilled:
    """A trained adapter and how training went.

    ``residuals`` is the objective at every step as a share of its value at the base; ``correlation`` that of
    log-ratios and targets within the validation prompts, and ``factor`` what the adapter was multiplied by.
    ``residuals`` is empty where nothing was trained step by step.
    """

    lora: Lora
    state: State
    residuals: tuple[float, ...]
    correlation: float | None
    factor: float
    method: str = "log-variance"

    @property
    def adapter(self) -> Adapter:
        """The trained adapter."""
        return Adapter(self.lora, self.state)


def base_log_probabilities(block: Block) -> list[float]:
    """Log-probability of each reply under the base model; runs in a worker."""
    with torch.inference_mode():
        model = load(block.ref).model
        return log_probabilities(model, list(block.prompt), _lists(block.replies), block.temperature).tolist()


def block_gradient(job: GradientJob) -> tuple[float, State]:
    """The log-variance of one block and its gradient with respect to the adapter; runs in a worker."""
    model = attach(job.block.ref, job.lora).model
    put(model, job.state)
    block, targets, base = job.block, torch.tensor(job.block.targets, dtype=torch.float32), torch.tensor(job.base)

    def spread(found):  # the difference first: where nothing was learnt it is zero to the last bit
        return torch.var(targets - (found - base))

    loss = backward(model, list(block.prompt), _lists(block.replies), block.temperature, spread)
    return loss, {name: _gradient(weight) for name, weight in trainable(model).items()}


def _gradient(weight) -> np.ndarray:
    """What backward left; nothing for a layer that the block does not reach."""
    return np.zeros(tuple(weight.shape), np.float32) if weight.grad is None else weight.grad.cpu().numpy().copy()


def block_log_ratios(job: GradientJob) -> list[float]:
    """``log p - log q`` of each reply of a block; runs in a worker."""
    model = attach(job.block.ref, job.lora).model
    put(model, job.state)
    with torch.inference_mode():
        ratios = _log_ratios(model, job)
    if not torch.isfinite(ratios).all():
        raise diverged()
    return ratios.tolist()


def _log_ratios(model, job: GradientJob):
    block = job.block
    tuned = log_probabilities(model, list(block.prompt), _lists(block.replies), block.temperature)
    return tuned - torch.tensor(job.base)


def blocks_of(ref: ModelRef, pool: Pool, targets: np.ndarray, size: int, temperature: float) -> list[Block]:
    """The pool cut into even blocks of at most ``size`` replies; where one would be left alone, of one more."""
    blocks = []
    for prompt, replies, target in zip(pool.encoded, pool.tokens, targets, strict=True):
        count = min(math.ceil(len(replies) / size), len(replies) // 2)  # a variance needs two
        for part in np.array_split(np.arange(len(replies)), count):
            rows = part.tolist()
            texts = tuple(replies[row] for row in rows)
            blocks.append(Block(ref, prompt, texts, tuple(float(target[row]) for row in rows), temperature))
    return blocks


def distil(
    ref: ModelRef,
    pool: Pool,
    targets: np.ndarray,
    temperature: float,
    lora: Lora,
    training: Training,
    store: Store,
    executor: Executor,
    progress: Progress,
) -> Distilled:
    """Train an adapter so that its log-ratio to the base follows ``targets`` (prompts, replies) within prompts.

    The last ``validation_prompts`` prompts only set the adapter's factor. Raises :class:`InputError` when no prompt
    is left to train on.
    """
    kept = training_prompts(len(pool.prompts), training.validation_prompts)
    blocks = blocks_of(ref, pool, targets, training.block, temperature)
    base = base_of(blocks, store, executor, progress)
    count = len(blocks_of(ref, pool.first(kept), targets[:kept], training.block, temperature))
    archive = _train(blocks[:count], base[:count], lora, training, store, executor, progress)
    weights, residuals = _part(archive, "weight"), tuple(archive["residuals"].tolist())
    if count == len(blocks):
        return Distilled(lora, weights, residuals, None, 1.0)
    ratios = log_ratios_of(blocks[count:], base[count:], lora, weights, store, executor, progress, "validating")
    flat = ratios.reshape(training.validation_prompts, -1)
    correlation, factor = fit_factor(flat, targets[kept:])
    return Distilled(lora, scaled(weights, factor), residuals, correlation, factor)


def training_prompts(prompts: int, validation: int) -> int:
    """How many of the prompts are trained on.

    Raises :class:`InputError` when none is left.

    >>> training_prompts(24, validation=4)
    20
    """
    if prompts <= validation:
        raise InputError(
            f"adapter.validation_prompts is {validation} but there are {prompts} prompts to tune on. "
            "Leave at least one to train on, or give more prompts."
        )
    return prompts - validation


def log_ratios_of(
    blocks: list[Block],
    base: list[list[float]],
    lora: Lora,
    weights: State,
    store: Store,
    executor: Executor,
    progress: Progress,
    label: str,
) -> np.ndarray:
    """``log p - log q`` of all replies of the blocks, one after the other."""
    jobs = [GradientJob(block, tuple(row), lora, weights) for block, row in zip(blocks, base, strict=True)]
    adapter = {"lora": lora.identity(), "weights": digest_state(weights)}
    run = partial(executor.run, block_log_ratios)
    rows = store.map("log-ratios", jobs, lambda job: [adapter, job.block.identity()], run, progress, label)
    return np.concatenate(rows)


def fit_factor(log_ratios: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Correlation within prompts, and the factor in [0, 1] that brings ``log_ratios`` closest to ``targets``.

    Both have shape (prompts, replies). The factor is the slope ``cov / var`` of the centred arrays, which
    minimises the variance of ``targets - factor * log_ratios`` within prompts; never above 1, so that
    validation can only shorten what training did.

    >>> fit_factor(np.array([[0.0, 2.0]]), np.array([[0.0, 1.0]]))
    (1.0, 0.5)
    """
    x = log_ratios - log_ratios.mean(axis=1, keepdims=True)
    y = targets - targets.mean(axis=1, keepdims=True)
    cross, spread, wanted = float((x * y).sum()), float((x * x).sum()), float((y * y).sum())
    if spread == 0.0 or wanted == 0.0:
        return 0.0, 0.0
    return cross / math.sqrt(spread * wanted), min(max(cross / spread, 0.0), 1.0)


def scaled(weights: State, factor: float) -> State:
    """The adapter times ``factor``: LoRA's update is B A, so B carries it."""
    return {name: weight * np.float32(factor) if "lora_B" in name else weight for name, weight in weights.items()}


def base_of(
    blocks: list[Block],
    store: Store,
    executor: Executor,
    progress: Progress,
    label: str = "base log-probabilities",
) -> list[list[float]]:
    """The base model's log-probabilities, block by block."""
    run = partial(executor.run, base_log_probabilities)
    return store.map("base-log-probabilities", blocks, Block.identity, run, progress, label)


def _train(
    blocks: list[Block],
    base: list[list[float]],
    lora: Lora,
    training: Training,
    store: Store,
    executor: Executor,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """The state after the last step."""
    schedule = _schedule(len(blocks), training)
    inputs = digest_of(
        {
            "blocks": [[block.identity(), block.targets] for block in blocks],
            "lora": lora.identity(),
            "training": asdict(training),
        }
    )
    archive = _first(ref=blocks[0].ref, lora=lora)
    with progress.task("tuning the adapter", sum(map(len, schedule))) as advance:
        for number, chosen in enumerate(schedule):
            jobs = [GradientJob(blocks[i], tuple(base[i]), lora, _part(archive, "weight")) for i in chosen]
            rate = training.learning_rate * (1.0 - number / len(schedule))
            known = store.path("tune", [inputs, number], ".npz").exists()
            archive = store.arrays("tune", [inputs, number], partial(_step, executor, jobs, archive, rate, advance))
            for _ in chosen if known else ():
                advance()
    return archive


def _schedule(blocks: int, training: Training) -> list[list[int]]:
    """Which blocks each step uses: every pass visits all of them in a new order."""
    draws = np.random.default_rng(training.seed)
    order = np.concatenate([draws.permutation(blocks) for _ in range(training.passes)]).tolist()
    size = training.blocks_per_step
    return [order[start : start + size] for start in range(0, len(order), size)]


def _first(ref: ModelRef, lora: Lora) -> dict[str, np.ndarray]:
    weights = initial_state(ref, lora)
    zeros = {name: np.zeros_like(weight) for name, weight in weights.items()}
    return _archive(weights, zeros, zeros, np.zeros(0))


def _archive(weights: State, first: State, second: State, residuals: np.ndarray) -> dict[str, np.ndarray]:
    parts = {"weight": weights, "first": first, "second": second}
    named = {f"{part}/{name}": array for part, state in parts.items() for name, array in state.items()}
    return {**named, "residuals": residuals}


def _part(archive: dict[str, np.ndarray], part: str) -> State:
    return {name.removeprefix(f"{part}/"): array for name, array in archive.items() if name.startswith(f"{part}/")}


def _step(executor: Executor, jobs: list[GradientJob], archive: dict, rate: float, advance) -> dict[str, np.ndarray]:
    """One Adam step on the mean gradient of the jobs, summed in the order of the jobs."""
    results: list = [None] * len(jobs)
    for index, result in executor.run(block_gradient, jobs):
        results[index] = result
        advance()
    losses = [loss for loss, _ in results]
    start = [float(np.var(job.block.targets, ddof=1)) for job in jobs]
    gradient = {name: sum(grad[name] for _, grad in results) / len(jobs) for name in results[0][1]}
    left = sum(losses) / sum(start) if sum(start) > _NOTHING else 0.0
    residuals = np.append(archive["residuals"], left)
    if not all(np.isfinite(numbers).all() for numbers in (residuals, *gradient.values())):
        raise diverged()
    weights, first, second = (_part(archive, part) for part in ("weight", "first", "second"))
    return _archive(*_adam(gradient, weights, first, second, rate, len(residuals)), residuals)


def _adam(gradient: State, weights: State, first: State, second: State, rate: float, number: int):
    """Adam step ``number`` (from 1) on the stored moments."""
    from torch.optim.adam import adam  # torch.optim hides this module behind its classes

    steps = torch.tensor(float(number - 1))
    for name in weights:
        weight, grad = torch.from_numpy(weights[name].copy()), torch.from_numpy(gradient[name])
        mean, square = torch.from_numpy(first[name].copy()), torch.from_numpy(second[name].copy())
        adam(
            [weight], [grad], [mean], [square], [], [steps.clone()],
            amsgrad=False, beta1=0.9, beta2=0.999, lr=rate, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip
        weights[name], first[name], second[name] = weight.numpy(), mean.numpy(), square.numpy()
    return weights, first, second


def _lists(replies: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    return [list(reply) for reply in replies]
