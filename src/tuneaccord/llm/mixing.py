"""Mix adapters while decoding: at every token a weighted sum of the members' logits.

With base logits ``l_0`` and those of member i ``l_i`` the mixture's are ``l_0 + sum_i w_i (l_i - l_0)``, so that

    p(token) proportional to q(token) * product_i (p_i(token) / q(token)) ** w_i

at the temperature that the base and the members are sampled at (arXiv 2406.18853). Where each member is the best
policy for one group's reward alone, that is the next-token distribution of the training rule for the weighted sum of
rewards if a token decided everything; over whole replies it is an approximation, because the normalisation at
every token ignores what follows. It is a policy like any other: sampled and measured as it is.

A token costs one forward pass of the base and one of each member. They go through the model as one batch: all
members are attached side by side as one adapter, and every row of the batch switches the others' ranks off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

from tuneaccord.errors import InputError
from tuneaccord.llm.adapters import Adapter, TunedPolicy
from tuneaccord.llm.backend import torch
from tuneaccord.llm.hf import LanguageModel, ModelRef
from tuneaccord.llm.mixture import stacked

#: attribute of an attached model that its layers' ranks are switched by
_SWITCH = "_tuneaccord_switch"


@dataclass(frozen=True, eq=False)
class LogitMixture(TunedPolicy):
    """The members' logits mixed with these weights, any finite numbers; all weights 0 give the base model.

    Raises :class:`InputError` when there is not one weight for each member, or a weight is not finite.
    """

    members: tuple[Adapter, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.members or len(self.members) != len(self.weights):
            raise InputError(
                f"a mixture needs one weight for each of one or more members, got {len(self.members)} members and "
                f"{len(self.weights)} weights."
            )
        if not all(map(math.isfinite, self.weights)):
            raise InputError(f"the weights of a mixture must be finite numbers, got {self.weights}.")

    def identity(self) -> dict:
        members = [[member.identity(), weight] for member, weight in self._active()]
        return {"logits of": members}

    def on(self, ref: ModelRef) -> LanguageModel:
        active = self._active()
        adapters = [member for member, _ in active] or [self.members[0]]
        weights = [weight for _, weight in active] or [0.0]
        attached = stacked(adapters, [1.0] * len(adapters)).on(ref)
        mixed = MixedModel(attached.model, [adapter.lora.rank for adapter in adapters], weights)
        return LanguageModel(ref, mixed, attached.tokenizer)

    def _active(self) -> list[tuple[Adapter, float]]:
        return [(member, float(w)) for member, w in zip(self.members, self.weights, strict=True) if w != 0.0]


class MixedModel:
    """Called as a model of transformers is; everything but the logits is that of the model with the adapters.

    A batch of n rows goes through the model as n (members + 1) rows, first those of the base, then those of each
    member; the cache has all of them. Within ``disable_adapter()`` the rows go through the base alone.
    """

    def __init__(self, model, ranks: list[int], weights: list[float]) -> None:
        self.model, self.ranks, self.weights = model, ranks, weights
        self._base_only = False

    def __getattr__(self, name: str):
        return getattr(self.__dict__["model"], name)

    def __call__(self, input_ids, past_key_values=None, **options):
        """Mixed logits in float32, (rows, positions, vocabulary), and the cache."""
        if self._base_only:
            return self.model(input_ids, past_key_values=past_key_values, **options)
        rows, copies = len(input_ids), len(self.ranks) + 1
        if past_key_values is not None:
            options["past_key_values"] = past_key_values.cache
        for name, value in options.items():  # a mask or positions go with the rows
            if torch.is_tensor(value) and value.dim() > 0 and len(value) == rows:
                options[name] = value.repeat(copies, *[1] * (value.dim() - 1))
        with self._switched(rows):
            output = self.model(input_ids.repeat(copies, 1), **options)
        cache = CopiedCache(output.past_key_values, rows, copies)
        return SimpleNamespace(logits=self._mix(output.logits, rows), past_key_values=cache)

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """The base model in the block."""
        before, self._base_only = self._base_only, True
        try:
            with self.model.disable_adapter():
                yield
        finally:
            self._base_only = before

    def _mix(self, logits, rows: int):
        base, *members = logits.split(rows)
        base = base.float()
        mixed = base.clone()
        for member, weight in zip(members, self.weights, strict=True):
            mixed += weight * (member.float() - base)
        return mixed

    @contextmanager
    def _switched(self, rows: int) -> Iterator[None]:
        """Each row has its own member's ranks and no other's; those of the base none."""
        switch = _switch_of(self.model)
        owners = torch.repeat_interleave(torch.arange(1, len(self.ranks) + 1), torch.tensor(self.ranks))
        copies = torch.arange(len(self.ranks) + 1).repeat_interleave(rows)
        switch.mask = (copies[:, None] == owners[None, :]).float()[:, None, :].to(self.model.device)
        try:
            yield
        finally:
            switch.mask = None


class CopiedCache:
    """A cache of transformers with several copies of ``rows`` rows, one after the other; chosen by row, in all."""

    def __init__(self, cache, rows: int, copies: int) -> None:
        self.cache, self.rows, self.copies = cache, rows, copies

    @property
    def layers(self):
        """Those of the cache."""
        return self.cache.layers

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row so many times."""
        self.cache.batch_repeat_interleave(repeats)
        self.rows *= repeats

    def batch_select_indices(self, indices) -> None:
        """These rows, in this order."""
        first = self.rows * torch.arange(self.copies, device=indices.device)
        self.cache.batch_select_indices((first[:, None] + indices).flatten())
        self.rows = len(indices)


def _switch_of(model) -> SimpleNamespace:
    """What the hooks of a model with an adapter look at; hooked once, without effect while there is no mask."""
    switch = getattr(model, _SWITCH, None)
    if switch is None:
        switch = SimpleNamespace(mask=None)

        def masked(module, inputs, output):
            return output if switch.mask is None else output * switch.mask.to(output.dtype)

        for name, module in model.named_modules():
            if name.endswith(".lora_A.default"):
                module.register_forward_hook(masked)
        setattr(model, _SWITCH, switch)
    return switch
