"""Theorem 4.3, as far as it could be checked: with the affine payment the lies that paid without it lose.

The text of the theorem was not available to us. What is tested is the statement that follows from Theorem 4.2's
lies and Proposition 4.4's payment: for the same games and lies, valuations rise when nobody pays and utilities
never do with the payment; payments are never negative, and nobody does worse than by staying out.
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
    net_welfare,
    outcome,
    polarised,
    value,
)
from tuneaccord.reproduce.result import Column, Reproduction, Table
from tuneaccord.reproduce.theorem_4_2 import STRENGTHS

_ROUNDING = 1e-12  #: relative to all that the groups could be worth together


def reproduce(samples: int, seed: int, progress: Progress) -> Reproduction:
    """What each lie changes in valuation and in utility, and the payment's own promises."""
    tables, promises, never, grows = [], [], True, True
    with progress.task("lies with payments", len(SCALES) * len(families(1.0))) as advance:
        for scale in SCALES:
            rows = []
            for name, divergence in families(STRENGTHS[scale]):
                label = f"{name} ({divergence.strength:g})"
                changes, promise = _measured(samples, seed, scale, name, divergence)
                promises.append((f"{label}, {scale}", *promise))
                for lie, parts in changes.items():
                    row = _row(*parts)
                    rows.append((label, lie, *row))
                    never &= row[-1] == 0
                    grows &= not lie.startswith("size") or bool((parts[0] >= -_ROUNDING * parts[3]).all())
                advance()
            title = f"Changes against the truth, relative to the liar's valuation (rewards divided by their {scale})"
            tables.append(Table(scale, title, _LIES, tuple(rows), 2))
    kept = all(row[1] >= 0 and row[2] >= -_ROUNDING for row in promises)
    return Reproduction(
        name="theorem-4.3",
        title="Theorem 4.3: the affine payment takes back more than a lie brings",
        claim="Tested statement: a larger size, a polarised reward, Theorem 4.2's move and the best report without "
        "payments change the liar's valuation, mostly upwards; with the affine payment (Proposition 4.4) none of "
        "them raises its utility, no payment is negative and nobody does worse than by staying out.",
        setting=(
            ("groups", "3"),
            ("responses", "10"),
            ("rewards", "uniform on [0, 1], divided by their sum or maximum"),
            ("sizes", "uniform on 1..10"),
            ("base", "uniform"),
            ("games", f"{samples:,} for each row"),
        ),
        tables=(*tables, Table("payment", "The payment itself, over all games", _PROMISES, tuple(promises), 1)),
        verdict=_verdict(tables, never, kept, grows),
        holds=never and kept and grows,
        notes=(
            "The text of Theorem 4.3 could not be checked, so nothing is quoted under its number: the claim above "
            "is what was tested.",
            "The lies are tried, not searched: that no other lie gains follows from the proof, because the utility is "
            "the true net welfare of the outcome minus a number that the liar cannot move. tuneaccord audit searches.",
            "The paper defines the polarised reward for two groups, and it can be negative; here the others' reward "
            "is their size-weighted mean, and the lie is clipped at 0 and normalised again.",
        ),
        samples=samples,
        seed=seed,
    )


_LIES = (
    Column("divergence (strength)"),
    Column("lie"),
    Column("value rises", ".1%"),
    Column("value, mean", "+.2%"),
    Column("utility, mean", "+.2%"),
    Column("utility rises", ".1%"),
    Column("largest gain", ".1g"),
)
_PROMISES = (
    Column("divergence (strength)"),
    Column("smallest payment", ".2g"),
    Column("least gain over staying out", ".2g"),
    Column("mean payment / valuation", ".2%"),
)


def _measured(samples, seed, scale, name, divergence):
    """Changes of value and utility by lie, and what the payment promises, over all games."""
    rng = np.random.default_rng(seed)
    changes, payments, margins, shares = {}, [], [], []
    for count in blocks(samples):
        games = draw_games(rng, count, scale)
        truth = outcome(games, divergence, games.liar, games.size)
        worth, welfare = value(games, truth), net_welfare(games, divergence, truth)
        scale_of_money = games.sizes.sum(axis=1) * games.rewards.max(axis=(1, 2))
        for label, (reward, size) in _lies(games, name, divergence).items():
            told = outcome(games, divergence, reward, size)
            parts = (value(games, told) - worth, net_welfare(games, divergence, told) - welfare, worth, scale_of_money)
            for kept, part in zip(changes.setdefault(label, ([], [], [], [])), parts, strict=True):
                kept.append(part)
        # the sizes go into the scores, because each game has its own
        scores = games.rewards * games.sizes[:, None, :]
        payment = divergence.externalities(scores, np.ones(games.sizes.shape[1]), games.base)[:, 0]
        without = outcome(games, divergence, games.liar, 0.0 * games.size)
        payments.append(payment)
        margins.append((worth - payment - value(games, without)) / scale_of_money)
        shares.append(payment / worth)
    joined = {label: tuple(np.concatenate(part) for part in parts) for label, parts in changes.items()}
    payments, margins, shares = (np.concatenate(part) for part in (payments, margins, shares))
    return joined, (float(payments.min()), float(margins.min()), float(shares.mean()))


def _lies(games, name, divergence) -> dict:
    """Reports (reward, size) by label."""
    lies = {
        "size x 2": (games.liar, 2.0 * games.size),
        "size x 5": (games.liar, 5.0 * games.size),
        "polarised 1.5": (polarised(games, 1.5), games.size),
        "move": (moved(games.liar, games.scale, largest_move(games.liar, games.scale)), games.size),
    }
    if name == "KL":
        lies["best without payments"] = (best_reward(games, divergence.strength), games.size)
    return lies


def _row(value_change, utility_change, worth, money) -> tuple[float, ...]:
    """Relative means and shares; a utility that differs by rounding only has not changed."""
    utility_change = np.where(np.abs(utility_change) < _ROUNDING * money, 0.0, utility_change)
    return (
        float((value_change > 0).mean()),
        float((value_change / worth).mean()),
        float((utility_change / worth).mean()),
        float((utility_change > 0).mean()),
        float(np.maximum(utility_change / worth, 0.0).max()),
    )


def _verdict(tables, never: bool, kept: bool, grows: bool) -> str:
    if not never:
        gain = max(row[-1] for table in tables for row in table.rows)
        return f"A lie pays in spite of the payment: the largest gain is {gain:.2g} of the liar's valuation."
    return (
        "With the payment no lie raised a utility in any game, beyond rounding; "
        f"a larger size {'never' if grows else 'in some game'} lowered the valuation; "
        f"{'no' if kept else 'some'} payment was negative or left a group worse off than staying out."
    )
