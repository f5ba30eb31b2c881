"""Giving revenue back: rebates that a group's own report cannot move.

:class:`Redistribution` hands back what is certain to have come in, under KL and without ever a deficit.
:class:`BalancedBudget` hands back everything, under the chi-squared divergence with enough strength, where a
group's payment does not depend on the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence import KL, ChiSquared, Divergence
from tuneaccord.errors import InputError
from tuneaccord.mechanism.payments.interface import PaymentRule
from tuneaccord.mechanism.payments.sharing import check_amount
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.rewards import to_numbers
from tuneaccord.spaces.simplex import Simplex, centred_at_likeliest

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Redistribution(PaymentRule):
    """:class:`Externality` less a rebate: the part of the revenue that group i cannot make smaller, over n.

    Under KL of strength ``s`` no report of group i brings a policy below ``exp(-W_i / s)`` times the one without
    it, where ``W_i`` is ``largest_size * reward_bound``, so the other groups pay at least

        s log(1 + exp(-W_i / s) pay_j(without i) / s),

    and the rebate is the sum of these over ``j != i``, divided by the number of groups. Truth stays dominant, nobody
    is worse off than by staying out, and there is never a deficit. A payment may be negative. With 6 like groups
    a few percent come back at a strength of ``0.3 W``, most of the revenue from ``3 W`` on.

    ``largest_size`` and ``reward_bound``, the largest difference between two rewards of a group in a prompt, are
    public. Raises :class:`InputError` when a report exceeds them, on anything but a :class:`Simplex` with KL, and
    with a rule other than :class:`Welfare` without weights.

    Source: Cavallo, Optimal decision-making with minimal waste, 2006. (Bailey's rebates, from the revenue without
    the group, run deficits here.)

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.4, 0.3, 0.3], ta.KL(10.0))
    >>> reports = [ta.Report(name, 1, ta.TableReward(row)) for name, row in zip("abc", np.eye(3).tolist())]
    >>> charged, less = (ta.settle(space, reports, payment=rule) for rule in (ta.Externality(), ta.Redistribution(1)))
    >>> round(sum(less.payments.values()) / sum(charged.payments.values()), 2)
    0.39
    """

    largest_size: float
    reward_bound: float = 1.0
    nobody_worse_off = True
    truthful = True
    individually_rational = True
    budget = "The payments add up to zero or more: there is never a deficit."

    def __post_init__(self) -> None:
        for name in ("largest_size", "reward_bound"):
            object.__setattr__(self, name, check_amount(name, getattr(self, name)))

    def charge(self, choice):
        from tuneaccord.kernel.pairs import leave_two_out

        space = _plain_simplex(self, choice, KL)
        groups = len(choice.sizes)
        _check_bounds(choice, np.full(groups, self.largest_size), self.reward_bound)
        strength = space.divergence.strength
        floor = np.exp(-self.largest_size * self.reward_bound / strength)
        paid = leave_two_out(choice.scores.swapaxes(1, 2), choice.sizes, strength, space.base_model)
        certain = strength * np.log1p(floor * paid / strength)
        return choice.externalities - certain.sum(axis=2) / groups


@dataclass(frozen=True)
class BalancedBudget(PaymentRule):
    """Truthful, efficient, and nobody outside receives money: what each group pays goes to the others.

    Under the chi-squared divergence ``D = s sum_x q_x (p_x / q_x - 1)**2`` with

        s >= reward_bound * sum_i largest_sizes_i / 2

    no report makes a response vanish, and the externality payment ``w_i**2 Var_q(r_i) / (4 s)`` does not depend on
    any other group. Each group pays it less the mean of the others' payments. That mean is out of its reach, so truth
    stays dominant; it is not negative, so nobody is worse off than by staying out; and the payments add up to zero
    in every prompt (up to rounding; in cents exactly). A payment may be negative.

    ``largest_sizes`` has one public bound a group, or one for all; ``reward_bound`` is the largest difference between
    two rewards of a group in a prompt, 1 for rewards in [0, 1]. Raises :class:`InputError` when a report exceeds
    them, when the strength is too small (it says which would do), for a single group, on anything but a
    :class:`Simplex` with ``ChiSquared``, and with a rule other than :class:`Welfare` without weights.

    Source: Groves and Loeb, Incentives and public inputs, 1975 (quadratic preferences balance).

    >>> import tuneaccord as ta
    >>> from tuneaccord.divergence import ChiSquared
    >>> space = ta.Simplex([0.5, 0.5], ChiSquared(4.0))
    >>> reports = [ta.Report("a", 4, ta.TableReward([1.0, 0.0])), ta.Report("b", 2, ta.TableReward([0.0, 1.0]))]
    >>> ta.settle(space, reports, payment=ta.BalancedBudget(largest_sizes=4)).payments
    {'a': 0.1875, 'b': -0.1875}
    """

    largest_sizes: float | tuple[float, ...]
    reward_bound: float = 1.0
    nobody_worse_off = True
    truthful = True
    individually_rational = True
    budget = "The payments add up to zero: what some groups pay, the others receive."

    def __post_init__(self) -> None:
        object.__setattr__(self, "reward_bound", check_amount("reward_bound", self.reward_bound))
        given = to_numbers("largest_sizes", self.largest_sizes)
        if given.ndim > 1:
            raise InputError(f"largest_sizes must be one number, or one a group, got {self.largest_sizes!r:.80}.")
        sizes = tuple(check_amount("largest_sizes", size) for size in np.atleast_1d(given).tolist())
        object.__setattr__(self, "largest_sizes", sizes if given.ndim else sizes[0])

    def charge(self, choice):
        space = _plain_simplex(self, choice, ChiSquared)
        groups = len(choice.sizes)
        if groups < 2:
            raise InputError("BalancedBudget needs two groups: a single one has nobody to pay. Try Externality().")
        largest = self._sizes(groups)
        self._check_strength(space.divergence, largest)
        _check_bounds(choice, largest, self.reward_bound)
        base = space.base_model
        gains = choice.sizes * centred_at_likeliest(choice.scores, base)
        gains = gains - np.einsum("pr,prg->pg", base, gains)[:, None]
        due = np.einsum("pr,prg->pg", base, gains**2) / (4 * space.divergence.strength)
        return (groups * due - due.sum(axis=1, keepdims=True)) / (groups - 1)

    def _sizes(self, groups: int) -> np.ndarray:
        """One public bound a group."""
        largest = np.atleast_1d(self.largest_sizes).astype(float)
        if len(largest) not in (1, groups):
            raise InputError(f"BalancedBudget has {len(largest)} largest sizes but there are {groups} groups.")
        return np.broadcast_to(largest, groups) if len(largest) == 1 else largest

    def _check_strength(self, divergence, largest) -> None:
        needed = self.reward_bound * float(largest.sum()) / 2
        if divergence.strength < needed:
            raise InputError(
                f"the budget balances for a strength of at least {needed:g}, half the sum of the largest sizes times "
                f"the reward bound, and the strength is {divergence.strength:g}. Raise it, lower the published "
                "bounds, or charge Redistribution with KL."
            )


def _plain_simplex(payment: PaymentRule, choice, divergence: type[Divergence]) -> Simplex:
    """The space, once space, divergence and rule are those that the payment is proved for."""
    name, space, rule = type(payment).__name__, choice.space, choice.rule
    if not isinstance(space, Simplex) or not isinstance(space.divergence, divergence):
        found = f"{type(space).__name__} with {type(getattr(space, 'divergence', None)).__name__}"
        raise InputError(
            f"{name} needs a Simplex with {divergence.__name__}, got a {found}. Externality() is truthful there too."
        )
    if not isinstance(rule, Welfare) or rule.weights is not None:
        raise InputError(f"{name} needs the rule Welfare() without weights, got {rule!r}. Try Externality().")
    return space


def _check_bounds(choice, largest: np.ndarray, reward_bound: float) -> None:
    """Raise :class:`InputError` when a report exceeds what was published."""
    over = np.flatnonzero(choice.sizes > largest)
    if over.size:
        raise InputError(
            f"the size of group {over[0] + 1} is {choice.sizes[over[0]]:g}, above the published largest size "
            f"{largest[over[0]]:g}. Publish a larger one before anybody reports."
        )
    supported = choice.space.base_model[:, :, None] > 0
    highest = np.where(supported, choice.scores, -np.inf).max(axis=1)
    spread = highest - np.where(supported, choice.scores, np.inf).min(axis=1)
    wide = np.argwhere(spread > reward_bound * (1 + _ROUNDING))
    if wide.size:
        prompt, group = wide[0]
        raise InputError(
            f"the rewards of group {group + 1} in prompt {prompt + 1} differ by {spread[prompt, group]:g}, more than "
            f"the published reward_bound {reward_bound:g}. Report on a scale of that length, or publish a larger bound."
        )
