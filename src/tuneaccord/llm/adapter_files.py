"""Read LoRA adapters that PEFT wrote, ours or others', and refuse what is more than a sum of ``scale * B A``.

Plain and rank-stabilised scales are understood (``alpha / r`` and ``alpha / sqrt(r)``, arXiv 2312.03732), also
when rank or alpha differ by layer. Everything else that PEFT can put into an adapter changes a model in another way,
and an adapter that has it is refused with the reason.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from tuneaccord.errors import ModelError
from tuneaccord.llm import embedded
from tuneaccord.llm.adapters import Adapter, Lora, State
from tuneaccord.llm.backend import quiet, torch
from tuneaccord.llm.hf import ModelRef, load

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_TENSOR = re.compile(re.escape(_PREFIX) + r"(?P<layer>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")

#: what an adapter may have besides rank, scale and layers, and why not
_REASONS = {
    "bias": "it trained biases too, which are not part of a sum of low-rank updates",
    "lora_bias": "its updates have biases, which are not part of a sum of low-rank updates",
    "use_dora": "it is a DoRA adapter, which rescales the base model's own weights and is not additive",
    "modules_to_save": "it carries whole layers of its own, which cannot be added to another adapter's",
    "trainable_token_indices": "it carries token embeddings of its own",
    "layer_replication": "it duplicates layers, so it has another architecture than the base",
    "target_parameters": "it changes parameters that are not linear layers",
    "alora_invocation_tokens": "it is active only after certain tokens",
    "use_qalora": "it pools its inputs (QA-LoRA)",
    "arrow_config": "it routes between adapters by the input",
}
#: settings that decide nothing about what a trained adapter adds, or that are dealt with here
_UNDERSTOOD = {
    "task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
    "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "target_modules", "exclude_modules",
    "layers_to_transform", "layers_pattern", "lora_dropout", "fan_in_fan_out", "init_lora_weights", "loftq_config",
    "eva_config", "megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying",
}  # fmt: skip
#: ways to start training that change the base model's weights, on which the adapter then rests
_OTHER_START = ("pissa", "olora", "loftq", "corda", "lora_ga", "mica")


def layers_of(state: State) -> list[str]:
    """The names of the layers that an adapter has weights for."""
    found = {match["layer"] for name in state if (match := _TENSOR.fullmatch(name))}
    return sorted(found)


def parameter_names(layer: str) -> tuple[str, str]:
    """What PEFT calls the two factors of a layer once they are attached.

    >>> parameter_names("lm_head")[0]
    'base_model.model.lm_head.lora_A.default.weight'
    """
    return tuple(f"{_PREFIX}{layer}.lora_{side}.default.weight" for side in "AB")


def read_adapter(folder: Path | str, ref: ModelRef) -> Adapter:
    """The LoRA adapter in a folder that PEFT wrote, for the base model ``ref``.

    Raises :class:`ModelError`, with the reason, when the folder holds no adapter, one of another base model, one with
    layers that the model does not have, or one that is more than a sum of low-rank updates.
    """
    folder = Path(folder)
    config = _config(folder)
    _check_kind(folder, config)
    _check_base(folder, config, ref)
    state = _tensors(folder, ref)
    sizes = _layer_sizes(ref)
    _check_layers(folder, state, sizes, ref)
    return _adapter(state, config, sizes)


def _config(folder: Path) -> dict:
    file = folder / _CONFIG
    if not file.is_file():
        raise ModelError(
            f"{folder} holds no adapter: there is no {_CONFIG}. Give the folder that save_pretrained of PEFT wrote."
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {error}.") from None
    if not isinstance(config, dict):
        raise ModelError(f"{file} must hold settings by name, as PEFT writes them.")
    return config


def _check_kind(folder: Path, config: dict) -> None:
    kind = str(config.get("peft_type", "")).upper()
    if kind != "LORA":
        raise ModelError(f"the adapter in {folder} has the type {kind or 'unknown'}; only LoRA adapters can be summed.")
    from peft import LoraConfig

    plain = LoraConfig()
    known = {field.name: getattr(plain, field.name) for field in fields(plain)}
    for key, value in sorted(config.items()):
        if key in _UNDERSTOOD or not value or value == known.get(key):
            continue
        reason = _REASONS.get(key, f"its setting {key} makes it more than a plain LoRA adapter")
        raise ModelError(f"the adapter in {folder} cannot be summed: {reason} ({key}: {json.dumps(value)[:60]}).")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_OTHER_START):
        raise ModelError(
            f"the adapter in {folder} cannot be summed: it was started with {start!r}, which changes the base model "
            "under it. Convert it to a plain LoRA when it is saved (path_initial_model_for_weight_conversion in PEFT)."
        )


def _check_base(folder: Path, config: dict, ref: ModelRef) -> None:
    """By name only: an adapter knows no fingerprint of its base. Of a folder only the last part is compared."""
    given = config.get("base_model_name_or_path")
    names = {ref.name, embedded.about(ref.name).get("hub_name", ref.name)}
    if not given or given in names or Path(given).name in {Path(name).name for name in names}:
        return
    raise ModelError(
        f"the adapter in {folder} was trained on {given!r}, and the model here is {ref.name!r}. Name that model, or, "
        f"if the two are the same, write {ref.name!r} as base_model_name_or_path in its {_CONFIG}."
    )


def _tensors(folder: Path, ref: ModelRef) -> State:
    file = folder / _WEIGHTS
    if not file.is_file():
        raise ModelError(
            f"{folder} has no {_WEIGHTS}. Other files can run code when they are read; save the adapter again as "
            "safetensors, PEFT's default."
        )
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file} is damaged: {error}.") from None
    state = {}
    for name, tensor in tensors.items():
        match = _TENSOR.fullmatch(name)
        if match is None and _is_of_base(name, tensor, ref):
            continue  # PEFT may add a copy of the vocabulary's weights where an adapter is on them
        if match is None:
            raise ModelError(
                f"the adapter in {folder} cannot be summed: it holds {name}, which is neither a low-rank factor of a "
                "linear layer nor what the base model has there."
            )
        state[parameter_names(match["layer"])["AB".index(match["side"])]] = tensor.to(torch.float32).numpy()
    if not state:
        raise ModelError(f"{file} is empty: the adapter adds nothing to any layer.")
    if not all(np.isfinite(weight).all() for weight in state.values()):
        raise ModelError(f"{file} holds numbers that are not finite: the training of this adapter diverged.")
    return state


def _is_of_base(name: str, tensor, ref: ModelRef) -> bool:
    """Whether a tensor is the base model's own."""
    own = load(ref).model.state_dict().get(name.removeprefix(_PREFIX).replace(".base_layer.", "."))
    return own is not None and own.shape == tensor.shape and torch.equal(own.cpu(), tensor.to(own.dtype))


