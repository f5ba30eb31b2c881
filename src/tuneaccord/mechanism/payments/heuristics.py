"""Payments from the checkpoints of training runs: cheaper than one more run a group, and weaker.

The exact payment needs the best model without each group, one training run a group. Two heuristics of
arXiv 2405.16276 replace that model by the best of some checkpoints. Here the ideal run passes through
the best models at ``t * sizes``, ``t`` from 0 to 1 (the path of natural gradient ascent); checkpoints of
a real run that were measured go into :func:`intermediate_payments` and :func:`early_stopped_payments`.

Both charge at most the exact payment where the model is the best one, so nobody is worse off. What they lose:
``Intermediate`` is never negative but a lie can pay; ``EarlyStopped`` is truthful but can be negative.
No payment that is truthful and never negative charges less than the exact one (Theorem 4.11 there).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.mechanism.choice import Choice
from tuneaccord.mechanism.payments.checkpoints import (
    Measured,
    early_stopped_payments,
    finite_numbers,
    intermediate_payments,
)
from tuneaccord.mechanism.payments.interface import PaymentRule
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.space import ModelSpace


@dataclass(frozen=True)
class Intermediate(PaymentRule):
    """Heuristic 1: charge against the best checkpoint of the run that was done.

    The checkpoints are the best models at ``t * sizes`` for the public ``fractions`` t, from 0 (the base) to 1
    (the model itself); prompts that separate have checkpoints of their own. Group i pays the largest net welfare
    of the others among them minus theirs at the chosen model: never negative, at most the exact payment, and no
    extra run. Not truthful, because a report moves the checkpoints; see :meth:`regret_bound`. Use
    :class:`Externality` where one more run a group can be afforded.

    Raises :class:`InputError` unless the fractions rise from 0 to 1.

    Source: arXiv 2405.16276, Heuristic 1.

    >>> Intermediate(fractions=(0, 0.5, 1)).truthful
    False
    """

    fractions: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    never_negative = True
    nobody_worse_off = True

    def __post_init__(self) -> None:
        fractions = _rising(self.fractions)
        if fractions[0] != 0 or fractions[-1] != 1:
            raise InputError(
                f"the fractions must rise from 0, the base, to 1, the final model; got {fractions!r:.80}. "
                "For a run that stops before 1 use EarlyStopped."
            )
        object.__setattr__(self, "fractions", fractions)

    def charge(self, choice):
        space, sizes = _objective(choice)
        table = _path(space, choice.scores, sizes, self.fractions)
        return intermediate_payments(*_chosen(choice), *table, sizes) / choice.weights

    def regret_bound(self, choice: Choice) -> float:
        """The gap, plus what the best checkpoint is worth to the others above the one at 0, for the worst group.

        A lie can at best deploy the best model and be charged against the checkpoint at 0, which no report moves.
        Infinity where the space was not fixed, or the rule is not affine.
        """
        if not (choice.rule.affine and choice.space.fixed):
            return math.inf
        space, sizes = _objective(choice)
        lost = Measured.of(*_chosen(choice), sizes).lost_by_the_others(
            *_path(space, choice.scores, sizes, self.fractions)
        )
        above = choice.space.prompt_weights @ (np.maximum(lost.max(axis=-2), 0.0) - lost[:, 0])
        return float(((choice.gap + above) / choice.weights).max())


@dataclass(frozen=True)
class EarlyStopped(PaymentRule):
    """Heuristic 2: charge against the best checkpoint of a run without the group that stops early.

    The checkpoints of the run without group i are the best models at ``t * sizes`` with size 0 for i, for the
    public ``fractions`` t below 1; prompts that separate have checkpoints of their own. ``public`` names models
    that were fixed before anybody reported and count as well: rows of :class:`Candidates`, or policies of a simplex.
    Truth is dominant, nobody is worse off, and no group pays more than the exact payment; the shortfall is what
    the early stop costs the others. A payment can be negative, unless the deployed model is always in ``public``.
    ``clip`` raises negative payments to 0; a lie can then pay.

    Raises :class:`InputError` unless the fractions rise from at least 0 to below 1.

    Source: arXiv 2405.16276, Heuristic 2.

    >>> EarlyStopped().truthful, EarlyStopped(clip=True).truthful
    (True, False)
    """

    fractions: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
    clip: bool = False
    public: tuple | None = None
    nobody_worse_off = True

    def __post_init__(self) -> None:
        fractions = _rising(self.fractions)
        if fractions[-1] >= 1:
            raise InputError(
                f"a run that stops early has fractions below 1, got {fractions[-1]:g}. "
                "A run to the end, fraction 1, is the exact payment: use Externality()."
            )
        if not isinstance(self.clip, bool):
            raise InputError(f"clip must be True or False, got {self.clip!r}.")
        object.__setattr__(self, "fractions", fractions)
        if self.public is not None:
            if not isinstance(self.public, list | tuple | np.ndarray) or not len(self.public):
                raise InputError(f"public must be a list of at least one model, got {self.public!r:.80}.")
            object.__setattr__(self, "public", _as_tuples(self.public))

    @property
    def truthful(self) -> bool:
        """Only without clipping."""
        return not self.clip

    @property
    def never_negative(self) -> bool:
        """Only with clipping."""
        return self.clip

    def charge(self, choice):
        raw = self._raw(choice)
        return np.maximum(raw, 0.0) if self.clip else raw

    def regret_bound(self, choice: Choice) -> float:
        """The gap; with ``clip`` also the largest amount that clipping took from a group at these reports.

        Clipping only lowers the utility of whoever lies, so that a lie can win back no more than that amount.
        """
        if not self.clip:
            return super().regret_bound(choice)
        if not (choice.rule.affine and choice.space.fixed):
            return math.inf
        clipped = choice.space.prompt_weights @ np.maximum(-self._raw(choice), 0.0)
        return float((choice.gap / choice.weights + clipped).max())

    def _raw(self, choice):
        space, sizes = _objective(choice)
        present = sizes * (1.0 - np.eye(len(sizes)))
        runs = [_path(space, choice.scores, row, self.fractions) for row in present]
        tables = [list(part) for part in zip(*runs, strict=True)]
        public = _public(space, choice.scores, self.public)
        return early_stopped_payments(*_chosen(choice), *tables, sizes, **public) / choice.weights


def _objective(choice: Choice) -> tuple[ModelSpace, np.ndarray]:
    """The space and the sizes as the rule weighs them."""
    return choice.rule.space_for(choice.space), choice.weights * choice.sizes


def _chosen(choice: Choice) -> tuple[np.ndarray, np.ndarray]:
    return choice.rule.space_for(choice.space).evaluate(choice.scores, choice.optimum.model)


def _path(space: ModelSpace, scores, sizes, fractions) -> tuple[np.ndarray, np.ndarray]:
    """Values (prompts, fractions, groups) and prices (prompts, fractions) of the best models at ``t * sizes``."""
    best = [space.optimum(scores, fraction * sizes) for fraction in fractions]
    return np.stack([one.values for one in best], axis=1), np.stack([one.price for one in best], axis=1)


def _public(space: ModelSpace, scores, models) -> dict:
    if models is None:
        return {}
    evaluated = [space.evaluate(scores, _model(space, model)) for model in models]
    values, prices = (np.stack(part, axis=1) for part in zip(*evaluated, strict=True))
    return {"public_values": values, "public_prices": prices}


def _model(space: ModelSpace, given) -> np.ndarray:
    if isinstance(space, Candidates):
        return space.pick(given)
    policy = np.atleast_2d(finite_numbers("a public policy", given))
    if policy.shape != tuple(space.shape):
        raise InputError(f"a public policy must have the space's shape {tuple(space.shape)}, got {policy.shape}.")
    if (policy < 0).any() or np.abs(policy.sum(axis=1) - 1).max() > 1e-9:
        raise InputError("each row of a public policy must be a distribution: not negative, with sum 1.")
    if (policy[space.base_model == 0] > 0).any():  # some divergences price it, but no model of the space goes there
        raise InputError("a public policy must be 0 where the base is 0.")
    return policy


def _rising(given) -> tuple[float, ...]:
    fractions = finite_numbers("fractions", given)
    rising = fractions.ndim == 1 and fractions.size and (np.diff(fractions) > 0).all()
    if not rising or fractions[0] < 0 or fractions[-1] > 1:
        raise InputError(f"fractions must be rising numbers between 0 and 1, such as (0, 0.5, 1); got {given!r:.80}.")
    return tuple(fractions.tolist())


def _as_tuples(given):
    if isinstance(given, np.ndarray):
        given = given.tolist()
    return tuple(map(_as_tuples, given)) if isinstance(given, list | tuple) else given
