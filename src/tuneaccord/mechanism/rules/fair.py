"""Training rules whose objective is not a weighted sum of the groups' values: fair ones, and one that looks harmless.

None of them is an affine maximizer. They are as exact as :class:`Welfare`, and no payment is claimed to make truth a
dominant strategy under them: ``tuneaccord.implementability`` measures how far they are from having one.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np

from tuneaccord.bargaining.forms import LogSum, Minimum
from tuneaccord.bargaining.solutions import BargainingSolution, Nash
from tuneaccord.errors import InputError
from tuneaccord.mechanism.rules.concave import TINY, Problem, distance, extent, largest, solve
from tuneaccord.mechanism.rules.interface import TrainingRule, appraised
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex, possible
from tuneaccord.spaces.space import ModelSpace, Optimum

_ROUNDING = 1e-12  # a few thousand float64 roundings


class ConcaveRule(TrainingRule):
    """Maximises a concave function of the present groups' values, minus the price of leaving the base."""

    @abstractmethod
    def problem(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Problem | None:
        """What to maximise; None where nobody has a say, and the base stays."""

    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        seen = _seen(space, scores)
        problem = self.problem(space, seen, sizes)
        found = None if problem is None else solve(problem)
        model = self.otherwise(space, seen, sizes) if found is None else found.model
        return appraised(space, scores, sizes, model)

    def gap(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        problem = self.problem(space, _seen(space, scores), sizes)
        return 0.0 if problem is None else distance(problem, optimum.model)

    def otherwise(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """The model where no model has a finite objective, or nobody has a say."""
        return space.optimum(scores, np.zeros_like(sizes)).model


@dataclass(frozen=True)
class MaxMin(ConcaveRule):
    """The model that maximises ``min_i v_i - D``: the value of a member of the worst-off group, minus the price.

    Values are those of one member, so the sizes do not matter, except that a group of size 0 is absent. On a finite
    set ties in the smallest value are broken by the second smallest, and so on. On a simplex it is found to a
    certified gap (``Settlement.gap``) of about 1e-12 of the rewards, through its dual: the smallest ``h(c)`` over
    distributions ``c`` over the groups.

    No payment makes truth a dominant strategy under this rule (:func:`implementability` finds counterexamples).

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(0.1))
    >>> reports = [ta.Report("a", 9, ta.TableReward([1.0, 0.0])), ta.Report("b", 1, ta.TableReward([0.0, 1.0]))]
    >>> ta.settle(space, reports, ta.MaxMin()).model.round(6)
    array([0.5, 0.5])
    """

    def problem(self, space, scores, sizes):
        present = sizes > 0
        return Problem(space, scores[:, :, present], Minimum(np.ones(int(present.sum())))) if present.any() else None


@dataclass(frozen=True)
class NashWelfare(ConcaveRule):
    """The model that maximises ``sum_i w_i log v_i - D``, the logarithm of the Nash welfare minus the price.

    Every value must be able to be positive at one model, as with rewards that are not negative and somewhere
    positive; the zero of each reward matters, unlike under :class:`Welfare`. The strength of the divergence is in
    units of size, because logarithms have no unit. Found to a certified gap of about 1e-12 of the sizes through its
    dual, by damped Newton (a quasi-Newton method stops early enough to fool a cycle test).

    Raises :class:`InputError` where no model gives every group a positive value.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1e-9))
    >>> reports = [ta.Report("a", 3, ta.TableReward([1.0, 0.0])), ta.Report("b", 1, ta.TableReward([0.0, 1.0]))]
    >>> ta.settle(space, reports, ta.NashWelfare()).model.round(6)
    array([0.75, 0.25])
    """

    def problem(self, space, scores, sizes):
        present = sizes > 0
        return Problem(space, scores[:, :, present], LogSum(sizes[present])) if present.any() else None

    def otherwise(self, space, scores, sizes):
        if not (sizes > 0).any():
            return super().otherwise(space, scores, sizes)
        least = scores.max(axis=(0, 1))
        raise InputError(
            "NashWelfare needs a model that gives every group a positive value, and there is none: the largest "
            f"rewards are {np.array2string(least, precision=3, threshold=8)}. Put the rewards on a scale such as "
            "[0, 1], or try Bargained(Nash()), which counts from the base model."
        )


@dataclass(frozen=True)
class Bargained(ConcaveRule):
    """The model that a bargaining solution picks: it maximises ``solution.score(gains) - D``.

    The gain of group i is ``w_i (v_i - v_i(base))``, what its members win over the untuned model, which is the
    outcome without an agreement; the ideal gain is the largest over all models, whatever the price. The strength of
    the divergence is in the units of the score: of money for :class:`Egalitarian` and :class:`Utilitarian`, a pure
    number for :class:`Nash` and :class:`KalaiSmorodinsky`, under which sizes and the scale of a reward drop out.
    A group that no model lifts above the base has no say, and models of a finite set that would hurt it are left
    out (:class:`Utilitarian` counts everybody). If no model has a finite score (no model helps everybody under
    Nash), there is no agreement and the base stays.

    Raises :class:`InputError` when the set of models has no base, or a power does not fit the groups.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.2, 0.4, 0.4], ta.KL(1.0))
    >>> reports = [ta.Report("a", 9, ta.TableReward([0.8, 1.0, 0.0])),
    ...            ta.Report("b", 1, ta.TableReward([0.8, 0.0, 1.0]))]
    >>> ta.settle(space, reports, Bargained(ta.Nash())).model.round(3)
    array([0.846, 0.077, 0.077])
    """

    solution: BargainingSolution = field(default_factory=Nash)

    def __post_init__(self) -> None:
        if not isinstance(self.solution, BargainingSolution):
            raise InputError(f"solution must be a bargaining solution such as Nash(), got {self.solution!r:.80}.")

    def problem(self, space, scores, sizes):
        gains, ideal = self.gains(space, scores, sizes)
        form = self.solution.form(ideal)
        counted = self.solution.counted(ideal) & (sizes > 0)
        if not counted.any():
            return None
        harmless = None
        if isinstance(space, Candidates):  # each group on its own scale, or a giant's rounding would excuse harm
            own = np.maximum(np.abs(gains).max(axis=(0, 1)), TINY)
            harmless = self.solution.acceptable(gains[0] / own, ideal)
        return Problem(space, gains[:, :, counted], form, harmless)

    def gains(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each response adds to each group over the base, and the most that each group can gain."""
        if space.base_model is None:
            raise InputError(
                "a bargain starts from the base model, and this set of models has no base row. "
                "Try Candidates(..., base=ROW) or with_base(values)."
            )
        base, _ = space.evaluate(scores, space.base_model)
        gains = sizes * (scores - base[:, None])
        ideal = largest(space, gains)
        least = np.maximum(_ROUNDING * sizes * extent(space, scores), TINY)
        return gains, np.where(ideal > least, ideal, 0.0)

    def otherwise(self, space, scores, sizes):
        return space.base_model


@dataclass(frozen=True)
class SizeShare(TrainingRule):
    """The model that maximises ``sum_i (w_i / sum w) v_i - D``: welfare a member instead of welfare.

    It looks like :class:`Welfare` with a rescaled strength, but the scale depends on the reported sizes. With public
    sizes it can be implemented; with private ones no payment makes truth a dominant strategy on some markets
    (:func:`implementability` finds them). Prefer :class:`Welfare` with a strength that is fixed in advance.

    >>> SizeShare().affine
    False
    """

    def choose(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        return appraised(space, scores, sizes, space.optimum(scores, _shares(sizes)).model)

    def gap(self, space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        return space.gap(scores, _shares(sizes), appraised(space, scores, sizes, optimum.model))


def _seen(space: ModelSpace, scores: np.ndarray) -> np.ndarray:
    """The scores that some model can bring about; large ones elsewhere would pass for the scale of the problem."""
    return possible(scores, space.base_model) if isinstance(space, Simplex) else scores


def _shares(sizes: np.ndarray) -> np.ndarray:
    return sizes / max(float(sizes.sum()), np.finfo(float).tiny)
