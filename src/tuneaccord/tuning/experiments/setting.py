"""The work on the language model: the frozen pools, and soups of one adapter a criterion, measured.

Every step is stored under the digest of what went into it, in one folder for all experiments: a run that was stopped
continues, a second run reads everything back, and what two experiments share (a pool, an adapter) is made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tuneaccord.artifacts import Store, seed_of
from tuneaccord.divergence import Divergence
from tuneaccord.errors import InputError
from tuneaccord.llm.embedded import cache_folder
from tuneaccord.llm.soup import weight_grid
from tuneaccord.progress import Progress
from tuneaccord.shipped import example
from tuneaccord.tuning.experiments.claims import Claim
from tuneaccord.tuning.experiments.outcomes import PoolOutcomes, SoupOutcomes
from tuneaccord.tuning.job import Frozen, Job, frozen
from tuneaccord.tuning.ledger import Ledger
from tuneaccord.tuning.market import Market, read_market
from tuneaccord.tuning.opening import workers_for
from tuneaccord.tuning.record import NUMERIC, package_versions
from tuneaccord.tuning.table import MeasuredTable
from tuneaccord.tuning.ways import way

#: the strengths tried for the soups, as shares of the market's
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True)
class Options:
    """What a caller may choose: replies a prompt, the seed, another market, where steps are kept, workers."""

    samples: int
    seed: int
    market: Path | None = None
    folder: Path | None = None
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class Setting:
    """What an experiment is computed from: two frozen pools with scores by criterion, and the table of soups."""

    market: Market
    drawn: Frozen
    soups: MeasuredTable

    @property
    def names(self) -> tuple[str, ...]:
        """The criteria, which are the groups of the market file."""
        return tuple(group.name for group in self.market.groups)

    @property
    def divergence(self) -> Divergence:
        """The market's divergence, for the pool."""
        return self.market.settings.divergence

    @cached_property
    def pool(self) -> PoolOutcomes:
        """All policies over the replies to the prompts that are settled on."""
        return PoolOutcomes(self.drawn.sheet.scores, self.divergence, seed_of(self.market.settings.seed, "tune"))

    @cached_property
    def held_out_pool(self) -> PoolOutcomes:
        """The same over the replies to other prompts, drawn independently."""
        return PoolOutcomes(self.drawn.held_out.scores, self.divergence, seed_of(self.market.settings.seed, "held out"))

    def soup_outcomes(self, strength: float) -> SoupOutcomes:
        """The table of soups with this price of a nat."""
        return SoupOutcomes(replace(self.soups, strength=strength), seed_of(self.market.settings.seed, "soups"))

    def halves(self, strength: float) -> tuple[SoupOutcomes, SoupOutcomes]:
        """The table measured on every other prompt, and on the rest."""
        parts = []
        for start in (0, 1):
            rows = tuple(replace(row, values=row.values[start::2], kl=row.kl[start::2]) for row in self.soups.rows)
            table = replace(self.soups, rows=rows, strength=strength)
            parts.append(SoupOutcomes(table, seed_of(self.market.settings.seed, "half", start)))
        return parts[0], parts[1]

    def soup_strength(self, scenes: Sequence[Sequence[Claim]]) -> tuple[float, bool]:
        """The largest strength tried at which every scene, told truthfully, gets a soup and not the base.

        The smallest that was tried, and ``False``, when there is none.
        """
        for share in SHARES:
            strength = share * self.market.strength
            outcomes = self.soup_outcomes(strength)
            chosen = {outcomes.amounts(claims, 0, claims[0]).model for claims in scenes}
            if self.soups.names[0] not in chosen:
                return strength, True
        return strength, False


def prepare(name: str, groups: int, options: Options, progress: Progress) -> Setting:
    """Draw, score, train and measure what the experiment needs; what is stored is read back.

    The folder is not locked: every file in it is written whole under the digest of its inputs, so two experiments
    may work in it at once.

    Raises :class:`InputError` when the market file has not ``groups`` groups or a reward on another scale than [0, 1].
    """
    market = _market(name, groups, options, progress)
    folder = options.folder or cache_folder() / "reproduce"
    with workers_for(market.ref, options.workers, progress) as executor:
        store = Store(folder / "steps", package_versions(NUMERIC))
        job = Job(market, store, executor, progress, Ledger(folder / "costs.jsonl"))
        drawn = frozen(job.labelled("pool"))
        job = job.ready(drawn)
        market = job.market
        soups = way("soups").run(job.labelled("soups"), drawn).table
    return Setting(market, drawn, _named_by_weights(market, soups))


def _named_by_weights(market: Market, soups: MeasuredTable) -> MeasuredTable:
    """The same table with short names: the weights of the adapters, such as ``0.25:0.75``."""
    weightings = weight_grid(len(market.groups), market.settings.soups.steps, market.settings.soups.lengths)
    names = ["base", *(":".join(f"{weight:g}" for weight in weights) for weights in weightings)]
    return replace(soups, rows=tuple(replace(row, name=name) for row, name in zip(soups.rows, names, strict=True)))


def _market(name: str, groups: int, options: Options, progress: Progress) -> Market:
    market = read_market(options.market or example(f"papers/real_model/{name}.yaml"), progress)
    if len(market.groups) != groups:
        raise InputError(f"{name} is an experiment with {groups} groups, but the market has {len(market.groups)}.")
    for group in market.groups:
        if tuple(group.scale) != (0.0, 1.0):
            raise InputError(
                f"group {group.name!r}: {name} needs rewards on the scale [0, 1], got {list(group.scale)}. Rescale it."
            )
    settings = market.settings
    replies = min(settings.measure.replies, options.samples)
    changed = {
        "seed": options.seed,
        "pool": settings.pool.model_copy(update={"replies": options.samples}),
        "measure": settings.measure.model_copy(update={"replies": replies}),
    }
    return replace(market, settings=settings.model_copy(update=changed))
