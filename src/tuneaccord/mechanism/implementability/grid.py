"""Can any payments make truth a best reply under a training rule? A test on finitely many types of one group.

The others' reports are fixed. A type is what the group could truly be: a size and a reward. ``A[a, b]`` is what the
outcome for type b is worth to type a, and being taken for b instead of a costs type a ``A[a, a] - A[a, b]``, the
length of the edge from b to a. Payments exist on these types if and only if no cycle has a negative length (Rochet
1987). Shortest paths are payments, and the smallest mean length of a cycle says how much any payments must leave to
some lie. Finitely many types can only refute: where all cycles are fine, nothing is proved about other types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tuneaccord.errors import InputError, nearest, whole_number
from tuneaccord.mechanism.implementability.cycles import least_mean_cycle, shortest_paths
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import TrainingRule, Welfare
from tuneaccord.rewards import Scale, TableReward, to_numbers
from tuneaccord.spaces.space import ModelSpace

_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Implementability:
    """What the cycle test found on finitely many types; made by :func:`implementability` or :meth:`from_matrix`.

    ``valuations[a, b]`` is what the outcome for a report of type b is worth to a group that truly is type a, size
    times value. ``names`` are the types' names.

    Source: J.-C. Rochet, "A necessary and sufficient condition for rationalizability in a quasi-linear context",
    Journal of Mathematical Economics 16 (1987); R. Karp on minimum mean cycles (1978); arXiv 2405.16276, section 4.

    >>> swapped = Implementability.from_matrix([[0.0, 1.0], [1.0, 0.0]])  # each type gets what the other wants
    >>> swapped.implementable, swapped.distance
    (False, 1.0)
    """

    valuations: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def from_matrix(cls, valuations, names: Sequence[str] | None = None) -> Implementability:
        """The test for outcomes of one's own: what each type's outcome (columns) is worth to each type (rows).

        Raises :class:`InputError` unless the matrix is square and finite.
        """
        matrix = to_numbers("valuations", valuations)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0 or not np.isfinite(matrix).all():
            raise InputError(f"valuations must be a square matrix of finite numbers, got shape {matrix.shape}.")
        names = tuple(f"type {i}" for i in range(len(matrix))) if names is None else tuple(names)
        if len(names) != len(matrix):
            raise InputError(f"there are {len(matrix)} types but {len(names)} names.")
        matrix.flags.writeable = False
        return cls(matrix, names)

    @property
    def lengths(self) -> np.ndarray:
        """``lengths[b, a] = A[a, a] - A[a, b]``: what being taken for b costs type a, before payments."""
        return self.valuations.diagonal()[None, :] - self.valuations.T

    @property
    def scale(self) -> float:
        """The largest difference that an outcome makes to a type."""
        return float((self.valuations.max(axis=1) - self.valuations.min(axis=1)).max())

    @cached_property
    def cycle(self) -> tuple[int, ...]:
        """The types on a cycle of least mean length: each would be taken for the one before it, the first for the last.

        Empty with a single type.
        """
        return least_mean_cycle(self.lengths)

    @cached_property
    def distance(self) -> float:
        """The least amount that some lie gains under the best payments: ``max(0, -(minimum mean cycle))``.

        Zero up to rounding where the types can be told apart by payments.
        """
        before = np.roll(self.cycle, 1)
        steps = self.lengths[before, list(self.cycle)] if self.cycle else np.zeros(1)
        return max(0.0, -float(steps.mean()))

    @property
    def implementable(self) -> bool:
        """Whether payments exist on these types, with rounding of 1e-9 of :attr:`scale` forgiven.

        False refutes the rule; True proves nothing beyond these types.
        """
        return self.distance <= _TOLERANCE * self.scale

    @cached_property
    def worst_pair(self) -> tuple[int, int, float]:
        """Two types and what they would gain together by swapping outcomes, halved: a quick necessary test.

        A positive number refutes the rule, and the distance is at least that; it is negative where every pair passes.
        """
        both = self.lengths + self.lengths.T
        np.fill_diagonal(both, np.inf)
        first, second = np.unravel_index(int(both.argmin()), both.shape)
        return int(first), int(second), -0.5 * float(both[first, second])

    @cached_property
    def paths(self) -> np.ndarray:
        """``paths[b, a]``: the shortest path from type b to type a, with :attr:`distance` added to each step."""
        return shortest_paths(self.lengths + self.distance)

    def payments(self, base: int = 0) -> np.ndarray:
        """The largest truthful payments on these types at which type ``base`` pays nothing.

        Where the rule is not implementable, no lie gains more than :attr:`distance` under them.

        >>> Implementability.from_matrix([[1.0, 0.0], [0.0, 1.0]]).payments()
        array([0., 1.])
        """
        return self.paths[base].copy()

    def interval(self, base: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest payment of each type over all truthful payments at which ``base`` pays nothing.

        Both ends are truthful; a number between them for each type need not be.
        """
        return -self.paths[:, base], self.paths[base].copy()

    @cached_property
    def individually_rational_payments(self) -> np.ndarray:
        """The largest truthful payments under which no type has less than nothing: the most revenue on these types."""
        return (self.valuations.diagonal()[:, None] + self.paths).min(axis=0)

    @property
    def statement(self) -> str:
        """What was found, in words.

        >>> print(Implementability.from_matrix([[0.0, 1.0], [1.0, 0.0]], ["cat", "dog"]).statement)
        Not implementable: a group that is [cat] would rather be taken for [dog], and [dog] for [cat]. Payments cancel \
along this cycle, so under any payments some lie gains at least 1.
        """
        if self.implementable:
            return (
                f"No negative cycle among {len(self.names)} types. A finite set of types can only refute: nothing is "
                "proved about others."
            )
        before = np.roll(self.cycle, 1)
        pairs = [f"[{self.names[a]}] for [{self.names[b]}]" for b, a in zip(before, self.cycle, strict=True)]
        first = f"a group that is [{self.names[self.cycle[0]]}] would rather be taken for [{self.names[before[0]]}]"
        return (
            f"Not implementable: {', and '.join([first, *pairs[1:]])}. Payments cancel along this cycle, so under any "
            f"payments some lie gains at least {self.distance:.3g}."
        )


