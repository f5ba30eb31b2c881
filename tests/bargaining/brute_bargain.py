"""Bargains by brute force: the rules written out again, shares on grids that are zoomed in on. No line of the package.

``plays`` is any function from shares (games, specialists) to everybody's utilities (games, players), generalist
first: the one by brute force, or closed formulas where there are some.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

NOTHING = 1e-8  # gains below this part of the money involved are none


def acceptable(gains):
    """Nobody signs what makes it worse off."""
    return (gains >= -NOTHING * (1.0 + np.abs(gains).max(axis=-1, keepdims=True))).all(axis=-1)


def score(rule: str, gains, ideal, performance=None, power=None):
    """How good each vector of gains is under a rule; -inf if somebody would not sign. Who can gain nothing has no say.

    ``ideal`` is the most that each could gain.
    """
    counted = ideal > NOTHING * (1.0 + np.abs(gains).max())
    if rule == "Utilitarian":
        values = gains.sum(axis=-1)
    elif rule == "PowerfulGeneralist":
        values = gains[..., 0]
    elif rule.startswith("PowerfulSpecialist"):
        values = gains[..., 1 + int(rule.removeprefix("PowerfulSpecialist") or 0)]
    elif rule == "MaxPerformance":
        values = performance
    elif rule == "Nash":
        weights = np.ones(len(ideal)) if power is None else np.asarray(power)
        with np.errstate(divide="ignore"):
            values = (weights * np.log(np.maximum(gains, 0.0)))[..., counted].sum(axis=-1)
    else:
        unit = ideal if rule == "KalaiSmorodinsky" else np.ones(len(ideal))
        values = (gains[..., counted] / unit[counted]).min(axis=-1)
    return np.where(acceptable(gains), values, -np.inf)


def bargain_single(plays, outside, rule: str, *, trace: int = 129, peaks: int = 3, zooms: int = 8, power=None):
    """The best share of one specialist: its share, its score, everybody's ideal gain, and whether anybody gains.

    ``plays(shares)`` returns utilities and total performance. Ideal gains are zoomed in on like scores.
    """
    shares = np.sort(np.concatenate([np.linspace(0.0, 1.0, trace), [1e-4, 1e-3, 1 - 1e-3, 1 - 1e-4]]))
    utilities, performance = plays(shares[:, None])

    def zoomed(function):
        return _zoom(plays, shares, function(utilities, performance), function, peaks, zooms)

    def own(player):
        def function(utilities, performance):
            gains = utilities - outside
            return np.where(acceptable(gains), gains[:, player], -np.inf)

        return function

    ideal = np.array([zoomed(own(player))[1] for player in (0, 1)])
    ideal = np.where(np.isfinite(ideal), ideal, 0.0)
    if not (ideal > NOTHING * (1.0 + np.abs(utilities).max())).any():
        return None, -np.inf, ideal

    def goal(utilities, performance):
        return score(rule, utilities - outside, ideal, performance, power)

    return *zoomed(goal), ideal


def _zoom(plays, shares, values, function, peaks: int, zooms: int):
    """The best share and its value, by ever finer grids around the best local maxima; the smallest share in a tie."""
    padded = np.pad(values, 1, constant_values=-np.inf)
    peak = (values >= padded[:-2]) & (values >= padded[2:])
    spots = np.argsort(-np.where(peak, values, -np.inf), kind="stable")[:peaks]
    best = shares[spots]
    low, high = shares[np.maximum(spots - 1, 0)], shares[np.minimum(spots + 1, len(shares) - 1)]
    for _ in range(zooms):
        inside = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, 11)
        inside = np.sort(np.column_stack([inside, best]), axis=1)
        found = function(*plays(inside.reshape(-1, 1))).reshape(inside.shape)
        at = np.argmax(found, axis=1)
        rows = np.arange(len(at))
        best, values = inside[rows, at], found[rows, at]
        step = (high - low) / 10.0
        low, high = np.maximum(best - step, low), np.minimum(best + step, high)
    first = np.flatnonzero(values >= values.max() - 1e-13 * (1.0 + np.abs(values.max())))
    return float(best[first].min()), float(values.max())


def power_plays(scales, exponents, rates):
    """Plays of n specialists with power costs and linear revenue, all taking part, by formula.

    ``scales`` and ``exponents`` are those of the costs, generalist first; ``rates`` the revenue of each domain.
    """
    scales, exponents, rates = (np.asarray(part, float) for part in (scales, exponents, rates))
    pull = 1.0 / (exponents - 1.0)

    def plays(shares):
        earning = (shares * rates).sum(axis=-1)
        base = (earning / (exponents[0] * scales[0])) ** pull[0]
        x = ((1.0 - shares) * rates / (exponents[1:] * scales[1:])) ** pull[1:]
        revenue = rates * (base[..., None] + x)
        generalist = (shares * revenue).sum(axis=-1) - scales[0] * base ** exponents[0]
        specialists = (1.0 - shares) * revenue - scales[1:] * x ** exponents[1:]
        return np.concatenate([generalist[..., None], specialists], axis=-1), (base[..., None] + x).sum(axis=-1)

    return plays


def bargain_many(plays, count: int, rule: str, *, ideal, starts: int = 12, seed: int = 0, power=None):
    """The best score over [0, 1]^count of a smooth game without outside options, by SciPy from many starts."""
    rng = np.random.default_rng(seed)
    tries = np.concatenate([rng.uniform(0.0, 1.0, (4000, count)), rng.choice([0.0, 1.0], (200, count))])
    utilities, performance = plays(tries)
    values = score(rule, utilities, ideal, performance, power)
    ends = [_climb(plays, tries[row], rule, ideal, power) for row in np.argsort(-values)[:starts]]
    utilities, performance = plays(np.array(ends))
    values = score(rule, utilities, ideal, performance, power)
    return ends[int(np.argmax(values))], float(values.max())


def ideal_gains(plays, count: int):
    """The most that each can have in such a game: the generalist by a search, a specialist when the others give all."""
    fine = np.linspace(0.0, 1.0, 2001)
    most = [bargain_many(plays, count, "PowerfulGeneralist", ideal=np.ones(count + 1))[1]]
    for i in range(count):

        def own(share, i=i):
            shares = np.ones((len(share), count))
            shares[:, i] = share
            return plays(shares)[0][:, 1 + i]

        spot = int(np.argmax(own(fine)))
        low, high = fine[max(spot - 1, 0)], fine[min(spot + 1, 2000)]
        for _ in range(8):
            inside = np.linspace(low, high, 21)
            spot = int(np.argmax(own(inside)))
            low, high = inside[max(spot - 1, 0)], inside[min(spot + 1, 20)]
        most.append(float(own(inside).max()))
    return np.array(most)


def _climb(plays, start, rule: str, ideal, power):
    bounds = [(0.0, 1.0)] * len(start)
    if rule not in ("Egalitarian", "KalaiSmorodinsky"):

        def down(shares):
            value = score(rule, *_gains(plays, shares, ideal), power)
            return -value if np.isfinite(value) else 1e3

        for _ in range(3):
            start = np.clip(
                minimize(down, start, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15}).x, 0.0, 1.0
            )
        return start
    unit = ideal if rule == "KalaiSmorodinsky" else np.ones(len(ideal))
    for _ in range(3):
        ratios = plays(start)[0] / unit
        limits = {"type": "ineq", "fun": lambda z: plays(np.clip(z[:-1], 0.0, 1.0))[0] / unit - z[-1]}
        found = minimize(
            lambda z: -z[-1],
            np.append(start, ratios.min()),
            bounds=[*bounds, (None, None)],
            constraints=limits,
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 300},
        ).x
        if np.isfinite(found).all():
            start = np.clip(found[:-1], 0.0, 1.0)
    return start


def _gains(plays, shares, ideal):
    utilities, performance = plays(shares)
    return utilities, ideal, performance
