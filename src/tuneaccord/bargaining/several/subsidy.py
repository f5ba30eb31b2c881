"""Who subsidises whom: what one domain's share of revenue does for everybody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.several.landscape import differences, implicit

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


def subsidies(game: FineTuningGame, shares: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """``dU_i / d share_j`` for every specialist i (outer names) and j (inner names), at the generalist's ``shares``.

    Off the diagonal it is what i gains, in money per unit of share, when j hands the generalist more: j's share pays
    for a better base, which i uses too. On the diagonal it is what handing over more costs i itself. With quadratic
    costs and linear revenue it is ``2 s b_i b_j (1 - share_i)`` for i other than j, with ``s = 1 / (4 c0)``.

    By implicit differentiation where the play is smooth in the shares, by central differences elsewhere, where it can
    be very large: next to a jump. Raises :class:`InputError` for shares that are missing, unknown or outside [0, 1].

    Source: arXiv 2308.04399, several specialists; the derivative is our own.

    >>> from tuneaccord import FineTuningGame, Generalist, Linear, Power, Specialist
    >>> domains = [Specialist(name, Power(1.0, 2), Linear(1.0)) for name in ("law", "medical")]
    >>> effect = subsidies(FineTuningGame(Generalist(Power(1.0, 2)), domains), {"law": 0.5, "medical": 0.2})
    >>> round(effect["law"]["medical"], 6), round(effect["medical"]["law"], 6)
    (0.25, 0.4)
    """
    row = game.play(shares)  # checks the shares
    point = np.array([row.shares[name] for name in game.names])
    slopes = implicit(game, game.play_many(point[None, :]))[0]
    if not np.isfinite(slopes).all():
        slopes = differences(lambda points: game.play_many(points).utilities, point[None, :])[0]
    table = slopes[1:].tolist()
    return {name: dict(zip(game.names, line, strict=True)) for name, line in zip(game.names, table, strict=True)}
