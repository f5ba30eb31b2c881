"""Soups: one adapter for each group's reward alone, and a grid of mixtures of them.

The adapters are trained before anybody says how large its group is, so the grid is the same whatever is said: a
finite set of models that can be measured, frozen and settled on (arXiv 2405.16276, section 5). Two ways to mix: the
exact sum of the adapters' updates (``mixture``), one model as fast as an adapter, or the sum of their logits
while decoding (``mixing``), which needs a forward pass for each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuneaccord.errors import InputError
from tuneaccord.llm.adapters import Adapter, TunedPolicy
from tuneaccord.llm.mixing import LogitMixture
from tuneaccord.llm.mixture import mixture
from tuneaccord.llm.proposer import Proposal, Proposer

#: more models than this are hardly ever what somebody wanted to wait for
MOST = 200


@dataclass(frozen=True)
class Single:
    """A group's own adapter, and how many tokens gradients were taken of to train it."""

    group: str
    adapter: Adapter
    trained: int


@dataclass(frozen=True)
class SoupProposer(Proposer):
    """Mixes the groups' own adapters at given weights: their updates, or with ``logits`` their logits.

    A weighting that is 1 for one group and 0 for the others is that group's adapter as it is, either way.
    """

    singles: tuple[Single, ...]
    logits: bool = False

    def propose(self, weightings, tools=None):
        """A mixture for each weighting; nothing is left to train, so the tools are not needed.

        Raises :class:`InputError` when a weighting has not one number a group.
        """
        for weights in weightings:
            if len(weights) != len(self.singles):
                raise InputError(f"a weighting needs {len(self.singles)} numbers, one a group, got {list(weights)}.")
        return tuple(self._proposal(tuple(map(float, weights))) for weights in weightings)

    def _proposal(self, weights: tuple[float, ...]) -> Proposal:
        return Proposal(
            name_of(weights, [single.group for single in self.singles]),
            self._policy(weights, [single.adapter for single in self.singles]),
            weights,
            trained=sum(single.trained for single, weight in zip(self.singles, weights, strict=True) if weight != 0.0),
            about={"adapters": {single.group: single.adapter.digest for single in self.singles}},
        )

    def _policy(self, weights: tuple[float, ...], adapters: list[Adapter]) -> TunedPolicy:
        alone = [adapter for adapter, weight in zip(adapters, weights, strict=True) if weight != 0.0]
        if self.logits and not (len(alone) == 1 and 1.0 in weights):
            return LogitMixture(tuple(adapters), weights)
        return mixture(adapters, weights)


def weight_grid(groups: int, steps: int, lengths: Sequence[float] = (1.0,)) -> list[tuple[float, ...]]:
    """All weights ``length * k / steps`` with whole numbers k that sum to ``steps``, one number a group.

    Those of one group come first. Raises :class:`InputError` when there are too many to measure.

    >>> weight_grid(2, steps=2)
    [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]
    """
    count = math.comb(steps + groups - 1, groups - 1) * len(lengths)
    if count > MOST:
        raise InputError(
            f"soups.steps {steps} with {groups} groups and {len(lengths)} lengths makes {count} mixtures, each of "
            f"which is measured; at most {MOST} are allowed. Lower soups.steps."
        )
    parts = sorted(_shares(groups, steps), key=lambda part: sum(k > 0 for k in part))  # stable
    return [tuple(length * k / steps for k in part) for length in lengths for part in parts]


def _shares(groups: int, steps: int) -> list[tuple[int, ...]]:
    """All ways to split ``steps`` equal shares among the groups, the most for the first group first."""
    ways = []
    for bars in itertools.combinations(range(steps + groups - 1), groups - 1):
        edges = (-1, *bars, steps + groups - 1)
        ways.append(tuple(after - before - 1 for before, after in itertools.pairwise(edges)))
    return sorted(ways, reverse=True)


def name_of(weights: Sequence[float], groups: Sequence[str]) -> str:
    """What a mixture is called.

    >>> name_of((0.5, 0.0, 0.25), ("press", "desk", "garden"))
    '0.5 press + 0.25 garden'
    >>> name_of((0.0, 1.0), ("press", "desk"))
    'desk alone'
    """
    parts = [(weight, group) for weight, group in zip(weights, groups, strict=True) if weight != 0.0]
    if not parts:
        return "nothing of anybody"
    if len(parts) == 1 and parts[0][0] == 1.0:
        return f"{parts[0][1]} alone"  # a group may be called base
    return " + ".join(f"{weight:g} {group}" for weight, group in parts)
