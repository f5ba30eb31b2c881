"""What a group says: its size, and what it wants as weights of the published criteria.

Everybody's reward is a weighted sum of criteria that were published, and on which adapters were trained, before
anybody reported. So nothing that a group says can move the set of models: the soups of arXiv 2405.16276 are trained
on the reports themselves, which makes them manipulable, and these are not. A polarised report is a weighted sum,
too, with weights that may be negative; scores outside the published scale [0, 1] are clipped to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Claim:
    """One group's report: ``size``, and ``wants``, one weight a criterion."""

    name: str
    size: float
    wants: tuple[float, ...]


@dataclass(frozen=True)
class Lie:
    """A report in place of the truth; ``kind`` and ``at`` say where it stands on a curve."""

    label: str
    claim: Claim
    kind: str
    at: float | None = None


def pure(names: Sequence[str], sizes: Sequence[float]) -> tuple[Claim, ...]:
    """Groups that each want one criterion.

    >>> pure(["a", "b"], [3, 7])[1]
    Claim(name='b', size=7.0, wants=(0.0, 1.0))
    """
    rows = np.eye(len(names)).tolist()
    return tuple(Claim(name, float(size), tuple(row)) for name, size, row in zip(names, sizes, rows, strict=True))


def scores_of(values: np.ndarray, claims: Sequence[Claim]) -> np.ndarray:
    """Scores by the claims, (..., groups), from values by criterion, (..., criteria)."""
    return np.clip(values @ np.array([claim.wants for claim in claims]).T, 0.0, 1.0)


def sizes_of(claims: Sequence[Claim]) -> np.ndarray:
    """The sizes, shape (groups,)."""
    return np.array([claim.size for claim in claims])


def resized(claim: Claim, factor: float) -> Lie:
    """The paper's first strategy: ``factor`` times the size."""
    return Lie(f"size x {factor:g}", replace(claim, size=factor * claim.size), "size", factor)


def shifted(claims: Sequence[Claim], group: int, shift: float) -> Lie:
    """The paper's second strategy, ``shift * r + (1 - shift) * r_others``, the others by their size-weighted mean.

    >>> shifted(pure(["a", "b"], [3, 7]), 0, 1.5).claim.wants
    (1.5, -0.5)
    """
    sizes = np.delete(sizes_of(claims), group)
    others = sizes @ np.delete(np.array([claim.wants for claim in claims]), group, axis=0) / sizes.sum()
    wants = shift * np.array(claims[group].wants) + (1.0 - shift) * others
    return Lie(f"shift {shift:g}", replace(claims[group], wants=tuple(wants.tolist())), "shift", shift)


def wanting(claim: Claim, label: str, wants: Sequence[float]) -> Lie:
    """Other weights at the true size."""
    return Lie(label, replace(claim, wants=tuple(map(float, wants))), "wants")
