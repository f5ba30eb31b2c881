"""What if a group had lied: settle again on the same space with one report changed, judge with the truth.

The two misreports are the paper's: a group multiplies its size by alpha, or shifts its reward away from
(beta > 1) or towards (beta < 1) what the others want. The paper defines the second for two groups; with
more, "the others" are their size-weighted mean. A shifted reward that leaves the published scale is
clipped to it, because a report outside the scale would be refused; a reward that was reported with a
divisor (``TableReward.scale``) is divided again, as any report of that group would be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import TableReward, divisor_of


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
