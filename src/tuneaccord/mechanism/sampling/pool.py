"""Sampled responses: run the mechanism on a few draws of a large response set, and say how far off they are.

:func:`sample_pool` draws the responses before anybody reports. On the draw the mechanism is exact: the responses
and their weights are fixed, so the best policy on them with its externality payments is truthful at every draw, for
every number of responses and every law they were drawn from. That holds for what is deployed then, the policy
on the pool. It fails when the draw depends on a report in any way: responses from a model trained on the reports,
the best of several by reported reward, or drawing again where the effective sample size came out low.

:func:`~tuneaccord.mechanism.sampling.sampling_report` estimates how far the pool's values and payments are from those
of the full response set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tuneaccord.errors import InputError, whole_number
from tuneaccord.mechanism.reports import Report, check_distinct
from tuneaccord.rewards import TableReward, to_numbers
from tuneaccord.spaces.simplex import Simplex


@dataclass(frozen=True, eq=False)
class SampledPool:
    """Responses drawn from a simplex, prompt by prompt, frozen with their weights.

    ``indices`` (prompts, responses) are the drawn responses' positions in ``source``, with repetitions;
    ``weights`` (prompts, responses) are the base of the drawn game, proportional to base over proposal.
    Publish ``digest`` before the reports: whoever draws again from the same source and seed gets the same one.
    """

    source: Simplex
    indices: np.ndarray
    weights: np.ndarray
    seed: int

    @cached_property
    def digest(self) -> str:
        """``sha256:`` and the digest of the source, the seed, and what was drawn with which weights."""
        from tuneaccord.artifacts import digest_of

        return digest_of(
            {
                "source": self.source.to_dict(),
                "seed": self.seed,
                "indices": self.indices.tolist(),
                "weights": self.weights.tolist(),
            }
        )

    @cached_property
    def space(self) -> Simplex:
        """All policies on the drawn responses."""
        flat = self.weights[0] if self.source.base.ndim == 1 else self.weights
        return Simplex(flat, self.source.divergence, self.source.prompt_weights)

    def rewards(self, full_reports: Sequence[Report]) -> list[TableReward]:
        """The reports' rewards at the drawn responses.

        A reward with a ``scale`` is divided over the full response set and then read off: a divisor from the pool
        would not be what the group values.
        """
        check_distinct(report.name for report in full_reports)
        full = self.source.scores([report.reward for report in full_reports])
        drawn = np.take_along_axis(full, self.indices[:, :, None], axis=1)
        return [TableReward(drawn[:, :, group]) for group in range(drawn.shape[2])]

    def reports(self, full_reports: Sequence[Report]) -> list[Report]:
        """The reports with their rewards at the drawn responses, ready for :func:`tuneaccord.settle`."""
        tables = self.rewards(full_reports)
        return [replace(report, reward=table) for report, table in zip(full_reports, tables, strict=True)]


def sample_pool(space: Simplex, responses: int, seed: int, proposal=None) -> SampledPool:
    """Draw ``responses`` responses for each prompt, independently and with replacement, before anybody reports.

    ``proposal`` is the law they are drawn from, in the shape of the base (default: the base itself). The drawn
    game's base is ``base / proposal`` at the drawn responses, normalised: equal weights if they come from the base.
    A proposal may use whatever is public, and must not depend on a report; this function sees none.

    How many are needed depends on how far the tuned policy moves: about ``exp(KL(policy || base))`` at least, and
    thirty times that for honest intervals (:func:`sampling_report` tells).

    Raises :class:`InputError` when a proposal is no distribution, misses a response of the base or has one too many.

    Source: arXiv 2405.16276, Proposition 4.4, on the drawn set; importance sampling as in arXiv 2405.05905.

    >>> from tuneaccord import KL
    >>> pool = sample_pool(Simplex([0.5, 0.25, 0.25], KL(1.0)), responses=4, seed=0)
    >>> pool.indices.shape, pool.space.base
    ((1, 4), array([0.25, 0.25, 0.25, 0.25]))
    """
    if not isinstance(space, Simplex):
        raise InputError(f"responses are sampled from a Simplex, got {type(space).__name__}.")
    whole_number("responses", responses, least=1)
    whole_number("seed", seed, least=0)
    base = np.atleast_2d(space.base)
    law = base if proposal is None else _checked_proposal(proposal, base)
    rng = np.random.default_rng(int(seed))
    indices = np.stack([rng.choice(len(row), size=responses, p=row) for row in law])
    ratio = np.take_along_axis(base, indices, 1) / np.take_along_axis(law, indices, 1)
    weights = ratio / ratio.sum(axis=1, keepdims=True)
    indices.flags.writeable = weights.flags.writeable = False
    return SampledPool(space, indices, weights, int(seed))


def _checked_proposal(proposal, base: np.ndarray) -> np.ndarray:
    law = np.atleast_2d(to_numbers("proposal", proposal))
    if law.shape != base.shape:
        raise InputError(f"proposal must have the base's shape {base.shape}, got {law.shape}.")
    if not np.isfinite(law).all() or (law < 0).any() or np.abs(law.sum(axis=1) - 1).max() > 1e-9:
        raise InputError("each row of the proposal must be a distribution: finite, not negative, with sum 1.")
    if ((law > 0) != (base > 0)).any():
        prompt, response = (int(i) for i in np.argwhere((law > 0) != (base > 0))[0])
        raise InputError(
            f"a proposal must be positive exactly where the base is; response {response} of prompt {prompt} has "
            f"{law[prompt, response]:g} against {base[prompt, response]:g}. Mix in a little of the base, or drop it."
        )
    return law
