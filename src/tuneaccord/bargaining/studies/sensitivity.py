"""What each number of a game does to the outcome, one at a time.

Every parameter goes down and up by the same fraction, the others stay, and the whole game is solved again: bargained
again under a solution, or played again at fixed shares. So the changes are finite ones, jumps and new regimes
included. Beside them stands the derivative at the game as it is. For two parameters together there is
:func:`tuneaccord.regime_map`, for all of them :func:`tuneaccord.bargain_under_uncertainty`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.studies.outputs import outputs_of, settled
from tuneaccord.errors import InputError, nearest

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule

_NOISE = 1e-7  # relative: changes below this are not told from the error of agreed shares


@dataclass(frozen=True, eq=False)
class Side:
    """One parameter moved to ``value``: by how much each output changes, and the new regimes.

    Where the moved game has no solution (an exponent below 1, say), both are empty and ``refused`` says why.
    """

    value: float
    changes: dict[str, float]
    regimes: dict[str, str]
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Effect:
    """What one parameter does: the game with it down and up, and the slopes of the outputs at the game as it is.

    ``low`` is None where the parameter cannot go down (an entry cost of 0). ``derivatives`` are in units of the output
    per unit of the parameter, ``elasticities`` in per cent per per cent; None at a kink or a jump, where the slopes
    to the left and to the right differ, where the parameter is 0 and, for an elasticity, where the output is.
    ``switches`` says which specialist changes its regime, and when.
    """

    parameter: str
    value: float
    low: Side | None
    high: Side
    derivatives: dict[str, float | None]
    elasticities: dict[str, float | None]
    switches: tuple[str, ...]

    def moves(self, output: str) -> tuple[float | None, float | None]:
        """The change of ``output`` with the parameter down, and up; None where there is no such game."""
        low = None if self.low is None else self.low.changes.get(output)
        return low, self.high.changes.get(output)

    def size(self, output: str) -> float:
        """The larger of the two changes of ``output``, without its sign."""
        return max((abs(move) for move in self.moves(output) if move is not None), default=0.0)


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """The result of :func:`sensitivities`: ``now`` and ``regimes`` belong to the game as it is.

    ``effects`` are sorted by the size of their effect on the output ``by``, the largest first. ``left_out`` names the
    parameters that are 0 and have no amount to be moved by.
    """

    now: dict[str, float]
    regimes: dict[str, str]
    change: float
    by: str
    effects: tuple[Effect, ...]
    left_out: tuple[str, ...]

    def ranked(self, output: str) -> list[Effect]:
        """The effects sorted by their size on another ``output``."""
        if output not in self.now:
            raise InputError(f"there is no output {output!r}. {nearest(output, self.now)}")
        return sorted(self.effects, key=lambda effect: -_rounded(effect.size(output), self.now[output]))

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row a parameter and output, in the order of the effects."""
        rows = []
        for effect in self.effects:
            for output, now in self.now.items():
                down, up = effect.moves(output)
                rows.append(
                    {
                        "parameter": effect.parameter,
                        "value": effect.value,
                        "output": output,
                        "now": now,
                        "change_down": down,
                        "change_up": up,
                        "derivative": effect.derivatives[output],
                        "elasticity": effect.elasticities[output],
                    }
                )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        width = max((len(effect.parameter) for effect in self.effects), default=0)
        lines = [
            f"{self.by} is {self.now[self.by]:.4g}; with one parameter down or up by {self.change:.0%} it moves by"
        ]
        for effect in self.effects:
            down, up = (_shown(move, self.now[self.by]) for move in effect.moves(self.by))
            switches = f"  {'; '.join(effect.switches)}" if effect.switches else ""
            lines.append(f"{effect.parameter:<{width}}  {down:>10}  {up:>10}{switches}")
        return "\n".join(lines)


