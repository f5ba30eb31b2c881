"""The held-out table: base, chosen policy and adapter side by side, with intervals over prompts.

All rows use the same prompts and the same resamples of them. The base's and the policy's values come from
the held-out pool: the mean over its replies is the base, the mean under the weights of "draw K, keep one"
is exactly the expected value of that policy. The policy's divergence is the mean divergence of the weights
from uniform, an upper bound of the policy's own divergence, so its net welfare is on the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.llm.measure import Measured
from tuneaccord.llm.scoring import ScoreSheet
from tuneaccord.mechanism.uncertainty import Interval, interval, ratio_interval, resampled_means
from tuneaccord.spaces.simplex import Simplex


@dataclass(frozen=True)
class Row:
    """One way to deliver the model, per held-out prompt: values (prompts, groups), kl in nats (prompts,)."""

    name: str
    values: np.ndarray
    kl: np.ndarray
    replies: int

    def welfare(self, sizes: np.ndarray) -> np.ndarray:
        """Size-weighted values, per prompt."""
        return self.values @ sizes

    def net_welfare(self, sizes: np.ndarray, strength: float) -> np.ndarray:
        """Welfare minus price, per prompt."""
        return self.welfare(sizes) - strength * self.kl


def pool_rows(sheet: ScoreSheet, sizes: np.ndarray, divergence: Divergence) -> tuple[Row, Row, np.ndarray]:
    """The base's row, the policy's row, and the policy's weights (prompts, replies)."""
    prompts, replies, _ = sheet.scores.shape
    space = Simplex.uniform(prompts, replies, divergence)
    optimum = space.optimum(sheet.scores, sizes)
    base = Row("base", sheet.scores.mean(axis=1), np.zeros(prompts), replies)
    policy = Row("policy", optimum.values, optimum.price / divergence.strength, replies)
    return base, policy, optimum.model


def adapter_row(sheet: ScoreSheet, measured: Measured, held_out: ScoreSheet) -> Row:
    """The adapter's row, from fresh replies that share their random numbers with the first of the pool's.

    The pool's replies serve as a control variate: ``mean(adapter) - b [mean(base, shared) - mean(base, all)]``
    with ``b`` the slope within prompts of the adapter's score on the base's of the same numbers, between 0
    and 1. It is 1 for an adapter that says what the base says, and small when the two soon part.
    """
    fresh, pool = sheet.scores, held_out.scores
    shared = pool[:, : fresh.shape[1]]
    slope = np.clip(_slopes(fresh, shared), 0.0, 1.0)
    base, same = pool.mean(axis=1), shared.mean(axis=1)
    values = base + (fresh.mean(axis=1) - same) + (1.0 - slope) * (same - base)
    return Row("adapter", values, measured.kl.mean(axis=1), fresh.shape[1])


