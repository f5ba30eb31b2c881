"""Theorem 4.11: a truthful payment that is never negative cannot be below the affine one, and hardly above it.

(a) is shown from both sides. From below: along a path of reports from the constant one to the truth, truthfulness
alone forces a payment of at least a sum that grows to the affine payment as the steps get finer, as long as the
constant report is not paid to take part. From above: payments that are never negative but smaller are tried,
and a lie that pays is found. (b) is the theorem's own construction: two responses, base (eps, 1 - eps), everybody
else wants only the second; the type that wants only the first has a utility of at most eps, so a surcharge above
eps would drive it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.mechanism.payments import Externality, Intermediate, PaymentRule
from tuneaccord.progress import Progress
from tuneaccord.reproduce.games import SCALES, Games, draw_games
from tuneaccord.reproduce.result import Column, Curve, Picture, Reproduction, Table
from tuneaccord.reproduce.search import best_lie, charged, money, utility_of
from tuneaccord.reproduce.theorem_4_2 import STRENGTHS

STEPS = (1, 3, 10, 30, 100, 300, 1000)
EPSILONS = (0.1, 0.01, 0.001)
OTHERS = (1, 4)
RESPONSES = 6
FEW = 20  #: games in which a lie against a smaller payment may go unfound by chance
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Discounted(PaymentRule):
    """The affine payment less a discount: never negative and smaller, so by the theorem not truthful."""

    share: float
    never_negative = True
    nobody_worse_off = True

    def charge(self, choice):
        return (1.0 - self.share) * choice.externalities


CHEAPER = (
    ("affine", Externality()),
    ("affine less 1%", Discounted(0.01)),
    ("affine less 10%", Discounted(0.1)),
    ("affine less half", Discounted(0.5)),
    ("Heuristic 1 (checkpoints)", Intermediate()),
)


def reproduce(samples: int, seed: int, progress: Progress) -> Reproduction:
    """Both parts of the theorem on random games and on its construction."""
    path, inside = _paths(samples, seed, progress)
    cheap, agrees, unseen = _cheaper(samples, seed, progress)
    tight, attained = _construction()
    holds = inside and agrees and attained and (not unseen or samples < FEW)
    last = min(row[2] for row in path.rows if row[1] == STEPS[-1])
    return Reproduction(
        name="theorem-4.11",
        title="Theorem 4.11: the affine payment is the least, and cannot be raised by much",
        claim="(a) A payment that makes truth dominant and is never negative is at least the affine payment. (b) For "
        "every eps there are reports of the others and a base where one that makes truth dominant and leaves nobody "
        "below zero is at most the affine payment plus eps.",
        setting=(
            ("groups", "3"),
            ("responses", str(RESPONSES)),
            ("rewards", "uniform on [0, 1], divided by their sum or maximum"),
            ("sizes", "uniform on 1..10"),
            ("divergence", "KL, strength " + ", ".join(f"{STRENGTHS[scale]:g} ({scale})" for scale in SCALES)),
            ("games", f"{samples:,} for each row of the first two tables"),
        ),
        tables=(path, cheap, tight),
        verdict=_verdict(last, inside, agrees, unseen, attained),
        holds=holds,
        notes=(
            "The theorem is rebuilt from its proof: the formulas of the paper were not available to us in print.",
            "The lower bound needs no formula for the payment: only that no type on the path gains by posing as the "
            "next one, and that the constant report does not receive money. It stays below the affine payment and "
            "reaches it as the steps get finer.",
            "That a lie was found against each smaller payment shows that it is not truthful; how much was found is a "
            "lower bound on what can be gained.",
            "Utility of at most eps in (b) is meant for the type that wants only the unlikely response; other types "
            "have more. One such type is enough, because a truthful payment can differ from the affine one only by a "
            "number that the group's own report does not move. The table is the same for both normalisations.",
        ),
        samples=samples,
        seed=seed,
        picture=_picture(path),
    )


# (a) from below: truthfulness along a path of reports


def _paths(samples, seed, progress) -> tuple[Table, bool]:
    columns = (
        Column("scale"),
        Column("steps"),
        Column("forced payment / affine", ".4f"),
        Column("largest / affine", ".4f"),
        Column("width", ".2e"),
        Column("bound on the width", ".2e"),
    )
    rows, inside = [], True
    with progress.task("payments along paths", len(SCALES) * len(STEPS)) as advance:
        for scale in SCALES:
            games = draw_games(np.random.default_rng(seed), samples, scale, responses=RESPONSES)
            strength = STRENGTHS[scale]
            _, exact = charged(games, KL(strength), Externality(), games.liar, games.size)
            swing = games.size[:, 0] * np.ptp(games.liar, axis=1)
            for steps in STEPS:
                low, high = forced_payments(games, strength, steps)
                bound = swing**2 / (4.0 * strength * steps)
                slack = _ROUNDING * steps * money(games)
                inside &= bool(((low <= exact + slack) & (exact <= high + slack)).all())
                inside &= bool((high - low <= bound + slack).all())
                total = exact.sum()
                ends = (low.sum() / total, high.sum() / total, (high - low).mean(), bound.mean())
                rows.append((scale, steps, *(float(end) for end in ends)))
                advance()
    title = "What truthfulness forces on a payment that is 0 at the constant report (sums over all games)"
    return Table("path", title, columns, tuple(rows), 1), inside


def forced_payments(games: Games, strength: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most that any truthful payment can be at the truth if it is 0 at the constant report.

    With reports r_0 (constant) to r_k (the truth) in equal steps and outcomes p_j, the type r_j must not gain by
    posing as r_(j+1), nor the other way round: the payment rises by at least ``w <r_j, p_(j+1) - p_j>`` and by
    at most ``w <r_(j+1), p_(j+1) - p_j>``.
    """
    constant = np.full_like(games.liar, 1.0 / games.liar.shape[1] if games.scale == "sum" else 1.0)
    low, high = np.zeros(len(games.liar)), np.zeros(len(games.liar))
    before, policy = constant, KL(strength).tilt(games.others + games.size * constant, games.base)[0]
    for step in range(1, steps + 1):
        after = constant + step / steps * (games.liar - constant)
        there = KL(strength).tilt(games.others + games.size * after, games.base)[0]
        low += games.size[:, 0] * (before * (there - policy)).sum(axis=1)
        high += games.size[:, 0] * (after * (there - policy)).sum(axis=1)
        before, policy = after, there
    return low, high


