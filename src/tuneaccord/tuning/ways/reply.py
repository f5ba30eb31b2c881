"""Reply mode: settle on the frozen pool, deliver "draw K replies, keep one by its weight"."""

from __future__ import annotations

from tuneaccord.mechanism.uncertainty import interval
from tuneaccord.tuning.comparison import pool_rows
from tuneaccord.tuning.fitted import promised
from tuneaccord.tuning.job import Frozen, Job
from tuneaccord.tuning.record import POLICY_GUARANTEES
from tuneaccord.tuning.steps import settle_pool
from tuneaccord.tuning.ways.way import Way, WayResult


class Reply(Way):
    """The policy on the frozen replies: nothing is trained, and nothing is generated for the money."""

    name = "reply"
    description = "draw K replies, keep one by its weight; no training"

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market = job.market
        settlement = settle_pool(market, frozen.sheet)
        _, policy, _ = pool_rows(frozen.held_out, market.sizes, market.settings.divergence)
        charges = settlement.payments_by_prompt
        return WayResult(
            self.name,
            policy,
            {name: interval(charges[:, group], market.settings.seed) for group, name in enumerate(settlement.names)},
            settlement,
            chargeable=True,
            why="Exact on the frozen pool, which no report could influence; the interval is about other prompts.",
            guarantees=promised(
                market, (*settlement.guarantees, *(POLICY_GUARANTEES if market.scores_new_texts else ()))
            ),
        )
