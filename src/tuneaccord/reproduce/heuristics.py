"""The heuristics of the paper's section 5: payments and sets of models from checkpoints, and what they still promise.

Each row is measured on random games by searching for a profitable lie, and set beside what follows from theory.
The paper's own experiment is the second row: its soups are built from models that were trained on the reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.mechanism.payments import EarlyStopped, Externality, Intermediate, PaymentRule
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.settlement import settle
from tuneaccord.progress import Progress
from tuneaccord.reproduce.games import SCALES, Games, draw_games
from tuneaccord.reproduce.result import Column, Reproduction, Table
from tuneaccord.reproduce.search import ROUNDING, best_lie, charged, money
from tuneaccord.reproduce.theorem_4_2 import STRENGTHS
from tuneaccord.spaces.candidates import Candidates

RESPONSES, PUBLIC, PARTS = 6, 12, 4
FEW = 20  #: games in which a lie or a negative payment may go unfound by chance


@dataclass(frozen=True)
class Row:
    """One row of the table: what it is, and what theory says of it."""

    name: str
    truthful: bool
    never_negative: bool
    payment: PaymentRule | None = None  #: on the simplex; None on a set of models
    soups: bool = False


ROWS = (
    Row("exact", True, True, Externality()),
    Row("exact, public set", True, True),
    Row("exact, soups", False, True, soups=True),
    Row("Heuristic 1", False, True, Intermediate()),
    Row("Heuristic 2", True, False, EarlyStopped()),
    Row("Heuristic 2, at least 0", False, True, EarlyStopped(clip=True)),
)


def reproduce(samples: int, seed: int, progress: Progress) -> Reproduction:
    """Lies, negative payments and the relation to the exact payment, row by row."""
    tables, wrong, unseen = [], [], []
    with progress.task("heuristics", len(SCALES) * len(ROWS)) as advance:
        for scale in SCALES:
            games, rows = draw_games(np.random.default_rng(seed), samples, scale, responses=RESPONSES), []
            for row in ROWS:
                measured = _measured(row, games, KL(STRENGTHS[scale]), seed)
                rows.append((row.name, row.truthful, *measured[:2], row.never_negative, *measured[2:]))
                wrong += [f"{row.name} ({scale})"] if _contradicts(row, measured) else []
                unseen += [f"{row.name} ({scale})"] if _unseen(row, measured) else []
                advance()
            title = f"Theory (yes, no) beside what was measured (rewards divided by their {scale})"
            tables.append(Table(scale, title, _COLUMNS, tuple(rows), 1))
    holds = not wrong and (not unseen or samples < FEW)
    return Reproduction(
        name="heuristics",
        title="Section 5: payments from checkpoints, and what they still promise",
        claim="Truth stays dominant only where nothing that a group is charged against moves with its own report; a "
        "payment that is never negative and smaller than the exact one cannot be truthful.",
        setting=(
            ("groups", "3"),
            ("responses", str(RESPONSES)),
            ("rewards", "uniform on [0, 1], divided by their sum or maximum"),
            ("sizes", "uniform on 1..10; reports from a quarter of the size to four times it"),
            ("divergence", "KL, strength " + ", ".join(f"{STRENGTHS[scale]:g} ({scale})" for scale in SCALES)),
            ("exact", "the affine payment on the simplex of all policies"),
            ("public set", f"the affine payment on the base and {PUBLIC} random policies that are fixed"),
            (
                "soups",
                "the affine payment on the base and mixtures, in steps of "
                f"1/{PARTS}, of the models that are best for each report alone",
            ),
            (
                "Heuristic 1",
                "charged against the best checkpoint of the run itself: 0, 1/4, 1/2, 3/4 or all of the sizes",
            ),
            ("Heuristic 2", "charged against the best checkpoint, up to 3/4 of the sizes, of a run without the group"),
            ("at least 0", "negative payments are raised to 0"),
            ("games", f"{samples:,} for each row"),
        ),
        tables=tuple(tables),
        verdict=_verdict(tables, wrong, unseen),
        holds=holds,
        notes=(
            "The soups plotted in the paper are built from the reports: the mechanism is truthful against "
            "the two lies that it plots, not in general.",
            "Where a lie pays, the gain is what a random search found: a lower bound. Where none was found, truth is "
            "dominant by proof, not by the search.",
            "The checkpoints are those of an ideal training run; a real run's path differs, which changes the numbers "
            "and no yes or no.",
        ),
        samples=samples,
        seed=seed,
    )


_COLUMNS = (
    Column("payment"),
    Column("truth best?"),
    Column("a lie pays in", ".0%"),
    Column("largest gain / size", ".2%"),
    Column("never below 0?"),
    Column("least payment", ".2g"),
    Column("least utility", ".2g"),
    Column("share of the exact", ".2f"),
)


def _measured(row: Row, games: Games, divergence: KL, seed: int) -> tuple:
    """How often a lie pays, the largest gain a member, the smallest payment and utility, the share of the exact one."""
    if row.payment is not None:
        outcome = _on_the_simplex(games, divergence, row.payment)
    else:
        outcome = _on_a_set(games, divergence, seed, row.soups)

    def utility(reward, size):
        value, paid = outcome(reward, size)
        return value - paid

    value, paid = outcome(games.liar, games.size)
    gain = best_lie(games, utility, np.random.default_rng(seed))
    share = None
    if row.payment is not None:
        _, exact = charged(games, divergence, Externality(), games.liar, games.size)
        share = float(paid.sum() / exact.sum())
    paid = np.where(np.abs(paid) < ROUNDING * money(games), 0.0, paid)
    ends = (float(paid.min()), float((value - paid).min()))
    return float((gain > 0).mean()), float((gain / games.size[:, 0]).max()), *ends, share


def _on_the_simplex(games, divergence, payment):
    return lambda reward, size: charged(games, divergence, payment, reward, size)


def _on_a_set(games: Games, divergence: KL, seed: int, soups: bool):
    """Valuation and payment on a set of policies: a public one, or soups of models trained on the reports."""
    public = np.random.default_rng(seed).dirichlet(np.ones(games.liar.shape[1]), size=(len(games.liar), PUBLIC))
    base = games.base[:, None]
    public = np.concatenate([base, public], axis=1)
    shares = np.array([one for one in product(range(PARTS + 1), repeat=games.sizes.shape[1]) if sum(one) == PARTS])
    names = [f"g{i}" for i in range(games.sizes.shape[1])]

    def outcome(reward, size):
        told = games.rewards.copy()
        told[:, :, 0] = reward
        sizes = np.column_stack([size, games.sizes[:, 1:]])
        policies = public
        if soups:
            # each group's own model: the best one for its report alone, sizes included
            own, _ = divergence.tilt((told * sizes[:, None, :]).swapaxes(1, 2), games.base[:, None])
            policies = np.concatenate([base, np.einsum("sn,gnr->gsr", shares / PARTS, own)], axis=1)
        prices = divergence.price(policies, np.broadcast_to(base, policies.shape))
        results = []
        for game, table in enumerate(policies @ told):
            space = Candidates(table, prices[game], fixed=not soups)
            reports = [Report(name, float(one)) for name, one in zip(names, sizes[game], strict=True)]
            result = settle(space, reports)
            worth = games.size[game, 0] * (policies[game, result.model] @ games.liar[game])
            results.append((worth, result.payments[names[0]]))
        return tuple(np.array(results).T)

    return outcome


def _contradicts(row: Row, measured: tuple) -> bool:
    """Whether something was found that theory rules out."""
    pays, _, smallest, least, share = measured
    lie, negative = row.truthful and pays > 0, row.never_negative and smallest < 0
    return lie or negative or least < -1e-9 or (share is not None and share > 1 + 1e-9)


def _unseen(row: Row, measured: tuple) -> bool:
    """Whether a lie or a negative payment that theory allows was not found in any game."""
    pays, _, smallest, _, _ = measured
    return (not row.truthful and pays == 0) or (not row.never_negative and smallest >= 0)


def _verdict(tables, wrong: list[str], unseen: list[str]) -> str:
    if wrong:
        return f"Something was found that theory rules out: {'; '.join(wrong)}."
    gain, name, scale = max((row[3], row[0], table.key) for table in tables for row in table.rows)
    found = (
        f"no lie or negative payment turned up in {'; '.join(unseen)}, where theory allows one"
        if unseen
        else "one was found wherever theory says that there are some, and payments below 0 only under Heuristic 2"
    )
    return (
        f"No lie pays where truth is dominant; {found}. The largest gain found is {gain:.0%} of the size "
        f"({name}, rewards divided by their {scale})."
    )
