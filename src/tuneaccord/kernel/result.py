"""What the kernel hands back: every group's value and payment, prompt by prompt."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.rewards import to_numbers


@dataclass(frozen=True, eq=False)
class AllPayments:
    """Values, payments and welfare under the welfare-maximising rule, before and after prompt weights.

    Amounts are in units of size times reward. The properties are means over prompts with ``prompt_weights``.
    ``values`` are one member's; times ``sizes`` they are the groups'.

    >>> one = np.ones((1, 1))
    >>> found = AllPayments(np.array([2.0]), 0.5 * one, 0.1 * one, one[0], 0 * one[0], 0 * one[0], one[0])
    >>> found.utilities
    array([0.9])
    """

    sizes: np.ndarray  #: (groups,)
    values_by_prompt: np.ndarray  #: (prompts, groups)  value of one member
    payments_by_prompt: np.ndarray  #: (prompts, groups)  never negative
    support_by_prompt: np.ndarray  #: (prompts,)  the largest welfare minus price
    price_by_prompt: np.ndarray  #: (prompts,)  divergence from the base, strength included
    gap_by_prompt: np.ndarray  #: (prompts,)  see :attr:`gap`
    prompt_weights: np.ndarray  #: (prompts,), summing to one
    groups: tuple[str, ...] | None = None  #: names, where the input had them
    prompts: tuple[str, ...] | None = None  #: identifiers, where the input had them

    @property
    def values(self) -> np.ndarray:
        """What the policy is worth to one member of each group, shape (groups,)."""
        return self.prompt_weights @ self.values_by_prompt

    @property
    def payments(self) -> np.ndarray:
        """What each group is charged, shape (groups,)."""
        return self.prompt_weights @ self.payments_by_prompt

    @property
    def utilities(self) -> np.ndarray:
        """Size times value minus payment, for groups that reported the truth, shape (groups,)."""
        return self.sizes * self.values - self.payments

    @property
    def welfare(self) -> float:
        """The sum of size times value."""
        return float(self.sizes @ self.values)

    @property
    def price(self) -> float:
        """The divergence of the policy from the base, strength included."""
        return float(self.prompt_weights @ self.price_by_prompt)

    @property
    def net_welfare(self) -> float:
        """Welfare minus price at the optimum (the paper's ASW)."""
        return float(self.prompt_weights @ self.support_by_prompt)

    @property
    def gap(self) -> float:
        """How far the policy's net welfare may be from the largest.

        From a closed form (KL, interior chi-squared) this is an allowance for rounding, otherwise the dual
        value minus the primal one, plus that allowance. Where the fused tier worked in float32, so is the allowance.
        """
        return float(self.prompt_weights @ self.gap_by_prompt)

    @property
    def regret_bound(self) -> float:
        """The most that one group can gain by misreporting: the gap, if nothing else depends on the reports.

        The responses, the base and the prompt weights must have been fixed before anybody reported.
        """
        return self.gap

    def with_prompts(self, prompts: np.ndarray, other: AllPayments) -> AllPayments:
        """The same result, with the numbers of some prompts taken from ``other``; the weights stay."""
        changed = {}
        for field in fields(self):
            if field.name.endswith("_by_prompt"):
                changed[field.name] = getattr(self, field.name).copy()
                changed[field.name][prompts] = getattr(other, field.name)
        return replace(self, **changed)


def prompt_mean_weights(given: np.ndarray | None, prompts: int) -> np.ndarray:
    """The prompt weights as an array that sums to one; equal by default.

    Raises :class:`InputError` unless there is one non-negative number for each prompt and they sum to one.

    >>> prompt_mean_weights(None, 2)
    array([0.5, 0.5])
    """
    if given is None:
        return np.full(prompts, 1.0 / prompts)
    weights = to_numbers("prompt_weights", given)
    if weights.shape != (prompts,):
        raise InputError(f"prompt_weights must have one number for each of the {prompts} prompts, got {weights.shape}.")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and abs(weights.sum() - 1.0) <= 1e-9):
        raise InputError(
            f"prompt_weights must be non-negative and sum to 1, got {weights.sum():.12g} in total. Divide by the sum."
        )
    return weights
