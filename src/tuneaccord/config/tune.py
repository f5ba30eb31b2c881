"""The file of a tuning run: one model, its prompts, the pool, the groups, and how the adapter is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

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


class RewardSection(Section):
    """A reward in another form than a criterion or a function: exactly one of the keys in ``FORMS``."""

    FORMS: ClassVar = ("model", "sheet", "preferences", "mix", "answers")

    model: str | None = Field(None, min_length=1, examples=["models/my-judge"])
    label: str | int | None = Field(None, examples=["positive"])
    input: Literal["reply", "pair", "chat"] = "reply"
    revision: str | None = None
    sheet: RelativePath | None = Field(None, examples=["legal.csv"])
    preferences: RelativePath | None = Field(None, examples=["pairs.jsonl"])
    mix: dict[str, float] | None = Field(None, min_length=1, examples=["{upbeat: 0.7, easy: 0.3}"])
    answers: RelativePath | None = Field(None, examples=["questions-legal.csv"])

    @property
    def form(self) -> str:
        """The key that says which form it is."""
        return next(form for form in self.FORMS if getattr(self, form) is not None)

    @model_validator(mode="after")
    def _one_form(self) -> RewardSection:
        given = [form for form in self.FORMS if getattr(self, form) is not None]
        if len(given) != 1:
            raise InputError(
                f"a reward is exactly one of {', '.join(self.FORMS)}, got {' and '.join(given) or 'none of them'}. "
                "Try {model: models/my-judge, label: positive}."
            )
        needless = self.model_fields_set - {*self.FORMS}
        if needless and given != ["model"]:
            raise InputError(f"{min(needless)!r} is about a 'model', and this reward is a {given[0]}. Leave it out.")
        return self


class TuneGroup(Section):
    """One group: its name, its size, and what it reports of its wish."""

    name: str = Field(min_length=1, examples=["marketing"])
    size: float = Field(gt=0, examples=[5])
    reward: Annotated[str, Field(min_length=1)] | RewardSection = Field(examples=["upbeat"])
    scale: tuple[float, float] | None = Field(None, examples=["[0, 1]"])
    reward_seconds: float | None = Field(None, gt=0, examples=[60])

    @field_validator("scale")
    @classmethod
    def _ordered(cls, scale: tuple[float, float] | None) -> tuple[float, float] | None:
        if scale is not None and not scale[0] < scale[1]:
            raise InputError(f"scale must be [low, high] with low < high, got {list(scale)}.")
        return scale


class AdapterSection(Section):
    """The LoRA adapter that the settlement is carried into, and how it is made.

    ``vocabulary`` scores every token in ``contexts`` places of the pool and trains nothing; the other keys are about
    ``log-variance``, which is also what happens where some group's report scores no new text.
    """

    method: Literal["vocabulary", "log-variance"] = "vocabulary"
    contexts: int = Field(12, ge=1, examples=[12])
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


class SoupSection(Section):
    """Soups: each group's own adapter, trained at a public strength before sizes are known, and a grid of mixtures."""

    strength: float = Field(0.1, gt=0, examples=[0.1])
    steps: int = Field(2, ge=1, examples=[2])
    lengths: list[float] = Field([1.0], min_length=1, examples=["[0.5, 1]"])
    rewards: Literal["public", "reported"] | None = Field(None, examples=["public"])

    @field_validator("lengths")
    @classmethod
    def _lengths(cls, lengths: list[float]) -> list[float]:
        if min(lengths) <= 0 or len(set(lengths)) < len(lengths):
            raise InputError(f"soups.lengths must be distinct positive numbers, got {lengths}.")
        return lengths


class RLSection(Section):
    """Reinforcement learning through TRL: an adapter, and ``steps`` steps on fresh replies.

    ``targets`` are the adapter's unless given; ``checkpoints`` and ``stop_at`` are about the two shortcuts to payments.
    """

    algorithm: Literal["rloo", "grpo"] = "rloo"
    rank: int = Field(1, ge=1, examples=[1])
    alpha: float = Field(2.0, gt=0, examples=[2])
    targets: Literal["all-linear"] | list[str] | None = None
    learning_rate: float = Field(0.002, gt=0, examples=[0.002])
    steps: int = Field(6, ge=1, examples=[6])
    prompts_per_step: int = Field(16, ge=1, examples=[16])
    replies: int = Field(8, ge=2, examples=[8])
    block: int = Field(32, ge=1, examples=[32])
    checkpoints: int = Field(3, ge=1, examples=[3])
    stop_at: float = Field(0.5, gt=0, le=1, examples=[0.5])
    trl: dict[str, bool | int | float | str] = Field({}, examples=["{gradient_checkpointing: true}"])


class TuneSection(Section):
    """The keys of a tune file."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["assistant"])
    model: str = Field("smollm2-135m-instruct", min_length=1)
    revision: str | None = None
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    prompts: PromptsSection = Field(examples=["{tune: prompts-tune.jsonl, held_out: prompts-held-out.jsonl}"])
    pool: PoolSection = PoolSection()
    divergence: Annotated[KL, spec(KL)] = Field(examples=["{kind: KL, strength: 0.5}"])
    groups: list[TuneGroup] = Field(min_length=1, examples=["[{name: marketing, size: 5, reward: upbeat}]"])
    adapter: AdapterSection = AdapterSection()
    measure: MeasureSection = MeasureSection()
    soups: SoupSection = SoupSection()
    rl: RLSection = RLSection()
    reward_seconds: float = Field(1800.0, gt=0, examples=[60])
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
