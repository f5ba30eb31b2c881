"""A way to obtain the shared model: what it delivers, what it charges, what that promises, what it cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from tuneaccord.llm.adapters import TunedPolicy
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.mechanism.uncertainty import Interval
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.job import Frozen, Job
from tuneaccord.tuning.market import Market
from tuneaccord.tuning.table import MeasuredTable


@dataclass(frozen=True, eq=False)
class WayResult:
    """One way's result on a market.

    ``row`` is what is delivered, measured on the held-out prompts; ``payments`` what each group would be charged,
    with the interval that the way's own noise leaves; ``settlement`` where they are exact arithmetic on a frozen
    space, otherwise ``None``; ``chargeable`` whether they may be charged as they are, and ``why`` in one sentence.
    ``generated`` counts the tokens that were sampled for this way besides the frozen pools, ``trained`` those that
    gradients were taken of; ``delivered`` is the tuned policy, if there is one to hand over.
    """

    name: str
    row: Row
    payments: dict[str, Interval]
    settlement: Settlement | None
    chargeable: bool
    why: str
    guarantees: tuple[Guarantee, ...]
    generated: int = 0
    trained: int = 0
    delivered: TunedPolicy | None = None
    table: MeasuredTable | None = None
    about: dict = field(default_factory=dict)


class Way(ABC):
    """Obtains the shared model on a market; one small class a way, listed in ``tuneaccord.tuning.ways``."""

    name: str
    description: str
    builds_on: tuple[str, ...] = ()  #: other ways, or steps counted apart, whose cost is part of its own

    def check(self, market: Market) -> None:
        """Refuse, before anything starts, what this way could not do on this market.

        Raises :class:`~tuneaccord.errors.TuneaccordError` in one line.
        """
        return

    @abstractmethod
    def run(self, job: Job, frozen: Frozen) -> WayResult:
        """Train, measure and settle; every finished step is stored, so the same call continues after a stop."""
