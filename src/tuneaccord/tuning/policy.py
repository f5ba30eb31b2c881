"""The chosen policy, runnable: draw K replies from the base, score them, keep one by its weight.

On a pool of K replies the training rule has the closed form ``weight ∝ exp(s / strength)`` with ``s`` the
size-weighted score. Drawing K replies to a new prompt and keeping one with these weights is a policy that
anybody can run; it needs no training and spends every bit of divergence on reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.artifacts import seed_of
from tuneaccord.divergence import Divergence
from tuneaccord.llm.generate import Sampling, sample
from tuneaccord.llm.hf import ModelRef, encode_all, load
from tuneaccord.llm.scoring import GroupReward
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.spaces.simplex import Simplex, table_rewards


@dataclass(frozen=True)
class Draw:
    """The candidates for one prompt, their scores (replies, groups), their weights, and the one kept.

    ``payments`` is what each group would be charged for this reply alone: the settlement on these candidates, which
    were drawn without looking at any report.
    """

    replies: tuple[str, ...]
    scores: np.ndarray
    weights: np.ndarray
    kept: int
    payments: dict[str, float]

    @property
    def reply(self) -> str:
        """The reply that was kept."""
        return self.replies[self.kept]


def choose(weights: np.ndarray, seed: int) -> int:
    """One index drawn with these weights.

    >>> choose(np.array([0.0, 1.0]), seed=0)
    1
    """
    return int(np.random.default_rng(seed).choice(len(weights), p=weights / weights.sum()))


@dataclass(frozen=True)
class ReplyPolicy:
    """Draw ``candidates`` replies from the base model and keep one by the training rule's weights."""

    ref: ModelRef
    groups: tuple[GroupReward, ...]
    divergence: Divergence
    candidates: int
    how: Sampling

    def reply(self, prompt: str, seed: int) -> Draw:
        """A reply to ``prompt``; the same seed gives the same reply.

        Raises :class:`~tuneaccord.errors.InputError` when the prompt does not fit the model, and
        :class:`~tuneaccord.errors.RewardError` when a reward model fails.
        """
        model = load(self.ref)
        encoded = encode_all(model, {"prompt": prompt}, self.how.new_tokens)["prompt"]
        # two seeds: the number that keeps a reply must not be one that already chose a candidate's token
        tokens = sample(model.model, encoded, self.candidates, self.how, seed_of(seed, "candidates"), model.stop_tokens)
        replies = [model.decode(reply) for reply in tokens]
        scores = np.stack([group.score([prompt] * len(replies), replies) for group in self.groups], axis=-1)
        settlement = self.settle(scores[None])
        weights = settlement.optimum.model[0]
        return Draw(tuple(replies), scores, weights, choose(weights, seed_of(seed, "keep")), settlement.payments)

    def settle(self, scores: np.ndarray) -> Settlement:
        """The settlement on candidates with these scores (prompts, replies, groups)."""
        return settle_replies(scores, self.groups, self.divergence)


def settle_replies(scores: np.ndarray, groups: Sequence[GroupReward], divergence: Divergence) -> Settlement:
    """The settlement on replies of equal weight with these scores (prompts, replies, groups)."""
    prompts, replies, _ = scores.shape
    space = Simplex.uniform(prompts, replies, divergence)
    rewards = table_rewards(scores)
    return settle(space, [Report(g.name, g.size, reward) for g, reward in zip(groups, rewards, strict=True)])