# (a) from above: payments that are smaller


def _cheaper(samples, seed, progress) -> tuple[Table, bool, list[str]]:
    columns = (
        Column("scale"),
        Column("payment"),
        Column("mean payment / affine", ".3f"),
        Column("smallest payment", ".1e"),
        Column("a lie pays in", ".0%"),
        Column("mean gain", ".2g"),
        Column("largest gain / size", ".2%"),
    )
    rows, agrees, unseen = [], True, []
    with progress.task("lies against smaller payments", len(SCALES) * len(CHEAPER)) as advance:
        for scale in SCALES:
            games = draw_games(np.random.default_rng(seed), samples, scale, responses=RESPONSES)
            divergence = KL(STRENGTHS[scale])
            _, exact = charged(games, divergence, Externality(), games.liar, games.size)
            for name, payment in CHEAPER:
                _, paid = charged(games, divergence, payment, games.liar, games.size)
                gain = best_lie(games, utility_of(games, divergence, payment), np.random.default_rng(seed))
                pays, reached = float((gain > 0).mean()), float((gain / games.size[:, 0]).max())
                share = float(paid.sum() / exact.sum())
                rows.append((scale, name, share, float(paid.min()), pays, float(gain.mean()), reached))
                agrees &= bool((paid <= exact * (1 + 1e-9)).all()) and (payment != Externality() or pays == 0)
                unseen += [f"{name} ({scale})"] if payment != Externality() and pays == 0 else []
                advance()
    title = "Payments that are never negative, and the best lie found against each"
    return Table("cheaper", title, columns, tuple(rows), 2), agrees, unseen


