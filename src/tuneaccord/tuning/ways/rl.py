"""Reinforcement learning as a way to the model, and the two shortcuts of arXiv 2405.16276 to its payments.

All three train one run with everybody. ``rl`` delivers its last step. ``checkpoints`` (Heuristic 1) delivers the best
of a few of its steps and charges against the others of them. ``early-stopped`` (Heuristic 2) trains one more run
without each group, stopped early, and charges against the better of that run and the base, which was public before
anybody reported.

Each payment is ``h_i - [others' welfare - price]`` at the delivered model, where ``h_i`` is what the others could have
without the group. They are differences of measurements on the same held-out prompts, with intervals over prompts; what
another training run would have given is not in the intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import ceil

import numpy as np

from tuneaccord.errors import MissingDependencyError
from tuneaccord.llm import hf
from tuneaccord.llm.adapters import Lora
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.proposer import Proposal
from tuneaccord.llm.rl import Learning, ReinforcementLearner
from tuneaccord.llm.scoring import GroupReward, ScoreSheet
from tuneaccord.llm.trl_settings import check_extra, require_trl
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.uncertainty import Interval, resampled_means
from tuneaccord.progress import Silent
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.fitted import promised
from tuneaccord.tuning.job import Frozen, Job
from tuneaccord.tuning.market import Market
from tuneaccord.tuning.record import adapter_guarantees
from tuneaccord.tuning.table import MeasuredTable
from tuneaccord.tuning.ways.measured import measured_again, measured_rows
from tuneaccord.tuning.ways.presence import gap_of, others_net_welfare, payment_intervals, pool_charges, without
from tuneaccord.tuning.ways.way import Way, WayResult


class _Trained(Way):
    """A way that starts from a run of reinforcement learning."""

    def check(self, market: Market) -> None:
        try:
            require_trl()
        except MissingDependencyError as error:
            raise MissingDependencyError(
                f"{error}; or name other ways than {self.name!r}, such as --ways reply,adapter,soups"
            ) from None
        check_extra(dict(market.settings.rl.trl), market.settings.rl.algorithm)


class ReinforcementLearning(_Trained):
    """The last step of one run; what the others could have without a group comes from the frozen held-out pool."""

    name = "rl"
    description = "reinforcement learning on fresh replies, last step delivered"

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market = job.market
        (proposal,) = learn(job, [market.sizes], (market.settings.rl.steps,))
        proposal = replace(proposal, name=self.name)
        (_, row), measured = measured_rows(job, frozen, [proposal])
        return WayResult(
            self.name,
            row,
            payment_intervals(market, pool_charges(market, frozen, row)),
            None,
            chargeable=False,
            why="Everybody would pay for what training failed to reach: the others' best comes from the pool, their "
            "welfare from the trained model.",
            guarantees=promised(market, adapter_guarantees(gap_of(job.market, frozen, row))),
            generated=proposal.tokens + measured,
            trained=proposal.trained,
            delivered=proposal.policy,
            about=proposal.about,
        )


class Checkpoints(_Trained):
    """Heuristic 1: the best of the run's own checkpoints and the base, charged against the others of them."""

    name = "checkpoints"
    description = "reinforcement learning, best checkpoint, charged against the other checkpoints"
    builds_on = ("rl",)

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market, seed = job.market, job.market.settings.seed
        proposals = learn(job, [market.sizes], checkpoint_steps(job))
        rows, measured = measured_rows(job, frozen, proposals)
        table = MeasuredTable(rows, market.names, market.strength, fixed=False)
        settlement = table.settle(market.sizes)
        chosen = table.candidates().index(settlement.model)
        row = rows[chosen]
        if chosen > 0:
            row, more = measured_again(job, frozen, proposals[chosen - 1])
            measured += more
        return WayResult(
            self.name,
            row,
            table.resampled_payments(market.sizes, seed),
            settlement,
            chargeable=False,
            why="Every report moves the checkpoints, and with them what the others are said to lose: a lie can pay.",
            guarantees=promised(market, _checkpoint_guarantees(job, frozen, row, rows)),
            generated=proposals[-1].tokens + measured,
            trained=proposals[-1].trained,
            delivered=None if chosen == 0 else proposals[chosen - 1].policy,
            table=table,
            about={**proposals[-1].about, "checkpoints": [row.name for row in rows[1:]]},
        )


