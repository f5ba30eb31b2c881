"""The curves of figure 2: what a misreport changes in value, payment and utility, with bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tuneaccord.reproduce.result import Curve, Panels, Picture
from tuneaccord.tuning.experiments.claims import Claim, Lie
from tuneaccord.tuning.experiments.outcomes import Amounts, Outcomes
from tuneaccord.tuning.experiments.words import band

_ACROSS = {"size": "reported size / true size", "shift": "shift of the reward"}
CURVES = ("value", "payment", "utility")


def panels_of(
    key: str, title: str, space: Outcomes, scenes: Sequence[Sequence[Claim]], lies: Callable[..., list[Lie]]
) -> Panels:
    """A row for each pair of sizes, a column for each group and kind of misreport."""
    rows = []
    for claims in scenes:
        sizes = ":".join(f"{claim.size:g}" for claim in claims)
        row = []
        for group, claim in enumerate(claims):
            honest = space.amounts(claims, group, claim)
            for kind, across in _ACROSS.items():
                told = [lie for lie in lies(claims, group) if lie.kind == kind]
                points = [(lie.at, space.amounts(claims, group, lie.claim)) for lie in told]
                points = sorted([*points, (1.0, honest)], key=lambda point: point[0])
                curves = tuple(_curve(name, points, honest) for name in CURVES)
                row.append(
                    Picture(
                        f"{claim.name}, sizes {sizes}", across, "change against truth", curves, (kind == "size", False)
                    )
                )
        rows.append(tuple(row))
    return Panels(key, f"What a misreport changes: {title}", tuple(rows))


def _curve(name: str, points: Sequence[tuple[float, Amounts]], honest: Amounts) -> Curve:
    moved = [getattr(amounts, name) - getattr(honest, name) for _, amounts in points]
    ends = np.array([band(one[1:]) for one in moved])
    low, high = (tuple(side.tolist()) for side in ends.T)
    return Curve(name, tuple(at for at, _ in points), tuple(float(one[0]) for one in moved), band=(low, high))
