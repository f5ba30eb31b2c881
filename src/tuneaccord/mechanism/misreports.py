"""What if a group had lied: settle again on the same space with one report changed, judge with the truth.

The paper's misreports: a group multiplies its size by alpha, shifts its reward away from (beta > 1) or towards
(beta < 1) what the others want, spreads its best and worst rewards apart, or moves its reward along the
gradient of its own value. The paper defines the shift for two groups; with more, "the others" are their
size-weighted mean. All are applied prompt by prompt and stay inside what the group could have reported
(:class:`~tuneaccord.mechanism.feasible.Feasible`), because a report outside would be refused; a reward that was
reported with a divisor (``TableReward.scale``) is divided again, as any report of that group would be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.mechanism.feasible import Feasible, checked_scale
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import TableReward, divisor_of, to_numbers


class Misreport(ABC):
    """A false report of one group."""

    @abstractmethod
    def report(self, settlement: Settlement, group: int) -> tuple[float, np.ndarray]:
        """The reported size and reward table (prompts, responses), before the group's divisor if it has one."""


@dataclass(frozen=True)
class SizeMisreport(Misreport):
    """Report ``factor`` times the true size (the paper's strategy 1, alpha).

    >>> SizeMisreport(2.0)
    SizeMisreport(factor=2.0)
    """

    factor: float

    def __post_init__(self) -> None:
        _check_number("factor", self.factor)

    def report(self, settlement, group):
        return self.factor * settlement.sizes[group], settlement.scores[:, :, group]


@dataclass(frozen=True)
class RewardMisreport(Misreport):
    """Report ``beta r + (1 - beta) r_others`` (the paper's strategy 2), clipped to the ``scale``.

    ``r_others`` is the other groups' size-weighted mean reward. ``shift`` is beta: 1 is the truth, above 1
    polarises. The clipping range is the published ``scale``, widened to the group's own range where its
    true rewards lie outside. Rewards with ``TableReward.scale`` are not negative, so they are clipped at 0
    from below, and :func:`what_if` divides the result by its sum or maximum again; in a prompt where the
    shift leaves nothing positive to divide, the group reports the truth.

    >>> RewardMisreport(1.5).scale
    (0.0, 1.0)
    """

    shift: float
    scale: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check_number("shift", self.shift)
        checked_scale(self.scale)

    def report(self, settlement, group):
        own = settlement.scores[:, :, group]
        if len(settlement.sizes) == 1:
            return settlement.sizes[group], own
        sizes = np.delete(settlement.sizes, group)
        others = np.delete(settlement.scores, group, axis=2) @ sizes / sizes.sum()
        low, high = min(self.scale[0], own.min()), max(self.scale[1], own.max())
        shifted = self.shift * own + (1 - self.shift) * others
        if divisor_of(settlement.reports[group].reward) is None:
            return settlement.sizes[group], np.clip(shifted, low, high)
        kept = np.clip(shifted, 0.0, high)
        return settlement.sizes[group], np.where(kept.max(axis=1, keepdims=True) > 0, kept, own)


@dataclass(frozen=True)
class SpreadMisreport(Misreport):
    """Raise the best response's reward by ``amount`` and lower the worst one's (the paper's epsilon).

    With ``TableReward.scale="sum"`` the same amount moves from the worst to the best, at most ``min(worst, 1 -
    best)``. With ``"max"`` the worst falls, at most to 0. On a published ``scale`` the best rises and the worst
    falls, each at most to the scale's end. Best and worst are among the responses that the chosen model can
    give; a constant reward stays as it is. Without payments the move is profitable whenever it moves anything and
    the policy is smooth in the scores and positive everywhere.

    Source: arXiv 2405.16276, Theorem 4.2 and Table 1.

    >>> import tuneaccord as ta
    >>> report = ta.Report("a", 1, ta.TableReward([0.7, 0.3], scale="sum"))
    >>> result = ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), [report])
    >>> SpreadMisreport(0.1).report(result, 0)[1].round(2)
    array([[0.8, 0.2]])
    """

    amount: float
    scale: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check_number("amount", self.amount)
        checked_scale(self.scale)

    def report(self, settlement, group):
        own = settlement.scores[:, :, group]
        within = Feasible.of(settlement, group, self.scale)
        possible = _possible(settlement)
        best = np.where(possible, own, -np.inf).argmax(axis=1)[:, None]
        worst = np.where(possible, own, np.inf).argmin(axis=1)[:, None]
        top, bottom = np.take_along_axis(own, best, 1), np.take_along_axis(own, worst, 1)
        up, down = np.minimum(self.amount, within.high - top), np.minimum(self.amount, bottom - within.low)
        if within.scale == "sum":
            up = down = np.minimum(up, down)
        up, down = np.where(top > bottom, np.maximum(up, 0.0), 0.0), np.where(top > bottom, np.maximum(down, 0.0), 0.0)
        moved = own.copy()
        np.put_along_axis(moved, best, top + up, 1)
        np.put_along_axis(moved, worst, np.take_along_axis(moved, worst, 1) - down, 1)
        return settlement.sizes[group], moved


