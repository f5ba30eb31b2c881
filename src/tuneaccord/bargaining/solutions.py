"""Bargaining solutions: which vector of gains over the disagreement point is the best one.

A solution sees plain vectors, one gain a player, and the ideal vector: the most that each player could gain. The
textbook solutions are defined on one convex set of gains; here a solution is also the concave function that it
maximises, so that it can be traded off against a price, and a lexicographic order, so that it picks one vector of a
finite list. A player that nothing can lift above its outside option (its ideal gain is not positive) has no say:
it is left out of products, minima and ratios, but no vector that takes something from it is acceptable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.forms import Form, LogSum, Minimum, Total, first_best
from tuneaccord.errors import InputError

_ROUNDING = 1e-12  # a few thousand float64 roundings


class BargainingSolution(ABC):
    """Ranks vectors of gains.

    Source: axioms as in W. Thomson, "Cooperative models of bargaining", Handbook of Game Theory 2 (1994).
    """

    @property
    @abstractmethod
    def axioms(self) -> frozenset[str]:
        """What the solution promises, tested by :func:`check_solution`: ``Pareto``, ``symmetry``, ``scale invariance``,
        ``independence of irrelevant alternatives``, ``monotonicity`` (nobody loses when more becomes possible and the
        ideal gains stay; two players, convex sets) and ``strong monotonicity`` (also where the ideal gains move)."""

    @abstractmethod
    def form(self, ideal: np.ndarray) -> Form:
        """The concave function of the gains of the players that count, those of :meth:`counted`."""

    def counted(self, ideal: np.ndarray) -> np.ndarray:
        """Which players have a say: those that can gain."""
        return np.asarray(ideal, float) > 0

    def score(self, gains: np.ndarray, ideal: np.ndarray) -> np.ndarray:
        """How good each vector of ``gains`` (..., players) is; minus infinity where it is not acceptable.

        >>> float(Egalitarian().score(np.array([2.0, 1.0]), ideal=np.array([3.0, 3.0])))
        1.0
        """
        return self.ranking(gains, ideal)[..., 0]

    def ranking(self, gains: np.ndarray, ideal: np.ndarray) -> np.ndarray:
        """The score, then what breaks ties, most important first: shape (..., levels)."""
        gains, ideal = _vectors(gains, ideal)
        kept = self.counted(ideal)
        fine = self.acceptable(gains, ideal)[..., None]
        return np.where(fine, self.form(ideal).levels(gains[..., kept]) if kept.any() else 0.0, -np.inf)

    def acceptable(self, gains: np.ndarray, ideal: np.ndarray) -> np.ndarray:
        """Whether nothing is taken from the players that have no say, shape (...)."""
        without = gains[..., ~self.counted(ideal)]
        return (without >= -_ROUNDING * np.abs(gains).max(initial=0.0)).all(axis=-1)

    def best(self, gains: np.ndarray, ideal: np.ndarray | None = None) -> int:
        """The position of the best vector of a list, shape (vectors, players); ties go to the first.

        ``ideal`` is by default the largest gain of each player in the list.

        >>> Nash().best([[1.0, 4.0], [2.0, 3.0], [5.0, 0.5]])
        1
        """
        gains = _numbers("gains", gains)
        if gains.ndim != 2 or gains.size == 0:
            raise InputError(f"gains must have shape (vectors, players), got {gains.shape}.")
        levels = self.ranking(gains, gains.max(axis=0) if ideal is None else ideal)
        finite = np.abs(levels[np.isfinite(levels)])
        return first_best(levels, _ROUNDING * float(finite.max(initial=0.0)))


@dataclass(frozen=True)
class Nash(BargainingSolution):
    """The largest product of gains, ``max sum_i power_i log g_i``.

    ``power`` is one positive number a player, its bargaining power (default: 1 each). The score is minus infinity
    where somebody does not gain. Raises :class:`InputError` when a power is not positive, or there are more or fewer
    powers than players.

    Source: J. Nash, "The bargaining problem", Econometrica 18 (1950); with powers, Harsanyi and Selten (1972).

    >>> float(Nash(power=(1.0, 2.0)).score([1.0, np.e], ideal=[9.0, 9.0]))
    2.0
    """

    power: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.power is None:
            return
        try:
            power = np.asarray(self.power, float)
        except (TypeError, ValueError):
            power = np.full(1, np.nan)
        if power.ndim != 1 or power.size == 0 or not np.isfinite(power).all() or (power <= 0).any():
            raise InputError(f"power must be a list of positive numbers, one a player, got {self.power!r:.80}.")
        object.__setattr__(self, "power", tuple(power.tolist()))

    @property
    def axioms(self) -> frozenset[str]:
        kept = {"Pareto", "scale invariance", "independence of irrelevant alternatives"}
        return frozenset(kept if len(set(self.power or ())) > 1 else kept | {"symmetry"})

    def form(self, ideal):
        kept = self.counted(ideal)
        if self.power is None:
            return LogSum(np.ones(int(kept.sum())))
        if len(self.power) != len(kept):
            raise InputError(f"Nash has {len(self.power)} powers but there are {len(kept)} players.")
        return LogSum(np.array(self.power)[kept])


@dataclass(frozen=True)
class KalaiSmorodinsky(BargainingSolution):
    """Equal shares of what each could gain at most, ``max min_i g_i / ideal_i``; ties go on to the next smallest.

    The lexicographic continuation (Imai 1983) makes it Pareto optimal on finite lists and with more than two players.

    Source: E. Kalai and M. Smorodinsky, "Other solutions to Nash's bargaining problem", Econometrica 43 (1975).

    >>> float(KalaiSmorodinsky().score([1.0, 1.0], ideal=[2.0, 4.0]))
    0.25
    """

    @property
    def axioms(self) -> frozenset[str]:
        return frozenset({"Pareto", "symmetry", "scale invariance", "monotonicity"})

    def form(self, ideal):
        return Minimum(np.asarray(ideal, float)[self.counted(ideal)])


@dataclass(frozen=True)
class Egalitarian(BargainingSolution):
    """Equal gains, ``max min_i g_i``; ties go on to the next smallest. It compares gains across players.

    Source: E. Kalai, "Proportional solutions to bargaining situations", Econometrica 45 (1977).

    >>> Egalitarian().best([[1.0, 1.0], [1.0, 2.0]])
    1
    """

    @property
    def axioms(self) -> frozenset[str]:
        return frozenset(
            {"Pareto", "symmetry", "independence of irrelevant alternatives", "monotonicity", "strong monotonicity"}
        )

    def form(self, ideal):
        return Minimum(np.ones(int(self.counted(ideal).sum())))


@dataclass(frozen=True)
class Utilitarian(BargainingSolution):
    """The largest sum of gains, whoever gets them; it may leave a player with less than nothing.

    >>> float(Utilitarian().score([3.0, -1.0], ideal=[3.0, 2.0]))
    2.0
    """

    @property
    def axioms(self) -> frozenset[str]:
        return frozenset({"Pareto", "symmetry", "independence of irrelevant alternatives"})

    def counted(self, ideal):
        return np.ones(np.shape(ideal), bool)

    def form(self, ideal):
        return Total()


def check_solution(solution: BargainingSolution, *, players: int = 3, seed: int = 0, tries: int = 20) -> None:
    """Check that ``solution`` keeps every axiom that it lists, on random lists and frontiers of gains.

    Necessary conditions, tried at random: they find wrong claims, they do not prove right ones. The monotonicities
    are tried on convex sets of two players. Raises :class:`AssertionError` with the axiom's name.

    >>> check_solution(KalaiSmorodinsky())
    """
    rng = np.random.default_rng(seed)
    for _ in range(tries):
        gains = rng.uniform(0.05, 1.0, size=(30, players))
        gains[1] = gains[0] + 0.5 * (np.arange(players) == rng.integers(players))  # better for one, equal for the rest
        best = solution.best(gains)
        better = (gains >= gains[best]).all(axis=1) & (gains > gains[best]).any(axis=1)
        _axiom(solution, "Pareto", not better.any())
        order = rng.permutation(players)
        _axiom(solution, "symmetry", _same(gains, best, solution.best(gains[:, order])))
        rescaled = gains * np.exp(rng.normal(size=players))
        _axiom(solution, "scale invariance", _same(gains, best, solution.best(rescaled)))
        fewer = np.append(best, rng.choice(30, size=8, replace=False))
        _axiom(
            solution, "independence of irrelevant alternatives", _same(gains, best, fewer[solution.best(gains[fewer])])
        )
        if "monotonicity" in solution.axioms:
            _check_monotonicity(solution, rng)


def _check_monotonicity(solution: BargainingSolution, rng: np.random.Generator) -> None:
    corners = np.array([[0.0, 1.0], [1.0, 0.0]])
    kinks = rng.uniform(0.3, 1.0, size=(2, 2))
    kinks[1] = np.where(rng.random(2) < 0.4, 1.0, kinks[1])  # up to the ideal point's own lines
    small, large = _frontier(np.vstack([corners, kinks[:1]])), _frontier(np.vstack([corners, kinks]))
    before, after = small[solution.best(small)], large[solution.best(large)]
    resolution = 5e-3  # of the grid
    _axiom(solution, "monotonicity", (after >= before - resolution).all())
    taller = _frontier(np.vstack([corners, kinks, [[0.0, rng.uniform(1.0, 4.0)]]]))
    _axiom(solution, "strong monotonicity", (taller[solution.best(taller)] >= before - resolution).all())


def _frontier(points: np.ndarray) -> np.ndarray:
    """The upper end of the convex hull of a few points, on a grid, and its right-hand side."""
    grid = np.linspace(0.0, 1.0, 2001)
    points = points[np.argsort(points[:, 0], kind="stable")]
    highest = np.zeros_like(grid)
    for i, left in enumerate(points):
        for right in points[i + 1 :]:
            inside = (grid >= left[0]) & (grid <= right[0])
            line = np.interp(grid, [left[0], right[0]], [left[1], right[1]])
            highest = np.where(inside, np.maximum(highest, line), highest)
    drop = np.column_stack([np.ones_like(grid), grid * points[points[:, 0] == 1.0, 1].max()])
    return np.vstack([np.column_stack([grid, highest]), drop])


def _same(gains: np.ndarray, first: int, second: int) -> bool:
    return bool((gains[first] == gains[second]).all())


def _axiom(solution: BargainingSolution, name: str, holds: bool) -> None:
    if name in solution.axioms and not holds:
        raise AssertionError(f"{type(solution).__name__} does not keep {name}")


def _vectors(gains, ideal) -> tuple[np.ndarray, np.ndarray]:
    gains, ideal = _numbers("gains", gains), _numbers("ideal", ideal)
    if ideal.ndim != 1 or gains.ndim == 0 or gains.shape[-1] != len(ideal):
        raise InputError(f"gains (..., players) and ideal (players,) must fit, got {gains.shape} and {ideal.shape}.")
    return gains, ideal


def _numbers(name: str, given) -> np.ndarray:
    try:
        array = np.asarray(given, float)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite numbers, got {given!r:.80}.")
    return array