def implementability(
    space: ModelSpace, reports: Sequence[Report], rule: TrainingRule | None, group: str, types: Sequence[Report]
) -> Implementability:
    """Test whether any payments could make ``group`` tell the truth about ``types`` under ``rule``.

    The other groups keep their ``reports``. Each type is a :class:`Report`, whose size and reward replace the
    group's, and whose name is used in words (:func:`type_grid` draws some). The rule is run once a type.

    Raises :class:`InputError` for an unknown group or an empty list of types.

    >>> import numpy as np
    >>> from tuneaccord.testing import random_market
    >>> space, reports = random_market(np.random.default_rng(0), strength=0.1)
    >>> implementability(space, reports, Welfare(), "g0", type_grid(space, 10, seed=1)).implementable
    True
    """
    rule, index = Welfare() if rule is None else rule, _index(reports, group)
    if not isinstance(rule, TrainingRule):
        raise InputError(f"rule must be a TrainingRule such as Welfare(), got {rule!r:.80}.")
    types = list(types)
    if not all(isinstance(each, Report) for each in types):
        raise InputError("each type must be a Report(name, size, reward); try type_grid(space, 40, seed=0).")
    if not types:
        raise InputError("there is no type to test. Try type_grid(space, 40, seed=0).")
    own, models = [], []
    for each in types:
        reported = [each if at == index else report for at, report in enumerate(reports)]
        scores = space.scores([report.reward for report in reported])
        optimum = rule.choose(space, scores, np.array([report.size for report in reported]))
        own.append(scores[:, :, index])
        models.append(optimum.model)
    tables = np.stack(own, axis=-1)
    values = np.stack([space.prompt_weights @ space.evaluate(tables, model)[0] for model in models], axis=1)
    sizes = np.array([each.size for each in types])
    return Implementability.from_matrix(sizes[:, None] * values, [each.name for each in types])


