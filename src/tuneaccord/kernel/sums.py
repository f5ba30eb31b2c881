"""The kernel's contract: sums over a block of responses, and how blocks become payments.

Whatever reads the rewards - NumPy, torch, numba, a file in batches - hands over the same few sums for each
prompt, and sums of two blocks merge into the sums of both. Threads, devices, files and batches need nothing
else. In the formulas ``q`` is the base, ``S`` the size-weighted sum of rewards, ``a_i = size_i / strength``,
``c_i`` a centre near the group's value and ``h(y) = exp(-y) - 1 + y >= 0``. Arrays are float64, axes prompts
first, groups last.

Merging is exact arithmetic's associative law; in floating point the order of merging moves the last digits
and nothing more, because every sum but ``values`` has terms of one sign.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.kernel.result import AllPayments, prompt_mean_weights

#: digits a payment may lose against its sums before it is called doubtful, as a factor
_LOSS = 1e3
_EPS = float(np.finfo(float).eps)
#: payments finished at a time: fresh arrays of many pages cost more than the arithmetic on them
_LOT = 1 << 13


def log_shortfall(x: np.ndarray) -> np.ndarray:
    """``hl(x) = x - log(1 + x) >= 0`` for ``x > -1``, to full relative accuracy.

    >>> round(float(log_shortfall(np.array(1e-9))) * 1e18, 12)  # x**2 / 2 - x**3 / 3
    0.499999999667
    """
    x = np.asarray(x, float)
    near = np.abs(x) < 0.5
    if near.all():
        return _shortfall_series(x)
    large = np.where(near, 1.0, x)
    return np.where(near, _shortfall_series(np.where(near, x, 0.0)), large - np.log1p(large))


def _shortfall_series(x):
    # with s = x / (2 + x): x = 2 s / (1 - s) and log(1 + x) = 2 (s + s^3 / 3 + s^5 / 5 + ...)
    largest = max(float(np.abs(x).max(initial=0.0)), 1e-100)
    # the first term left out is largest s^(2 terms + 1) of the whole, below rounding
    terms = math.ceil(-18.5 / math.log(largest / (2.0 - largest)) - 0.5)
    s = x / (2.0 + x)
    square, series = s * s, np.zeros_like(s)
    for k in range(2 * terms + 1, 1, -2):
        series *= square
        series += 1.0 / k
    return s * (x - 2.0 * square * series)


class BlockSums(ABC):
    """Sums with prompts on the first axis; an array that was not kept is None."""

    @abstractmethod
    def merge(self, other):
        """The sums of both blocks, for the same prompts."""

    @classmethod
    def join(cls, parts):
        """The sums of several lots of prompts, one lot after the other."""
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(cls)}
        known = {name: all(part is not None for part in column) for name, column in columns.items()}
        return cls(**{name: np.concatenate(column) if known[name] else None for name, column in columns.items()})

    def at(self, prompts: np.ndarray):
        """The sums of some prompts, by their numbers."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(**{name: None if part is None else part[prompts] for name, part in parts.items()})

    def with_prompts(self, prompts: np.ndarray, other):
        """The same sums, with those of some prompts taken from ``other``."""
        changed = {}
        for field in fields(self):
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            changed[field.name] = None if ours is None or theirs is None else ours.copy()
            if changed[field.name] is not None:
                changed[field.name][prompts] = theirs
        return type(self)(**changed)


