"""Shapley's share: each group pays its value minus its average contribution over all orders of arrival.

The game gives a coalition the best net welfare that its members could have among themselves. Unlike the
externality payment, which looks at the last arrival only, the shares add up to the price of the model. They
are not truthful.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError, whole_number
from tuneaccord.mechanism.payments.interface import PaymentRule
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex, centred_at_likeliest
from tuneaccord.spaces.space import ModelSpace

#: groups up to which all coalitions are enumerated: 2**15 of them
_ENUMERATED = 15
#: permutations drawn beyond that unless told otherwise
_SAMPLES = 2000
#: numbers held at a time, 2 MB: what stays in the cache
_BATCH = 250_000
#: worths of coalitions held at a time, 64 MB
_WORTHS = 8_000_000


@dataclass(frozen=True, eq=False)
class ShapleyValues:
    """The Shapley values of the groups. ``values`` and ``standard_errors`` are means over prompts, (groups,).

    >>> ShapleyValues(np.ones(2), np.zeros(2), True, np.ones((1, 2))).exact
    True
    """

    values: np.ndarray
    standard_errors: np.ndarray  #: of ``values``, from the drawn permutations; 0 where ``exact``
    exact: bool
    by_prompt: np.ndarray  #: (prompts, groups), before prompt weights


@dataclass(frozen=True)
class Shapley(PaymentRule):
    """Each group pays its value less its Shapley value in the game of best net welfare.

    ``p_i = w_i v_i - phi_i``, where ``phi_i`` is the mean over orders of arrival of ``h(w of those before i, and
    i) - h(w of those before i)`` (:func:`shapley_values`). The payments add up to the price of the chosen model
    less that of the cheapest one: on a simplex, the price of leaving the base. No group pays more than the model
    is worth to it where rewards are not negative. A payment may be negative, and truth is not dominant.

    Exact up to 15 groups; beyond, or when ``samples`` is given, from that many random orders (default 2000). The
    sum then holds all the same. Raises :class:`InputError` unless the rule is :class:`Welfare` without weights
    and boosts.

    Source: Shapley, A value for n-person games, 1953.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> twins = [ta.Report(name, 1, ta.TableReward([1.0, 0.0])) for name in "ab"]
    >>> result = ta.settle(space, twins, payment=ta.Shapley())
    >>> result.payments["a"] == result.payments["b"], round(2 * result.payments["a"] / result.price, 12)
    (True, 1.0)
    """

    samples: int | None = None
    seed: int = 0
    individually_rational = True
    budget = "The payments add up to the price of the chosen model, less the price of the cheapest one."

    def __post_init__(self) -> None:
        _check_draws(self.samples, self.seed)

    def charge(self, choice):
        rule = choice.rule
        if not isinstance(rule, Welfare) or rule.weights is not None or rule.boosts is not None:
            raise InputError(
                f"Shapley shares the net welfare that Welfare() maximises, and the rule is {rule!r}. "
                "Settle with Welfare() and no weights or boosts, or charge Externality()."
            )
        scores = _centred(choice.space, choice.scores)
        values, _ = choice.space.evaluate(scores, choice.optimum.model)
        shares = shapley_values(choice.space, scores, choice.sizes, self.samples, self.seed)
        return choice.sizes * values - shares.by_prompt


def shapley_values(
    space: ModelSpace, scores: np.ndarray, sizes: np.ndarray, samples: int | None = None, seed: int = 0
) -> ShapleyValues:
    """The groups' Shapley values in the game where a coalition has its members' best net welfare.

    ``scores`` is what ``space.scores`` returned, (prompts, responses, groups). Up to 15 groups all ``2**n``
    coalitions are solved; beyond, or when ``samples`` is given, that many random orders of arrival are drawn (an
    even number: each order comes with its reverse, which evens out early and late arrivals). The values of any
    order add up to ``h`` of everybody minus ``h`` of nobody, and so do the estimates.

    Raises :class:`InputError` when ``samples`` is not an even number of at least 4.

    Source: Shapley, A value for n-person games, 1953.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    >>> scores = np.array([[[1.0, 0.0], [0.0, 0.0]]])  # the second group wants nothing
    >>> [round(value, 3) for value in shapley_values(space, scores, np.array([1.0, 1.0])).values.tolist()]
    [0.62, 0.0]
    """
    _check_draws(samples, seed)
    scores, sizes = np.asarray(scores, float), np.asarray(sizes, float)
    if scores.ndim != 3 or sizes.shape != scores.shape[2:]:
        raise InputError(
            f"scores must have shape (prompts, responses, groups) and sizes (groups,), got {scores.shape} and "
            f"{sizes.shape}."
        )
    if samples is None and len(sizes) <= _ENUMERATED:
        parts = [_exact(part, rows, sizes) for part, rows in _parts(space, scores, 2 ** len(sizes))]
        by_prompt, errors = np.concatenate(parts), np.zeros(len(sizes))
    else:
        by_prompt, errors = _sampled(space, scores, sizes, samples or _SAMPLES, seed)
    exact = samples is None and len(sizes) <= _ENUMERATED
    return ShapleyValues(space.prompt_weights @ by_prompt, errors, exact, by_prompt)


def coalition_worths(space: ModelSpace, scores: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """``h`` at each row of ``sizes`` (coalitions, groups), shape (coalitions, prompts).

    >>> import tuneaccord as ta
    >>> coalition_worths(ta.Simplex([1.0], ta.KL(1.0)), np.array([[[3.0]]]), np.array([[0.0], [2.0]]))
    array([[0.],
           [6.]])
    """
    if isinstance(space, Candidates):
        return (sizes @ scores[0].T - space.prices).max(axis=1, keepdims=True)
    if not isinstance(space, Simplex):
        return np.array([space.optimum(scores, row).support for row in sizes])
    prompts, responses, _ = scores.shape
    centred = centred_at_likeliest(scores, space.base_model)
    anchor = scores[np.arange(prompts), space.base_model.argmax(axis=1)]
    worths = np.empty((len(sizes), prompts))
    for rows in _slices(len(sizes), prompts * responses):
        score = np.einsum("prg,bg->bpr", centred, sizes[rows], optimize=True)
        base = np.broadcast_to(space.base_model, score.shape).reshape(-1, responses)
        best = space.divergence.tilt(score.reshape(-1, responses), base)[1]
        worths[rows] = best.reshape(-1, prompts) + sizes[rows] @ anchor.T
    return worths


def _exact(space, scores, sizes):
    """Weighted means of marginal contributions over all coalitions, in place of all orders."""
    groups = len(sizes)
    members = (np.arange(2**groups)[:, None] >> np.arange(groups)) & 1
    worths = coalition_worths(space, scores, members * sizes)
    others = members.sum(axis=1)
    columns = []
    for group in range(groups):
        out = np.flatnonzero(members[:, group] == 0)
        gains = worths[out | (1 << group)] - worths[out]
        columns.append(_chance(groups)[others[out]] @ gains)
    return np.stack(columns, axis=1)


def _parts(space, scores, coalitions):
    """The space a few prompts at a time, where it separates by prompt."""
    if not isinstance(space, Simplex):
        yield space, scores
        return
    for rows in _slices(len(scores), coalitions, _WORTHS):
        yield Simplex(space.base_model[rows], space.divergence), scores[rows]


def _chance(groups: int) -> np.ndarray:
    """How likely a given set of k others is to be exactly those who came before a group, k = 0 ... groups - 1."""
    return np.array([1 / (groups * math.comb(groups - 1, k)) for k in range(groups)])


def _sampled(space, scores, sizes, samples, seed):
    """Means over random orders and their reverses, and the standard errors over the pairs."""
    rng, pairs = np.random.default_rng(seed), samples // 2
    prompts, groups = len(scores), len(sizes)
    total, means = np.zeros((prompts, groups)), np.empty((pairs, groups))
    for rows in _slices(pairs, 2 * (groups + 1) * (prompts + groups)):
        forward = rng.permuted(np.tile(np.arange(groups), (rows.stop - rows.start, 1)), axis=1)
        gains = _gains(space, scores, sizes, forward) + _gains(space, scores, sizes, forward[:, ::-1])
        total += gains.sum(axis=0) / samples
        means[rows] = np.einsum("p,bpg->bg", space.prompt_weights, gains / 2)
    return total, means.std(axis=0, ddof=1) / math.sqrt(pairs)


def _gains(space, scores, sizes, orders):
    """Marginal contributions in each order, shape (orders, prompts, groups)."""
    count, groups = orders.shape
    arrival = np.argsort(orders, axis=1)
    present = arrival[:, None, :] < np.arange(groups + 1)[None, :, None]
    worths = coalition_worths(space, scores, (present * sizes).reshape(-1, groups))
    steps = np.diff(worths.reshape(count, groups + 1, -1), axis=1)
    return np.take_along_axis(steps, arrival[:, :, None], axis=1).transpose(0, 2, 1)


def _centred(space: ModelSpace, scores: np.ndarray) -> np.ndarray:
    """Rewards less that of one response: a constant changes no payment, and would cost it digits."""
    return centred_at_likeliest(scores, space.base_model) if isinstance(space, Simplex) else scores - scores[:, :1]


def _slices(count: int, numbers_each: int, held: int | None = None) -> Iterator[slice]:
    step = max(1, (held or _BATCH) // numbers_each)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _check_draws(samples, seed) -> None:
    whole = isinstance(samples, int | np.integer) and not isinstance(samples, bool)
    if samples is not None and (not whole or samples < 4 or samples % 2):
        raise InputError(f"samples must be an even number of orders, at least 4, got {samples!r}. Try 2000.")
    whole_number("seed", seed, least=0)
