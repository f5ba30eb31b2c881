"""What the payments bring in, set against a bill, and how it changes with the strength.

Payments that make truth dominant are not made to cover a cost. These functions say whether they do, how much
more a truthful payment could have raised at the same reports, and what would cover the bill otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, is_dataclass, replace

from tuneaccord.divergence import KL
from tuneaccord.errors import InputError
from tuneaccord.mechanism.payments import Fee
from tuneaccord.mechanism.payments.sharing import check_amount
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import to_numbers
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.spaces.space import ModelSpace


@dataclass(frozen=True)
class CostRecovery:
    """A bill against what was paid. ``recoverable`` is with the largest fees that keep everybody in, if known.

    >>> CostRecovery(2.0, 1.0, 0.5, None, False, "", "").covered
    False
    """

    bill: float
    revenue: float
    ratio: float
    recoverable: float | None
    covered: bool
    statement: str
    suggestion: str

    def to_dict(self) -> dict:
        """Plain data."""
        return asdict(self)


def cost_recovery(result: Settlement, bill: float, fee: Fee | None = None) -> CostRecovery:
    """Whether the payments of ``result`` cover ``bill``, and what could.

    The bill is a cost that does not depend on the reports, in units of size times reward. ``recoverable`` is the sum
    of the externality payments with the whole fee of ``fee``, whose ``scale`` and ``smallest_size`` say which types
    of groups were possible; it is None where they are not said (then a :class:`Fee` that was charged says it). Under
    KL and :class:`Welfare` no truthful payment that leaves every type a utility of at least 0 raises more.

    Raises :class:`InputError` when the bill is not positive, or the reports are not of the fee's types.

    Source: arXiv 2405.16276, Corollary 4.10; Krishna and Perry, 1998.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> only = [ta.Report("a", 2, ta.TableReward([1.0, 0.0]))]
    >>> found = cost_recovery(ta.settle(space, only), bill=5.0, fee=ta.Fee("max"))
    >>> found.covered, round(found.revenue, 3), round(found.recoverable, 3)
    (False, 0.328, 0.948)
    """
    bill = check_amount("bill", bill)
    if bill == 0:
        raise InputError("bill must be positive, got 0: there is nothing to cover.")
    if fee is not None and not isinstance(fee, Fee):
        raise InputError(f"fee must be a Fee such as Fee('max'), got {fee!r:.80}.")
    if fee is None and isinstance(result.payment, Fee):
        fee = result.payment
    revenue = math.fsum(result.payments.values())
    externalities = float((result.space.prompt_weights @ result.choice.externalities).sum())
    recoverable = None
    if fee is not None:
        recoverable = externalities + float((result.space.prompt_weights @ fee.full(result.choice)).sum())
    covered = _reaches(revenue, bill)
    statement = _statement(result, bill, revenue, recoverable, fee)
    suggestion = "" if covered else _suggestion(bill, externalities, recoverable, fee)
    return CostRecovery(bill, revenue, revenue / bill, recoverable, covered, statement, suggestion)


def _reaches(amount: float, bill: float) -> bool:
    """Whether the amount is the bill or more; a bill that is the same sum, added up in another order, is reached."""
    return amount >= bill or math.isclose(amount, bill, rel_tol=1e-12)  # a few thousand float64 roundings


def _statement(result, bill, revenue, recoverable, fee) -> str:
    ratio = revenue / bill
    if _reaches(revenue, bill):
        return f"The payments cover the bill of {bill:.6g}: they bring in {revenue:.6g}."
    first = f"The payments bring in {revenue:.6g}, {ratio:.1%} of the bill of {bill:.6g}."
    if recoverable is None:
        return f"{first} How much more truthful payments could raise is not known without the types of groups."
    if _reaches(recoverable, bill):
        return f"{first} Truthful payments that keep everybody in could raise {recoverable:.6g} at these reports."
    if _largest_is_proved(result):
        return (
            f"{first} No truthful and individually rational payment for this training rule covers it at these "
            f"reports: the most that one can raise is {recoverable:.6g}, where the {fee.scale} of every reward is 1 "
            f"and sizes start at {fee.smallest_size:g}."
        )
    return f"{first} With the largest fees that keep everybody in they would bring in {recoverable:.6g}."


def _largest_is_proved(result: Settlement) -> bool:
    """Truthful payments differ by a fee only: proved for the continuous rule that maximises welfare under KL."""
    space, rule = result.space, result.rule
    plain = isinstance(rule, Welfare) and rule.weights is None and rule.boosts is None
    return plain and isinstance(space, Simplex) and isinstance(space.divergence, KL) and space.fixed


def _suggestion(bill, externalities, recoverable, fee) -> str:
    share = f"CostShare('size', bill={bill:.15g}) covers it; then lies can pay."
    if externalities >= bill:
        return "Externality() covers it at these reports."
    if recoverable is None:
        return f"{share} Pass fee=Fee(scale, smallest_size) to see what truthful payments could raise."
    if recoverable < bill:
        return share
    fraction = (bill - externalities) / (recoverable - externalities)
    fraction = min(1.0, math.ceil(1e4 * fraction - 1e-8) / 1e4)  # rounded down it would fall short of the bill
    return (
        f"Fee({fee.scale!r}, smallest_size={fee.smallest_size:g}, fraction={fraction:.4g}) covers it at these "
        "reports. A fraction keeps truth dominant only if it is published before anybody reports."
    )


@dataclass(frozen=True)
class RevenueCurve:
    """Sums over groups, one number for each strength, in the order given.

    >>> RevenueCurve((1.0,), (0.5,), (0.4,), (2.0,)).revenues
    (0.5,)
    """

    strengths: tuple[float, ...]
    revenues: tuple[float, ...]
    prices: tuple[float, ...]
    net_welfares: tuple[float, ...]

    def to_dict(self) -> dict:
        """Plain data."""
        return asdict(self)


def revenue_curve(
    result: Settlement, strengths: Iterable[float], space_at: Callable[[float], ModelSpace] | None = None
) -> RevenueCurve:
    """Settle ``result`` again at each strength: what comes in, what leaving the base costs, and what is left.

    Under :class:`Externality` revenue goes to 0 for large strengths, to the payments of an ordinary second-price
    choice for small ones, and as a rule is largest in between. ``space_at`` makes the space of a strength; it may be
    left out on a :class:`Simplex`.

    Choosing the strength by this curve after the reports makes the space depend on them, and truth no longer
    dominant. Draw it on other markets, or before.

    Raises :class:`InputError` when the strength of the space cannot be set and ``space_at`` is missing.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> result = ta.settle(space, [ta.Report("a", 1, ta.TableReward([1.0, 0.0]))])
    >>> [round(revenue, 3) for revenue in revenue_curve(result, [0.1, 1.0, 10.0]).revenues]
    [0.069, 0.111, 0.012]
    """
    strengths = to_numbers("strengths", list(strengths) if isinstance(strengths, Iterable) else strengths)
    if strengths.ndim != 1:
        raise InputError(f"strengths must be a list of numbers, such as [0.1, 1, 10]; got shape {strengths.shape}.")
    strengths = tuple(strengths.tolist())
    settled = [
        settle((space_at or _with_strength(result.space))(strength), result.reports, result.rule, result.payment)
        for strength in strengths
    ]
    return RevenueCurve(
        strengths,
        tuple(math.fsum(one.payments.values()) for one in settled),
        tuple(one.price for one in settled),
        tuple(one.net_welfare for one in settled),
    )


def _with_strength(space: ModelSpace) -> Callable[[float], ModelSpace]:
    divergence = getattr(space, "divergence", None)
    if not is_dataclass(space) or not is_dataclass(divergence) or not hasattr(divergence, "strength"):
        raise InputError(
            f"a {type(space).__name__} has no strength to set. Give space_at, a function from a strength to a space."
        )
    return lambda strength: replace(space, divergence=replace(divergence, strength=strength))