# (b) the construction


def _construction() -> tuple[Table, bool]:
    columns = (
        Column("eps", "g"),
        Column("others", "d"),
        Column("strength", "g"),
        Column("least utility", ".4g"),
        Column("least utility / eps", ".3f"),
        Column("affine payment of that type", ".2g"),
    )
    rows = []
    for eps in EPSILONS:
        for others in OTHERS:
            for strength in (0.2, 1.0, 5.0):
                both = [constructed(eps, others, strength, scale) for scale in SCALES]
                utilities, payments = (np.concatenate(parts) for parts in zip(*both, strict=True))
                least = int(utilities.argmin())
                low = float(utilities[least])
                rows.append((eps, others, strength, low, low / eps, float(payments[least])))
    title = "Two responses, base (eps, 1 - eps), size 1, the others want only the second: the least utility of any type"
    attained = all(-_ROUNDING <= row[3] <= row[0] * (1 + 1e-9) for row in rows)
    return Table("construction", title, columns, tuple(rows), 1), attained


def constructed(
    eps: float, others: int, strength: float, scale: str, types: int = 101
) -> tuple[np.ndarray, np.ndarray]:
    """Utility and affine payment of each type of the group in the theorem's construction.

    The first type wants only the response of probability ``eps``, the last one only the other.
    """
    first = np.linspace(1.0, 0.0, types)
    mine = normal_types(first, scale)
    scores = np.zeros((types, 2, 1 + others))
    scores[:, :, 0] = mine
    scores[:, 1, 1:] = 1.0
    space_base = np.tile([eps, 1.0 - eps], (types, 1))
    divergence = KL(strength)
    payments = divergence.externalities(scores, np.ones(1 + others), space_base)[:, 0]
    policy, _ = divergence.tilt(scores.sum(axis=2), space_base)
    return (mine * policy).sum(axis=1) - payments, payments


def normal_types(first: np.ndarray, scale: str) -> np.ndarray:
    """Rewards for two responses, from wanting only the first to wanting only the second.

    >>> normal_types(np.array([1.0, 0.25]), "sum").tolist()
    [[1.0, 0.0], [0.25, 0.75]]
    """
    both = np.stack([first, 1.0 - first], axis=1)
    return both if scale == "sum" else both / both.max(axis=1, keepdims=True)


def _picture(path: Table) -> Picture:
    curves = []
    for scale in SCALES:
        rows = [row for row in path.rows if row[0] == scale]
        at = tuple(float(row[1]) for row in rows)
        curves.append(Curve(f"least ({scale})", at, tuple(row[2] for row in rows)))
        curves.append(Curve(f"largest ({scale})", at, tuple(row[3] for row in rows)))
    return Picture(
        "Truthful payments that are 0 at the constant report",
        "steps from the constant report to the truth",
        "payment relative to the affine one",
        tuple(curves),
        (True, False),
    )


def _verdict(last, inside, agrees, unseen, attained) -> str:
    parts = [
        f"what truthfulness forces reaches {last:.2%} of the affine payment in {STEPS[-1]:,} steps, never more than all"
        if inside
        else "the affine payment left the interval that truthfulness allows",
        _lies_in_words(agrees, unseen),
        "in the construction the least utility is never above eps, so no surcharge above eps keeps everybody in"
        if attained
        else "in the construction some least utility is above eps",
    ]
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _lies_in_words(agrees: bool, unseen: list[str]) -> str:
    if not agrees:
        return "a lie pays against the affine payment, or a payment meant to be smaller is larger"
    if unseen:
        return f"no lie was found against the affine payment, nor against {', '.join(unseen)}"
    return "every smaller never-negative payment tried has a lie that pays, and the affine one none that was found"