class EarlyStopped(_Trained):
    """Heuristic 2: the better of last step and base, charged against runs without each group that stop early."""

    name = "early-stopped"
    description = "reinforcement learning, charged against runs without each group that stop early"
    builds_on = ("rl",)

    def run(self, job: Job, frozen: Frozen) -> WayResult:
        market, wanted = job.market, job.market.settings.rl
        (main,) = learn(job, [market.sizes], (wanted.steps,))
        stop = max(1, ceil(wanted.stop_at * wanted.steps))
        shortened = learn(job, [without(market.sizes, i) for i in range(len(market.sizes))], (stop,))
        proposals = [replace(main, name="rl")]
        proposals += [
            replace(one, name=f"without {name}, step {stop}") for one, name in zip(shortened, market.names, strict=True)
        ]
        (base, last, *others), measured = measured_rows(job, frozen, proposals)
        payments, chosen = early_stopped([base, last], others, market.sizes, market.strength, market.settings.seed)
        row = (base, last)[chosen]
        return WayResult(
            self.name,
            row,
            dict(zip(market.names, payments, strict=True)),
            None,
            chargeable=False,
            why="Truthful only up to what training failed to reach, and the payments of separate trainings differ by "
            "more than their intervals say; they can be negative.",
            guarantees=promised(market, _early_stopped_guarantees(job, frozen, base, row, others)),
            generated=sum(proposal.tokens for proposal in proposals) + measured,
            trained=sum(proposal.trained for proposal in proposals),
            delivered=main.policy if chosen else None,
            about={**main.about, "stopped_at": stop, "trainings": len(proposals)},
        )


def learn(job: Job, weightings: Sequence[np.ndarray], keep: tuple[int, ...]) -> tuple[Proposal, ...]:
    """One run of reinforcement learning a weighting on the market's prompts; its adapters after the steps ``keep``."""
    market, wanted = job.market, job.market.settings.rl
    texts = {prompt.id: prompt.text for prompt in market.prompts}
    encoded = hf.encode_all(hf.load(market.ref), texts, market.how.new_tokens)
    given = market.settings.adapter.targets if wanted.targets is None else wanted.targets
    targets = given if isinstance(given, str) else tuple(given)
    learner = ReinforcementLearner(
        market.ref,
        market.prompts,
        tuple(tuple(encoded[prompt.id]) for prompt in market.prompts),
        market.groups,
        market.how,
        market.strength,
        Lora(wanted.rank, wanted.alpha, targets, market.settings.seed),
        Learning(
            wanted.steps, wanted.prompts_per_step, wanted.replies, wanted.block, wanted.learning_rate,
            market.settings.seed, wanted.algorithm, dict(wanted.trl),
        ),
        keep,
        partial(_scored, job),
    )  # fmt: skip
    with job.timed("reinforcement learning"):
        return learner.propose([tuple(weights.tolist()) for weights in weightings], job.tools)


def _scored(job: Job, pool: Pool, groups: tuple[GroupReward, ...]) -> ScoreSheet:
    """Scores by these groups only: a run without a group does not ask it."""
    some = replace(job, market=replace(job.market, groups=groups), progress=Silent())
    return some.scored(pool, "reinforcement learning")


def checkpoint_steps(job: Job) -> tuple[int, ...]:
    """The steps that are checkpoints: evenly spaced, the last one among them."""
    wanted = job.market.settings.rl
    count = min(wanted.checkpoints, wanted.steps)
    return tuple(round((i + 1) * wanted.steps / count) for i in range(count))


