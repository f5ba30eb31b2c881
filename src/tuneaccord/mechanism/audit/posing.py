"""One group that registers as several: what it would pay in total, and what it would gain.

The model does not change under a welfare rule, since the pieces' sizes add up, but each piece's presence costs
the others less. With k equal pieces the total payment never exceeds the single one, and where the price is
smooth it is about 1/k of it (exactly 1/k while a chi-squared price keeps every response possible). No payment
of this kind can prevent it: who is who must be checked outside the mechanism.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.spaces.candidates import Candidates

COUNTS = (1, 2, 4, 8)


@dataclass(frozen=True)
class FalseNames:
    """One group under ``count`` names of equal size: total payment and utility, and the gain over one name."""

    group: str
    count: int
    payment: float
    utility: float
    gain: float


def false_names(result: Settlement, group: str, counts: tuple[int, ...] = COUNTS) -> tuple[FalseNames, ...]:
    """What ``group`` would pay and have under several names, each of an equal part of its size.

    A count is left out where the rule or the payment refuses the larger list of groups, such as a list of
    parameters by group. Raises :class:`InputError` for an unknown group or a count below 1.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex(base=[0.5, 0.5], divergence=ta.KL(strength=4.0))
    >>> result = ta.settle(space, [ta.Report("a", 2, ta.TableReward([1.0, 0.0])),
    ...                            ta.Report("b", 1, ta.TableReward([0.0, 1.0]))])
    >>> [round(one.payment, 3) for one in false_names(result, "a")]
    [0.124, 0.062, 0.031, 0.015]
    """
    if group not in result.names:
        raise InputError(f"there is no group {group!r}. {nearest(group, result.names)}")
    if not isinstance(counts, Iterable) or not all(_is_count(count) for count in counts):
        raise InputError(f"counts must be whole numbers of names, from 1, got {counts!r}. Try (1, 2, 4, 8).")
    index = result.names.index(group)
    found = []
    for count in counts:
        payment = _total_payment(result, index, count)
        if payment is None:
            continue
        amount, value = payment
        utility = value - amount
        found.append(FalseNames(group, count, amount, utility, utility - result.utilities[group]))
    return tuple(found)


def _is_count(count) -> bool:
    return isinstance(count, int | np.integer) and not isinstance(count, bool) and count >= 1


def _total_payment(result: Settlement, index: int, count: int) -> tuple[float, float] | None:
    """Total payment and group value of the group under ``count`` names."""
    one = result.reports[index]
    names = [one.name, *(f"{one.name} ({k})" for k in range(2, count + 1))]
    if set(names[1:]) & set(result.names):
        return None
    pieces = [Report(name, one.size / count, one.reward) for name in names]
    reports = [*result.reports[:index], *pieces, *result.reports[index + 1 :]]
    try:
        split = settle(_space(result, index, count), reports, _rule(result, index, count), result.payment)
    except InputError:
        return None
    value = one.size * split.values[one.name]
    return sum(split.payments[name] for name in names), value


def _space(result: Settlement, index: int, count: int):
    if not isinstance(result.space, Candidates):
        return result.space
    return replace(result.space, values=_repeated(result.space.values, index, count))


def _rule(result: Settlement, index: int, count: int):
    if not isinstance(result.rule, Welfare) or result.rule.weights is None:
        return result.rule
    return replace(result.rule, weights=tuple(_repeated(np.array(result.rule.weights), index, count)))


def _repeated(array: np.ndarray, index: int, count: int) -> np.ndarray:
    repeats = np.ones(array.shape[-1], int)
    repeats[index] = count
    return np.repeat(array, repeats, axis=-1)
