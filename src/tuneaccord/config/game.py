"""A fine-tuning game in a YAML file: the parties with their curves, how they bargain, and what else to compute.

The curves are written by kind, ``{kind: Power, scale: 1.0, exponent: 2}``, or ``Tabulated`` with the path of a CSV file
in place of its points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from tuneaccord.bargaining import (
    Egalitarian,
    FineTuningGame,
    Generalist,
    KalaiSmorodinsky,
    MaxPerformance,
    Nash,
    NashInNash,
    PowerfulGeneralist,
    PowerfulSpecialist,
    Specialist,
    Utilitarian,
)
from tuneaccord.bargaining.rules import Rule, check_players
from tuneaccord.config.game_fields import CURVE_EXAMPLE, CurveField, RuleField, SpreadField
from tuneaccord.config.loading import Section, load_yaml
from tuneaccord.config.market import Money
from tuneaccord.errors import InputError, nearest

FEW = 3  #: up to so many specialists, each one's own dictate is among the solutions that are compared


class GeneralistSection(Section):
    """Who builds the model that the others adapt."""

    cost: CurveField = Field(examples=[CURVE_EXAMPLE])
    outside: float = 0.0


class SpecialistSection(Section):
    """One specialist: its domain's name, its cost and revenue, and what it has without an agreement."""

    name: str = Field(min_length=1, examples=["medical"])
    cost: CurveField = Field(examples=[CURVE_EXAMPLE])
    revenue: CurveField = Field(examples=["{kind: Linear, rate: 1.0}"])
    entry_cost: float = Field(0.0, ge=0)
    outside: float = 0.0


