"""Who contributes, free-rides or abstains over a grid of one or two parameters: comparative statics in one picture.

At fixed shares all cells are played in one batch. Under a solution each cell is bargained: in one batch with a single
specialist, one game after the other with several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneaccord.bargaining.plays import REGIMES
from tuneaccord.bargaining.studies.batches import bargained_rows, played_rows
from tuneaccord.bargaining.studies.outputs import outputs
from tuneaccord.errors import InputError, nearest

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule

_SHARE = "share."


@dataclass(frozen=True, eq=False)
class RegimeMap:
    """The result of :func:`regime_map`: arrays with one axis a parameter, in the order of ``parameters``.

    ``values`` holds each parameter's values, ``regimes`` each specialist's codes in the order of
    ``tuneaccord.bargaining.plays.REGIMES`` (0 abstains, 1 free-rides, 2 contributes), ``outputs`` every number of
    :func:`tuneaccord.bargaining.studies.outputs.outputs` by name. ``traded`` is False where nobody could gain.
    """

    parameters: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    regimes: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    traded: np.ndarray

    @property
    def specialists(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.regimes)

    def counts(self, specialist: str) -> dict[str, int]:
        """In how many cells the specialist is in each regime."""
        codes = self._codes(specialist)
        return {name: int((codes == code).sum()) for code, name in enumerate(REGIMES)}

    def boundaries(self, specialist: str) -> list[dict[str, Any]]:
        """Where the specialist's regime changes: the middle between each two neighbouring cells that differ.

        Each entry has the parameters' values there, and the regimes on the side of the smaller value (``below``) and of
        the larger one (``above``). Right to half a cell.
        """
        codes, found = self._codes(specialist), []
        for axis in range(codes.ndim):
            before, after = np.delete(codes, -1, axis), np.delete(codes, 0, axis)
            for cell in np.argwhere(before != after):
                spot = {
                    name: float(values[i]) for name, values, i in zip(self.parameters, self.values, cell, strict=True)
                }
                left = int(cell[axis])
                spot[self.parameters[axis]] = float(self.values[axis][left : left + 2].mean())
                found.append(spot | {"below": REGIMES[before[tuple(cell)]], "above": REGIMES[after[tuple(cell)]]})
        return found

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a cell, for a CSV file: the parameters, the regimes by name, every output."""
        grid = dict(zip(self.parameters, np.meshgrid(*self.values, indexing="ij"), strict=True))
        named = {f"regime.{name}": np.array(REGIMES)[codes] for name, codes in self.regimes.items()}
        rest = {name: values for name, values in self.outputs.items() if name not in grid}
        columns = {name: values.ravel().tolist() for name, values in {**grid, **named, **rest}.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def plot(self):
        """A Matplotlib figure, a panel for each of the first six specialists; needs the ``plots`` extra."""
        from tuneaccord.reporting.bargain_maps import map_figure

        return map_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "parameters": list(self.parameters),
            "values": [values.tolist() for values in self.values],
            "regimes": {name: np.array(REGIMES)[codes].tolist() for name, codes in self.regimes.items()},
            "outputs": {name: values.tolist() for name, values in self.outputs.items()},
            "traded": self.traded.tolist(),
        }

    def __str__(self) -> str:
        spans = [
            f"{name} from {values.min():.4g} to {values.max():.4g}"
            for name, values in zip(self.parameters, self.values, strict=True)
        ]
        lines = [f"{self.traded.size} games: {', '.join(spans)}"]
        for name in self.specialists:
            counts = {regime: count for regime, count in self.counts(name).items() if count}
            lines.append(f"{name}: " + ", ".join(f"{regime} in {count}" for regime, count in counts.items()))
        return "\n".join(lines)

    def _codes(self, specialist: str) -> np.ndarray:
        if specialist not in self.regimes:
            raise InputError(f"there is no specialist {specialist!r}. {nearest(specialist, self.regimes)}")
        return self.regimes[specialist]


def regime_map(
    game: FineTuningGame,
    axes: Mapping[str, Any],
    *,
    shares: Mapping[str, float] | None = None,
    solution: Rule | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RegimeMap:
    """The outcome over every combination of one or two parameters' values.

    ``axes`` gives each parameter's values by its path (see :meth:`FineTuningGame.parameters`), or by ``share.NAME`` for
    the generalist's share of a domain. The shares are fixed by ``shares`` and those axes, or bargained by ``solution``:
    give one of the two. ``progress`` is called with (games done, games).

    Raises :class:`InputError` on an unknown path, on values outside their range, when a share is missing, and when one
    of the games has no solution.

    >>> from tuneaccord import Generalist, FineTuningGame, Linear, Power, Specialist
    >>> medical = Specialist("medical", cost=Linear(0.5), revenue=Linear(0.4), entry_cost=0.05)
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> axes = {"share.medical": [0.0, 0.5, 1.0], "medical.entry_cost": [0.0, 0.01, 0.1]}
    >>> print(regime_map(game, axes))
    9 games: share.medical from 0 to 1, medical.entry_cost from 0 to 0.1
    medical: abstains in 5, free-rides in 4
    """
    values = {path: _values(path, given) for path, given in axes.items()}
    if len(values) not in (1, 2):
        raise InputError(f"a regime map has one or two parameters, got {len(values)}. Fix the others in the game.")
    if (solution is None) == (shares is None and not any(_is_share(game, path) for path in values)):
        raise InputError("give either shares={'medical': 0.4} or solution=Nash(), not both and not neither.")
    grid = dict(zip(values, np.meshgrid(*values.values(), indexing="ij"), strict=True))
    flat = {path: numbers.ravel() for path, numbers in grid.items()}
    if solution is None:
        plays = played_rows(game, *_split(game, flat, shares or {}), progress=progress)
        traded = np.ones(len(plays.base), bool)
    else:
        plays, traded = bargained_rows(game, flat, solution, progress=progress)
    shape = tuple(len(numbers) for numbers in values.values())
    return RegimeMap(
        parameters=tuple(values),
        values=tuple(values.values()),
        regimes={name: plays.regime[:, i].reshape(shape) for i, name in enumerate(game.names)},
        outputs={name: numbers.reshape(shape) for name, numbers in outputs(game.players, plays).items()},
        traded=traded.reshape(shape),
    )


def _is_share(game: FineTuningGame, path: str) -> bool:
    return path.startswith(_SHARE) and path not in game.parameters()


def _split(game: FineTuningGame, flat: Mapping[str, np.ndarray], shares: Mapping[str, float]):
    """The parameters and the shares (games, specialists) of each game."""
    by_name: dict[str, Any] = dict(shares)
    for path, numbers in flat.items():
        if _is_share(game, path):
            name = path.removeprefix(_SHARE)
            if name in shares:
                raise InputError(f"the share of {name!r} is given twice: in shares and as {path!r}.")
            if (numbers < 0).any() or (numbers > 1).any():
                raise InputError(f"{path} must be in [0, 1], got values from {numbers.min():g} to {numbers.max():g}.")
            by_name[name] = numbers
    first = {name: float(np.ravel(value)[0]) if np.ndim(value) else value for name, value in by_name.items()}
    row = game._row(first)  # checks names and numbers
    games = len(next(iter(flat.values())))
    columns = [np.broadcast_to(by_name.get(name, row[i]), (games,)) for i, name in enumerate(game.names)]
    return {path: numbers for path, numbers in flat.items() if not _is_share(game, path)}, np.column_stack(columns)


def _values(path: str, given) -> np.ndarray:
    try:
        values = np.asarray(given, float)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise InputError(f"{path}: values must be a list of finite numbers, got {given!r:.60}.")
    return values
