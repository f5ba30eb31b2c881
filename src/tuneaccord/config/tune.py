"""The file of a tuning run: one model, its prompts, the pool, the groups, and how the adapter is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tuneaccord.config.loading import RelativePath, Section, load_yaml, spec
from tuneaccord.config.market import Money
from tuneaccord.divergence import KL
from tuneaccord.errors import InputError
from tuneaccord.mechanism.reports import check_distinct


class PromptsSection(Section):
    """Prompt files (JSON Lines): those the mechanism settles on, and those it is measured on."""

    tune: RelativePath = Field(examples=["prompts-tune.jsonl"])
    held_out: RelativePath = Field(examples=["prompts-held-out.jsonl"])


class PoolSection(Section):
    """How the frozen pool is drawn from the base model."""

    replies: int = Field(40, ge=2, examples=[40])
    new_tokens: int = Field(32, ge=1, examples=[32])
    temperature: float = Field(0.7, ge=0.01, examples=[0.7])


class TuneGroup(Section):
    """One group: its name, its size, and the criterion or function that is its reward model."""

    name: str = Field(min_length=1, examples=["marketing"])
    size: float = Field(gt=0, examples=[5])
    reward: str = Field(min_length=1, examples=["upbeat"])
    scale: tuple[float, float] | None = Field(None, examples=["[0, 1]"])

    @field_validator("scale")
    @classmethod
    def _ordered(cls, scale: tuple[float, float] | None) -> tuple[float, float] | None:
        if scale is not None and not scale[0] < scale[1]:
            raise InputError(f"scale must be [low, high] with low < high, got {list(scale)}.")
        return scale


class AdapterSection(Section):
    """The LoRA adapter that the settlement is carried into, and how it is trained."""

    rank: int = Field(2, ge=1, examples=[2])
    alpha: float = Field(4.0, gt=0, examples=[4])
    targets: Literal["all-linear"] | list[str] = "all-linear"
    learning_rate: float = Field(0.002, gt=0, examples=[0.002])
    passes: int = Field(1, ge=1, examples=[1])
    validation_prompts: int = Field(4, ge=0, examples=[4])
    block: int = Field(16, ge=2, examples=[16])
    blocks_per_step: int = Field(4, ge=1, examples=[4])


class MeasureSection(Section):
    """How much is sampled to measure the adapter."""

    replies: int = Field(16, ge=2, examples=[16])


class TuneSection(Section):
    """The keys of a tune file."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["assistant"])
    model: str = Field("smollm2-135m-instruct", min_length=1)
    revision: str | None = None
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    prompts: PromptsSection = Field(examples=["{tune: prompts-tune.jsonl, held_out: prompts-held-out.jsonl}"])
    pool: PoolSection = PoolSection()
    divergence: Annotated[KL, spec(KL)] = Field(examples=["{kind: KL, strength: 0.5}"])
    groups: list[TuneGroup] = Field(min_length=1, examples=["[{name: marketing, size: 5, reward: upbeat}]"])
    adapter: AdapterSection = AdapterSection()
    measure: MeasureSection = MeasureSection()
    money: Money = Money()
    seed: int = Field(1, ge=0, le=2**63 - 1, examples=[1])

    @field_validator("groups")
    @classmethod
    def _distinct(cls, groups: list[TuneGroup]) -> list[TuneGroup]:
        check_distinct(group.name for group in groups)
        return groups

    @model_validator(mode="after")
    def _consistent(self) -> TuneSection:
        if self.prompts.tune.resolve() == self.prompts.held_out.resolve():
            raise InputError(
                "prompts.held_out is the same file as prompts.tune. Measure on prompts that were not used."
            )
        if self.measure.replies > self.pool.replies:
            raise InputError(
                f"measure.replies is {self.measure.replies}, more than the {self.pool.replies} of pool.replies that "
                "the adapter's replies are compared with. Lower it, or draw a larger pool."
            )
        return self


def load_tune(path: Path) -> TuneSection:
    """The settings of a tune file; relative paths are relative to it.

    Raises :class:`InputError` with the place and the nearest valid name.
    """
    return load_yaml(path, TuneSection)
