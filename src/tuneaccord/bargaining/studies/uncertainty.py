"""A bargain whose curves are not known for sure: draw the game, solve it, and look at the spread.

Two questions, told apart by the second argument. With a solution, every drawn game is bargained: the spread of what
the parties would agree on if they knew the game, which is how far the uncertainty reaches into the terms. With shares,
every drawn game is played at those shares: what the signed agreement turns out to bring. A bargain struck under the
uncertainty itself, over expected utilities, is not computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneaccord.bargaining.plays import REGIMES
from tuneaccord.bargaining.studies.drawing import drawn_numbers, solve_batch, solve_each
from tuneaccord.bargaining.studies.outputs import outputs
from tuneaccord.errors import InputError, nearest, whole_number

if TYPE_CHECKING:
    from tuneaccord.bargaining.game import FineTuningGame
    from tuneaccord.bargaining.rules import Rule


@dataclass(frozen=True, eq=False)
class UncertainOutcome:
    """The result of :func:`bargain_under_uncertainty`: one row a game that could be solved.

    ``samples`` holds the values of every output (see :func:`tuneaccord.bargaining.studies.outputs.outputs`),
    ``regimes`` each specialist's codes, ``traded`` whether anybody could gain, ``parameters`` what was drawn (empty
    where whole games were). ``refused`` counts the drawn games that have no solution, ``refusal`` says why the first
    has none; they are in none of the numbers, so intervals with many of them mean little.
    """

    samples: dict[str, np.ndarray]
    regimes: dict[str, np.ndarray]
    traded: np.ndarray
    parameters: dict[str, np.ndarray]
    refused: int
    refusal: str
    seed: int

    @property
    def draws(self) -> int:
        """The number of games solved."""
        return len(self.traded)

    def mean(self, output: str) -> float:
        """The mean of an output."""
        return float(self._of(output).mean())

    def standard_error(self, output: str) -> float:
        """The Monte Carlo error of :meth:`mean`: another seed would move it by about as much."""
        return float(self._of(output).std(ddof=1) / np.sqrt(self.draws)) if self.draws > 1 else float("nan")

    def quantile(self, output: str, level: float) -> float:
        """The value of an output that a fraction ``level`` of the games stays below."""
        return float(np.quantile(self._of(output), level))

    def interval(self, output: str, level: float = 0.9) -> tuple[float, float]:
        """The middle ``level`` of an output's values, with as much on either side."""
        if not 0 < level < 1:
            raise InputError(f"level must be strictly between 0 and 1, got {level!r:.60}.")
        low, high = np.quantile(self._of(output), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    @property
    def probabilities(self) -> dict[str, dict[str, float]]:
        """How often each specialist is in each regime; the Monte Carlo error of p is ``sqrt(p (1 - p) / draws)``."""
        return {
            name: {regime: float((codes == code).mean()) for code, regime in enumerate(REGIMES)}
            for name, codes in self.regimes.items()
        }

    @property
    def no_trade(self) -> float:
        """How often nobody could gain."""
        return float(1.0 - self.traded.mean())

    def table(self, level: float = 0.9) -> list[dict[str, Any]]:
        """One row an output: its mean with the error of the simulation, median, and interval."""
        rows = []
        for name in self.samples:
            low, high = self.interval(name, level)
            row = {"output": name, "mean": self.mean(name), "standard_error": self.standard_error(name)}
            rows.append(row | {"median": self.quantile(name, 0.5), "low": low, "high": high, "level": level})
        return rows

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Plain data: the summary, not the draws."""
        return {
            "draws": self.draws,
            "seed": self.seed,
            "refused": self.refused,
            "refusal": self.refusal,
            "no_trade": self.no_trade,
            "probabilities": self.probabilities,
            "outputs": self.table(level),
        }

    def __str__(self) -> str:
        width = max(map(len, self.samples))
        lines = [f"{self.draws} games; median and the middle 90%"]
        for row in self.table(0.9):
            lines.append(f"{row['output']:<{width}}  {row['median']:10.4g}  ({row['low']:.4g} to {row['high']:.4g})")
        for name, shares in self.probabilities.items():
            lines.append(f"{name}: " + ", ".join(f"{regime} {share:.1%}" for regime, share in shares.items() if share))
        if self.no_trade:
            lines.append(f"no trade in {self.no_trade:.1%}")
        if self.refused:
            lines.append(f"{self.refused} games left out, the first because: {self.refusal}")
        return "\n".join(lines)

    def _of(self, output: str) -> np.ndarray:
        if output not in self.samples:
            raise InputError(f"there is no output {output!r}. {nearest(output, self.samples)}")
        return self.samples[output]


def bargain_under_uncertainty(
    game: FineTuningGame | Sequence[FineTuningGame] | Callable[[np.random.Generator], FineTuningGame],
    at: Rule | Mapping[str, float],
    uncertain: Mapping[str, Any] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> UncertainOutcome:
    """The spread of the outcome of a game whose numbers or curves are uncertain.

    ``game`` is one game, whose numbers at the paths in ``uncertain`` are drawn; or a list of games, one a draw (fits to
    resampled data, say); or a function that draws a game from a generator. ``uncertain`` gives each path a distribution
    (:class:`LogNormal`, :class:`Normal`, :class:`Uniform`, :class:`Triangular`; each is drawn independently) or a list
    of ``draws`` numbers, which is used in its order, so that lists drawn jointly stay together. ``at`` is a solution or
    shares. ``progress`` is called with (games done, games).

    Raises :class:`InputError` on an unknown path, on lists of another length, and when no game could be solved.

    >>> from tuneaccord import FineTuningGame, Generalist, Linear, Power, Specialist
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0), entry_cost=0.1)
    >>> game = FineTuningGame(Generalist(Power(1.0, 2)), [medical])
    >>> rates = {"medical.revenue.rate": [0.5, 1.0, 1.5, 2.0]}
    >>> bargain_under_uncertainty(game, {"medical": 0.4}, rates, draws=4).probabilities["medical"]["abstains"]
    0.25
    """
    draws, seed = whole_number("draws", draws, least=1), whole_number("seed", seed, least=0)
    rng = np.random.default_rng(seed)
    drawn: dict[str, np.ndarray] = {}
    if hasattr(game, "with_parameters"):
        drawn = drawn_numbers(game, uncertain or {}, rng, draws)
        solved = solve_batch(game, drawn, at, progress)
    elif uncertain is not None:
        raise InputError("uncertain goes with one game. A list of games or a function that draws them is enough.")
    elif callable(game):
        solved = solve_each([lambda: game(rng)] * draws, at, progress)
    else:
        solved = solve_each([lambda one=one: one for one in game], at, progress)
    plays = solved.plays
    return UncertainOutcome(
        samples=outputs(solved.players, plays),
        regimes={name: plays.regime[:, i] for i, name in enumerate(solved.players[1:])},
        traded=solved.traded,
        parameters={path: numbers[solved.fine] for path, numbers in drawn.items()},
        refused=int((~solved.fine).sum()),
        refusal=solved.refusal,
        seed=seed,
    )
