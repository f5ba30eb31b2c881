"""What every group's absence would do, for all groups in a few array operations.

The payments come from closed passes of their own (``tuneaccord.kernel``, :meth:`Candidates.externalities`); this route
shares nothing with them but the divergence. It solves the space once for each group on the scores of the others, as
the recheck does one by one, and loses the digits that a difference from the total costs: what it finds wrong is
looked at again more carefully.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex

CELLS = 1_000_000  #: numbers in one array of a batch


@dataclass(frozen=True, eq=False)
class Absences:
    """Without each group: what its presence costs the others, and what it would have of the model; (groups,)."""

    costs: np.ndarray  #: in units of its own payment
    outside: np.ndarray  #: its size times its value of the model chosen without it


def absences(settlement: Settlement) -> Absences | None:
    """What each group's absence would do; None for a rule or a space of which all absences are not known at once.

    >>> from tuneaccord import settle
    >>> from tuneaccord.testing import random_market
    >>> result = settle(*random_market(np.random.default_rng(0)))
    >>> bool(np.allclose(absences(result).costs, list(result.payments.values()), rtol=1e-9, atol=1e-12))
    True
    """
    if type(settlement.rule) is not Welfare:
        return None
    space = settlement.rule.space_for(settlement.space)
    if not isinstance(space, Simplex | Candidates):
        return None
    without = _without_on_simplex if isinstance(space, Simplex) else _without_on_candidates
    groups = len(settlement.sizes)
    step = max(1, CELLS // max(1, settlement.scores.shape[0] * settlement.scores.shape[1]))
    parts = [without(settlement, space, np.arange(i, min(i + step, groups))) for i in range(0, groups, step)]
    costs, outside = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return Absences(costs / settlement.choice.weights, settlement.sizes * outside)


def _others(settlement: Settlement, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The others' total scores and the own ones of some groups, shape (groups, prompts, responses)."""
    weighted = settlement.choice.weights * settlement.sizes
    own = np.moveaxis(settlement.scores[:, :, block], 2, 0)
    others = settlement.scores @ weighted - weighted[block, None, None] * own
    return others - others.max(axis=2, keepdims=True), own


def _without_on_simplex(settlement: Settlement, space: Simplex, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    others, own = _others(settlement, block)
    base, chosen = np.broadcast_to(space.base_model, others.shape), settlement.optimum.model
    alone, _ = space.divergence.tilt(others, base)
    saved = space.divergence.price(alone, base) - space.divergence.price(chosen, space.base_model)
    lost = (others * (alone - chosen)).sum(axis=2) - saved
    return lost @ space.prompt_weights, (own * alone).sum(axis=2) @ space.prompt_weights


def _without_on_candidates(settlement: Settlement, space: Candidates, block: np.ndarray):
    others, own = _others(settlement, block)
    net = others[:, 0] - space.prices
    best, chosen = net.argmax(axis=1), int(settlement.optimum.model[0].argmax())
    places = np.arange(len(block))
    return net[places, best] - net[:, chosen], own[places, 0, best]
