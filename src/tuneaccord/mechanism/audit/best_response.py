"""What a group would report if nobody paid: the benchmark that payments are for, and an oracle for the attack.

Without payments a group's value rises with the score of every response that it likes better than the
kappa-mean of its reward and falls with the others, so the best report in a box (an interval, or ``"max"``)
is as high as can be above a threshold and as low as can be below, with one response in between at most. Under
KL the threshold is found by trying all of them, one ratio each, and nothing lies in between. With
``"sum"`` under KL the best report puts everything on one response, since the objective is convex. The largest
size that may be claimed is always the best one. For other divergences the same reports are searched: the
fractional response by golden section, and with ``"sum"`` gradient ascent from many starts; nothing better is
known, and nothing is proved. Prompts separate, because policies are free in every prompt.

Source: derived from arXiv 2405.16276, Theorem B.2; checked against brute force in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.errors import InputError, nearest
from tuneaccord.kernel.gibbs import log_gibbs
from tuneaccord.mechanism.audit.rows import CHUNK, Rows, best_reports, moved, starts
from tuneaccord.mechanism.feasible import Feasible, prefixes, singles
from tuneaccord.mechanism.reports import check_size
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_SECTIONS = 60  # 0.618**60 is below 1e-12: the value is then right to rounding


@dataclass(frozen=True, eq=False)
class BestResponse:
    """The report that gives a group the most value when nobody pays, valued with its truth."""

    group: str
    size: float  #: the size it claims
    table: np.ndarray  #: (prompts, responses), the rewards it reports
    group_value: float  #: true size times true value of the model that it gets
    gain: float  #: over telling the truth, never negative
    exact: bool  #: whether no report in the range can do better, or only none was found

    def to_dict(self) -> dict:
        """Plain data."""
        return {
            "group": self.group,
            "size": self.size,
            "table": self.table.tolist(),
            "group_value": self.group_value,
            "gain": self.gain,
            "exact": self.exact,
        }


def best_response_without_payments(
    result: Settlement,
    group: str,
    *,
    largest_size: float | None = None,
    scale: tuple[float, float] = (0.0, 1.0),
) -> BestResponse:
    """The best report of ``group`` if nobody paid, the others' reports fixed.

    ``largest_size`` is the most that it may claim (default: its own size, when sizes are public), ``scale`` the
    published range of rewards without a divisor. Exact for KL and for a finite set of models, a search for other
    divergences (``BestResponse.exact`` says which). What it gains is what the payment must take away.

    Raises :class:`InputError` for an unknown group, a size that is smaller than the group's, or a training
    rule other than :class:`Welfare`.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex(base=[0.4, 0.3, 0.3], divergence=ta.KL(strength=1.0))
    >>> result = ta.settle(space, [ta.Report("clinic", 3, ta.TableReward([0.1, 0.9, 0.4])),
    ...                            ta.Report("arcade", 2, ta.TableReward([0.2, 0.0, 1.0]))])
    >>> best = best_response_without_payments(result, "clinic")
    >>> best.table, best.exact
    (array([[0., 1., 0.]]), True)
    """
    if group not in result.names:
        raise InputError(f"there is no group {group!r}. {nearest(group, result.names)}")
    if type(result.rule) is not Welfare:
        kind = type(result.rule).__name__
        raise InputError(f"best responses are known for the rule Welfare, not for {kind}. Try audit(result).")
    index = result.names.index(group)
    size = float(result.sizes[index])
    claimed = size if largest_size is None else check_size(group, largest_size)
    if claimed < size:
        raise InputError(f"largest_size is {claimed:g}, below the true size {size:g} of group {group!r}.")
    feasible = Feasible.of(result, index, scale)
    if isinstance(result.space, Candidates):
        table, exact = _best_model(result, index, claimed, feasible), True
    elif isinstance(result.space, Simplex):
        rows = rows_of(result, index, claimed, charged=False)
        table, exact = best_tables(rows, feasible)
    else:
        raise InputError(f"best responses are known on Simplex and Candidates, not on {type(result.space).__name__}.")
    truth = result.group_values[group]
    value = truth_valued(result, index, claimed, table)
    if value < truth:  # the truth is already a best response, and this one is the same to rounding
        table, value, claimed = result.scores[:, :, index], truth, size
    return BestResponse(group, claimed, table, value, value - truth, exact)


def truth_valued(result: Settlement, index: int, size: float, table: np.ndarray) -> float:
    """The group's true value of the model that the rule chooses for one report."""
    scores, sizes = result.scores.copy(), result.sizes.copy()
    scores[:, :, index], sizes[index] = table, size
    model = result.rule.choose(result.space, scores, sizes).model
    values, _ = result.space.evaluate(result.scores, model)
    return float(result.sizes[index] * (result.space.prompt_weights @ values[:, index]))


def rows_of(result: Settlement, index: int, claimed: float, charged: bool) -> Rows:
    """One row a prompt of a settlement on a simplex under ``Welfare``; amounts are multiplied by the group's weight."""
    weights = result.choice.weights
    kept = np.arange(len(weights)) != index
    others = result.scores[:, :, kept] @ (weights * result.sizes)[kept]
    prompts = len(others)
    size = np.full((prompts, 1), weights[index] * result.sizes[index])
    return Rows(
        result.space.divergence,
        np.atleast_2d(result.space.base),
        others,
        result.scores[:, :, index],
        size,
        np.full((prompts, 1), weights[index] * claimed),
        charged,
    )