def early_stopped(
    deployable: Sequence[Row], others: Sequence[Row], sizes: np.ndarray, strength: float, seed: int, draws: int = 500
) -> tuple[list[Interval], int]:
    """Payments of Heuristic 2 with intervals over prompts, and which of the deployable models is the best.

    ``deployable`` are the base, which is public, and the run with everybody; ``others[i]`` is the run without group i.
    Group i pays ``max(A_-i(base), A_-i(others[i])) - A_-i(chosen)`` with ``A_-i`` the net welfare without it.
    The model is chosen anew on every resample.
    """
    net = np.stack([row.net_welfare(sizes, strength) for row in deployable], axis=1)
    alone = np.stack([[others_net_welfare(row, i, sizes, strength) for row in deployable] for i in range(len(sizes))])
    stopped = np.stack([others_net_welfare(row, i, sizes, strength) for i, row in enumerate(others)], axis=1)
    by_prompt = np.concatenate([net, alone.transpose(2, 0, 1).reshape(len(net), -1), stopped], axis=1)
    shape = (len(sizes), len(deployable))
    payments, chosen = _early_stopped_of(by_prompt.mean(axis=0)[None], shape)
    redrawn, _ = _early_stopped_of(resampled_means(by_prompt, seed, draws), shape)
    low, high = np.quantile(redrawn, [0.025, 0.975], axis=0)
    intervals = [Interval(float(payments[0, i]), float(low[i]), float(high[i]), 0.95) for i in range(len(sizes))]
    return intervals, int(chosen[0])


def _early_stopped_of(means: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Payments (draws, groups) and the chosen model (draws,) from means over prompts."""
    groups, models = shape
    net, stopped = means[:, :models], means[:, -groups:]
    alone = means[:, models:-groups].reshape(len(means), groups, models)
    chosen = net.argmax(axis=1)
    best_without = np.maximum(alone[:, :, 0], stopped)
    return best_without - np.take_along_axis(alone, chosen[:, None, None], axis=2)[..., 0], chosen


def _checkpoint_guarantees(job: Job, frozen: Frozen, chosen: Row, rows: Sequence[Row]) -> tuple[Guarantee, ...]:
    gap = gap_of(job.market, frozen, chosen)
    moved = max(_above_base(rows, i, job.market.sizes, job.market.strength) for i in range(len(job.market.sizes)))
    return (
        Guarantee(
            "truthful",
            "not claimed",
            "Misreporting can pay: a report moves the checkpoints that the group is charged against. Estimated on the "
            f"held-out prompts, by at most {max(gap.high, 0.0) + moved:.3g}: the optimality gap, with the upper end of "
            "its 95% interval, and what the best checkpoint is worth to the others above the base.",
        ),
        Guarantee("never negative", "exact", "No group is ever paid for taking part.", 0.0),
        Guarantee(
            "nobody worse off",
            "exact",
            "No truthful group has less than the model chosen without it, out of this same set of checkpoints, would "
            "give it for free, as measured.",
            0.0,
        ),
    )


def _above_base(rows: Sequence[Row], group: int, sizes: np.ndarray, strength: float) -> float:
    """What the best row is worth to the others above the base, which no report moves."""
    net = [float(others_net_welfare(row, group, sizes, strength).mean()) for row in rows]
    return max(net) - net[0]


def _early_stopped_guarantees(
    job: Job, frozen: Frozen, base: Row, row: Row, others: Sequence[Row]
) -> tuple[Guarantee, ...]:
    market = job.market
    truthful = adapter_guarantees(gap_of(job.market, frozen, row))[0]
    left = smallest_utility(base, row, others, market.sizes, market.strength)
    return (
        truthful,
        Guarantee(
            "never negative",
            "not claimed",
            "A payment is negative where the run without the group is worse for the others than the delivered model.",
        ),
        Guarantee(
            "nobody worse off",
            "not claimed",
            "A truthful group's utility is the delivered net welfare minus what the others could have without it, "
            f"which separate trainings may put below zero. As measured here the smallest is {left:.3g}.",
        ),
    )


def smallest_utility(base: Row, row: Row, others: Sequence[Row], sizes: np.ndarray, strength: float) -> float:
    """The smallest utility of a truthful group under Heuristic 2 when ``row`` is delivered.

    Net welfare minus ``max(A_-i(base), A_-i(others[i]))``, what the others could have without it.
    """

    def alone(model: Row, group: int) -> float:
        return float(others_net_welfare(model, group, sizes, strength).mean())

    net = float(row.net_welfare(sizes, strength).mean())
    return min(net - max(alone(base, i), alone(other, i)) for i, other in enumerate(others))