@dataclass(frozen=True, eq=False)
class KLSums(BlockSums):
    """Sums of a block of responses under KL, with ``z = log q + S / strength`` and ``e = exp(z - top)``.

    A prompt without responses in the block has ``top = -inf`` and zeros. ``spread_of_all`` is the spread of
    the whole score, ``sum e h(sum_i a_i (r_i - c_i))``; with it the price is right to its last digits, and
    without it (None) the price is the welfare minus the support, right in absolute terms.

    Source: arXiv 2405.16276, Proposition 4.4 with KL; online softmax for the merging.
    """

    top: np.ndarray  #: (prompts,)  max z
    mass: np.ndarray  #: (prompts,)  sum e
    values: np.ndarray  #: (prompts, groups)  sum e r
    spread: np.ndarray  #: (prompts, groups)  sum e h(a (r - c))
    centre: np.ndarray  #: (prompts, groups)  c, shared by all blocks of a prompt
    spread_of_all: np.ndarray | None = None  #: (prompts,)

    @classmethod
    def empty(cls, centre: np.ndarray) -> KLSums:
        """The sums of no response at all: merging with them changes nothing."""
        values, spread = np.zeros((2, *centre.shape))
        mass, whole = np.zeros((2, len(centre)))
        return cls(np.full(len(centre), -np.inf), mass, values, spread, centre, whole)

    def merge(self, other: KLSums) -> KLSums:
        """The sums of both blocks, for the same prompts.

        Raises :class:`InputError` when the centres differ: such sums cannot be added.

        >>> one = KLSums(*map(np.array, ([0.0], [1.0], [[0.5]], [[0.0]], [[0.5]])))
        >>> two = KLSums(*map(np.array, ([1.0], [1.0], [[0.7]], [[0.1]], [[0.5]])))
        >>> float(one.merge(two).mass[0])  # 1 + exp(-1)
        1.3678794411714423
        """
        return KLSums.merge_all([self, other])

    @classmethod
    def merge_all(cls, parts: Sequence[KLSums]) -> KLSums:
        """The sums of several blocks of the same prompts: what repeated :meth:`merge` gives, at once."""
        if len(parts) == 1:
            return parts[0]
        for part in parts[1:]:
            _same_centre(parts[0], part)
        tops = np.stack([part.top for part in parts])
        top = tops.max(axis=0)
        held = np.isfinite(tops)
        factor = np.where(held, np.exp(np.where(held, tops - np.where(np.isfinite(top), top, 0.0), 0.0)), 0.0)

        def total(name: str, factor: np.ndarray) -> np.ndarray:
            return (factor * np.stack([getattr(part, name) for part in parts])).sum(axis=0)

        known = all(part.spread_of_all is not None for part in parts)
        with np.errstate(invalid="ignore"):  # an infinite spread of a block that counts nothing is unknown too
            whole = total("spread_of_all", factor) if known else None
        wide = factor[..., None]
        return cls(top, total("mass", factor), total("values", wide), total("spread", wide), parts[0].centre, whole)

    def shifted(self, by: np.ndarray) -> KLSums:
        """The same sums for ``z + by``, one number a prompt: how a constant of the score or the base enters."""
        return replace(self, top=self.top + by)

    def finish(self, sizes: np.ndarray, strength: float, prompt_weights: np.ndarray | None = None) -> AllPayments:
        """Values, payments, support and price of each prompt.

            payment_i = strength * (H_i - hl(H_i - a_i d_i)),   H_i = spread_i / mass,   d_i = values_i / mass - c_i

        is ``strength * KL(p* || p without i)`` without a difference of large numbers (for a large ``H_i`` the same
        number is ``log(1 + H_i - a_i d_i) + a_i d_i``). Payments that
        :meth:`settle` marks must be computed from the rewards again, with the centre at the value.
        """
        return self.settle(sizes, strength, prompt_weights)[0]

    def settle(self, sizes, strength, prompt_weights=None) -> tuple[AllPayments, np.ndarray]:
        """:meth:`finish`, and which payments are doubtful; (prompts, groups).

        Doubtful ones may be off by more than about 1e-12 of themselves, because the centre is far from the value.
        """
        sizes = np.asarray(sizes, float)
        values, payments, doubtful, *score = self._payments(sizes, strength)
        best, rough = strength * (self.top + np.log(self.mass)), values @ sizes
        support, price = best, np.maximum(rough - best, 0.0)
        if self.spread_of_all is not None:
            fine, good = self._price(strength, *score)
            support, price = np.where(good, rough - fine, support), np.where(good, fine, price)
        # The policy is in closed form; this is what rounding may do to its net welfare.
        gap = (len(sizes) + 8) * _EPS * (np.abs(support) + np.abs(values) @ sizes)
        weights = prompt_mean_weights(prompt_weights, len(self.top))
        return AllPayments(sizes, values, payments, support, price, gap, weights), doubtful

    def _payments(self, sizes, strength):
        """Values, payments, which of these are doubtful, and the mean and magnitude of the whole score's ``y``."""
        scale, step = sizes / strength, max(1, _LOT // len(sizes))
        values, payments = np.empty((2, *self.spread.shape))
        unsure = np.empty(self.spread.shape, bool)
        shift, magnitude = np.empty((2, len(self.mass)))
        for start in range(0, len(self.mass), step):
            rows = slice(start, start + step)
            mass, centre = self.mass[rows, None], self.centre[rows]
            offset = (self.values[rows] - centre * mass) / mass
            found = payment_from_spread(self.spread[rows] / mass, scale * offset, scale * np.abs(centre))
            values[rows], payments[rows], unsure[rows] = centre + offset, strength * found[0], found[1]
            shift[rows], magnitude[rows] = offset @ scale, np.abs(centre) @ scale
        return values, payments, unsure, shift, magnitude

    def _price(self, strength, shift, magnitude):
        """The price of each prompt from the whole score's spread, and where that is to be trusted."""
        price, error = _log_mean(self.spread_of_all / self.mass, shift, magnitude)
        return strength * price, (error <= _LOSS * price) | (self.spread_of_all == 0)


def payment_from_spread(spread: np.ndarray, shift: np.ndarray, magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``log E[exp(-y)] + E[y]`` from ``E[h(y)]`` and ``E[y]``, and where it is doubtful.

    ``magnitude`` is how large the numbers were whose difference gave ``E[y]``. Never negative.

    >>> payment_from_spread(np.array([0.25]), np.array([0.0]), np.array([1.0]))[0].round(6)  # log(1.25)
    array([0.223144])
    """
    payment, error = _log_mean(spread, shift, magnitude)
    return payment, ~(error <= _LOSS * payment) & (spread > 0)


def _log_mean(spread, shift, magnitude):
    """``log E[exp(-y)] + E[y]`` from ``E[h(y)]`` and ``E[y]``, and its error in units of rounding."""
    with np.errstate(invalid="ignore"):  # an infinite spread marks itself: the error is not a number then
        x = np.maximum(spread - shift, -1.0 + _EPS)
        value, near = spread - log_shortfall(x), x < 0.5
        if not near.all():  # the same number; the first form would lose all digits to a large spread
            value = np.where(near, value, shift + np.log1p(x))
        value = np.maximum(value, 0.0)
        error = (spread + np.abs(x) * (np.abs(shift) + magnitude)) / (1.0 + x)
    return np.where(np.isfinite(value), value, 0.0), error


@dataclass(frozen=True, eq=False)
class ChiSquaredSums(BlockSums):
    """Sums of a block of responses under the chi-squared divergence, with ``d = r - c``.

    They give all payments while no response loses all of its probability (the interior case), with or
    without any one group. ``lowest`` decides most cases; ``floor`` and ``floor_without``, the exact minima of
    the score, decide the others and may be left out (None).

    Source: arXiv 2405.16276, Proposition 4.4 with ``strength * sum q (p / q - 1)**2``.
    """

    mass: np.ndarray  #: (prompts,)  sum q; one when the block is the whole prompt
    first: np.ndarray  #: (prompts, groups)  sum q d
    second: np.ndarray  #: (prompts, groups)  sum q d^2
    cross: np.ndarray  #: (prompts, groups)  sum q d_i sum_j size_j d_j
    centre: np.ndarray  #: (prompts, groups)  c, shared by all blocks of a prompt
    lowest: np.ndarray  #: (prompts, groups)  min d where q > 0
    floor: np.ndarray | None = None  #: (prompts,)  min of sum_j size_j d_j
    floor_without: np.ndarray | None = None  #: (prompts, groups)  the same without one group

    def merge(self, other: ChiSquaredSums) -> ChiSquaredSums:
        """The sums of both blocks, for the same prompts; :class:`InputError` when the centres differ."""
        _same_centre(self, other)
        added = (getattr(self, name) + getattr(other, name) for name in ("mass", "first", "second", "cross"))
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("lowest", "floor", "floor_without"))
        minima = (None if one is None or two is None else np.minimum(one, two) for one, two in pairs)
        return ChiSquaredSums(*added, self.centre, *minima)

    def interior(self, sizes: np.ndarray, strength: float) -> np.ndarray:
        """Per prompt: does every response keep some probability, with everybody and without any one group?

        ``min S >= E_q S - 2 strength``, and the same for the score without each group. False also where the
        sums leave it open.
        """
        sizes = np.asarray(sizes, float)
        mean = self.first / self.mass[:, None] * sizes
        sure = mean.sum(axis=1) - self.lowest @ sizes <= 2.0 * strength
        if self.floor is None or self.floor_without is None:
            return sure
        with_all = mean.sum(axis=1) - self.floor <= 2.0 * strength
        without = mean.sum(axis=1, keepdims=True) - mean - self.floor_without <= 2.0 * strength
        return sure | (with_all & without.all(axis=1))

    def finish(self, sizes: np.ndarray, strength: float, prompt_weights: np.ndarray | None = None) -> AllPayments:
        """Values, payments, support and price of each prompt, in the interior closed form.

            payment_i = size_i^2 Var_q(r_i) / (4 strength),   value_i = E_q r_i + Cov_q(r_i, S) / (2 strength)

        Raises :class:`InputError` unless every prompt is :meth:`interior`.
        """
        if not self.interior(sizes, strength).all():
            prompt = int(np.argmin(self.interior(sizes, strength)))
            raise InputError(
                f"in prompt {prompt} some response may lose all of its probability, and the closed form does not "
                "hold there. Use all_payments, which solves such prompts, or a larger strength."
            )
        return self.closed_form(sizes, strength, prompt_weights)

    def closed_form(self, sizes, strength, prompt_weights=None) -> AllPayments:
        """What :meth:`finish` returns, without the check: right where :meth:`interior`."""
        sizes, mass = np.asarray(sizes, float), self.mass[:, None]
        mean = self.first / mass
        variance = np.maximum(self.second / mass - mean**2, 0.0)
        covariance = self.cross / mass - (mean @ sizes)[:, None] * mean
        values = self.centre + mean + covariance / (2.0 * strength)
        price = np.maximum(covariance @ sizes, 0.0) / (4.0 * strength)
        support = (self.centre + mean) @ sizes + price
        gap = (len(sizes) + 8) * _EPS * (np.abs(support) + np.abs(values) @ sizes)
        weights = prompt_mean_weights(prompt_weights, len(price))
        payments = sizes**2 * variance / (4.0 * strength)
        return AllPayments(sizes, values, payments, support, price, gap, weights)

    def doubtful(self) -> np.ndarray:
        """Where the centre is so far from the mean that the variance loses digits; (prompts, groups)."""
        mean = self.first / self.mass[:, None]
        return (mean**2 > 64.0 * (self.second / self.mass[:, None] - mean**2)) & (self.second > 0)


def _same_centre(one, two) -> None:
    if one.centre.shape != two.centre.shape or (one.centre != two.centre).any():
        raise InputError(
            "sums merge only when they share their centre, and these do not. Take the centre of a prompt's first "
            "block for all of its blocks."
        )
