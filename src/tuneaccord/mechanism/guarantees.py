"""What a settlement promises, and on which conditions. A result lists these and only these."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from tuneaccord.mechanism.choice import Choice
from tuneaccord.mechanism.payments import PaymentRule

Status = Literal["exact", "bounded", "not claimed"]


@dataclass(frozen=True)
class Guarantee:
    """One promise. ``bound`` is the most by which it can fail at these reports, in the units of the payments.

    >>> Guarantee("truthful", "exact", "No misreport pays.", 0.0).status
    'exact'
    """

    name: str
    status: Status
    statement: str
    bound: float | None = None

    def to_dict(self) -> dict:
        """Plain data."""
        return asdict(self)


_ROUNDING = 1e-9  # a million times float64's: a rule that reaches its best model never comes near
#: what must hold for rewards that were divided by their own sum or maximum
_DIVIDED = " and that a reward reported with scale 'sum' or 'max' is, so divided, what its group values"


def guarantees_of(
    choice: Choice, payment: PaymentRule, regret_bound: float, divided: bool = False
) -> tuple[Guarantee, ...]:
    """The promises of a payment rule for a model that was chosen by a rule.

    ``regret_bound`` is certified for the reports that were settled; ``divided`` says whether a reward was
    divided by a number of its own (``TableReward.scale``). A rule that calls itself affine and misses the best
    model by more than rounding is not taken at its word.
    """
    fixed, short = choice.space.fixed, choice.gap > _slack(choice)
    affine = choice.rule.affine and not short
    return (
        _truthful(affine and payment.truthful and fixed, regret_bound, divided),
        _claim(
            "never negative",
            payment.never_negative,
            "No group is ever paid for taking part.",
            "A payment may be negative.",
            0.0,
        ),
        _claim(
            "nobody worse off",
            affine and payment.nobody_worse_off,
            "No truthful group has less than the model chosen without it"
            f"{'' if fixed else ', out of this same set of models,'} would give it for free.",
            "A group may do better by staying out.",
            0.0,
        ),
        *_weaker_promise(affine, payment, bool((choice.scores < 0).any())),
        Guarantee(
            "budget",
            "exact" if payment.budget else "not claimed",
            payment.budget or "Payments are not a cost split: they need not cover any bill, and they may exceed it.",
        ),
        Guarantee(
            "one identity per group",
            "not claimed",
            "A group may pay less in total by registering several times, and groups that lie together may gain. "
            "Check who is who outside the mechanism.",
        ),
    )


def _truthful(holds: bool, regret_bound: float, divided: bool) -> Guarantee:
    if not holds and math.isfinite(regret_bound):
        return Guarantee(
            "truthful",
            "bounded",
            f"Misreporting can pay, at these reports by at most {regret_bound:.3g}.",
            regret_bound,
        )
    return _claim(
        "truthful",
        holds,
        "Reporting the true reward and size is a dominant strategy, up to rounding, given that the set of "
        f"models was fixed before anybody reported{_DIVIDED if divided else ''}. At these reports the solution "
        f"is certified to within {regret_bound:.2g} of the best.",
        "Misreporting can pay.",
        regret_bound,
    )


def _weaker_promise(affine: bool, payment: PaymentRule, negative: bool) -> tuple[Guarantee, ...]:
    """What is left of "nobody worse off" where that is too much to claim: no payment above the value."""
    if payment.nobody_worse_off or not (affine and payment.individually_rational):
        return ()
    statement = "No truthful group pays more than the model is worth to it; no reward is negative."
    otherwise = "Some rewards are negative: a group may pay more than the model is worth to it."
    return (_claim("utility not negative", not negative, statement, otherwise, 0.0),)


def _slack(choice: Choice) -> float:
    """What rounding may leave of a gap: relative to all that the groups could be worth together."""
    worth = np.abs(choice.scores) @ (choice.weights * choice.sizes)
    return _ROUNDING * (float(worth.max()) + float(np.abs(choice.optimum.price).max()))


def _claim(name: str, holds: bool, statement: str, otherwise: str, bound: float) -> Guarantee:
    if holds:
        return Guarantee(name, "exact", statement, bound)
    return Guarantee(name, "not claimed", otherwise)
