"""How much better than a found one any share of a power game could be under the Nash solution: a proof by bounds.

Between two neighbouring turns both utilities are monotone. So on a cell of shares each gain is at most its value at one
end, and the product at most the product of those two. Cells whose bound beats the share found are cut again.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.one.closed_forms import PowerGame
from tuneaccord.bargaining.one.power_stretches import generalist_turns, specialist_turns

_WANTED = 1e-6  # of the logarithm of the product
_PARTS = 8
_CELLS = 4000  # at a time


def nash_slack(game: PowerGame, power: tuple[float, float], outside: np.ndarray, share: float) -> float:
    """No share has a log of the product of gains (to the powers) that is larger than at ``share`` by more than this.

    ``game`` is one game with parameters of shape (1,). About 1e-6, or more where the product is very flat; infinity if
    somebody does not gain at ``share``.
    """

    def log_gains(at):
        gains = np.stack(game.utilities(at)) - outside[:, None]
        with np.errstate(divide="ignore"):
            return np.array(power)[:, None] * np.log(np.maximum(gains, 0.0))

    found = float(log_gains(np.array([share])).sum())
    if found == -np.inf:
        return np.inf
    turns = [one for turns in (generalist_turns(game), specialist_turns(game)) for one in (turns.peaks, turns.troughs)]
    knots = np.unique(np.concatenate([[0.0, 1.0], *(one[0][~np.isnan(one[0])] for one in turns)]))
    low, high = knots[:-1], knots[1:]
    settled = found
    while len(low) and len(low) <= _CELLS:
        cuts = np.linspace(low, high, _PARTS + 1)
        low, high = cuts[:-1].ravel(), cuts[1:].ravel()
        bound = np.maximum(log_gains(low), log_gains(high)).sum(axis=0)
        live = bound > found + _WANTED
        settled = max(settled, float(bound[~live].max(initial=found)))
        worst = float(bound.max())
        low, high = low[live], high[live]
    return max(settled if not len(low) else worst, found) - found
