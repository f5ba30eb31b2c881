"""One optimiser step of a TRL trainer, as a pure function of plain data that runs in a worker.

TRL computes everything that is the objective: the weighted sum of the rewards, the divergence from the base (its
adapter switched off), the baselines, the loss, the gradient and the optimiser's step. It is used through its front
door and nothing of it is replaced. Replies are not drawn by its sampler: the model's ``generate`` hands over those
that were drawn from this same adapter by the sampler of the pool, and the reward functions hand over their scores.
So a step depends on no random state, and the same numbers give the same step in every process. TRL tokenises the
prompts itself; a prompt or a reply that arrives otherwise than we read it ends the run.

Prompts of a step are padded on the left, which is harmless for relative positions only: models without rotary
positions need prompts of one length in a step. One process and one device; untested on a GPU.
"""

from __future__ import annotations

import gc
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tuneaccord.errors import ModelError
from tuneaccord.llm.adapters import Lora, State, diverged, put, trainable
from tuneaccord.llm.backend import quiet, torch
from tuneaccord.llm.hf import LanguageModel, ModelRef, _without_a_clock, load
from tuneaccord.llm.memory import fitting
from tuneaccord.llm.trl_settings import Algorithm, Rule, config_of

Archive = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Update:
    """One step: the adapter with its moments, the replies that it gave, and how each group scored them.

    ``replies`` has the same number for every prompt; ``scores`` has shape (prompts, replies, groups), groups in the
    order of ``rule.weights``. ``block`` replies go through the model at a time.
    """

    ref: ModelRef
    lora: Lora
    archive: Archive
    prompts: tuple[str, ...]
    encoded: tuple[tuple[int, ...], ...]
    replies: tuple[tuple[tuple[int, ...], ...], ...]
    scores: np.ndarray
    rule: Rule
    algorithm: Algorithm
    rate: float
    block: int
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many replies there are."""
        return len(self.replies) * len(self.replies[0])


def run_update(update: Update) -> Archive:
    """The archive after the step: weights, both moments, and the trainer's own record of the step.

    Out of memory, ``block`` halves itself.
    """
    _check_positions(update)
    return fitting("learning from", min(update.block, update.size), partial(_run, update))


def _run(update: Update, block: int) -> Archive:
    with (
        quiet(),
        _random_state_kept(),
        _no_telemetry(),
        _old_objects_passed_over(),
        tempfile.TemporaryDirectory() as folder,
    ):
        trainer, optimizer = _trainer(update, block, folder)
        trainer.train()
        logged = {name: value for entry in trainer.state.log_history for name, value in entry.items()}
        weights = {name: _numpy(weight) for name, weight in trainable(trainer.model).items()}
        moments = [optimizer.state[weight] for weight in trainable(trainer.model).values()]
    archive = archived(
        weights,
        {name: _numpy(moment["exp_avg"]) for name, moment in zip(weights, moments, strict=True)},
        {name: _numpy(moment["exp_avg_sq"]) for name, moment in zip(weights, moments, strict=True)},
    )
    count = sum(len(reply) for row in update.replies for reply in row)
    archive["reward"] = np.append(update.archive["reward"], logged["reward"])
    log_ratio = logged.get("kl", 0.0) * count / update.size  # TRL's is a mean over tokens, none for beta 0
    archive["kl"] = np.append(update.archive["kl"], log_ratio)
    archive["generated"] = np.append(update.archive["generated"], count)
    if not all(np.isfinite(numbers).all() for numbers in archive.values()):
        raise diverged()
    return archive


def archived(weights: State, first: State, second: State) -> Archive:
    """The state of a run as arrays, before any step of it is recorded."""
    parts = {"weight": weights, "first": first, "second": second}
    named = {f"{part}/{name}": array for part, state in parts.items() for name, array in state.items()}
    return {**named, "reward": np.zeros(0), "kl": np.zeros(0), "generated": np.zeros(0, np.int64)}


def part(archive: Archive, name: str) -> State:
    """One part of an archive: ``weight``, ``first`` or ``second``."""
    return {key.removeprefix(f"{name}/"): array for key, array in archive.items() if key.startswith(f"{name}/")}


def _trainer(update: Update, block: int, folder: str):
    """A trainer with the adapter as it stands and the optimiser that we look into afterwards."""
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback, ProgressCallback
    from trl import GRPOTrainer, RLOOTrainer

    model = _model(update.ref)
    groups = len(update.rule.weights)
    handed = _Handed(update)
    config = config_of(
        update.rule, update.algorithm, len(update.replies[0]), update.size, even_block(update.size, block),
        update.rate, update.ref.device == "cpu", folder, update.extra,
    )  # fmt: skip
    trainer = (RLOOTrainer if update.algorithm == "rloo" else GRPOTrainer)(
        model=model.model,
        args=config,
        processing_class=model.tokenizer,
        reward_funcs=[handed.reward(group) for group in range(groups)],
        train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": text}] for text in update.prompts]}),
        peft_config=_peft_config(update.lora),
    )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    put(trainer.model, part(update.archive, "weight"))
    trainer.model.generate = handed.generate
    trainer.optimizer = _adam(trainer.model, update)
    return trainer, trainer.optimizer


def _model(ref: ModelRef) -> LanguageModel:
    """A copy of its own, because trainers change a model in place; prompts are read as the pool reads them."""
    model = load.__wrapped__(ref)
    model.tokenizer.chat_template = _without_a_clock(model.tokenizer.get_chat_template())
    # our own attention for a CPU has no answer where a position may look nowhere, as in the padding on the left
    model.model.set_attn_implementation("eager" if ref.device == "cpu" else "sdpa")
    return model


def _peft_config(lora: Lora):
    from peft import LoraConfig

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM"
    )


def _adam(model, update: Update):
    """Adam with the moments of the run so far."""
    weights = trainable(model)
    optimizer = torch.optim.Adam(list(weights.values()), lr=update.rate)
    first, second = part(update.archive, "first"), part(update.archive, "second")
    for name, weight in weights.items():
        optimizer.state[weight] = {
            "step": torch.tensor(float(len(update.archive["reward"]))),
            "exp_avg": torch.from_numpy(first[name].copy()).to(weight),
            "exp_avg_sq": torch.from_numpy(second[name].copy()).to(weight),
        }
    return optimizer


class _Handed:
    """Replies and scores that were computed outside, in the order of the trainer's rows."""

    def __init__(self, update: Update) -> None:
        self.update = update
        self.replies = [list(reply) for row in update.replies for reply in row]
        self.prompts = [list(prompt) for prompt in update.encoded for _ in update.replies[0]]

    def generate(self, input_ids, attention_mask, **_):
        """What ``generate`` returns: the prompts as given, each followed by its reply."""
        given = [row[mask.bool()].tolist() for row, mask in zip(input_ids, attention_mask, strict=True)]
        if given != self.prompts:
            raise ModelError(
                f"TRL reads a prompt of model {self.update.ref.name!r} in other tokens than the pool was drawn with, "
                "so it would train on other prompts. Use another way to tune this model."
            )
        longest = max(map(len, self.replies))
        # after the token that ends a reply TRL reads no further
        padded = [reply + [reply[-1]] * (longest - len(reply)) for reply in self.replies]
        return torch.cat([input_ids, torch.tensor(padded, device=input_ids.device)], dim=1)

    def reward(self, group: int):
        """The reward function of one group."""
        scores = self.update.scores[..., group].reshape(-1).tolist()

        def scored(completion_ids, **_):
            if [list(reply) for reply in completion_ids] != self.replies:
                raise ModelError(
                    f"TRL ends the replies of model {self.update.ref.name!r} elsewhere than the pool does. "
                    "Use another way to tune this model."
                )
            return scores

        scored.__name__ = f"group_{group}"
        return scored


def even_block(batch: int, block: int) -> int:
    """The largest number of rows up to ``block`` that divides the batch.

    >>> even_block(24, 16)
    12
    """
    return max(size for size in range(1, min(batch, block) + 1) if batch % size == 0)


def _check_positions(update: Update) -> None:
    if len({len(prompt) for prompt in update.encoded}) == 1:
        return
    config = load(update.ref).model.config.get_text_config()
    if getattr(config, "rope_parameters", None) is None and getattr(config, "rope_theta", None) is None:
        raise ModelError(
            f"model {update.ref.name!r} counts positions from the start, and TRL pads short prompts there. "
            "Set rl.prompts_per_step to 1, or use a model with rotary positions such as Llama, Qwen or SmolLM."
        )


def _numpy(tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy().copy()


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Trainers seed every generator of the process; whoever called us finds theirs as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def _old_objects_passed_over() -> Iterator[None]:
    """Trainers collect garbage at their end, which goes through every object of the imported packages."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """TRL tells the hub of every trainer that is made."""
    from huggingface_hub import constants

    before, constants.HF_HUB_DISABLE_TELEMETRY = constants.HF_HUB_DISABLE_TELEMETRY, True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = before
