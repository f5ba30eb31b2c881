"""Trained delivery: an adapter that follows the settlement, and the payments that would go with it.

Whatever model ``a`` is delivered, the payment ``h(w without i) - [others' welfare at a - price of a]`` leaves a
truthful group with ``net welfare(a) - h(w without i)``. Where ``h`` comes from decides what that means. From the frozen
held-out pool (``adapter``) it is exact and no report of the group moves it, but every group pays for what training
failed to reach. From adapters trained without the group (``leave-one-out``) it is what the paper's mechanism would
have cost: n + 1 trainings, each with noise of its own that goes straight into the payments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.llm.proposer import Proposal
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.uncertainty import Interval, interval
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.tuning.comparison import Row, best_net_welfare, shortfall
from tuneaccord.tuning.fitted import promised
from tuneaccord.tuning.job import Frozen, Job
from tuneaccord.tuning.record import adapter_guarantees
from tuneaccord.tuning.steps import tune_adapter
from tuneaccord.tuning.ways.measured import measured_rows, trained_tokens
from tuneaccord.tuning.ways.way import Way, WayResult


class AdapterWay(Way):
    """One adapter, trained towards the chosen policy."""

    name = "adapter"
    description = "one LoRA trained towards the chosen policy"
    builds_on = ("vocabulary",)

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market = job.market
        proposal = _trained(job, frozen, market.sizes, self.name)
        (_, row), generated = measured_rows(job, frozen, [proposal])
        names = tuple(group.name for group in market.groups)
        without = pool_without(frozen.held_out.scores, market.sizes, market.settings.divergence)
        charges = presence_charges(row, without, market.sizes, market.strength)
        return WayResult(
            self.name,
            row,
            {name: interval(charges[:, i], market.settings.seed) for i, name in enumerate(names)},
            None,
            chargeable=False,
            why="Everybody would pay for what training failed to reach: the others' best comes from the pool, their "
            "welfare from the adapter.",
            guarantees=_guarantees(job, frozen, row),
            generated=generated,
            trained=proposal.trained,
            delivered=proposal.policy,
            about=proposal.about,
        )


class LeaveOneOut(Way):
    """The same adapter, and one more trained without each group."""

    name = "leave-one-out"
    description = "n + 1 trainings: with everybody, and without each group"
    builds_on = ("adapter", "vocabulary")

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market = job.market
        names = tuple(group.name for group in market.groups)
        proposals = [_trained(job, frozen, market.sizes, "adapter")]
        for index, name in enumerate(names):
            sizes = np.where(np.arange(len(names)) == index, 0.0, market.sizes)
            proposals.append(_trained(job, frozen, sizes, f"without {name}"))
        (_, row, *others), generated = measured_rows(job, frozen, proposals)
        without = np.stack(
            [others_net_welfare(other, index, market.sizes, market.strength) for index, other in enumerate(others)],
            axis=1,
        )
        charges = presence_charges(row, without, market.sizes, market.strength)
        return WayResult(
            self.name,
            row,
            {name: interval(charges[:, i], market.settings.seed) for i, name in enumerate(names)},
            None,
            chargeable=False,
            why="The difference of two trainings, each with noise of its own; it may be negative, and its interval is "
            "wider than the payment.",
            guarantees=_guarantees(job, frozen, row),
            generated=generated,
            trained=sum(proposal.trained for proposal in proposals),
            delivered=proposals[0].policy,
            about={"trainings": len(proposals)},
        )


def presence_charges(row: Row, without: np.ndarray, sizes: np.ndarray, strength: float) -> np.ndarray:
    """``h(w without i) - [others' welfare - price]`` at the delivered model, by prompt: (prompts, groups).

    ``without`` holds ``h(w without i)`` by prompt and group.
    """
    realised = [others_net_welfare(row, index, sizes, strength) for index in range(len(sizes))]
    return without - np.stack(realised, axis=1)


def others_net_welfare(row: Row, group: int, sizes: np.ndarray, strength: float) -> np.ndarray:
    """Net welfare of everybody but one group, per prompt."""
    return row.net_welfare(np.where(np.arange(len(sizes)) == group, 0.0, sizes), strength)


def pool_without(scores: np.ndarray, sizes: np.ndarray, divergence: Divergence) -> np.ndarray:
    """The best net welfare without each group on a pool's scores (prompts, replies, groups): (prompts, groups)."""
    space = Simplex.uniform(*scores.shape[:2], divergence)
    without = [np.where(np.arange(len(sizes)) == group, 0.0, sizes) for group in range(len(sizes))]
    return np.stack([space.optimum(scores, sizes).support for sizes in without], axis=1)


def _trained(job: Job, frozen: Frozen, sizes: np.ndarray, name: str) -> Proposal:
    distilled = tune_adapter(job, frozen.sheet, sizes)
    trained = trained_tokens(job, frozen.sheet.pool, distilled)
    about = {"method": distilled.method, "validation_correlation": distilled.correlation, "factor": distilled.factor}
    return Proposal(name, distilled.adapter, tuple(sizes.tolist()), 0, trained, about)


def _guarantees(job: Job, frozen: Frozen, row: Row) -> Sequence[Guarantee]:
    market = job.market
    best = best_net_welfare(frozen.held_out.scores, market.sizes, market.strength)
    gap: Interval = shortfall(best, row, market.sizes, market.strength, market.settings.seed)
    return promised(market, adapter_guarantees(gap))
