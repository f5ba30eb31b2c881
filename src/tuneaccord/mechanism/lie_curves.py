"""What a group's value, payment and utility become along the paper's two lies, as plain data for figures."""

from __future__ import annotations

from collections.abc import Iterable

from tuneaccord.errors import InputError
from tuneaccord.mechanism.misreports import Misreport, RewardMisreport, SizeMisreport, WhatIf, what_if
from tuneaccord.mechanism.payments import Externality
from tuneaccord.mechanism.settlement import Settlement

#: the paper's two misreports, at these values
SIZE_FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
REWARD_SHIFTS = (0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 2.0)


def lie_curves(settlement: Settlement, group: str, scale: tuple[float, float] = (0.0, 1.0)) -> dict:
    """The group's amounts under the truth, under false sizes and under shifted rewards clipped to ``scale``.

    >>> from tuneaccord import settle
    >>> from tuneaccord.testing import random_market
    >>> import numpy as np
    >>> sorted(lie_curves(settle(*random_market(np.random.default_rng(0))), "g0"))
    ['shift', 'size', 'truth']
    """
    by_size = attempts(settlement, group, [SizeMisreport(factor) for factor in SIZE_FACTORS])
    by_shift = attempts(settlement, group, [RewardMisreport(shift, scale) for shift in REWARD_SHIFTS])
    return {
        "truth": {
            "group_value": settlement.group_values[group],
            "payment": settlement.payments[group],
            "utility": settlement.utilities[group],
        },
        "size": [{"factor": lie.misreport.factor, **_amounts(lie)} for lie in by_size if lie],
        "shift": [{"shift": lie.misreport.shift, **_amounts(lie)} for lie in by_shift if lie],
    }


def attempts(settlement: Settlement, group: str, misreports: Iterable[Misreport]) -> list[WhatIf | None]:
    """What each misreport would have brought; None where the payment rule refuses such a report."""
    return [_attempt(settlement, group, misreport) for misreport in misreports]


def _attempt(settlement: Settlement, group: str, misreport: Misreport) -> WhatIf | None:
    try:
        return what_if(settlement, group, misreport)
    except InputError:
        if settlement.payment == Externality():  # it refuses nothing: the mistake is the caller's
            raise
        return None


def _amounts(lie: WhatIf) -> dict[str, float]:
    return {"group_value": lie.group_value, "payment": lie.payment, "utility": lie.utility}
