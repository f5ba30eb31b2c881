"""The externality payment plus the largest entry fee that keeps everybody in.

A fee that depends on the others' reports only leaves truth a dominant strategy. The largest one that no type of
a group would refuse is the least utility that any type has under the externality payment. Where all truthful
payments differ by such a fee only, which is proved for rules that are continuous in the reports (not for total
variation), no truthful payment that drives nobody out raises more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.errors import InputError, nearest
from tuneaccord.kernel.gibbs import log_gibbs
from tuneaccord.mechanism.payments.interface import PaymentRule
from tuneaccord.mechanism.payments.sharing import check_amount
from tuneaccord.spaces.simplex import Simplex, centred_at_likeliest, possible

_SCALES = ("max", "sum")
#: how far from 1 a normalised reward may be: a million float64 roundings
_ON_SCALE = 1e-10
#: exponents up to this stay in range
_LARGE = 500.0


@dataclass(frozen=True)
class Fee(PaymentRule):
    """:class:`Externality` plus ``fraction`` of the largest fee that keeps everybody in.

    The fee of group i is the least utility that any type of it could have, given the others' reports,

        fee_i = min over rewards r of  h(w without i; smallest_size * r) - h(w without i),

    prompt by prompt. The types are public knowledge: in every prompt rewards are not negative and their largest
    (``scale="max"``) or their sum (``"sum"``) is 1 over the responses that the base can give, and sizes are at
    least ``smallest_size``. Under :class:`KL` with strength ``s``, ``a`` the best policy without the group and
    ``w`` the smallest size, the fee is ``s log(1 + min_x a_x (exp(w / s) - 1))`` for ``"max"``; for ``"sum"`` it is
    ``s log sum_x a_x exp(y_x)`` with ``y`` the point nearest to ``-log a`` among non-negative numbers that sum to
    ``w / s``. For other divergences ``"max"`` is solved once for each response, and ``"sum"`` once, where the base is
    uniform (a pool of replies): the worst type then lifts the responses that the others like least to one level.

    Truth stays dominant, no payment is negative, and a truthful group's utility is not negative. A group may have
    less than if it had stayed out and been given the model for free. ``scale``, ``smallest_size`` and ``fraction``
    must be published before anybody reports; a fraction that is chosen to meet a bill after the reports is a
    function of them.

    Raises :class:`InputError` when a report is not of these types, on a space that is not a :class:`Simplex`, and
    for ``"sum"`` with neither KL nor a uniform base.

    Source: Krishna and Perry, Efficient mechanism design, 1998 (the basis of least types); arXiv 2405.16276,
    Corollary 4.10 (all truthful payments differ by such a fee).

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> only = [ta.Report("a", 1, ta.TableReward([1.0, 0.0]))]
    >>> result = ta.settle(space, only, payment=ta.Fee("max"))
    >>> abs(round(result.utilities["a"], 12))  # the worst type there is: the fee takes all its gain
    0.0
    """

    scale: Literal["max", "sum"] = "max"
    smallest_size: float = 1.0
    fraction: float = 1.0
    never_negative = True
    truthful = True
    individually_rational = True

    def __post_init__(self) -> None:
        if self.scale not in _SCALES:
            raise InputError(f"Fee needs scale 'max' or 'sum', got {self.scale!r}. {nearest(self.scale, _SCALES)}")
        object.__setattr__(self, "smallest_size", check_amount("smallest_size", self.smallest_size))
        object.__setattr__(self, "fraction", check_amount("fraction", self.fraction))
        if self.fraction > 1:
            raise InputError(f"fraction must be at most 1, got {self.fraction:g}: a larger fee drives groups out.")

    def charge(self, choice):
        return choice.externalities + self.fraction * self.full(choice)

    def full(self, choice) -> np.ndarray:
        """The largest fee that keeps everybody in, shape (prompts, groups)."""
        space = self._checked(choice)
        weighted = choice.weights * choice.sizes
        centred = centred_at_likeliest(choice.scores, space.base_model)  # a constant of the others moves no fee
        others = np.einsum("prg,gi->pir", centred, weighted[:, None] * (1 - np.eye(len(weighted))), optimize=True)
        stake = choice.weights[:, None] * self.smallest_size
        if isinstance(space.divergence, KL):
            fees = _kl_fees(self.scale, others, stake, space.divergence.strength, space.base_model)
        elif self.scale == "max":
            fees = _worst_vertex(others, stake, space)
        else:
            fees = _worst_level(others, stake, space)
        return fees / choice.weights

    def _checked(self, choice) -> Simplex:
        """The space, once everything is as the fee assumes."""
        space = choice.space
        if not isinstance(space, Simplex):
            raise InputError(f"Fee needs a Simplex, got {type(space).__name__}. Charge Externality() there.")
        if self.scale == "sum" and not isinstance(space.divergence, KL) and not _is_uniform(space.base_model):
            raise InputError(
                f"with {type(space.divergence).__name__} and rewards that sum to 1 the fee is known for a uniform base "
                "only. Try KL, a pool of replies (Simplex.uniform), or Fee('max') with rewards of largest 1."
            )
        if choice.sizes.min() < self.smallest_size:
            raise InputError(
                f"the size of group {int(choice.sizes.argmin()) + 1} is {choice.sizes.min():g}, below the published "
                f"smallest size {self.smallest_size:g}. Publish a smaller one before anybody reports."
            )
        self._check_rewards(possible(choice.scores, space.base_model))
        return space

    def _check_rewards(self, scores) -> None:
        total = scores.max(axis=1) if self.scale == "max" else scores.sum(axis=1)
        wrong = (np.abs(total - 1) > _ON_SCALE) | (scores.min(axis=1) < 0)
        if wrong.any():
            prompt, group = np.argwhere(wrong)[0]
            raise InputError(
                f"Fee('{self.scale}') needs rewards that are not negative and whose {self.scale} is 1 in every prompt "
                f"over the responses that the base can give; in prompt {prompt + 1} that of group {group + 1} is "
                f"{total[prompt, group]:g}, its smallest reward {scores[prompt, :, group].min():g}. "
                f"Try TableReward(scores, scale='{self.scale}') and leave out responses of base probability zero."
            )


def _kl_fees(scale, others, stake, strength, base) -> np.ndarray:
    """Closed forms; ``others`` is (prompts, groups, responses), the score of all but the group."""
    with np.errstate(divide="ignore"):
        log_base = np.log(base)[:, None, :]
    log_policy = log_gibbs(others, strength, log_base)[0]
    rarity = np.where(np.isfinite(log_policy), -log_policy, -np.inf)  # where a reward costs the others least
    lift = (_on_the_rarest if scale == "max" else _nearest)(rarity, stake / strength)
    return strength * _log_mean_exp(log_policy, lift)


def _on_the_rarest(rarity, budget):
    """All of the budget on the rarest response."""
    chosen = rarity.argmax(axis=-1, keepdims=True)
    return np.where(np.arange(rarity.shape[-1]) == chosen, budget, 0.0)


def _nearest(rarity, budget):
    """The point nearest to ``rarity`` among non-negative rows that sum to ``budget``."""
    falling = -np.sort(-rarity, axis=-1)
    drop = falling[..., :1] - falling  # from the top: differences keep their digits
    counts = np.arange(1, rarity.shape[-1] + 1)
    held = np.isfinite(drop)
    level = (np.cumsum(np.where(held, drop, 0.0), axis=-1) + budget) / counts  # how deep the budget reaches
    last = (held & (drop < level)).sum(axis=-1, keepdims=True) - 1
    depth = np.take_along_axis(level, np.maximum(last, 0), axis=-1)
    return np.maximum(depth - (falling[..., :1] - rarity), 0.0)


def _log_mean_exp(log_policy, lift):
    """``log sum_x p_x exp(lift_x)`` for ``lift >= 0``, never negative."""
    small = np.minimum(lift, _LARGE)
    near = np.log1p((np.exp(log_policy) * np.expm1(small)).sum(axis=-1))
    exponent = log_policy + lift
    top = exponent.max(axis=-1)
    far = top + np.log(np.exp(exponent - top[..., None]).sum(axis=-1))
    return np.where(lift.max(axis=-1) < _LARGE, near, np.maximum(far, 0.0))


def _worst_vertex(others, stake, space) -> np.ndarray:
    """The least gain from a reward of 1 on one response and 0 elsewhere; more reward never gains less."""
    alone = _best(others, space)
    least = np.full(alone.shape, np.inf)
    for response in range(others.shape[-1]):
        lifted = others.copy()
        lifted[..., response] += stake[:, 0]
        possible = space.base_model[:, None, response] > 0
        least = np.where(possible, np.minimum(least, _best(lifted, space) - alone), least)
    return np.maximum(least, 0.0)


def _worst_level(others, stake, space) -> np.ndarray:
    """The gain from lifting the least liked responses to one level.

    With a uniform base ``h`` is a symmetric convex function of the score, and of all scores that a reward with a given
    sum can lead to, this one is majorised by every other.
    """
    distaste = np.where(space.base_model[:, None, :] > 0, -others, -np.inf)
    return np.maximum(_best(others + _nearest(distaste, stake), space) - _best(others, space), 0.0)


def _best(score, space) -> np.ndarray:
    """The largest net score, (prompts, groups), for ``score`` (prompts, groups, responses)."""
    base = np.broadcast_to(space.base_model[:, None, :], score.shape).reshape(-1, score.shape[-1])
    return space.divergence.tilt(score.reshape(base.shape), base)[1].reshape(score.shape[:-1])


def _is_uniform(base) -> bool:
    """Whether all responses that a prompt can have are equally likely."""
    largest = base.max(axis=1, keepdims=True)
    return bool(((base == 0) | (np.abs(base - largest) <= 1e-12 * largest)).all())