def _slopes(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Regression slope within prompts for each group, of arrays (prompts, replies, groups)."""
    x = theirs - theirs.mean(axis=1, keepdims=True)
    y = ours - ours.mean(axis=1, keepdims=True)
    spread = (x * x).sum(axis=(0, 1))
    return np.where(spread > 0, (x * y).sum(axis=(0, 1)) / np.where(spread > 0, spread, 1.0), 0.0)


def weighted_row(held_out: ScoreSheet, log_ratios: np.ndarray, measured: Measured) -> tuple[Row, float]:
    """The adapter's row by another route: no reply of its own, the pool's weighted by ``p / q``; and the mean ESS.

    Self-normalised importance weights on the base's replies, (prompts, replies). Far less noisy than fresh
    replies while the adapter is near the base, and useless when the effective sample size is small.
    """
    weights = np.exp(log_ratios - log_ratios.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    values = np.einsum("pk,pkg->pg", weights, held_out.scores)
    spread = 1.0 / (weights**2).sum(axis=1)
    return Row("adapter", values, measured.kl.mean(axis=1), held_out.scores.shape[1]), float(spread.mean())


def compare(rows: list[Row], names: tuple[str, ...], sizes: np.ndarray, strength: float, seed: int) -> dict:
    """The table as plain data, with the row that is recommended: the one of the largest net welfare.

    ``gain`` is net welfare minus the base's; ``share`` is the gain as a share of the policy's, and ``None``
    where the policy gains nothing on some resample of the prompts, so that there is nothing to have a share of.
    """
    net = {row.name: row.net_welfare(sizes, strength) for row in rows}
    best = max(rows, key=lambda row: net[row.name].mean())
    described = [_describe(row, names, sizes, strength, net, seed) for row in rows]
    return {"rows": described, "recommended": best.name, "reason": _reason(best.name, net, seed)}


def _describe(row: Row, names: tuple[str, ...], sizes: np.ndarray, strength: float, net: dict, seed: int) -> dict:
    def over_prompts(numbers: np.ndarray) -> dict:
        return interval(numbers, seed).to_dict()

    policy_gain = net["policy"] - net["base"]
    gain = net[row.name] - net["base"]
    share = None if row.name == "base" else _share(gain, policy_gain, np.abs(net["base"]).max(), seed)
    return {
        "name": row.name,
        "values": {name: over_prompts(row.values[:, group]) for group, name in enumerate(names)},
        "kl": over_prompts(row.kl),
        "welfare": over_prompts(row.welfare(sizes)),
        "price": over_prompts(strength * row.kl),
        "net_welfare": over_prompts(net[row.name]),
        "gain": over_prompts(gain),
        "share": share,
        "replies_per_prompt": row.replies,
    }


def _share(gain: np.ndarray, policy_gain: np.ndarray, scale: float, seed: int) -> dict | None:
    """The gain as a share of the policy's; ``None`` where some resample of the prompts leaves the policy no gain."""
    if resampled_means(policy_gain, seed).min() > 1e-9 * scale:  # the rounding of welfare
        return ratio_interval(gain, policy_gain, seed).to_dict()
    return None


def _reason(best: str, net: dict[str, np.ndarray], seed: int) -> str:
    if best == "base":
        return "Nothing measured on the held-out prompts has a higher net welfare than the base model itself."
    gain = interval(net[best] - net["base"], seed)
    sure = "clear of zero" if gain.excludes(0.0) else "not clear of zero"
    return (
        f"It has the highest net welfare on the held-out prompts: {gain.estimate:+.3f} over the base, "
        f"95% interval [{gain.low:+.3f}, {gain.high:+.3f}], {sure}."
    )


def second_estimate(
    rows: list[Row], weighted: Row, spread: float, sizes: np.ndarray, strength: float, seed: int
) -> dict:
    """Gain and share of the adapter by importance weights, next to the fresh replies of the table."""
    net = {row.name: row.net_welfare(sizes, strength) for row in rows}
    gain, best = weighted.net_welfare(sizes, strength) - net["base"], net["policy"] - net["base"]
    return {
        "method": "importance weights on the base's held-out replies",
        "effective_sample_size": spread,
        "gain": interval(gain, seed).to_dict(),
        "share": _share(gain, best, np.abs(net["base"]).max(), seed),
    }


def best_net_welfare(scores: np.ndarray, sizes: np.ndarray, strength: float) -> np.ndarray:
    """The largest net welfare over all replies, per prompt, estimated from a pool (prompts, replies, groups).

    ``strength * log mean exp(s / strength)`` is low by about ``1 / replies`` (Jensen); the delete-one jackknife
    takes that out.

    >>> best_net_welfare(np.array([[[0.0], [0.0]]]), np.array([1.0]), 1.0)
    array([0.])
    """
    tilt = scores @ sizes / strength
    count = tilt.shape[1]
    left_out = np.where(np.eye(count, dtype=bool), -np.inf, tilt[:, None, :])  # one row for each reply left out
    whole, without = _log_mean_exp(tilt, count), _log_mean_exp(left_out, count - 1).mean(axis=1)
    return strength * np.maximum(count * whole - (count - 1) * without, whole)


def _log_mean_exp(exponents: np.ndarray, count: int) -> np.ndarray:
    top = exponents.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(exponents - top).sum(axis=-1) / count)


def shortfall(best: np.ndarray, adapter: Row, sizes: np.ndarray, strength: float, seed: int) -> Interval:
    """The adapter's optimality gap over the same prompts: the best net welfare minus the adapter's."""
    return interval(best - adapter.net_welfare(sizes, strength), seed)
