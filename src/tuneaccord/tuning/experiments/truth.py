"""Whether a lie pays: exactly on the space that was settled, and within a stated bound on other prompts.

On the space itself no lie pays, by proof, and the largest difference is printed with its rounding. What is delivered
afterwards answers other prompts, where the model is worth something else. With ``v`` the liar's true value, charged
on prompts S and delivered on prompts T, a lie that leads to another model gains

    [utility on S, never above 0] + size * {[v_T(lie) - v_T(truth)] - [v_S(lie) - v_S(truth)]}

The second part has mean zero when S and T are prompts of the same kind. The bound is the quantile of its largest
value, over every lie tried (pool) or every model of the table (soups), when both sets of prompts are resampled
around what was measured: an estimate from few prompts, not a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.tuning.experiments.claims import Claim, Lie
from tuneaccord.tuning.experiments.outcomes import Outcomes, PoolOutcomes, SoupOutcomes

#: how far from the truth's utility rounding may take a lie's, relative to the truth's value
ROUNDING = 1e-9
#: chance that the bound of any case of an experiment is too small, divided among its cases
CHANCE = 0.05


@dataclass(frozen=True)
class Truth:
    """One group's temptation: the largest gain on the space, the largest gain on other prompts, and its bound."""

    group: str
    gain: float  #: the best lie's utility minus the truth's, where it was settled
    rounding: float
    delivered: float  #: the same with the value on other prompts
    bound: float

    @property
    def holds(self) -> bool:
        """No lie gains on the space, nor on other prompts beyond the bound."""
        return self.gain <= self.rounding and self.delivered <= self.bound + self.rounding


def truth_of(settled: Outcomes, others: Outcomes, truth: Sequence[Claim], group: int, lies: Sequence[Lie], cases: int):
    """What the lies bring: settled on ``settled``, delivered on the prompts of ``others``.

    ``cases`` is how many such bounds the experiment states; the chance of an error is divided among them.
    """
    honest = settled.amounts(truth, group, truth[group])
    tried = [settled.amounts(truth, group, lie.claim) for lie in lies]
    gains = np.array([lie.utility[0] - honest.utility[0] for lie in tried])
    deliver = _soups if isinstance(settled, SoupOutcomes) else _pool
    moves, wobble = deliver(settled, others, truth, group, lies)
    bound = max(float(np.quantile(wobble.max(axis=0), 1.0 - CHANCE / cases)), 0.0)
    name, rounding = truth[group].name, ROUNDING * float(honest.value[0])
    return Truth(name, float(gains.max()), rounding, float((gains + moves).max()), bound)


def _pool(settled: PoolOutcomes, others: PoolOutcomes, truth, group, lies) -> tuple[np.ndarray, np.ndarray]:
    """For each lie, by how much more it is worth on the other prompts than where it was settled; and resamples."""
    changes = []
    for space in (others, settled):
        honest = space.amounts(truth, group, truth[group]).value
        changes.append(np.array([space.amounts(truth, group, lie.claim).value - honest for lie in lies]))
    move = changes[0] - changes[1]
    return move[:, 0], move[:, 1:] - move[:, :1]


def _soups(settled: SoupOutcomes, others: SoupOutcomes, truth, group, lies) -> tuple[np.ndarray, np.ndarray]:
    """The same for a table, where a model was chosen once: resamples are of every model, whichever a lie leads to."""
    worth = [space.group_values(truth, group) for space in (others, settled)]
    move = worth[0] - worth[1]  # (1 + draws, models)
    chosen = settled.table.names.index(settled.amounts(truth, group, truth[group]).model)
    move = move - move[:, chosen : chosen + 1]
    models = [settled.table.names.index(settled.amounts(truth, group, lie.claim).model) for lie in lies]
    return move[0, models], (move[1:] - move[:1]).T