def sensitivities(
    game: FineTuningGame,
    at: Rule | Mapping[str, float],
    outputs: Iterable[str] | None = None,
    *,
    change: float = 0.1,
    step: float | None = 1e-3,
    by: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sensitivities:
    """How every output answers to every number of ``game``, one at a time.

    ``at`` is a solution, which is bargained again each time, or shares, which stay. ``outputs`` names those wanted (all
    of :func:`~tuneaccord.bargaining.studies.outputs.outputs` by default), ``change`` is the fraction that a parameter
    goes down and up by. An entry cost or outside option of 0 moves by that fraction of the party's utility instead;
    other parameters that are 0 are left out. ``step`` is the relative step of the derivatives, None for none of them:
    they take as much work again. The effects are sorted by the output ``by``: the first share when bargaining, the
    generalist's utility at fixed shares. ``progress`` is called with (parameters done, parameters).

    A derivative is a central difference, right to about ``step ** 2`` plus the error of the shares over ``step``.

    >>> from tuneaccord import FineTuningGame, Generalist, Linear, Power, Specialist
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> print(sensitivities(game, {"medical": 0.4}, ["base"], by="base"))
    base is 0.2; with one parameter down or up by 10% it moves by
    generalist.cost.exponent    -0.04742    +0.04156
    generalist.cost.scale       +0.02222    -0.01818
    medical.revenue.rate           -0.02       +0.02
    generalist.outside                +0          +0
    medical.cost.scale                +0          +0
    medical.cost.exponent             +0          +0
    medical.entry_cost              none          +0
    medical.outside                   +0          +0
    """
    _check_fraction("change", change)
    if step is not None:
        _check_fraction("step", step)
    play = settled(game, at)
    now = _wanted(outputs_of(play), outputs)
    by = by or _first(now, at)
    if by not in now:
        raise InputError(f"there is no output {by!r} to sort by. {nearest(by, now)}")
    effects, left_out = [], []
    numbers = game.parameters()
    for i, (path, value) in enumerate(numbers.items()):
        unit = _unit(path, value, play)
        if unit:
            effects.append(_Move(game, at, play, now, path, value, unit).effect(change, step))
        else:
            left_out.append(path)
        if progress:
            progress(i + 1, len(numbers))
    effects.sort(key=lambda effect: -_rounded(effect.size(by), now[by]))
    return Sensitivities(now, dict(play.regimes), change, by, tuple(effects), tuple(left_out))


@dataclass(frozen=True, eq=False)
class _Move:
    """One parameter, to be moved by fractions of ``unit``."""

    game: FineTuningGame
    at: Rule | Mapping[str, float]
    play: Play
    now: dict[str, float]
    path: str
    value: float
    unit: float

    def effect(self, change: float, step: float | None) -> Effect:
        low, high = self.side(-change), self.side(change)
        slopes = dict.fromkeys(self.now) if step is None else self.slopes(step)
        return Effect(
            self.path,
            self.value,
            low,
            high,
            slopes,
            {name: _elasticity(slope, self.value, self.now[name]) for name, slope in slopes.items()},
            (*self.switches("down", low), *self.switches("up", high)),
        )

    def side(self, fraction: float) -> Side | None:
        value = self.value + fraction * self.unit
        if value < 0 and self.path.endswith(".entry_cost"):
            return None
        try:
            moved = settled(self.game.with_parameters({self.path: value}), self.at)
        except InputError as error:
            return Side(value, {}, {}, str(error))
        then = outputs_of(moved)
        return Side(value, {name: then[name] - now for name, now in self.now.items()}, dict(moved.regimes))

    def slopes(self, step: float) -> dict[str, float | None]:
        low, high = self.side(-step), self.side(step)
        if low is None or low.refused or high.refused:
            return dict.fromkeys(self.now)
        smooth = low.regimes == high.regimes == self.play.regimes
        return {name: self._slope(name, low, high, step) if smooth else None for name in self.now}

    def _slope(self, name: str, low: Side, high: Side, step: float) -> float | None:
        down, up = low.changes[name], high.changes[name]
        # on a smooth curve the two one-sided slopes differ by a term of order step, at a kink or a jump by more
        if abs(up + down) > 0.1 * max(abs(up), abs(down)) + _NOISE * abs(self.now[name]):
            return None
        return (up - down) / (2 * step * self.unit)

    def switches(self, direction: str, side: Side | None) -> list[str]:
        if side is None or side.refused:
            return []
        return [
            f"{name} {regime}, no longer {self.play.regimes[name]}, when it goes {direction}"
            for name, regime in side.regimes.items()
            if regime != self.play.regimes[name]
        ]


def _unit(path: str, value: float, play: Play) -> float:
    """What a fraction is of: the parameter itself, or the party's utility for an amount of money that is 0."""
    party, _, field = path.rpartition(".")
    if value == 0.0 and field in ("entry_cost", "outside") and party in play.utilities:
        return abs(play.utilities[party])
    return abs(value)


def _wanted(every: dict[str, float], names: Iterable[str] | None) -> dict[str, float]:
    names = list(every if names is None else names)
    for name in names:
        if name not in every:
            raise InputError(f"there is no output {name!r}. {nearest(name, every)}")
    return {name: every[name] for name in names}


def _first(now: dict[str, float], at: Rule | Mapping[str, float]) -> str:
    preferred = "utility.generalist" if isinstance(at, Mapping) else "share."
    return next((name for name in now if name.startswith(preferred)), next(iter(now)))


def _elasticity(slope: float | None, value: float, now: float) -> float | None:
    return None if slope is None or now == 0.0 or value == 0.0 else slope * value / now


def _shown(move: float | None, now: float) -> str:
    if move is None:
        return "none"
    return f"{move if abs(move) > _NOISE * abs(now) else 0.0:+.4g}"


def _rounded(size: float, now: float) -> float:
    """To six digits, so that effects that are equal but for rounding keep the order of the game."""
    return float(f"{size:.5e}") if size > _NOISE * abs(now) else 0.0


def _check_fraction(name: str, given: float) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 1:
        raise InputError(f"{name} must be a number strictly between 0 and 1, got {given!r:.60}.")
