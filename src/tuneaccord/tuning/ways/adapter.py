"""Trained delivery: an adapter that follows the settlement, and the payments that would go with it.

Whatever model ``a`` is delivered, the payment ``h(w without i) - [others' welfare at a - price of a]`` leaves a
truthful group with ``net welfare(a) - h(w without i)``. Where ``h`` comes from decides what that means. From the frozen
held-out pool (``adapter``) it is exact and no report of the group moves it, but every group pays for what training
failed to reach. From adapters trained without the group (``leave-one-out``) it is what the paper's mechanism would
have cost: n + 1 trainings, each with noise of its own that goes straight into the payments.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.llm.proposer import Proposal
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.fitted import promised
from tuneaccord.tuning.job import Frozen, Job
from tuneaccord.tuning.record import adapter_guarantees
from tuneaccord.tuning.steps import tune_adapter
from tuneaccord.tuning.ways.measured import measured_rows, trained_tokens
from tuneaccord.tuning.ways.presence import (
    gap_of,
    others_by_group,
    others_net_welfare,
    payment_intervals,
    pool_charges,
    without,
)
from tuneaccord.tuning.ways.way import Way, WayResult


class AdapterWay(Way):
    """One adapter, trained towards the chosen policy."""

    name = "adapter"
    description = "one LoRA trained towards the chosen policy"
    builds_on = ("vocabulary",)

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        proposal = _trained(job, frozen, job.market.sizes, self.name)
        (_, row), generated = measured_rows(job, frozen, [proposal])
        charges = pool_charges(job.market, frozen, row)
        why = (
            "Everybody would pay for what training failed to reach: the others' best comes from the pool, their "
            "welfare from the adapter."
        )
        made = {"generated": generated, "trained": proposal.trained, "about": proposal.about}
        return _result(self, job, frozen, row, charges, proposal, why, **made)


class LeaveOneOut(Way):
    """The same adapter, and one more trained without each group."""

    name = "leave-one-out"
    description = "n + 1 trainings: with everybody, and without each group"
    builds_on = ("adapter", "vocabulary")

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market = job.market
        proposals = [_trained(job, frozen, market.sizes, "adapter")]
        for group, name in enumerate(market.names):
            proposals.append(_trained(job, frozen, without(market.sizes, group), f"without {name}"))
        (_, row, *others), generated = measured_rows(job, frozen, proposals)
        best = [others_net_welfare(other, i, market.sizes, market.strength) for i, other in enumerate(others)]
        charges = np.stack(best, axis=1) - others_by_group(row, market)
        why = (
            "The difference of two trainings, each with noise of its own; it may be negative, and its interval is "
            "wider than the payment."
        )
        trained = sum(proposal.trained for proposal in proposals)
        made = {"generated": generated, "trained": trained, "about": {"trainings": len(proposals)}}
        return _result(self, job, frozen, row, charges, proposals[0], why, **made)


def _trained(job: Job, frozen: Frozen, sizes: np.ndarray, name: str) -> Proposal:
    distilled = tune_adapter(job, frozen.sheet, sizes)
    trained = trained_tokens(job, frozen.sheet.pool, distilled)
    about = {"method": distilled.method, "validation_correlation": distilled.correlation, "factor": distilled.factor}
    return Proposal(name, distilled.adapter, tuple(sizes.tolist()), 0, trained, about)


def _result(
    way: Way, job: Job, frozen: Frozen, row: Row, charges: np.ndarray, delivered: Proposal, why: str, **more
) -> WayResult:
    """An adapter with payments by prompt that may not be charged."""
    market = job.market
    guarantees = promised(market, adapter_guarantees(gap_of(market, frozen, row)))
    payments = payment_intervals(market, charges)
    return WayResult(
        way.name,
        row,
        payments,
        None,
        chargeable=False,
        why=why,
        guarantees=guarantees,
        delivered=delivered.policy,
        **more,
    )