def _layer_sizes(ref: ModelRef) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of every linear layer of the model."""
    with quiet():
        from transformers.pytorch_utils import Conv1D
    sizes = {}
    for name, module in load(ref).model.named_modules():
        if isinstance(module, torch.nn.Linear):
            sizes[name] = (module.in_features, module.out_features)
        elif isinstance(module, Conv1D):
            sizes[name] = tuple(module.weight.shape)
    return sizes


def _check_layers(folder: Path, state: State, sizes: dict, ref: ModelRef) -> None:
    for layer in layers_of(state):
        down, up = (state.get(name) for name in parameter_names(layer))
        if down is None or up is None:
            raise ModelError(f"the adapter in {folder} has only one of two factors for layer {layer}; it is damaged.")
        if layer not in sizes:
            raise ModelError(
                f"the adapter in {folder} changes the layer {layer}, which is no linear layer of {ref.name!r}. It "
                "belongs to another base model."
            )
        found = (down.shape[1], up.shape[0])
        if found != sizes[layer] or down.shape[0] != up.shape[1]:
            raise ModelError(
                f"the adapter in {folder} has factors of shape {down.shape} and {up.shape} for layer {layer}, which "
                f"has {sizes[layer][0]} inputs and {sizes[layer][1]} outputs in {ref.name!r}. It belongs to another "
                "base model."
            )


def _adapter(state: State, config: dict, sizes: dict) -> Adapter:
    """With one rank and one scale for all layers: padded with zeros, and the scales in B where they differ."""
    layers = layers_of(state)
    ranks = {layer: len(state[parameter_names(layer)[0]]) for layer in layers}
    scales = {layer: _scale(config, layer, ranks[layer]) for layer in layers}
    rank, first = max(ranks.values()), scales[layers[0]]
    even = set(scales.values()) == {first}
    for layer in layers:
        name_a, name_b = parameter_names(layer)
        wider = rank - ranks[layer]
        up = state[name_b] if even else (scales[layer] * state[name_b].astype(np.float64)).astype(np.float32)
        state[name_a] = np.pad(state[name_a], ((0, wider), (0, 0)))
        state[name_b] = np.pad(up, ((0, 0), (0, wider)))
    return Adapter(Lora(rank, (first if even else 1.0) * rank, _targets(layers, sizes)), state)


def _scale(config: dict, layer: str, rank: int) -> float:
    """What ``B A`` is multiplied by in this layer."""
    from peft.utils.other import get_pattern_key

    patterns = config.get("alpha_pattern") or {}
    alpha = patterns.get(get_pattern_key(patterns, layer), config["lora_alpha"])
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _targets(layers: list[str], sizes: dict) -> tuple[str, ...]:
    """The last parts of the layers' names, where they mean these layers and no other; or the whole names."""
    short = sorted({layer.rpartition(".")[2] for layer in layers})
    meant = [name for name in sizes if name.rpartition(".")[2] in short]
    return tuple(short) if sorted(meant) == layers else tuple(layers)
