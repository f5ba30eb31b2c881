"""The numbers that a play ends in, by name: what sensitivities, maps and intervals are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.plays import Plays

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule


def outputs(players: Sequence[str], plays: Plays) -> dict[str, np.ndarray]:
    """Each output's values, (games,): ``share.NAME`` (the generalist's share of that domain), ``base``,
    ``performance.NAME``, ``utility.NAME`` for every player, and ``total utility``.

    >>> from tuneaccord import FineTuningGame, Generalist, Linear, Power, Specialist
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> for name, values in outputs(game.players, game.play_many([[0.4]])).items():
    ...     print(name, values.round(6))
    share.medical [0.4]
    base [0.2]
    performance.medical [0.35]
    utility.generalist [0.1]
    utility.medical [0.165]
    total utility [0.265]
    """
    names = players[1:]
    shares = {f"share.{name}": plays.shares[:, i] for i, name in enumerate(names)}
    performance = {f"performance.{name}": plays.performance[:, i] for i, name in enumerate(names)}
    utilities = {f"utility.{name}": plays.utilities[:, i] for i, name in enumerate(players)}
    return shares | {"base": plays.base} | performance | utilities | {"total utility": plays.utilities.sum(axis=1)}


def outputs_of(play: Play) -> dict[str, float]:
    """The same of one play by name."""
    return {
        **{f"share.{name}": share for name, share in play.shares.items()},
        "base": play.base_performance,
        **{f"performance.{name}": reached for name, reached in play.performance.items()},
        **{f"utility.{name}": utility for name, utility in play.utilities.items()},
        "total utility": sum(play.utilities.values()),
    }


def settled(game: FineTuningGame, at: Rule | Mapping[str, float]) -> Play:
    """What is played at the shares ``at``, or at those that the solution ``at`` picks."""
    return game.play(at) if isinstance(at, Mapping) else game.bargain(at).play
