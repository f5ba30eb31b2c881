"""The exact weighted sum of LoRA adapters, as one ordinary adapter.

An adapter adds ``scale * B A`` to the weights of its layers, so a sum of adapters adds ``sum_i w_i scale_i B_i A_i``.
That sum is a product again, without rounding anything away: stack the ``A_i`` over each other and the
``w_i scale_i B_i`` beside each other. The rank is the sum of the ranks. Averaging the factors themselves (PEFT's
``linear``) adds cross terms ``B_i A_j``, and its ``svd`` cuts the rank; both are far off (arXiv 2306.04488 mixes whole
weights, where the question does not arise).

The weights may be negative and need not sum to one. An adapter that is given twice counts with the sum of its
weights. An adapter without a layer that another one has adds nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.files import write_atomically
from tuneaccord.llm.adapter_files import layers_of, parameter_names, read_adapter
from tuneaccord.llm.adapters import Adapter, Lora, save
from tuneaccord.llm.hf import ModelRef

#: A layer's factors (A, B) in float64, with the adapter's scale in B: the layer's weights grow by ``B @ A``.
Factors = tuple[np.ndarray, np.ndarray]


def mixture(adapters: Sequence[Adapter], weights: Sequence[float]) -> Adapter:
    """The adapter whose update is ``sum_i weights[i] * update of adapters[i]``, up to one rounding to float32.

    One adapter of weight 1 comes back as it is. Raises :class:`InputError` when the weights do not fit the adapters or
    are not finite, and when two adapters do not belong to one model.
    """
    parts = _merged(adapters, _checked(adapters, weights))
    if len(parts) == 1 and parts[0][1] == 1.0:
        return parts[0][0]
    if not parts:  # everything cancels: a layer that adds nothing
        parts = [(adapters[0], 0.0)]
    return stacked([adapter for adapter, _ in parts], [weight for _, weight in parts])


def stacked(adapters: Sequence[Adapter], weights: Sequence[float]) -> Adapter:
    """The same without looking for duplicates: adapter i has rows ``r_1 + ... + r_(i-1)`` and the next ``r_i``."""
    factored = [factors(adapter) for adapter in adapters]
    shapes = _shapes(factored)
    state = {}
    for layer, (inputs, outputs) in shapes.items():
        down, up = [], []
        for adapter, layers, weight in zip(adapters, factored, weights, strict=True):
            rank = adapter.lora.rank
            a, b = layers.get(layer, (np.zeros((rank, inputs)), np.zeros((outputs, rank))))
            down.append(a)
            up.append(weight * b)
        name_a, name_b = parameter_names(layer)
        state[name_a] = np.concatenate(down, axis=0).astype(np.float32)
        state[name_b] = np.concatenate(up, axis=1).astype(np.float32)
    rank = sum(adapter.lora.rank for adapter in adapters)
    return Adapter(Lora(rank, float(rank), _targets(adapters, shapes)), state)


def factors(adapter: Adapter) -> dict[str, Factors]:
    """The factors of every layer that the adapter has, by the layer's name."""
    scale = adapter.lora.alpha / adapter.lora.rank
    found = {}
    for layer in layers_of(adapter.state):
        a, b = (adapter.state[name].astype(np.float64) for name in parameter_names(layer))
        found[layer] = (a, scale * b)
    return found


def relative_error(given: Adapter, adapters: Sequence[Adapter], weights: Sequence[float]) -> float:
    """By how much ``given`` misses the weighted sum: the Frobenius norm of the difference over that of the sum.

    Over all layers together, in float64, without ever making a full matrix. A sum of zero that is missed is
    infinitely far.
    """
    found, factored = factors(given), [factors(adapter) for adapter in adapters]
    missed = wanted = 0.0
    for layer in _shapes([found, *factored]):
        parts = [
            (layers[layer][0], weight * layers[layer][1])
            for layers, weight in zip(factored, weights, strict=True)
            if layer in layers
        ]
        wanted += _norm(parts) ** 2
        mine = [(found[layer][0], -found[layer][1])] if layer in found else []
        missed += _norm([*parts, *mine]) ** 2
    if missed == 0.0:
        return 0.0
    return math.sqrt(missed / wanted) if wanted > 0.0 else math.inf


def write_mixture(
    ref: ModelRef, adapters: Sequence[Adapter], weights: Sequence[float], folder: Path, card: Callable[[float], str]
) -> float:
    """Write the mixture as PEFT reads it and return the relative error of what was written, read back from the file.

    ``card(error)`` is the text of the model card.
    """
    save(ref, mixture(adapters, weights), folder, card(math.nan))
    error = relative_error(read_adapter(folder, ref), adapters, weights)
    write_atomically(Path(folder) / "README.md", card(error))
    return error


def _norm(parts: Sequence[Factors]) -> float:
    """The Frobenius norm of ``sum B A``; of its triangular factors, so that what cancels does so exactly."""
    if not parts:
        return 0.0
    down = np.linalg.qr(np.concatenate([a for a, _ in parts], axis=0).T, mode="r")
    up = np.linalg.qr(np.concatenate([b for _, b in parts], axis=1), mode="r")
    return float(np.linalg.norm(up @ down.T))


def _checked(adapters: Sequence[Adapter], weights: Sequence[float]) -> list[float]:
    if not adapters or len(adapters) != len(weights):
        raise InputError(
            f"a mixture needs one weight for each of one or more adapters, got {len(adapters)} adapters and "
            f"{len(weights)} weights."
        )
    numbers = [float(weight) for weight in weights]
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"the weights of a mixture must be finite numbers, got {numbers}.")
    return numbers


def _merged(adapters: Sequence[Adapter], weights: Sequence[float]) -> list[tuple[Adapter, float]]:
    """Each adapter once, with its weights added up; those of weight 0 left out."""
    parts: dict[tuple, list] = {}
    for adapter, weight in zip(adapters, weights, strict=True):
        parts.setdefault((adapter.digest, adapter.lora.alpha / adapter.lora.rank), [adapter, []])[1].append(weight)
    summed = [(adapter, math.fsum(given)) for adapter, given in parts.values()]
    return [(adapter, weight) for adapter, weight in summed if weight != 0.0]


def _shapes(factored: Sequence[dict[str, Factors]]) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of every layer that some adapter has."""
    shapes: dict[str, tuple[int, int]] = {}
    for layers in factored:
        for layer, (a, b) in sorted(layers.items()):
            shape = (a.shape[1], b.shape[0])
            if shapes.setdefault(layer, shape) != shape:
                raise InputError(
                    f"the adapters are of different models: layer {layer} has {shapes[layer]} inputs and outputs in "
                    f"one and {shape} in another. Mix adapters of one base model."
                )
    return shapes


def _targets(adapters: Sequence[Adapter], layers: dict) -> tuple[str, ...] | str:
    """The common description of the adapted layers, or their full names."""
    first = adapters[0].lora.targets
    return first if all(adapter.lora.targets == first for adapter in adapters) else tuple(sorted(layers))
