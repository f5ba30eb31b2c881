"""Where a bargain relies on curves beyond the measurements that they were fitted to."""

from __future__ import annotations

from collections.abc import Mapping

from tuneaccord.bargaining.calibration.fit import Fit
from tuneaccord.bargaining.curves import Curve, Level
from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.play import Play

_ROUNDING = 1e-9


def outside_the_data(
    play: Play, fits: Mapping[str, Mapping[str, Fit]], costs: Mapping[str, Curve] | None = None
) -> list[str]:
    """A sentence for each fitted curve that ``play`` uses outside the range that was measured.

    Performance 0 counts as measured on a cost: nothing costs nothing. ``costs`` are the specialists' in the game, to
    tell those that depend on the level reached. A party that abstains uses no curve.
    """
    sentences = []
    for party, roles in fits.items():
        if party != GENERALIST and play.regimes[party] == "abstains":
            continue
        for role, fit in roles.items():
            by_level = costs is not None and isinstance(costs.get(party), Level)
            word, at = _used(play, party, role, by_level)
            low, high = fit.range
            slack = _ROUNDING * high
            if at > high + slack:
                sentences.append(
                    f"{party}: the {role} curve is used at {word} of {at:.4g}, {at / high - 1:.0%} above the largest "
                    f"that it was fitted to, {high:.4g}."
                )
            elif at < low - slack and (role == "revenue" or at > slack):
                sentences.append(
                    f"{party}: the {role} curve is used at {word} of {at:.4g}, below the smallest that it was fitted "
                    f"to, {low:.4g}."
                )
    return sentences


def _used(play: Play, party: str, role: str, by_level: bool) -> tuple[str, float]:
    if party == GENERALIST:
        return "a base performance", play.base_performance
    if role == "revenue" or by_level:
        return "a performance", play.performance[party]
    return "an improvement", play.improvements[party]
