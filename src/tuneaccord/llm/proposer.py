"""Proposers: training runs that propose models, and never charge for them.

A trained language model is no space that can be optimised exactly. A proposer trains at given weightings of the
groups' scores and returns tuned policies as plain data; somebody else measures them and settles on the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from tuneaccord.artifacts import Store
from tuneaccord.execution import Executor
from tuneaccord.llm.adapters import TunedPolicy
from tuneaccord.progress import Progress


@dataclass(frozen=True)
class Tools:
    """What every long step needs: where results are kept, who computes, who is told."""

    store: Store
    executor: Executor
    progress: Progress


@dataclass(frozen=True)
class Proposal:
    """A tuned policy by name, the weights of the groups' scores it was made for, and facts about its making.

    ``tokens`` are those that its training generated, and ``trained`` those that gradients were taken of.
    """

    name: str
    policy: TunedPolicy
    weights: tuple[float, ...]
    tokens: int = 0
    trained: int = 0
    about: dict = field(default_factory=dict)


class Proposer(ABC):
    """Trains models at weightings of the groups' scores."""

    @abstractmethod
    def propose(self, weightings: Sequence[Sequence[float]], tools: Tools) -> tuple[Proposal, ...]:
        """One or more models for each weighting, one weight a group; the same bytes for the same inputs and seeds.

        Finished steps are read back from ``tools.store``. The base model is not among them: whoever measures the
        proposals adds it.
        """
