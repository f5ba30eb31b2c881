"""What-if tables: named changes of a game side by side, and a regulator's floor under a specialist's share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.studies.outputs import outputs_of, settled
from tuneaccord.errors import InputError, nearest

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule


def scenarios(
    game: FineTuningGame, changes: Mapping[str, Mapping[str, float]], at: Rule | Mapping[str, float]
) -> list[dict[str, Any]]:
    """One row for the game as it is and one for each named set of changes (numbers by path), every output and regime.

    ``at`` is a solution, which is bargained again each time, or shares, which stay.

    >>> from tuneaccord import FineTuningGame, Generalist, Linear, Power, Specialist
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> rows = scenarios(game, {"cheaper base": {"generalist.cost.scale": 0.5}}, {"medical": 0.4})
    >>> [(row["scenario"], round(row["base"], 6), row["regime.medical"]) for row in rows]
    [('as it is', 0.2, 'contributes'), ('cheaper base', 0.4, 'contributes')]
    """
    rows = [{"scenario": "as it is", **_row(settled(game, at))}]
    for name, numbers in changes.items():
        rows.append({"scenario": name, **_row(settled(game.with_parameters(numbers), at))})
    return rows


def share_floor(
    game: FineTuningGame, specialist: str, floors: Iterable[float], at: Rule | Mapping[str, float]
) -> list[dict[str, Any]]:
    """Who stops investing when ``specialist`` must keep at least a floor of its revenue: one row a floor.

    Starts from the agreement under a solution, or from shares. Where the floor binds, the generalist's share of that
    domain comes down to ``1 - floor``; the other shares stay, they are not bargained again. With one specialist and a
    score with a single peak this is the bargain under the floor. ``stopped`` names the specialists that contribute
    without the floor and not with it.

    >>> from tuneaccord import FineTuningGame, Generalist, Linear, Power, Specialist
    >>> medical = Specialist("medical", cost=Linear(1.0), revenue=Linear(0.9), entry_cost=0.1)
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> for row in share_floor(game, "medical", [0.5, 0.9], {"medical": 0.6}):
    ...     print(row["floor"], round(row["share.medical"], 6), row["binds"], row["regime.medical"])
    0.5 0.5 True free-rides
    0.9 0.1 True abstains
    """
    if specialist not in game.names:
        raise InputError(f"there is no specialist {specialist!r}. {nearest(specialist, game.names)}")
    before = settled(game, at)
    rows = []
    for floor in floors:
        if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 <= floor <= 1:
            raise InputError(f"a floor must be in [0, 1], got {floor!r:.60}.")
        binds = before.shares[specialist] > 1 - floor
        after = game.play(before.shares | {specialist: 1 - floor}) if binds else before
        stopped = [
            name
            for name, regime in before.regimes.items()
            if regime == "contributes" and after.regimes[name] != "contributes"
        ]
        rows.append({"floor": float(floor), "binds": binds, "stopped": stopped, **_row(after)})
    return rows


def _row(play: Play) -> dict[str, Any]:
    return {**outputs_of(play), **{f"regime.{name}": regime for name, regime in play.regimes.items()}}
