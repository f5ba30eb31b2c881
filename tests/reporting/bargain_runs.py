"""Settled bargains as plain data, for the tests of their documents."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

from tuneaccord.bargaining import FineTuningGame, Generalist, Linear, Nash, Power, Specialist
from tuneaccord.cli.bargain_data import collect
from tuneaccord.config.game import GameFile, every_rule, read_game
from tuneaccord.config.market import Money
from tuneaccord.progress import Silent

EXAMPLES = Path(__file__).parents[2] / "examples" / "bargaining"
HOSTILE = [
    "=1+1", "<script>alert(1)</script>", "]]> --> </style></svg>", "{{ 7*7 }} {% raw %}", "a|b `c`\n# d", "+@-\x1b[31m",
]  # fmt: skip


def game_file(game: FineTuningGame, **changes) -> GameFile:
    """A game as if read from a file that says nothing else."""
    plain = GameFile("A game", game, Nash(), every_rule(game), None, Money(), "points", {}, None, None)
    return replace(plain, **changes)


def settled(file: GameFile) -> dict:
    return collect(file, Silent(), everything=True)


@functools.cache
def one() -> dict:
    """The two-player example, with its map and uncertainty made coarse."""
    file = read_game(EXAMPLES / "game.yaml")
    axes = {name: getattr(file.map, name).model_copy(update={"steps": 7}) for name in ("x", "y")}
    uncertainty = file.uncertainty.model_copy(update={"draws": 20})
    return settled(replace(file, map=file.map.model_copy(update=axes), uncertainty=uncertainty))


@functools.cache
def given() -> dict:
    """Two specialists at given shares; no bargain anywhere."""
    game = quadratic([(2.0, 1.0), (0.5, 1.5)])
    return settled(game_file(game, shares={"d0": 0.4, "d1": 0.55}, solutions=()))


def quadratic(parts: list[tuple[float, float]], names: list[str] | None = None) -> FineTuningGame:
    """Quadratic costs and linear revenues: (cost scale, rate) of each specialist."""
    names = names or [f"d{i}" for i in range(len(parts))]
    specialists = [
        Specialist(name, Power(scale, 2), Linear(rate)) for name, (scale, rate) in zip(names, parts, strict=True)
    ]
    return FineTuningGame(Generalist(Power(1.0, 2)), specialists)
