"""Why each party plays as it does, in a sentence or two with the numbers: which marginal condition or participation
constraint decided.

The sentences are told from the solved play, by asking the curves at it and solving what would have been otherwise (the
same improvement without its set-up amount, taking part without the entry cost). They are made when they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.bargaining.engine.replies import replies
from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.plays import ABSTAINS, Plays
from tuneaccord.bargaining.words.causes import NO_AGREEMENT, Explanation
from tuneaccord.bargaining.words.generalist_reasons import explain_generalist
from tuneaccord.bargaining.words.specialist_reasons import explain_specialist

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame


class Explanations:
    """The explanations of one play, by player, each made once."""

    def __init__(self, game: FineTuningGame, plays: Plays) -> None:
        self.game, self.plays, self._made = game, plays, {}

    def of(self, player: str) -> Explanation:
        """The explanation of one player."""
        if player not in self._made:
            self._made[player] = self._explain(player)
        return self._made[player]

    def _explain(self, player: str) -> Explanation:
        if not self._agreed:
            return NO_AGREEMENT
        if player == GENERALIST:
            return explain_generalist(self.game, self.plays)
        i = self.game.names.index(player)
        row = self.plays
        return explain_specialist(
            self.game.specialists[i], row.shares[0, i], row.base[0], row.improvement[0, i], row.regime[0, i]
        )

    @cached_property
    def _agreed(self) -> bool:
        """Whether this is a play at its shares, and not the outside options that an agreement failed to beat."""
        row = self.plays
        if row.base[0] > 0 or (row.regime != ABSTAINS).any():
            return True
        if row.utilities[0, 0] != -float(self.game.generalist.cost.value(0.0)):
            return False
        shares = np.nan_to_num(row.shares[0], nan=1.0)
        return all(
            replies(one, share, 0.0).regime == ABSTAINS
            for one, share in zip(self.game.specialists, shares, strict=True)
        )


class Told(Mapping[str, str]):
    """One part of the explanations as a read-only dictionary that is filled as it is read."""

    def __init__(self, explanations: Explanations, part: str) -> None:
        self._explanations, self._part = explanations, part

    def __getitem__(self, player: str) -> str:
        if player not in self._explanations.game.players:
            raise KeyError(player)
        return getattr(self._explanations.of(player), self._part)

    def __iter__(self) -> Iterator[str]:
        return iter(self._explanations.game.players)

    def __len__(self) -> int:
        return len(self._explanations.game.players)

    def __repr__(self) -> str:
        return repr(dict(self))


def told(game: FineTuningGame, plays: Plays) -> tuple[Told, Told]:
    """The sentences and the causes of one play, by player, the generalist first."""
    explanations = Explanations(game, plays)
    return Told(explanations, "sentence"), Told(explanations, "cause")