def best_tables(rows: Rows, feasible: Feasible) -> tuple[np.ndarray, bool]:
    """The best report of each row when nobody pays, and whether that is proved."""
    exact = isinstance(rows.divergence, KL)
    if exact:
        order = np.argsort(-rows.reward, axis=1, kind="stable")
        gain = rows.claimed / rows.divergence.strength
        with np.errstate(divide="ignore"):
            log_others = log_gibbs(rows.others, rows.divergence.strength, np.log(rows.base))[0]
        if feasible.scale == "sum":
            chosen = _best_single(rows.reward, log_others, gain)
        else:
            chosen = _best_prefix(rows.reward, log_others, gain * (feasible.high - feasible.low), order)
        return feasible.extremes(chosen), True
    if feasible.scale == "sum":
        begin = starts(rows.reward, feasible, np.random.default_rng(0), most=64)
        begin = np.concatenate([begin, feasible.extremes(_couples(rows.reward))])
        return best_reports(rows, feasible, begin, keep=64, steps=300)[0], False
    limit = max(1, CHUNK // (rows.reward.shape[1] ** 2))
    parts = [np.arange(i, min(i + limit, len(rows.reward))) for i in range(0, len(rows.reward), limit)]
    return np.concatenate([_best_threshold(rows.take(part), feasible) for part in parts]), False


def _best_prefix(reward, log_others, lift, order) -> np.ndarray:
    """The best of the m prefix ratios ``(sum A r + (e^k - 1) sum_prefix A r) / (1 + (e^k - 1) sum_prefix A)``."""
    from_worst = np.take_along_axis(reward - reward.min(axis=1, keepdims=True), order, axis=1)
    log_mass = np.take_along_axis(log_others, order, axis=1)
    with np.errstate(divide="ignore"):
        log_worth = log_mass + np.log(from_worst)
        log_rest = np.log(-np.expm1(-lift))  # everything divided by e^k
    value = np.logaddexp(
        _log_sum(log_worth) - lift, np.logaddexp.accumulate(log_worth, axis=1) + log_rest
    ) - np.logaddexp(-lift, np.logaddexp.accumulate(log_mass, axis=1) + log_rest)
    length = value.argmax(axis=1)[:, None]
    rank = np.argsort(order, axis=1, kind="stable")
    return rank <= length


def _best_single(reward, log_others, lift) -> np.ndarray:
    """The best vertex: the largest ``(sum A r + A_x r_x (e^k - 1)) / (1 + A_x (e^k - 1))``."""
    from_worst = reward - reward.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_worth = log_others + np.log(from_worst)
        log_rest = np.log(-np.expm1(-lift))
    value = np.logaddexp(_log_sum(log_worth) - lift, log_worth + log_rest) - np.logaddexp(-lift, log_others + log_rest)
    return np.arange(reward.shape[1]) == value.argmax(axis=1)[:, None]


def _couples(reward: np.ndarray) -> np.ndarray:
    """Two responses each, of the twelve that the group likes best."""
    alone = singles(reward, 12)
    return np.array([one | other for one, other in combinations(alone, 2)]).reshape(-1, *reward.shape)


def _log_sum(logs: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(logs, axis=1, keepdims=True)


def _best_threshold(rows: Rows, feasible: Feasible) -> np.ndarray:
    """The best threshold report, with one response in between found by golden section."""
    count, responses = rows.reward.shape
    rank = np.argsort(np.argsort(-rows.reward, axis=1, kind="stable"), axis=1)
    none = np.zeros((1, count, responses), bool)
    chosen = np.concatenate([none, prefixes(rows.reward), ~none])
    tables = np.where(chosen, feasible.high, feasible.low)
    policy = rows.policy(tables)
    worth = rows.worth(policy)
    slopes = moved(rows.divergence.response(policy, rows.base), rows.reward)
    worth[0] = -np.inf if feasible.scale == "max" else worth[0]  # nothing on top: not a report under "max"
    best = worth.argmax(axis=0)
    table = tables[best, np.arange(count)]
    value = worth.max(axis=0)
    edge = np.arange(responses)[:, None, None] == rank  # the response that joins in each segment
    turning = ((slopes[:-1] * edge).sum(axis=2) > 0) & ((slopes[1:] * edge).sum(axis=2) < 0)
    near = np.abs(np.arange(responses)[:, None] - (best - 0.5)) < 1.0
    first = 1 if feasible.scale == "max" else 0
    segment, row = np.nonzero(turning | near)
    segment, row = segment[segment >= first], row[segment >= first]
    below, above = tables[segment, row], tables[segment + 1, row]
    part = rows.take(row)
    for candidate, reached, where in zip(*_golden(part, below, above), row, strict=True):
        if reached > value[where]:
            table[where], value[where] = candidate, reached
    return table


def _golden(rows: Rows, below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best report on each segment from ``below`` to ``above``."""

    def worth(share):
        return rows.worth(rows.policy(below + share[:, None] * (above - below)))

    low, high = np.zeros(len(below)), np.ones(len(below))
    left, right = high - _GOLDEN, low + _GOLDEN
    at_left, at_right = worth(left), worth(right)
    for _ in range(_SECTIONS):
        keep_left = at_left >= at_right
        high, low = np.where(keep_left, right, high), np.where(keep_left, low, left)
        probe = np.where(keep_left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        reached = worth(probe)
        left, right = np.where(keep_left, probe, right), np.where(keep_left, left, probe)
        at_left, at_right = np.where(keep_left, reached, at_right), np.where(keep_left, at_left, reached)
    share = (low + high) / 2
    return below + share[:, None] * (above - below), worth(share)


def _best_model(result: Settlement, index: int, claimed: float, feasible: Feasible) -> np.ndarray:
    """The report under which the best model that the group can bring about wins."""
    own = result.scores[0, :, index]
    tables = feasible.extremes(np.eye(len(own), dtype=bool))
    values = [truth_valued(result, index, claimed, table[None]) for table in tables]
    return tables[int(np.argmax(values))][None]