class AxisSection(Section):
    """One side of the regime map: a parameter by its path, and between what it varies."""

    parameter: str = Field(min_length=1, examples=["medical.cost.scale"])
    low: float = Field(examples=[0.5])
    high: float = Field(examples=[2.0])
    steps: int = Field(41, ge=2, le=400)

    @field_validator("high")
    @classmethod
    def _ordered(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get("low")
        if low is not None and not low < high:
            raise InputError(f"low must be less than high, got {low:g} and {high:g}.")
        return high


class MapSection(Section):
    """Two parameters over which it is drawn who contributes, free-rides or abstains."""

    x: AxisSection = Field(examples=["{parameter: medical.cost.scale, low: 0.5, high: 2}"])
    y: AxisSection = Field(examples=["{parameter: medical.entry_cost, low: 0, high: 1}"])


class UncertaintySection(Section):
    """How uncertain parameters are: a relative standard deviation, a range ``[low, high]``, or a distribution."""

    parameters: dict[str, SpreadField] = Field(
        min_length=1, examples=["{medical.cost.scale: 0.2, medical.revenue.rate: [0.8, 1.3]}"]
    )
    draws: int = Field(200, ge=10, le=100_000)
    seed: int = Field(0, ge=0)


class GameSection(Section):
    """The keys of a game file."""

    title: str = Field("Fine-tuning agreement", min_length=1)
    generalist: GeneralistSection = Field(examples=[f"{{cost: {CURVE_EXAMPLE}}}"])
    specialists: list[SpecialistSection] = Field(
        min_length=1, examples=[f"[{{name: medical, cost: {CURVE_EXAMPLE}, revenue: {{kind: Linear, rate: 1.0}}}}]"]
    )
    solution: RuleField = Nash()
    solutions: list[RuleField] | None = Field(None, min_length=1, examples=["[Nash, KalaiSmorodinsky]"])
    shares: dict[str, float] | None = Field(None, examples=["{medical: 0.4}"])
    money: Money = Money()
    units: str = Field("performance", min_length=1, examples=["points of held-out accuracy"])
    measured: dict[str, tuple[float, float]] = Field({}, examples=["{medical.revenue: [0.1, 0.9]}"])
    uncertainty: UncertaintySection | None = None
    map: MapSection | None = None


@dataclass(frozen=True, eq=False)
class GameFile:
    """A game, the solution it is settled by, those it is compared with, and what else was asked for.

    ``measured`` has the range of the data behind a curve, in its own variable, by ``generalist.cost``,
    ``medical.revenue`` and the like; ``shares`` are given when the file asks for a play at those shares and no bargain.
    """

    title: str
    game: FineTuningGame
    solution: Rule
    solutions: tuple[Rule, ...]
    shares: dict[str, float] | None
    money: Money
    units: str
    measured: dict[str, tuple[float, float]]
    uncertainty: UncertaintySection | None
    map: MapSection | None


def read_game(path: Path | str) -> GameFile:
    """The game in the YAML file ``path``.

    Raises :class:`InputError` in one line that says where the mistake is and what to write instead.
    """
    path = Path(path)
    section = load_yaml(path, GameSection)
    try:
        game = FineTuningGame(
            Generalist(section.generalist.cost, section.generalist.outside),
            [Specialist(**{name: getattr(one, name) for name in SpecialistSection.model_fields})
             for one in section.specialists],
        )  # fmt: skip
        if section.shares is not None:
            check_shares(section.shares, game)
        solutions = tuple(section.solutions) if section.solutions is not None else every_rule(game)
        for rule in (section.solution, *solutions):
            check_players(rule, game.players)
        _check_paths(section, game)
        _check_ranges(section.measured, game)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if section.solution not in solutions:
        solutions = (section.solution, *solutions)
    kept = {name: getattr(section, name) for name in ("title", "solution", "shares", "money", "units", "measured")}
    return GameFile(game=game, solutions=solutions, uncertainty=section.uncertainty, map=section.map, **kept)


def every_rule(game: FineTuningGame) -> tuple[Rule, ...]:
    """The eight ways to settle the shares; each specialist's own dictate where there are few."""
    few = game.names if len(game.names) <= FEW else game.names[:1]
    own = [PowerfulSpecialist(None if len(game.names) == 1 else name) for name in few]
    fair = [Nash(), KalaiSmorodinsky(), Egalitarian(), Utilitarian()]
    return (*fair, *([NashInNash()] if len(game.names) > 1 else []), PowerfulGeneralist(), *own, MaxPerformance())


def check_shares(shares: Mapping[str, float], game: FineTuningGame) -> None:
    """:class:`InputError` unless ``shares`` has one share in [0, 1] for each specialist."""
    for name, share in shares.items():
        if name not in game.names:
            raise InputError(f"shares: there is no specialist {name!r}. {nearest(name, game.names)}")
        if not 0 <= share <= 1:
            raise InputError(f"shares: the generalist's share of {name!r} must be in [0, 1], got {share!r:.60}.")
    for name in game.names:
        if name not in shares:
            raise InputError(f"shares: there is no share for {name!r}. Give each specialist one, or leave shares out.")


def _check_paths(section: GameSection, game: FineTuningGame) -> None:
    wanted = [("uncertainty", path) for path in (section.uncertainty.parameters if section.uncertainty else ())]
    if section.map is not None:
        wanted += [("map", axis.parameter) for axis in (section.map.x, section.map.y)]
        if section.map.x.parameter == section.map.y.parameter:
            raise InputError(f"map: x and y are both {section.map.x.parameter!r}. Give two parameters.")
    if wanted:
        valid = list(game.parameters())
        shares = [f"share.{name}" for name in game.names]
        for key, path in wanted:
            if path not in valid and not (key == "map" and path in shares):
                raise InputError(f"{key}: there is no parameter {path!r}. {nearest(path, [*valid, *shares])}")
    for axis in (section.map.x, section.map.y) if section.map else ():
        _check_axis(axis, game)


def _check_axis(axis: AxisSection, game: FineTuningGame) -> None:
    """:class:`InputError` unless the parameter may have both values at the ends."""
    for value in (axis.low, axis.high):
        if axis.parameter in game.parameters():
            try:
                game.with_parameters({axis.parameter: value})
            except InputError as error:
                raise InputError(f"map: {axis.parameter} from {axis.low:g} to {axis.high:g}: {error}") from None
        elif not 0 <= value <= 1:
            raise InputError(f"map: {axis.parameter} must be in [0, 1], got {axis.low:g} to {axis.high:g}.")


def _check_ranges(measured: Mapping[str, tuple[float, float]], game: FineTuningGame) -> None:
    valid = ["generalist.cost", *(f"{name}.{curve}" for name in game.names for curve in ("cost", "revenue"))]
    for curve, (low, high) in measured.items():
        if curve not in valid:
            raise InputError(f"measured: there is no curve {curve!r}. {nearest(curve, valid)}")
        if not 0 <= low < high:
            raise InputError(
                f"measured: the range of {curve} must be [low, high] with 0 <= low < high, got [{low:g}, {high:g}]."
            )
