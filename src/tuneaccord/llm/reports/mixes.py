"""A mix of published criteria as a reward: no file, no model, and nothing to hide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.llm.criteria import CRITERIA
from tuneaccord.llm.reports.reward import Form, GroupReward


@dataclass(frozen=True)
class Mix(Form):
    """``sum_k weight_k criterion_k``, on [0, 1]: weights are not negative and sum to one.

    >>> from pathlib import Path
    >>> Mix((("calm", 0.5), ("easy", 0.5))).read("desk", 2.0, Path("."), None, 60.0).reward
    '0.5 calm + 0.5 easy'
    """

    weights: tuple[tuple[str, float], ...]  #: (criterion, weight)

    def read(self, name, size, folder, scale, seconds):
        _check(name, self.weights)
        if scale not in (None, (0.0, 1.0)):
            raise InputError(f"group {name!r}: a mix of criteria has the scale [0, 1]; leave 'scale' out.")
        parts = [(CRITERIA[criterion], weight) for criterion, weight in sorted(self.weights)]
        shown = " + ".join(f"{weight:g} {criterion}" for criterion, weight in self.weights)
        identity = {"mix": [[weight, criterion.digest_data()] for criterion, weight in parts]}

        def mixed(prompts: Sequence[str], replies: Sequence[str]) -> list[float]:
            scores = np.array([criterion.score(prompts, replies) for criterion, _ in parts])
            # weights that sum to one up to rounding may leave the scale by as much
            return np.clip(np.array([weight for _, weight in parts]) @ scores, 0.0, 1.0).tolist()

        description = "a mix of " + " and ".join(f"{w:g} x {CRITERIA[c].description}" for c, w in self.weights)
        return GroupReward(name, size, shown, description, (0.0, 1.0), mixed, identity, seconds)


def _check(group: str, weights: tuple[tuple[str, float], ...]) -> None:
    for criterion, weight in weights:
        if criterion not in CRITERIA:
            raise InputError(
                f"group {group!r}: there is no criterion {criterion!r} to mix. {nearest(criterion, CRITERIA)}"
            )
        if not weight >= 0:
            raise InputError(f"group {group!r}: the weight of {criterion!r} must not be negative, got {weight:g}.")
    total = math.fsum(weight for _, weight in weights)
    if not math.isclose(total, 1.0, rel_tol=0, abs_tol=1e-9):
        raise InputError(
            f"group {group!r}: the weights of a mix must sum to 1, got {total:g}. The scale is published; a larger sum "
            "would only shout louder."
        )
