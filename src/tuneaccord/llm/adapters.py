"""LoRA adapters as plain arrays: built from a description, carried between processes, written for PEFT.

A tuned policy is plain data (:class:`TunedPolicy`); a worker process turns it into a model that can be sampled.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tuneaccord.artifacts import canonical_json
from tuneaccord.errors import ModelError
from tuneaccord.files import write_atomically
from tuneaccord.llm import embedded
from tuneaccord.llm.backend import quiet, torch
from tuneaccord.llm.hf import LanguageModel, ModelRef, load

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter: rank, scale and the names of the linear layers it adds to."""

    rank: int
    alpha: float
    targets: tuple[str, ...] | str = "all-linear"
    seed: int = 0

    def identity(self) -> dict:
        """Plain data."""
        return asdict(self)


class TunedPolicy(ABC):
    """A language model other than the base, as plain data that travels to worker processes."""

    @abstractmethod
    def identity(self) -> dict:
        """What its replies depend on besides the base model, small enough to be hashed often."""

    @abstractmethod
    def on(self, ref: ModelRef) -> LanguageModel:
        """The policy ready to be sampled; within ``model.disable_adapter()`` the same model is the base."""


@dataclass(frozen=True, eq=False)
class Adapter(TunedPolicy):
    """A LoRA adapter with its weights."""

    lora: Lora
    state: State

    @cached_property
    def digest(self) -> str:
        """A fingerprint of the weights."""
        return digest_state(self.state)

    def identity(self) -> dict:
        return {"lora": self.lora.identity(), "weights": self.digest}

    def on(self, ref: ModelRef) -> LanguageModel:
        language_model = attach(ref, self.lora)
        put(language_model.model, self.state)
        return language_model


def attach(ref: ModelRef, lora: Lora) -> LanguageModel:
    """A copy of the model with an adapter attached; its weights are float32, whatever the base's are.

    Each process keeps the last one, with the weights that were :func:`put` last. Raises :class:`ModelError`
    when the model has no layers of the given names.
    """
    return _attached(ref, lora)[0]


@functools.lru_cache(maxsize=1)
def _attached(ref: ModelRef, lora: Lora) -> tuple[LanguageModel, State]:
    from peft import LoraConfig, get_peft_model

    base = load.__wrapped__(ref)  # a copy of its own: attaching changes a model in place
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM"
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(lora.seed)
        try:
            model = get_peft_model(base.model, config)
        except ValueError as error:
            raise ModelError(
                f"an adapter on {targets} does not fit model {ref.name!r}: {error} Linear layers that it has: "
                f"{', '.join(_linear_layers(base.model))}."
            ) from error
    fresh = {name: weight.detach().cpu().numpy().copy() for name, weight in trainable(model).items()}
    return LanguageModel(ref, model, base.tokenizer), fresh


def _linear_layers(model) -> list[str]:
    linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    return sorted({name.rpartition(".")[2] for name in linear})


def trainable(model) -> dict:
    """The adapter's parameters by name, in a fixed order."""
    return {name: weight for name, weight in sorted(model.named_parameters()) if weight.requires_grad}


def initial_state(ref: ModelRef, lora: Lora) -> State:
    """The fresh adapter, which leaves the policy unchanged."""
    return {name: weight.copy() for name, weight in _attached(ref, lora)[1].items()}


def put(model, state: State) -> None:
    """Give the attached adapter these weights."""
    with torch.no_grad():
        for name, weight in trainable(model).items():
            weight.copy_(torch.from_numpy(state[name]))


def diverged() -> ModelError:
    """The error of training that left the numbers."""
    return ModelError("tuning the adapter diverged: its numbers grew without bound. Lower adapter.learning_rate.")


def digest_state(state: State) -> str:
    """A fingerprint of an adapter's weights."""
    content = hashlib.sha256()
    for name in sorted(state):
        content.update(canonical_json([name, state[name].shape]))
        content.update(np.ascontiguousarray(state[name]).tobytes())
    return "sha256:" + content.hexdigest()


def save(ref: ModelRef, adapter: Adapter, folder: Path, card: str) -> None:
    """Write ``adapter_config.json``, ``adapter_model.safetensors`` and the model card, as PEFT reads them.

    The base is named as others know it, not by the folder it was loaded from.
    """
    model = adapter.on(ref).model
    with tempfile.TemporaryDirectory() as scratch, quiet():
        # an adapter on the output layer does not change the embeddings: PEFT would write a copy of them
        model.save_pretrained(scratch, save_embedding_layers=False)
        # changed in the file: PEFT asks the hub about a base of another name than a folder's while it saves
        config = Path(scratch) / "adapter_config.json"
        facts = json.loads(config.read_text(encoding="utf-8"))
        facts["base_model_name_or_path"] = embedded.about(ref.name).get("hub_name", ref.name)
        config.write_text(json.dumps(facts, indent=2, sort_keys=True), encoding="utf-8")
        for file in sorted(Path(scratch).glob("adapter_*")):
            write_atomically(folder / file.name, file.read_bytes())
    write_atomically(folder / "README.md", card)
