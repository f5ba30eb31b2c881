"""The two reference points: pay what your presence costs the others, or pay nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.mechanism.payments.interface import PaymentRule


@dataclass(frozen=True)
class Externality(PaymentRule):
    """The affine-maximizer (VCG) payment: what the group's presence costs all the others.

    ``p_i = h(w without i) - [sum_{j != i} w_j v_j - D]``, the best net welfare that the others could have
    had without group i, minus what they get from the chosen model; the bracket is ``h(w) - w_i v_i`` when
    that is the best one. The regulariser stays whole in both terms. It is never negative. Under an affine
    rule such as :class:`Welfare`, on a space that was fixed before the reports, it makes truth a dominant
    strategy and leaves no group worse off than staying out. With public weights and boosts in the rule, the
    sums carry them too and the difference is divided by the group's own weight (:class:`Welfare`).

    Source: arXiv 2405.16276, Proposition 4.4.

    >>> Externality().truthful
    True
    """

    never_negative = True
    nobody_worse_off = True
    truthful = True
    individually_rational = True

    def charge(self, choice):
        return choice.externalities


@dataclass(frozen=True)
class Free(PaymentRule):
    """No payments. Every group then gains by exaggerating (arXiv 2405.16276, Theorems 4.1 and 4.2).

    >>> Free().truthful
    False
    """

    never_negative = True
    nobody_worse_off = True  # under an affine rule a group's value never falls when its size grows from 0
    individually_rational = True

    def charge(self, choice):
        return np.zeros_like(choice.group_values)
