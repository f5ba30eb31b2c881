"""Why a share was picked, in a sentence or two with the numbers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.rules import MaxPerformance, PowerfulGeneralist, PowerfulSpecialist
from tuneaccord.bargaining.solutions import Egalitarian, KalaiSmorodinsky, Nash, Utilitarian

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame

NEAR = 1e-6  #: how far on either side of the share its neighbours are
_POINT = 0.01  # a point of share
_EQUAL = 1e-6  # relative


def reason(game: FineTuningGame, rule, plays: Plays, ideal: np.ndarray) -> str:
    """Which condition picked the share; ``plays`` are those at the share, just below it and just above it."""
    what = _what(rule, game.names[0])
    if what is None:
        return f"The share is the best one by the score of {type(rule).__name__}."
    return " ".join([f"The share is {_number(plays.shares[0, 0])}: {what}.", *_why(game, rule, plays, ideal)])


def _what(rule, name: str) -> str | None:
    kinds = {
        Nash: "there the product of the gains is largest",
        KalaiSmorodinsky: "there the smaller of the two gains, each over the most that party could gain, is largest",
        Egalitarian: "there the smaller of the two gains is largest",
        Utilitarian: "there the sum of the utilities is largest",
        PowerfulGeneralist: "there the generalist gains most",
        PowerfulSpecialist: f"there {name} gains most",
        MaxPerformance: "there the performance is largest",
    }
    what = kinds.get(type(rule))
    weighted = isinstance(rule, Nash) and rule.power is not None and len(set(rule.power)) > 1
    return what if not weighted else "there the product of the gains, to the bargaining powers, is largest"


def _why(game: FineTuningGame, rule, plays: Plays, ideal: np.ndarray) -> list[str]:
    share, gains = plays.shares[:, 0], plays.utilities - game.outside
    name = game.names[0]
    said = []
    left_out = [player for player, most in zip(game.players, ideal, strict=True) if most <= 0]
    if left_out and isinstance(rule, (Nash, KalaiSmorodinsky, Egalitarian)):
        said.append(f"No acceptable share lets {left_out[0]} gain, so it has no say.")
    if share[0] in (0.0, 1.0):
        everything = "the generalist gets all of the revenue" if share[0] == 1.0 else f"{name} keeps all of the revenue"
        return [*said, f"That is an end of the range, where {everything}."]
    steps = [_change(plays, gains, side) for side in (1, 2)]
    size = max(np.abs(plays.utilities[0]).max(), np.abs(game.outside).max(), ideal.max())
    jumps = [side for side in (1, 2) if np.abs(gains[side] - gains[0]).max() > 1e3 * NEAR * size]
    binding = _binding(game, plays, gains, size)
    if jumps:
        said.append(
            f"Just {'below' if jumps[0] == 1 else 'above'} it what is played jumps: {_jump(game, plays, jumps[0])}."
        )
    elif binding:
        said.append(binding)
    elif np.abs(steps[0] - steps[1]).max() > 1e-3 * np.abs(steps).max():
        said.append("What is played has a kink there.")
    if isinstance(rule, (KalaiSmorodinsky, Egalitarian)) and not left_out:
        said.append(_balance(game, rule, gains[0], ideal))
    elif not jumps:
        said.append(_margin(game, rule, steps[1], gains[0]))
    return [one for one in said if one]


def _change(plays: Plays, gains: np.ndarray, side: int) -> np.ndarray:
    """What one point of share more changes in the two utilities, by the neighbour on one side."""
    return (gains[side] - gains[0]) / (plays.shares[side, 0] - plays.shares[0, 0]) * _POINT


def _binding(game, plays, gains, size) -> str:
    names = game.players
    for i in (0, 1):
        if abs(gains[0, i]) <= 1e-9 * size and plays.regime[0, 0] > 0:
            return f"{names[i].capitalize() if i == 0 else names[i]} gets just what it would have without an agreement."
    return ""


def _jump(game, plays: Plays, side: int) -> str:
    from tuneaccord.bargaining.plays import REGIMES

    before, after = int(plays.regime[0, 0]), int(plays.regime[side, 0])
    if before != after:
        return f"{game.names[0]} {REGIMES[before]} here and {REGIMES[after]} there"
    return f"the generalist builds {_number(plays.base[0])} here and {_number(plays.base[side])} there"


def _balance(game, rule, gains: np.ndarray, ideal: np.ndarray) -> str:
    ratios = gains / ideal if isinstance(rule, KalaiSmorodinsky) else gains
    scaled = isinstance(rule, KalaiSmorodinsky)
    if abs(ratios[0] - ratios[1]) <= _EQUAL * np.abs(ratios).max():
        each = _number(ratios[0]) + (" of the most they could" if scaled else "")
        return f"Both gain {each}, and at any other share one of them would gain less."
    first, second = (_number(one) + (" of the most it could" if scaled else "") for one in ratios)
    low = int(np.argmin(ratios))
    return (
        f"{_name(game, low)} gains {(first, second)[low]}, the less of the two, and no share gives it more "
        f"({_name(game, 1 - low, start=False)} gains {(first, second)[1 - low]})."
    )


def _margin(game, rule, step: np.ndarray, gains: np.ndarray) -> str:
    """What one point of share more would change."""
    if isinstance(rule, Nash) and (gains > 0).all():
        parts = [f"{_number(abs(one))}%" for one in 100 * step / gains]
        moves = ["more" if one > 0 else "less" for one in step]
        return (
            f"One point of share more would change the gains by {parts[0]} ({moves[0]}) for the generalist and "
            f"{parts[1]} ({moves[1]}) for {game.names[0]}."
        )
    if isinstance(rule, Utilitarian):
        up, down = (0, 1) if step[0] > 0 else (1, 0)
        return (
            f"One point of share more would bring {_name(game, up, start=False)} {_number(abs(step[up]))} "
            f"and cost {_name(game, down, start=False)} {_number(abs(step[down]))}."
        )
    return ""


def _name(game, i: int, start: bool = True) -> str:
    return game.names[0] if i else ("The generalist" if start else "the generalist")


def _number(value: float) -> str:
    return f"{float(value):.4g}"
