"""Closed forms for one specialist, power costs and a revenue that is proportional to performance.

With a cost ``c0 a^k0`` of the base, ``c1 x^k1`` of the improvement, a revenue ``b (a + x)`` and ``p = 1/(k - 1)``

    base = (share b / (k0 c0))^p0,    improvement = ((1 - share) b / (k1 c1))^p1

follow from marginal revenue = marginal cost, and the share that each solution picks is the root of one equation. The
quadratic case of everything is explicit but for the Nash solution, a root of a cubic.

Source: arXiv 2308.04399 for the game and the quadratic case; derived here from the first-order conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.one.bracketed import roots
from tuneaccord.errors import InputError, nearest

_LEAST = 1e-300  # instead of a share of 0, to divide by

QUADRATIC = (
    "PowerfulGeneralist",
    "PowerfulSpecialist",
    "Utilitarian",
    "Egalitarian",
    "Nash",
    "KalaiSmorodinsky",
    "MaxPerformance",
)  #: the solutions that :func:`quadratic_share` knows


def quadratic_utilities(share, ratio) -> tuple[np.ndarray, np.ndarray]:
    """The utilities of generalist and specialist with quadratic costs, in units of ``b^2 / (4 c0)``.

    ``ratio`` is ``c0 / c1``: ``2 ratio share + (1 - 2 ratio) share^2`` and
    ``(1 - share) (ratio + (2 - ratio) share)``.

    >>> quadratic_utilities(1.0, 0.5)
    (1.0, 0.0)
    """
    return share * (2 * ratio * (1 - share) + share), (1 - share) * (ratio * (1 - share) + 2 * share)


def quadratic_ideal(ratio) -> tuple[np.ndarray, np.ndarray]:
    """The most that generalist and specialist can get with quadratic costs, in units of ``b^2 / (4 c0)``.

    >>> [float(most) for most in quadratic_ideal(0.5)]
    [1.0, 0.6666666666666666]
    """
    ratio = np.asarray(ratio, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.where(ratio <= 1, 1.0, ratio / (2 - 1 / np.maximum(ratio, 1.0))),
            np.where(ratio >= 1, ratio, 1 / (2 - np.minimum(ratio, 1.0))),
        )


def quadratic_share(solution: str, ratio, power: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """The share that ``solution`` picks with quadratic costs; it depends on ``ratio = c0 / c1`` only.

    ``solution`` is the name of its class, one of :data:`QUADRATIC`; ``power`` are the bargaining powers of the Nash
    solution, generalist first. Raises :class:`InputError` for another name, or a ratio that is not positive.

    Source: arXiv 2308.04399, section on quadratic costs.

    >>> float(quadratic_share("Utilitarian", 0.5))
    0.6666666666666666
    """
    ratio = np.asarray(ratio, float)
    if not (np.isfinite(ratio) & (ratio > 0)).all():
        raise InputError(f"ratio must be positive numbers c0 / c1, got {ratio!r:.60}.")
    if solution not in QUADRATIC:
        raise InputError(f"there is no closed form for {solution!r:.60}. {nearest(str(solution), QUADRATIC)}")
    if solution == "Nash":
        return _quadratic_nash(ratio, power)
    return {
        "PowerfulGeneralist": lambda: np.where(ratio <= 1, 1.0, 1 / (2 - 1 / np.maximum(ratio, 1.0))),
        "PowerfulSpecialist": lambda: np.where(ratio >= 1, 0.0, (1 - ratio) / (2 - np.minimum(ratio, 1.0))),
        "Utilitarian": lambda: 1 / (1 + ratio),
        "Egalitarian": lambda: _meeting(1.0, 1.0, ratio),
        "KalaiSmorodinsky": lambda: _meeting(*quadratic_ideal(ratio), ratio),
        "MaxPerformance": lambda: np.where(ratio < 1, 1.0, np.where(ratio > 1, 0.0, 0.5)),
    }[solution]()


def _meeting(generalist, specialist, ratio):
    """The share at which the utilities are in the proportion of the two numbers: ``A s^2 + B s + C = 0``."""
    size = np.maximum(1.0, ratio)  # so that no square overflows
    one, large = 1 / size, ratio / size
    a = specialist * (one - 2 * large) + generalist * (2 * one - large)
    b = 2 * specialist * large - generalist * (2 * one - 2 * large)
    c = -generalist * large
    size = np.maximum(np.abs(a), np.maximum(np.abs(b), np.abs(c)))
    a, b, c = a / size, b / size, c / size
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b >= 0, -2 * c / (b + root), (root - b) / (2 * a))


def _quadratic_nash(ratio, power):
    """The only root in (0, 1): the product of powers of four positive linear functions has a concave logarithm."""
    ratio = np.clip(ratio, 1e-100, 1e100)  # beyond 1e17 nothing changes, and squares must not underflow
    size = np.maximum(1.0, ratio)
    one, large = 1 / size, ratio / size

    def slope(share):  # of the log of the product, times the product
        rest = 1 - share
        first, second = 2 * large * rest + one * share, large * rest + 2 * one * share
        return power[0] * (first + share * (one - 2 * large)) * rest * second + power[1] * share * first * (
            rest * (2 * one - large) - second
        )

    return roots(slope, np.zeros_like(ratio), np.ones_like(ratio))


def utilitarian_share(base_scale, scale, exponent) -> np.ndarray:
    """The share with the largest sum of utilities when both costs have one ``exponent`` k > 1.

    ``c1^z / (c0^z + c1^z)`` with ``z = 1 / (2k - 3)`` for k > 3/2; for a smaller k all goes to the party with the
    cheaper cost (to the specialist, share 0, when they are equal).

    >>> float(utilitarian_share(1.0, 2.0, 2.0))
    0.6666666666666666
    """
    return _split(base_scale, scale, 2 * np.asarray(exponent, float) - 3)


def performance_share(base_scale, scale, exponent) -> np.ndarray:
    """The share with the largest performance when both costs have one ``exponent`` k > 1.

    ``c1^z / (c0^z + c1^z)`` with ``z = 1 / (k - 2)`` for k > 2; for a smaller k all goes to the party with the cheaper
    cost. With equal costs and k = 2 every share performs alike, and 1/2 has the largest sum of utilities.

    >>> float(performance_share(1.0, 8.0, 5.0))
    0.6666666666666666
    """
    equal = (np.asarray(exponent) == 2) & (np.asarray(base_scale) == np.asarray(scale))
    return np.where(equal, 0.5, _split(base_scale, scale, np.asarray(exponent, float) - 2))


def _split(base_scale, scale, bend):
    cheaper = np.log(scale) - np.log(base_scale)
    with np.errstate(over="ignore"):
        inside = 1 / (1 + np.exp(-cheaper / np.where(bend > 0, bend, 1.0)))
    return np.where(bend > 0, inside, np.where(cheaper > 0, 1.0, 0.0))


@dataclass(frozen=True, eq=False)
class PowerGame:
    """One specialist with power costs and a revenue of ``rate`` a unit of performance; nobody pays to take part.

    ``base_scale`` and ``base_exponent`` are the generalist's cost, ``scale`` and ``exponent`` the specialist's. All may
    be arrays, one number a game, and every method broadcasts them with the shares.

    >>> game = PowerGame(1.0, 2.0, 2.0, 2.0, rate=1.0)
    >>> base, improvement = game.play(0.4)
    >>> round(float(base), 12), round(float(improvement), 12)
    (0.2, 0.15)
    """

    base_scale: np.ndarray
    base_exponent: np.ndarray
    scale: np.ndarray
    exponent: np.ndarray
    rate: np.ndarray

    def spread(self, games: int) -> PowerGame:
        """The same with every parameter as an array of that length."""
        return PowerGame(*(np.broadcast_to(getattr(self, name), games) for name in PowerGame.__dataclass_fields__))

    @property
    def bends(self) -> tuple[np.ndarray, np.ndarray]:
        """``p0`` and ``p1``, the exponents of the shares in the investments."""
        return 1 / (np.asarray(self.base_exponent) - 1), 1 / (np.asarray(self.exponent) - 1)

    @property
    def logs(self) -> tuple[np.ndarray, np.ndarray]:
        """The logarithms of the base at share 1 and of the improvement at share 0."""
        p0, p1 = self.bends
        return (
            p0 * np.log(self.rate / (self.base_exponent * np.asarray(self.base_scale))),
            p1 * np.log(self.rate / (self.exponent * np.asarray(self.scale))),
        )

    def play(self, share) -> tuple[np.ndarray, np.ndarray]:
        """The base and the improvement that are the best replies."""
        share, (p0, p1) = np.asarray(share, float), self.bends
        base = (share * (self.rate / (self.base_exponent * np.asarray(self.base_scale)))) ** p0
        return base, ((1 - share) * (self.rate / (self.exponent * np.asarray(self.scale)))) ** p1

    def utilities(self, share) -> tuple[np.ndarray, np.ndarray]:
        """``b ((1 - 1/k0) a0 share + x share)`` and ``b ((1 - 1/k1) x (1 - share) + a0 (1 - share))``."""
        base, improvement = self.play(share)
        return self._utilities(np.asarray(share, float), base, improvement)

    def slopes(self, share) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives of the utilities by the share, for shares strictly between 0 and 1."""
        share, (p0, p1) = np.asarray(share, float), self.bends
        base, improvement = self.play(share)
        share, rest = np.maximum(share, _LEAST), np.maximum(1 - share, _LEAST)
        return (
            self.rate * (base + improvement * (1 - p1 * share / rest)),
            -self.rate * (improvement + base * (1 - p0 * rest / share)),
        )

    def _utilities(self, share, base, improvement):
        return (
            self.rate * share * ((1 - 1 / np.asarray(self.base_exponent)) * base + improvement),
            self.rate * (1 - share) * ((1 - 1 / np.asarray(self.exponent)) * improvement + base),
        )
