"""Which training rules have payments that make truth dominant: the cycle test on random games.

For a rule and random types of one group, a cycle of negative length means that no payment whatever makes truth
dominant. The distance is the least amount by which the best payments still leave some lie paying, beside what the
outcome of the truth is worth on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.mechanism.implementability import implementability, type_grid
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import MaxMin, NashWelfare, SizeShare, TrainingRule, Welfare
from tuneaccord.progress import Progress
from tuneaccord.reproduce.games import SCALES, draw_games
from tuneaccord.reproduce.result import Column, Reproduction, Table
from tuneaccord.rewards import TableReward
from tuneaccord.spaces.simplex import Simplex

TYPES, GROUPS, RESPONSES, LARGEST = 40, 3, 6, 10
FEW = 20  #: games in which no negative cycle may turn up by chance
REWARDS, BOTH = "rewards", "rewards and sizes"


@dataclass(frozen=True)
class Case:
    """A rule, the strengths at which its policies move (by normalisation), and where it can be implemented."""

    name: str
    rule: TrainingRule
    strengths: dict[str, float]
    implementable: tuple[str, ...] = ()


CASES = (
    Case("SW-Max", Welfare(), {"sum": 0.2, "max": 2.0}, (REWARDS, BOTH)),
    Case("w_i / sum w", SizeShare(), {"sum": 0.006, "max": 0.06}, (REWARDS,)),
    Case("Nash welfare", NashWelfare(), {"sum": 0.5, "max": 0.5}),
    Case("MaxMin", MaxMin(), {"sum": 0.02, "max": 0.2}),
)


def reproduce(samples: int, seed: int, progress: Progress) -> Reproduction:
    """Shares of games with a negative cycle, and how far each rule is from implementable."""
    rows, wrong, unseen = [], [], []
    with progress.task("cycle tests", len(CASES) * 2 * len(SCALES)) as advance:
        for private in (REWARDS, BOTH):
            for case in CASES:
                measured = []
                for scale in SCALES:
                    measured.append(_measured(case, private, scale, samples, seed))
                    advance()
                expected = private in case.implementable
                rows.append((private, case.name, expected, *(number for pair in measured for number in pair)))
                found = any(share > 0 for share, _ in measured)
                wrong += [case.name] if expected and found else []
                unseen += [f"{case.name} (private {private})"] if not expected and not found else []
    holds = not wrong and (not unseen or samples < FEW)
    return Reproduction(
        name="implementability",
        title="Section 4: which training rules have payments that make truth dominant",
        claim="Welfare-maximising rules with a fixed strength (SW-Max) always have such payments. Nash welfare, MaxMin "
        "and size weights that are divided by the reported total with private sizes do not: some games have a "
        "negative cycle, which no payment can mend.",
        setting=(
            ("groups", str(GROUPS)),
            ("responses", str(RESPONSES)),
            ("rewards", "uniform on [0, 1], divided by their sum or maximum"),
            ("sizes", f"uniform on 1..{LARGEST}"),
            ("types", f"{TYPES} of one group, rewards drawn alike, sizes its own or log-uniform on 1..{LARGEST}"),
            ("divergence", "KL, strength by rule (sum, max) " + _strengths()),
            ("games", f"{samples:,} for each row and normalisation"),
        ),
        tables=(
            Table(
                "rules",
                "Whether payments exist (theory), games with a negative cycle, and the distance",
                _COLUMNS,
                tuple(rows),
                2,
            ),
        ),
        verdict=_verdict(rows, wrong, unseen),
        holds=holds,
        notes=(
            "The distance is relative to the mean valuation of the truth's outcome, on average over games. The "
            "strength differs between rules, whose objectives have different units: compare rows only by "
            "whether they are zero.",
            "Finitely many types can only refute. That SW-Max passes is a proof in the paper; here it is a check.",
            "The paper has no such table: the numbers are ours. Dividing the size weights by their sum looks "
            "harmless and is not, once sizes are private.",
        ),
        samples=samples,
        seed=seed,
    )


_COLUMNS = (
    Column("private"),
    Column("rule"),
    Column("payments?"),
    Column("cycle (sum)", ".0%"),
    Column("distance (sum)", ".2g"),
    Column("cycle (max)", ".0%"),
    Column("distance (max)", ".2g"),
)


def _measured(case: Case, private: str, scale: str, samples: int, seed: int) -> tuple[float, float]:
    """The share of games that are refuted, and the mean distance relative to the mean valuation."""
    games = draw_games(np.random.default_rng(seed), samples, scale, responses=RESPONSES, groups=GROUPS, largest=LARGEST)
    refuted, distances = [], []
    for game in range(samples):
        space = Simplex(games.base[game], KL(case.strengths[scale]))
        sizes = games.sizes[game].tolist()
        reports = [Report(f"g{i}", size, TableReward(games.rewards[game, :, i])) for i, size in enumerate(sizes)]
        bounds = (1.0, float(LARGEST)) if private == BOTH else (sizes[0], sizes[0])
        types = type_grid(space, TYPES, seed=seed + game, scale=scale, sizes=bounds)
        found = implementability(space, reports, case.rule, "g0", types)
        refuted.append(not found.implementable)
        distances.append(0.0 if found.implementable else found.distance / found.valuations.diagonal().mean())
    return float(np.mean(refuted)), float(np.mean(distances))


def _strengths() -> str:
    return "; ".join(f"{case.name} {case.strengths['sum']:g}, {case.strengths['max']:g}" for case in CASES)


def _verdict(rows, wrong: list[str], unseen: list[str]) -> str:
    if wrong:
        return f"A negative cycle was found where there can be none: {'; '.join(wrong)}."
    worst = max(max(row[4], row[6]) for row in rows)
    found = f"none turned up for {'; '.join(unseen)} either" if unseen else "some for every other rule"
    return (
        f"No negative cycle in any game of a rule that has payments; {found}; the largest mean distance is "
        f"{worst:.1%} of the mean valuation."
    )
