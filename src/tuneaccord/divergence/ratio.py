"""What all f-divergences share once their best policies can be found: prices, certificates, externalities.

Every amount is one sum. Let ``theta_x = (S_x - mu) / strength`` be the slope that the score ``S`` asks for at
the multiplier ``mu``, and let

    loss(t; theta) = phi(t) + phi*(theta) - t theta >= 0

be the Fenchel-Young gap, zero where ``t`` is the best ratio for ``theta``. Then, for ``t = p / q``,

    price                D(p)     = strength * sum_x q_x loss(t_x; phi'(1))
    best net score       A        = sum_x q_x S_x + strength * sum_x q_x loss(1; theta_x)
    externality of i              = strength * sum_x q_x loss(t*_x; theta of the others' best policy).

No term is negative and none is a difference of large numbers. The second line is the dual value, an upper
bound at any multiplier. Differs from the usual treatment, which subtracts maxima (arXiv 2405.16276,
Definition 4.1), in this only.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from tuneaccord.divergence.interface import Divergence

#: this many numbers at a time: a few arrays of this length stay in the cache
_BLOCK = 2**14
#: where float64 parameters leave more mass than this, no comparison of parameters is exact
_LEFT = 1e-12
_ROUNDING = 2e-15
#: a correction this small, relative to the largest lift, changes a loss in its square only
ENOUGH = 1e-8
_LARGEST = np.finfo(float).max / 2**30


class RatioDivergence(Divergence):
    """An f-divergence, ``D(p || q) = strength * sum_x q_x phi(p_x / q_x)``, solved through its multiplier.

    Abstract. A family says how it finds the best ratios ``p_x / q_x`` and what a wrong ratio loses; prices,
    certified maxima and externalities follow. Families keep ratios by a *natural parameter*, a function of
    the ratio in which scores add; which one is their own affair.
    """

    @property
    @abstractmethod
    def unit(self) -> float:
        """What the family's own losses are multiplied by: the strength, up to the scale of its ``phi``."""

    @property
    @abstractmethod
    def outside(self) -> float:
        """What mass costs where the base has none, in units: ``phi'`` at infinity less ``phi'(1)``."""

    @abstractmethod
    def solve(self, shift: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Natural parameters of the best ratios; ``shift`` is how far scores are below the best, in units.

        Shapes are (rows, responses); the shift is 0 where the base is.
        """

    @abstractmethod
    def ratios(self, natural: np.ndarray) -> np.ndarray:
        """The ratios ``p_x / q_x`` that have these natural parameters."""

    @abstractmethod
    def prices(self, ratio: np.ndarray, step: np.ndarray) -> np.ndarray:
        """``phi(t) - phi'(1) (t - 1)`` for ratios ``t``, of which ``step = t - 1`` may have more digits."""

    @abstractmethod
    def losses(self, ratio: np.ndarray, natural: np.ndarray) -> np.ndarray:
        """The Fenchel-Young gap of ratios against natural parameters."""

    @abstractmethod
    def around(self, natural: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, ...]:
        """What :meth:`nearby` needs to know of an optimum, the same for every group; arrays of rows."""

    @abstractmethod
    def nearby(self, optimum: tuple[np.ndarray, ...], gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rows hardly move when ``gain`` is taken from the score, and the loss of not moving there.

        The sums of losses have relative accuracy however small the gain; other rows are solved afresh.
        """

    @abstractmethod
    def slopes(self, ratio: np.ndarray) -> np.ndarray:
        """``phi'`` of a ratio, times strength over unit."""

    @abstractmethod
    def responses(self, ratio: np.ndarray) -> np.ndarray:
        """``1 / phi''`` of a positive ratio, times unit over strength."""

    def price(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        policy, base = np.broadcast_arrays(np.asarray(policy, float), distribution(base))
        outside = np.where(policy > 0, self.outside, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # nothing times infinity, on the side that is not taken
            step = np.divide(policy - base, base, out=np.zeros_like(policy), where=base > 0)
            ratio = np.divide(policy, base, out=np.ones_like(policy), where=base > 0)
            terms = np.where(base > 0, base * self.prices(ratio, step), policy * outside)
        return self.unit * terms.sum(axis=-1)

    def tilt(self, score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        score, base = np.broadcast_arrays(np.asarray(score, float), distribution(base))
        rows, weights = score.reshape(-1, score.shape[-1]), base.reshape(-1, score.shape[-1])
        below, top = below_the_best(rows, weights)
        natural = self.solve(below / self.unit, weights)
        policy = weights * self._normalised(natural, weights)
        policy /= policy.sum(axis=1, keepdims=True)
        gained = self.unit * (weights * self.losses(np.ones_like(policy), natural)).sum(axis=1)
        best = top + (gained - (weights * below).sum(axis=1))
        return policy.reshape(score.shape), best.reshape(score.shape[:-1])[()]

    def externalities(self, scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
        return by_blocks(self._externalities, scores, sizes, base)

    def slope(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        ratio, supported = supported_ratio(policy, base)
        # an infinite slope has no use in an ascent: a large number stands for it
        with np.errstate(over="ignore", divide="ignore"):
            steep = np.clip(self.unit * self.slopes(ratio), -_LARGEST, _LARGEST)
        return np.where(supported, steep, 0.0)

    def response(self, policy: np.ndarray, base: np.ndarray) -> np.ndarray:
        ratio, supported = supported_ratio(policy, base)
        moving = supported & (ratio > 0)
        return np.where(moving, base * self.responses(np.where(moving, ratio, 1.0)) / self.unit, 0.0)

    def _externalities(self, scores, sizes, base):
        scores = centred(scores, sizes, base)
        score = scores @ sizes
        natural = self.solve(below_the_best(score, base)[0] / self.unit, base)
        ratio, optimum = self._normalised(natural, base), self.around(natural, base)
        left = np.abs(1.0 - (base * self.ratios(natural)).sum(axis=1)) > _LEFT
        amounts = []
        for worth, others in leave_one_out(scores, sizes, score):
            near, losses = self.nearby(optimum, worth / self.unit)
            far = ~near | left
            if far.any():
                q = base[far]
                shift = below_the_best(others()[far], q)[0] / self.unit
                losses[far] = self.losses(ratio[far], self.solve(shift, q))
            amounts.append((base * losses).sum(axis=1) * worth.any(axis=1))
        return self.unit * np.stack(amounts, axis=1)

    def _normalised(self, natural, base):
        """Ratios that sum to one: what rounding left over goes where one more rounding would have put it."""
        ratio = self.ratios(natural)
        with np.errstate(over="ignore"):
            pull = np.where(ratio > 0, self.responses(np.where(ratio > 0, ratio, 1.0)), 0.0)
            total = (base * pull).sum(axis=1, keepdims=True)
        usable = (total > 0) & np.isfinite(pull).all(axis=1, keepdims=True) & np.isfinite(total)
        pull, total = np.where(usable, pull, ratio), np.where(usable, total, (base * ratio).sum(axis=1, keepdims=True))
        missing = 1.0 - (base * ratio).sum(axis=1, keepdims=True)
        return np.maximum(ratio + missing * pull / total, 0.0)


def by_blocks(solve, scores, sizes, base) -> np.ndarray:
    """``solve(scores, sizes, base)``, a few prompts at a time where many would not fit the cache, as float64."""
    scores, sizes = np.asarray(scores, float), np.asarray(sizes, float)
    base = np.broadcast_to(distribution(base), scores.shape[:2])
    step = max(1, _BLOCK // scores.shape[1])
    blocks = [slice(start, start + step) for start in range(0, len(scores), step)]
    return np.concatenate([solve(scores[rows], sizes, base[rows]) for rows in blocks])


def centred(scores: np.ndarray, sizes: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Scores less those of the best response, which changes no externality and keeps near ties exact.

    Where the base is zero they are 0, so that nothing there can overflow.
    """
    supported = base > 0
    scores = np.where(supported[:, :, None], scores, 0.0)
    best = np.where(supported, scores @ sizes, -np.inf).argmax(axis=1)[:, None, None]
    return np.where(supported[:, :, None], scores - np.take_along_axis(scores, best, axis=1), 0.0)


def leave_one_out(scores: np.ndarray, sizes: np.ndarray, score: np.ndarray):
    """What each response is worth to a group, and a function for what it is worth to the others; group by group.

    Both have shape (prompts, responses). Where one group carries more than half of all, its term is not
    subtracted from the sum ``score`` but the others are summed.
    """
    worths = np.ascontiguousarray(np.moveaxis(scores * sizes, -1, 0))
    mass = np.abs(worths).max(axis=2)
    dominant = mass > 0.5 * mass.sum(axis=0)
    for group, worth in enumerate(worths):

        def others(rows=dominant[group], group=group, worth=worth):
            rest = score - worth
            if rows.any():
                rest[rows] = np.delete(worths[:, rows], group, axis=0).sum(axis=0)
            return rest

        yield worth, others


def below_the_best(score: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each supported score is below the row's best (0 elsewhere), and that best."""
    supported = base > 0
    top = np.where(supported, score, -np.inf).max(axis=1)
    return np.where(supported, top[:, None] - np.where(supported, score, 0.0), 0.0), top


def distribution(base: np.ndarray) -> np.ndarray:
    """The base with rows that sum to one up to rounding, not only to the nine digits that are asked for."""
    base = np.asarray(base, float)
    total = base.sum(axis=-1, keepdims=True)
    return base / np.where(np.abs(total - 1.0) > _ROUNDING, total, 1.0)


def supported_ratio(policy: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``p / q``, 1 where ``q`` is 0, and where it is not."""
    policy, base = np.broadcast_arrays(np.asarray(policy, float), np.asarray(base, float))
    return np.divide(policy, base, out=np.ones_like(policy), where=base > 0), base > 0