def type_grid(
    space: ModelSpace, count: int, *, seed: int, scale: Scale | None = "max", sizes: tuple[float, float] = (1.0, 1.0)
) -> list[Report]:
    """``count`` random types: rewards uniform on [0, 1], divided by ``scale``, and sizes log-uniform between ``sizes``.

    With equal bounds only the reward is private. They are called ``"type 0 (size 1)"`` and so on. The space must
    have a ``shape`` (prompts, responses).

    >>> from tuneaccord import KL, Simplex
    >>> types = type_grid(Simplex([0.5, 0.5], KL(1.0)), 3, seed=0, sizes=(1, 10))
    >>> [each.name for each in types]
    ['type 0 (size 4.04)', 'type 1 (size 5.36)', 'type 2 (size 3.5)']
    """
    low, high = bounds if (bounds := to_numbers("sizes", sizes)).shape == (2,) else (np.nan, np.nan)
    if not 0 < low <= high or not np.isfinite(high):
        raise InputError(f"sizes must be two positive numbers in order, such as (1, 10); got {sizes!r}.")
    whole_number("count", count, least=1)
    rng = np.random.default_rng(seed)
    tables = rng.uniform(size=(count, *space.shape))
    drawn = np.clip(np.exp(rng.uniform(np.log(low), np.log(high), size=count)), low, high)
    return [
        Report(f"type {i} (size {drawn[i]:.3g})", drawn[i], TableReward(tables[i], scale=scale)) for i in range(count)
    ]


@dataclass(frozen=True)
class PaymentRange:
    """What truthful payments of one group may be, from ``low`` to ``high``, when a constant report pays nothing.

    >>> PaymentRange(1.0, 1.5).width
    0.5
    """

    low: float
    high: float

    @property
    def width(self) -> float:
        """How much freedom truthful payments have left."""
        return self.high - self.low


def payment_equivalence(
    space: ModelSpace, reports: Sequence[Report], group: str, steps: int, rule: TrainingRule | None = None
) -> PaymentRange:
    """How far apart two truthful payments of ``group`` can be, when both charge nothing for a constant report.

    The group's reward is moved in ``steps`` equal steps to a constant, its mean over the responses of each prompt
    (so a reward divided by its sum stays so divided; no affine maximizer minds which constant); truthfulness between
    neighbours on this line bounds the payment. Under :class:`Welfare` with KL the width is at most
    ``w**2 osc(reward)**2 / (4 strength steps)``, so it vanishes: every truthful payment of such a rule is the
    externality plus a function of the others' reports. The width of a rule that cannot be implemented may be negative.

    Source: arXiv 2405.16276, Proposition 4.6 and Corollary 4.10 (payment equivalence); the bound is Hoeffding's lemma.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> reports = [ta.Report("a", 1, ta.TableReward([1.0, 0.0])), ta.Report("b", 1, ta.TableReward([0.0, 1.0]))]
    >>> [payment_equivalence(space, reports, "a", steps).width < 1 / (4 * steps) for steps in (1, 10, 100)]
    [True, True, True]
    """
    whole_number("steps", steps, least=1)
    index = _index(reports, group)
    table = space.scores([report.reward for report in reports])[:, :, index]
    constant = np.broadcast_to(table.mean(axis=1, keepdims=True), table.shape)
    shares = np.linspace(0.0, 1.0, steps + 1)
    rewards = [TableReward((1 - share) * constant + share * table) for share in shares]
    line = [replace(reports[index], reward=reward) for reward in rewards]
    lengths = implementability(space, reports, rule, group, line).lengths
    return PaymentRange(-float(lengths.diagonal(-1).sum()), float(lengths.diagonal(1).sum()))


def _index(reports: Sequence[Report], group: str) -> int:
    names = [report.name for report in reports]
    if group not in names:
        raise InputError(f"there is no group {group!r}. {nearest(group, names)}")
    return names.index(group)
