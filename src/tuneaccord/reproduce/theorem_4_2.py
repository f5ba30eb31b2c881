"""Theorem 4.2: without payments the truth is not the best report.

Tested on random games: the theorem's own move (a little reward away from the least wanted response, given to the
best one where rewards sum to one) as far as it may go, for every built-in divergence; and for KL the best of all
reports, exactly. The theorem's conditions hold in a game where the divergence is smooth, no reward is zero, and the
policy drops no response.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.progress import Progress
from tuneaccord.reproduce.games import (
    SCALES,
    best_reward,
    blocks,
    draw_games,
    families,
    largest_move,
    moved,
    outcome,
    value,
)
from tuneaccord.reproduce.result import Column, Curve, Picture, Reproduction, Table

#: the strength at which a policy is neither the base nor a point mass: of the order of size times reward
STRENGTHS = {"sum": 0.2, "max": 2.0}
NOT_SMOOTH = "total variation"
MOVE, BEST = "move", "best of all"
#: relative to the liar's valuation: a gain below it cannot be told from rounding
ROUNDING = 1e-13
_SHARES = tuple(np.linspace(0.0, 1.0, 101).tolist())


def reproduce(samples: int, seed: int, progress: Progress) -> Reproduction:
    """How often and how much a lie raises the liar's valuation when nobody pays."""
    tables, curves, undecided, wrong = [], [], 0, []
    with progress.task("lies without payments", len(SCALES) * len(families(1.0))) as advance:
        for scale in SCALES:
            rows = []
            for name, divergence in families(STRENGTHS[scale]):
                for lie, gains, meets in _gains(samples, seed, scale, name, divergence):
                    rows.append((f"{name} ({divergence.strength:g})", lie, *_spread(gains, meets)))
                    undecided += int((np.abs(gains[meets]) <= ROUNDING).sum())
                    wrong += [f"{name} ({scale})"] if (gains[meets] < -ROUNDING).any() else []
                    if name == "KL":
                        heights = tuple(100.0 * np.quantile(gains, _SHARES))
                        curves.append(Curve(f"{lie} ({scale})", _SHARES, heights))
                advance()
            title = (
                f"What the lie adds to the liar's valuation, relative to the truth (rewards divided by their {scale})"
            )
            tables.append(Table(scale, title, _COLUMNS, tuple(rows), 2))
    return Reproduction(
        name="theorem-4.2",
        title="Theorem 4.2: without payments the truth is not the best report",
        claim="When nobody pays, a group with two different rewards gains by moving a little reward away from its "
        "least wanted response (and to its best one where rewards sum to one). Tested in every random game.",
        setting=(
            ("groups", "3"),
            ("responses", "10"),
            ("rewards", "uniform on [0, 1], divided by their sum or maximum"),
            ("sizes", "uniform on 1..10"),
            ("base", "uniform"),
            ("games", f"{samples:,} for each row"),
        ),
        tables=tuple(tables),
        verdict=_verdict(tables, undecided, wrong),
        holds=not wrong,
        notes=(
            "The theorem asks for a smooth divergence, rewards above zero and a policy that drops no response: the "
            "column counts those games. Outside them the lie may change nothing, as it does in most games under total "
            "variation, which is not smooth.",
            '"Best of all" is the best report of all under KL when the size is reported truthfully, exactly: '
            "everything on one response (sum), a threshold (max). It is not in the paper.",
            "That a false size pays without payments, too, is part of theorem-4.3.",
        ),
        samples=samples,
        seed=seed,
        picture=Picture(
            "What a lie brings when nobody pays (KL)",
            "share of games (ordered by gain)",
            "gain, percent of the valuation under truth",
            tuple(curves),
            (False, True),
        ),
    )


_COLUMNS = (
    Column("divergence (strength)"),
    Column("lie"),
    Column("conditions hold", ".1%"),
    Column("pays in these", ".2%"),
    Column("pays in all", ".2%"),
    Column("median", ".2%"),
    Column("largest", ".3g"),
)


def _gains(samples, seed, scale, name, divergence):
    """For each lie its label, relative gain per game, and in which games the theorem's conditions hold."""
    rng = np.random.default_rng(seed)
    gains, conditions = {}, []
    for count in blocks(samples):
        games = draw_games(rng, count, scale)
        truth = outcome(games, divergence, games.liar, games.size)
        conditions.append((truth > 0).all(axis=1) & (games.liar > 0).all(axis=1) & (name != NOT_SMOOTH))
        lies = {MOVE: moved(games.liar, scale, largest_move(games.liar, scale))}
        if name == "KL":
            lies[BEST] = best_reward(games, divergence.strength)
        worth = value(games, truth)
        centred = games.size * games.liar - worth[:, None]  # so that what both policies share does not round
        for label, reward in lies.items():
            step = outcome(games, divergence, reward, games.size) - truth
            gains.setdefault(label, []).append((centred * step).sum(axis=1) / worth)
    return [(label, np.concatenate(parts), np.concatenate(conditions)) for label, parts in gains.items()]


def _spread(gains: np.ndarray, meets: np.ndarray) -> tuple[float | None, ...]:
    pays = gains > ROUNDING
    there = float(pays[meets].mean()) if meets.any() else None
    return float(meets.mean()), there, float(pays.mean()), float(np.median(gains)), float(gains.max())


def _verdict(tables, undecided: int, wrong: list[str]) -> str:
    if wrong:
        return f"In some games that meet the conditions the lie loses: {'; '.join(wrong)}."
    best = [f"{row[5]:.0%} ({table.key})" for table in tables for row in table.rows if row[1] == BEST]
    rounding = f" (in {undecided} of them by less than rounding shows)" if undecided else ""
    return (
        f"The move pays in every game that meets the theorem's conditions{rounding}; under KL the best of all lies "
        f"adds {' and '.join(best)} to the valuation in the median game."
    )