@dataclass(frozen=True)
class GradientMisreport(Misreport):
    """Move the reward along the gradient of the group's own value, at most by ``amount``, then back into the range.

    The gradient at response x is proportional to ``kappa_x sum_y kappa_y (r_x - r_y)``, where kappa is how far a
    probability moves with its score (:meth:`Divergence.response`). The largest change in a prompt is ``amount``
    before the report is brought back to what the group may file: projected on the simplex (``"sum"``), or clipped.
    With total variation, whose policy is not smooth, kappa is zero and the report is the truth.

    Raises :class:`InputError` on a space without a divergence.

    Source: arXiv 2405.16276, Theorem B.2.

    >>> import tuneaccord as ta
    >>> result = ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), [ta.Report("a", 1, ta.TableReward([0.7, 0.3]))])
    >>> GradientMisreport(0.1).report(result, 0)[1].round(2)
    array([[0.8, 0.2]])
    """

    amount: float
    scale: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check_number("amount", self.amount)
        checked_scale(self.scale)

    def report(self, settlement, group):
        divergence = getattr(settlement.space, "divergence", None)
        if divergence is None:
            kind = type(settlement.space).__name__
            raise InputError(f"GradientMisreport needs a Simplex with a divergence, not {kind}. Try SpreadMisreport.")
        own = settlement.scores[:, :, group]
        kappa = divergence.response(settlement.optimum.model, np.atleast_2d(settlement.space.base))
        total = kappa.sum(axis=1, keepdims=True)
        mean = np.divide((kappa * own).sum(axis=1, keepdims=True), total, out=np.zeros_like(total), where=total > 0)
        gradient = kappa * (own - mean)
        steepest = np.abs(gradient).max(axis=1, keepdims=True)
        move = np.divide(self.amount * gradient, steepest, out=np.zeros_like(own), where=steepest > 0)
        moved = np.where(
            move.any(axis=1, keepdims=True), Feasible.of(settlement, group, self.scale).project(own + move), own
        )
        return settlement.sizes[group], moved


@dataclass(frozen=True)
class TableMisreport(Misreport):
    """Report a table of your own, one row a prompt, and ``factor`` times the true size.

    A table for a group that reports with a divisor is divided like any other.

    >>> TableMisreport([[0.0, 1.0]]).table
    ((0.0, 1.0),)
    """

    table: tuple[tuple[float, ...], ...]
    factor: float = 1.0

    def __post_init__(self) -> None:
        _check_number("factor", self.factor)
        rows = np.atleast_2d(to_numbers("table", self.table))
        object.__setattr__(self, "table", tuple(map(tuple, rows.tolist())))

    def report(self, settlement, group):
        return self.factor * settlement.sizes[group], np.array(self.table)


def _check_number(name: str, number: float) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
        raise InputError(f"{name} must be a number, got {number!r}.")
    if not np.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {number!r}.")


def _possible(settlement: Settlement) -> np.ndarray:
    """Which responses a policy can give: those that the base can, and every model of a finite set."""
    base = getattr(settlement.space, "base", None)
    if not isinstance(base, np.ndarray):
        return np.ones(settlement.scores.shape[:2], bool)
    return np.atleast_2d(base) > 0


@dataclass(frozen=True)
class WhatIf:
    """One group's outcome under one report, valued with its true reward and size."""

    misreport: Misreport
    group_value: float
    payment: float
    utility: float


def what_if(settlement: Settlement, group: str, misreport: Misreport) -> WhatIf:
    """What ``group`` would have got had it reported ``misreport`` while the others stayed with their reports.

    The same space is settled again; value and utility are those of the group's report in ``settlement``,
    which is taken as its truth. Raises :class:`InputError` for an unknown group.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex(base=[0.5, 0.5], divergence=ta.KL(strength=1.0))
    >>> result = ta.settle(space, [ta.Report("a", 2, ta.TableReward([1.0, 0.0])),
    ...                            ta.Report("b", 1, ta.TableReward([0.0, 1.0]))])
    >>> lie = what_if(result, "a", SizeMisreport(2.0))
    >>> lie.group_value > result.group_values["a"], lie.utility < result.utilities["a"]
    (True, True)
    """
    if group not in settlement.names:
        raise InputError(f"there is no group {group!r}. {nearest(group, settlement.names)}")
    if not isinstance(misreport, Misreport):
        raise InputError(f"a misreport must be one such as SizeMisreport(2.0), got {misreport!r}.")
    index = settlement.names.index(group)
    size, reward = misreport.report(settlement, index)
    reports = list(settlement.reports)
    reward = TableReward(reward, divisor_of(reports[index].reward))
    reports[index] = replace(reports[index], size=size, reward=reward)
    lied = settle(settlement.space, reports, settlement.rule, settlement.payment)
    values, _ = settlement.space.evaluate(settlement.scores, lied.optimum.model)
    value = float(settlement.sizes[index] * (settlement.space.prompt_weights @ values[:, index]))
    return WhatIf(misreport, value, lied.payments[group], value - lied.payments[group])


def sweep(settlement: Settlement, group: str, misreports: Iterable[Misreport]) -> list[WhatIf]:
    """:func:`what_if` for each of several misreports, in order.

    >>> sweep.__name__
    'sweep'
    """
    return [what_if(settlement, group, misreport) for misreport in misreports]
