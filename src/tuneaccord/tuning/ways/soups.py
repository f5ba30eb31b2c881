"""Soups as a way: a grid of mixtures of the groups' own adapters, measured, frozen, and settled on.

Each group's adapter is trained on that group's reward alone, at the public strength ``soups.strength``, and the grid is
that of ``soups.steps`` and ``soups.lengths``: nothing of the groups' sizes goes into the set of models. If the rewards
were fixed and public before anybody reported, so that sizes are all that is reported, the set is fixed too, and truth
is dominant on the measured table. If the rewards are themselves reports (the experiment of arXiv 2405.16276), the set
moves with them: then payments are still never negative, but a lie about a reward can pay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneaccord.llm.adapters import Adapter
from tuneaccord.llm.mixture import relative_error
from tuneaccord.llm.proposer import Proposal
from tuneaccord.llm.soup import Single, SoupProposer, weight_grid
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.fitted import promised
from tuneaccord.tuning.job import Frozen, Job
from tuneaccord.tuning.market import Market
from tuneaccord.tuning.steps import tune_adapter
from tuneaccord.tuning.table import MeasuredTable
from tuneaccord.tuning.ways.measured import measured_again, measured_rows, trained_tokens
from tuneaccord.tuning.ways.way import Way, WayResult


class Soups(Way):
    """The groups' adapters mixed by exact sums of their updates."""

    name = "soups"
    description = "one LoRA a group, a grid of exact sums of them"
    builds_on = ("vocabulary",)
    logits = False

    def check(self, market: Market) -> None:
        _grid(market)

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        self.check(job.market)
        singles = single_adapters(job, frozen)
        proposals = soup_proposals(job, singles, self.logits)
        rows, generated = measured_rows(job, frozen, proposals)
        return _settled(self.name, job, frozen, singles, proposals, soup_table(job, rows), generated)


def single_adapters(job: Job, frozen: Frozen) -> tuple[Single, ...]:
    """Each group's own adapter, trained on its reward alone: the targets are ``score / soups.strength``."""
    market = job.market
    singles = []
    for index, group in enumerate(market.groups):
        alone = np.zeros(len(market.groups))
        alone[index] = market.strength / market.settings.soups.strength
        made = tune_adapter(job, frozen.sheet, alone)
        singles.append(Single(group.name, made.adapter, trained_tokens(job, frozen.sheet.pool, made)))
    return tuple(singles)


def soup_proposals(job: Job, singles: Sequence[Single], logits: bool = False) -> tuple[Proposal, ...]:
    """The grid of mixtures, each group's own adapter first."""
    return SoupProposer(tuple(singles), logits).propose(_grid(job.market))


def _grid(market: Market) -> list[tuple[float, ...]]:
    soups = market.settings.soups
    return weight_grid(len(market.groups), soups.steps, soups.lengths)


def soup_table(job: Job, rows: Sequence[Row]) -> MeasuredTable:
    """The frozen table; fixed if the rewards were public before anybody reported."""
    market = job.market
    return MeasuredTable(tuple(rows), market.names, market.strength, fixed=not reported_rewards(market))


def reported_rewards(market: Market) -> tuple[str, ...]:
    """The groups whose reward is a report: it could have been another one, had the group wanted that.

    ``soups.rewards`` decides for all; without it published criteria and mixes of them are public, and functions and
    classifiers of a group's own are reports. Sheets, preferences and answers are reports whatever the file says.
    """
    said = market.settings.soups.rewards
    return tuple(
        group.name
        for group in market.groups
        if said == "reported"
        or group.fit is not None
        or not group.new_texts
        or (said is None and not {"criterion", "mix"} & set(group.identity))
    )


def soup_guarantees(market: Market) -> tuple[Guarantee, ...]:
    """What the set of models depends on, and what the table is."""
    reported = reported_rewards(market)
    if reported:
        what = Guarantee(
            "set of models fixed first",
            "not claimed",
            f"The models were trained on rewards that are reports ({', '.join(reported)}): another reward would have "
            "made other models, so a lie about a reward can pay. For sizes alone the set is fixed.",
        )
    else:
        what = Guarantee(
            "set of models fixed first",
            "exact",
            "The models depend on the groups' rewards and on no size. It holds if the rewards were fixed and public "
            "before anybody reported, which nobody can read off this result; each group's adapter is named by its "
            "digest.",
        )
    measured = Guarantee(
        "values are measured",
        "not claimed",
        "Choice and payments are exact on the table of measured values. A value is a mean over the held-out prompts "
        "and over replies to them, and the model that was chosen was chosen for it: on other prompts it is worth a "
        "little less than the table says, and the more models are close to it, the more so. The figures of what is "
        "delivered are therefore from other replies than those it was chosen for.",
    )
    return what, measured


def _settled(
    name: str,
    job: Job,
    frozen: Frozen,
    singles: Sequence[Single],
    proposals: Sequence[Proposal],
    table: MeasuredTable,
    generated: int,
) -> WayResult:
    market = job.market
    settlement = table.settle(market.sizes)
    row = table.rows[table.names.index(settlement.model)]
    chosen = next((proposal for proposal in proposals if proposal.name == settlement.model), None)
    if chosen is not None:
        row, more = measured_again(job, frozen, chosen)
        generated += more
    return WayResult(
        name,
        row,
        table.resampled_payments(market.sizes, market.settings.seed),
        settlement,
        chargeable=table.fixed,
        why="Exact on a measured table of models that no size could influence; the interval is about other prompts."
        if table.fixed
        else "The models were trained on reported rewards, so a lie about a reward can pay.",
        guarantees=promised(market, (*settlement.guarantees, *soup_guarantees(market))),
        generated=generated,
        trained=sum(single.trained for single in singles),
        delivered=None if chosen is None else chosen.policy,
        table=table,
        about={
            "chosen": settlement.model,
            "models": len(table.rows),
            "strength_of_single_training": market.settings.soups.strength,
            "reported_rewards": list(reported_rewards(market)),
            "adapters": {single.group: single.adapter.digest for single in singles},
            **_exactness(chosen, singles),
        },
    )


def _exactness(chosen: Proposal | None, singles: Sequence[Single]) -> dict:
    """By how much a delivered sum misses the exact one; its file has the same float32 numbers."""
    if chosen is None or not isinstance(chosen.policy, Adapter):
        return {}
    error = relative_error(chosen.policy, [single.adapter for single in singles], chosen.weights)
    # one digit, and none of float64's own rounding: the rest is this machine's
    return {"relative_error_of_the_sum": float(f"{error:.0e}") if error > 1e-12 else 0.0}
