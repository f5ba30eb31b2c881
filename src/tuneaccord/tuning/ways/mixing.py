"""Decoding-time mixing as a way: the same adapters and the same grid as soups, with logits in place of updates.

A mixture of k groups costs k + 1 forward passes a token, for whoever uses it too. The models of one group alone are
its adapter either way, so with both ways on one market they are measured once. Adapters on the output layer alone
(``adapter.method: vocabulary``) add to the logits anyway: then the two ways are the same policies, up to rounding.
"""

from __future__ import annotations

from tuneaccord.tuning.ways.soups import Soups


class Mixing(Soups):
    """The groups' adapters mixed by weighted sums of their logits at every token."""

    name = "mixing"
    description = "the same adapters, their logits mixed at every token"
    builds_on = ("soups", "vocabulary")
    logits = True
