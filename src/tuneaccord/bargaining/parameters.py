"""The numbers of a game by name, so that one can be varied without rebuilding the game by hand.

A path is the party, the field and so on down to a number: ``generalist.cost.scale``, ``medical.entry_cost``,
``medical.cost.curve.exponent``. Numbers only: the points of a :class:`~tuneaccord.Tabulated` curve and the code of a
:class:`~tuneaccord.Function` have no path. Vary those by building several games.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneaccord.bargaining.curves import Curve
from tuneaccord.bargaining.parties import GENERALIST, Generalist, Specialist
from tuneaccord.errors import InputError, nearest

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

Party = Generalist | Specialist


def parameters(game: FineTuningGame) -> dict[str, float]:
    """Every number of ``game`` by its path, party by party.

    >>> from tuneaccord import FineTuningGame, Linear, Power
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))
    >>> for path, number in parameters(FineTuningGame(Generalist(Power(1.0, 2)), [medical])).items():
    ...     print(path, number)
    generalist.cost.scale 1.0
    generalist.cost.exponent 2.0
    generalist.outside 0.0
    medical.cost.scale 2.0
    medical.cost.exponent 2.0
    medical.revenue.rate 1.0
    medical.entry_cost 0.0
    medical.outside 0.0
    """
    return {path: number for path, (_, _, number) in _places(game.generalist, game.specialists).items()}


def with_parameters(game: FineTuningGame, changes: Mapping[str, Any]) -> FineTuningGame:
    """The game with some of its numbers replaced; arrays, one number a game, make a :class:`tuneaccord.GameFamily`.

    Raises :class:`InputError` on an unknown path, with the nearest one, and on a number that the curve refuses.

    >>> from tuneaccord import FineTuningGame, Linear, Power
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> with_parameters(game, {"medical.revenue.rate": 3.0}).specialists[0].revenue
    Linear(rate=3.0)
    """
    from tuneaccord.bargaining.game import FineTuningGame

    parties = changed_parties(game.generalist, game.specialists, changes)
    if not any(np.ndim(number) for number in changes.values()):
        return FineTuningGame(*parties)
    from tuneaccord.bargaining.family import GameFamily

    return GameFamily(*parties)


def changed_parties(
    generalist: Generalist, specialists: Sequence[Specialist], changes: Mapping[str, Any]
) -> tuple[Generalist, tuple[Specialist, ...]]:
    """The parties with the numbers at the paths ``changes`` replaced by numbers or arrays."""
    places = _places(generalist, specialists)
    by_party: dict[str, dict[tuple[str, ...], Any]] = {}
    for path, number in changes.items():
        if path not in places:
            raise InputError(f"the game has no parameter {path!r}. {nearest(path, places)}")
        party, fields, _ = places[path]
        by_party.setdefault(party, {})[fields] = np.asarray(number, float) if np.ndim(number) else number

    def changed(party, name):
        return _replaced(party, by_party[name]) if name in by_party else party

    return changed(generalist, GENERALIST), tuple(changed(one, one.name) for one in specialists)


def _places(
    generalist: Generalist, specialists: Sequence[Specialist]
) -> dict[str, tuple[str, tuple[str, ...], float | np.ndarray]]:
    """By path: the party, the fields that lead to the number, the number."""
    named = {GENERALIST: generalist} | {one.name: one for one in specialists}
    return {
        ".".join([name, *fields]): (name, fields, number)
        for name, party in named.items()
        for fields, number in _numbers(party)
    }


def _numbers(owner: Party | Curve):
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name)
        if isinstance(value, Curve):
            yield from (((field.name, *fields), number) for fields, number in _numbers(value))
        elif isinstance(value, (int, float, np.number, np.ndarray)) and not isinstance(value, bool):
            yield (field.name,), value if isinstance(value, np.ndarray) else float(value)


def _replaced(owner: Party | Curve, changes: Mapping[tuple[str, ...], Any]):
    """``owner`` rebuilt once with all ``changes``, so that two that are only valid together can be made."""
    new: dict[str, Any] = {fields[0]: number for fields, number in changes.items() if len(fields) == 1}
    for name in {fields[0] for fields in changes if len(fields) > 1}:
        inner = {fields[1:]: number for fields, number in changes.items() if fields[0] == name}
        try:
            new[name] = _replaced(getattr(owner, name), inner)
        except InputError as error:
            where = f"{getattr(owner, 'name', GENERALIST)}.{name}: " if isinstance(owner, Party) else ""
            raise InputError(f"{where}{error}") from None
    return dataclasses.replace(owner, **new)
