"""Theorem 4.12: with rewards measured to within eps, a lie gains at most ``2 * size * eps``.

Noise is drawn after the reports; for each draw the largest possible gain is known exactly (what the noise in the
group's own reward costs in net welfare, as if the liar had seen the draw), and fixed lies told before the noise
give a lower bound. Both stand beside the theorem's bound and two sharper ones.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.mechanism.noise import NoiseExperiment, noise_experiment
from tuneaccord.mechanism.reports import Report
from tuneaccord.progress import Progress
from tuneaccord.reproduce.games import Games, draw_games, families
from tuneaccord.reproduce.result import Column, Curve, Picture, Reproduction, Table
from tuneaccord.rewards import TableReward
from tuneaccord.spaces.simplex import Simplex

EPSILONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
OTHER_EPSILON = 0.05
STRENGTH, RESPONSES, DRAWS = 2.0, 6, 200
_SLACK = 1e-9  #: relative, of a bound


def reproduce(samples: int, seed: int, progress: Progress) -> Reproduction:
    """Measured gains beside the bounds over a grid of eps, for every divergence, and where the bound is attained."""
    games = draw_games(np.random.default_rng(seed), samples, "max", responses=RESPONSES)
    rows, others, ratios = [], [], []
    with progress.task("noise", len(EPSILONS) + len(families(STRENGTH))) as advance:
        for eps in EPSILONS:
            found = [_experiment(games, game, KL(STRENGTH), eps, seed) for game in range(samples)]
            rows.append((eps, *_row(games, found)))
            ratios.append(_largest_ratios(found))
            advance()
        for name, divergence in families(STRENGTH):
            found = [_experiment(games, game, divergence, OTHER_EPSILON, seed) for game in range(samples)]
            worst = _largest_ratios(found)
            others.append((f"{name} ({divergence.strength:g})", *worst))
            ratios.append(worst)
            advance()
    tight = _attained(seed)
    most = [max((ratio[k] for ratio in ratios if ratio[k] is not None), default=0.0) for k in range(3)]
    closest = max(row[4] for row in tight)
    holds = max(most) <= 1 + _SLACK and closest <= 1 + _SLACK
    return Reproduction(
        name="theorem-4.12",
        title="Theorem 4.12: noisy rewards, and how much a lie can gain from them",
        claim="When every reward that the mechanism uses is within eps of the reported one, no misreport gains a group "
        "more than 2 * size * eps.",
        setting=(
            ("groups", "3"),
            ("responses", str(RESPONSES)),
            ("rewards", "uniform on [0, 1], divided by their maximum"),
            ("sizes", "uniform on 1..10"),
            ("base", "uniform"),
            ("divergence", f"KL with strength {STRENGTH:g} in the first table"),
            ("noise", f"-eps or +eps with equal chances for each group and response; {DRAWS} draws a game"),
            ("games", f"{samples:,} for each row"),
        ),
        tables=(
            Table("grid", "Gain a member over all groups and games, beside the bounds a member", _GRID, tuple(rows), 0),
            Table(
                "divergences", f"Largest gain relative to each bound at eps = {OTHER_EPSILON}", _OTHERS, tuple(others)
            ),
            Table("attained", "Two responses, one group: where the sharper bound is reached", _TIGHT, tight, 0),
        ),
        verdict=_verdict(most, closest, holds),
        holds=holds,
        notes=(
            "The largest possible gain is that of a liar who knows the noise; a lie told before the noise gains less.",
            "Only the noise in the group's own reward enters, and lies about the size are covered too by the same "
            "proof; the paper does not say so.",
            "The two sharper bounds are not in the paper: size times the range of the group's own noise, and for KL "
            "size^2 eps^2 / (2 strength), which is smaller for small noise and is reached (last table).",
            "Rewards with noise may leave the scale; the mechanism uses them as they are.",
        ),
        samples=samples,
        seed=seed,
        picture=_picture(rows),
    )


_GRID = (
    Column("eps", "g"),
    Column("best lie tried", ".2e"),
    Column("mean possible gain", ".2e"),
    Column("largest", ".2e"),
    Column("sharper bound, mean", ".2e"),
    Column("range bound, mean", ".2e"),
    Column("paper: 2 eps", ".2e"),
)
_OTHERS = (
    Column("divergence (strength)"),
    Column("of 2 size eps", ".1%"),
    Column("of size x range", ".1%"),
    Column("of the sharper bound", ".1%"),
)
_TIGHT = (
    Column("eps", "g"),
    Column("largest gain", ".4e"),
    Column("sharper bound", ".4e"),
    Column("paper: 2 size eps", ".2e"),
    Column("gain / sharper bound", ".4f"),
)


def _experiment(games: Games, game: int, divergence, eps: float, seed: int) -> NoiseExperiment:
    space = Simplex(games.base[game], divergence)
    rewards = games.rewards[game]
    reports = [
        Report(f"g{i}", float(size), TableReward(rewards[:, i], scale="max"))
        for i, size in enumerate(games.sizes[game])
    ]
    return noise_experiment(space, reports, eps, draws=DRAWS, seed=seed + game, noise="signs")


def _row(games: Games, found: list[NoiseExperiment]) -> tuple[float, ...]:
    """Everything a member: gains and bounds divided by the group's size."""
    lie, mean, largest, square, spread, bound = (
        np.array([[getattr(one, name) for one in experiment.groups] for experiment in found]) / games.sizes
        for name in ("best_lie_gain", "mean_gain", "largest_gain", "square_bound", "range_bound", "bound")
    )
    ends = (lie.max(), mean.mean(), largest.max(), square.mean(), spread.mean(), bound.mean())
    return tuple(float(end) for end in ends)


def _largest_ratios(found: list[NoiseExperiment]) -> tuple[float | None, ...]:
    """The largest gain relative to each of the three bounds, over all groups and games."""
    groups = [one for experiment in found for one in experiment.groups]
    ratios = []
    for name in ("bound", "range_bound", "square_bound"):
        pairs = [(one.largest_gain, getattr(one, name)) for one in groups]
        ratios.append(None if pairs[0][1] is None else max(gain / bound for gain, bound in pairs))
    return tuple(ratios)


def _attained(seed: int) -> tuple[tuple[float, ...], ...]:
    space = Simplex([0.5, 0.5], KL(1.0))
    rows = []
    for eps in EPSILONS:
        one = noise_experiment(space, [Report("one", 1.0, TableReward([1.0, 1.0]))], eps, 50, seed, "signs").groups[0]
        rows.append((eps, one.largest_gain, one.square_bound, one.bound, one.largest_gain / one.square_bound))
    return tuple(rows)


def _picture(rows) -> Picture:
    curves = []
    for place, name in (
        (1, "best lie tried"),
        (2, "mean possible gain"),
        (4, "sharper bound"),
        (6, "the paper's bound"),
    ):
        # a logarithmic axis has no room for a gain of nothing
        points = [(row[0], row[place]) for row in rows if row[place] > 0]
        if points:
            curves.append(Curve(name, *zip(*points, strict=True)))
    title = "Gain from lying when rewards are noisy (KL), means"
    return Picture(title, "eps", "gain a member", tuple(curves), (True, True))


def _verdict(most, closest: float, holds: bool) -> str:
    if not holds:
        return f"A bound was exceeded: the largest gain is {max(most):.3f} of one of them."
    return (
        f"No gain exceeds a bound: at most {most[0]:.0%} of the paper's, {most[1]:.0%} of size times range and "
        f"{most[2]:.0%} of the sharper one on random games, and {closest:.1%} of the sharper one where it is reached."
    )
