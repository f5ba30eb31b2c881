"""What people do today for one bargain: a nested search over a grid of shares, in plain Python with SciPy.

And a brute force that shares no code with the package, against which every route is judged. It is slow and careful:
grids everywhere, then the best cell again on a finer grid, and the reply by bisecting its marginal profit.
"""

from __future__ import annotations

import numpy as np
from game_cases import FLOATS, Case
from scipy.optimize import minimize, minimize_scalar


def nested(case: Case, shares: int = 201) -> tuple[float, float, float]:
    """``(share, U_G, U_D)`` of the largest product of gains on a grid of shares.

    For each share the best base by a bounded search, for each base the best reply by another.
    """
    best = (0.0, 0.0, 0.0)
    for share in np.linspace(0.0, 1.0, shares).tolist():
        gains = _play(case, share)
        if gains[0] * gains[1] > best[1] * best[2] and min(gains) > 0:
            best = (share, *gains)
    return best


def _play(case, share):
    def reply(base):
        def loss(x):
            return case.setup * (x > 0) - case.earned(FLOATS, share, base, x)[1]

        found = minimize_scalar(loss, bounds=(0.0, case.top), method="bounded")
        x, utility = float(found.x), -float(found.fun)
        if case.setup or x < 1e-4:  # a bounded search never looks at its ends
            riding = -loss(0.0)
            x, utility = (0.0, riding) if riding > utility else (x, utility)
        return x, utility

    def loss(base):
        x, utility = reply(base)
        return case.cost(FLOATS, base) - (share * case.revenue(FLOATS, base + x) if utility >= 0 else 0.0)

    base = float(minimize_scalar(loss, bounds=(0.0, case.top), method="bounded").x)
    return -loss(base), max(reply(base)[1], 0.0)


def brute_plays(case: Case, shares, first: int = 1201, points: int = 101, levels: int = 9):
    """``(U_G, U_D)`` at each of ``shares``: grids over the base that zoom in, and at last the vertex of a fitted cubic.

    A flat top hides its place from a search: values that differ by less than a rounding cannot be told apart. The
    cubic through a whole stretch of them can, where the top is smooth; elsewhere the search goes on. Where the
    reply switches, the last base before the switch is a candidate of its own.
    """
    shares = np.asarray(shares, float)[:, None]
    low, high = np.zeros_like(shares), np.full_like(shares, case.top)
    rows, candidates = np.arange(len(shares))[:, None], []
    vertex, smooth = low, np.zeros(shares.shape, bool)
    for level in range(levels):
        steps = np.linspace(0.0, 1.0, points if level else first)
        base = low + (high - low) * steps
        gain_g, _, state = _against_replies(case, shares, base)
        if level == 0 and (case.setup or case.entry):
            candidates = _switches(case, shares, base, state)
        if not smooth.all():
            found, fits = _vertex(gain_g, steps)
            vertex, smooth = np.where(smooth, vertex, low + (high - low) * found), smooth | fits
        at = len(steps) - 1 - np.argmax(gain_g[:, ::-1], axis=1)[:, None]
        best = base[rows, at]
        low, high = base[rows, np.maximum(at - 1, 0)], base[rows, np.minimum(at + 1, len(steps) - 1)]
    every = np.concatenate([np.where(smooth, vertex, best), *candidates], axis=1)
    gain_g, gain_d, _ = _against_replies(case, shares, every)
    at = gain_g.argmax(axis=1)[:, None]
    return gain_g[rows, at][:, 0], gain_d[rows, at][:, 0]


def _switches(case, shares, base, state):
    """The bases on both sides of every change of the reply's kind, to rounding; one column a side and a change."""
    changes = state[:, 1:] != state[:, :-1]
    columns = []
    for k in range(int(changes.sum(axis=1).max(initial=0))):
        nth = changes & (changes.cumsum(axis=1) == k + 1)
        at, there = nth.argmax(axis=1)[:, None], nth.any(axis=1)[:, None]
        low, high = np.take_along_axis(base, at, 1), np.take_along_axis(base, at + 1, 1)
        kind = np.take_along_axis(state, at, 1)
        for _ in range(50):
            middle = 0.5 * (low + high)
            same = _against_replies(case, shares, middle)[2] == kind
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        columns += [np.where(there, low, 0.0), np.where(there, high, 0.0)]
    return columns


def _vertex(values, steps):
    """Where in [0, 1] each row of ``values`` is largest by its cubic, and whether that cubic fits to rounding."""
    powers = np.vander(2 * steps - 1, 4)
    fit = np.linalg.lstsq(powers, values.T, rcond=None)[0]
    scale = np.maximum(np.abs(values).max(axis=1), 1e-300)
    fits = np.abs(powers @ fit - values.T).max(axis=0) < 4e-15 * scale
    place = np.zeros(len(values))
    third, second, first = 3 * fit[0], 2 * fit[1], fit[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(8):
            place = place - (third * place**2 + second * place + first) / (2 * third * place + second)
    inside = (np.abs(place) < 1) & (second < 0)
    rises = values.max(axis=1) - np.minimum(values[:, 0], values[:, -1]) > 1e-13 * scale  # more than rounding
    return ((place + 1) / 2)[:, None], (fits & inside & rises)[:, None]


def _against_replies(case, shares, base, points=129):
    """Utilities at every base when the specialist replies as well as it can, and the kind of its reply."""
    grid = np.linspace(0.0, case.top, points)
    profit = np.stack([case.earned(np, shares, base, x)[1] for x in grid], axis=-1)
    at = profit.argmax(axis=-1)
    low, high = grid[np.maximum(at - 1, 0)], grid[np.minimum(at + 1, points - 1)]
    for _ in range(54):
        middle = 0.5 * (low + high)
        up = _marginal(case, shares, base, middle) > 0
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    x = 0.5 * (low + high)
    x = np.where(x < 1e-9, 0.0, x)
    if case.kink is not None:
        there = np.maximum(case.kink - base, 0.0)
        better = case.earned(np, shares, base, there)[1] >= case.earned(np, shares, base, x)[1]
        x = np.where(better, there, x)
    gain_g, gain_d = case.earned(np, shares, base, x)
    riding_g, riding_d = case.earned(np, shares, base, 0.0)
    contributes = gain_d - case.setup >= riding_d
    gain_g = np.where(contributes, gain_g, riding_g)
    gain_d = np.where(contributes, gain_d - case.setup, riding_d)
    taken = gain_d >= 0
    kind = np.where(taken, 1 + contributes, 0)
    return np.where(taken, gain_g, -case.cost(np, base)), np.where(taken, gain_d, 0.0), kind


def _marginal(case, shares, base, x):
    """The reply's marginal profit: by a complex step, which loses no digits, or from the curves where shared."""
    if case.shared:
        one = case.game.specialists[0]
        return (1 - shares) * one.revenue.slope(base + x) - one.cost.slope(x)
    return case.earned(np, shares, base, x + 1e-30j)[1].imag


def brute_nash(case: Case, shares: int = 41, levels: int = 4) -> float:
    """The largest product of gains over all shares, by a grid that zooms in on its three best cells."""
    best, width = 0.0, 1.0 / (shares - 1)
    centres = [0.5]
    for level in range(levels):
        spans = [np.linspace(0, 1, shares)] if level == 0 else [np.clip(c + width * _SPREAD, 0, 1) for c in centres]
        grid = np.unique(np.concatenate(spans))
        gain_g, gain_d = brute_plays(case, grid, first=401)
        product = np.maximum(gain_g, 0) * np.maximum(gain_d, 0)
        order = np.argsort(-product)
        best, centres = max(best, float(product[order[0]])), grid[order[: 3 if level == 0 else 1]]
        if level:
            width *= _SPREAD[1] - _SPREAD[0]
    return best


_SPREAD = np.linspace(-1.0, 1.0, 17)


def power_best(costs, exponents, rate, rule: str, points: int = 2001, levels: int = 5) -> float:
    """The largest score over all shares with power costs and linear revenue: closed gains, grids that zoom in.

    ``rule`` is ``"Nash"`` (the product of gains), ``"egalitarian"`` (the smaller gain) or ``"Kalai-Smorodinsky"`` (the
    smaller ratio to the largest gain).
    """
    power = 1 / (np.asarray(exponents) - 1)
    scale = (rate / (np.asarray(exponents) * costs)) ** power

    def gains(share):
        base, x = scale[0] * share ** power[0], scale[1] * (1 - share) ** power[1]
        own = base * share * (1 - 1 / exponents[0]), x * (1 - share) * (1 - 1 / exponents[1])
        return rate * np.stack([own[0] + share * x, own[1] + (1 - share) * base])

    def best(score):
        low, high = 0.0, 1.0
        for _ in range(levels):
            grid = np.linspace(low, high, points)
            worth = score(gains(grid))
            at = int(worth.argmax())
            low, high = grid[max(at - 2, 0)], grid[min(at + 2, points - 1)]
        return float(worth.max())

    if rule == "Nash":
        return best(lambda both: both.prod(axis=0))
    if rule == "egalitarian":
        return best(lambda both: both.min(axis=0))
    ideal = np.array([[best(lambda both, i=i: both[i])] for i in (0, 1)])
    return best(lambda both: (both / ideal).min(axis=0))


def quadratic_best(game, rule: str, starts: int = 6) -> float:
    """The largest score of a game of quadratic costs and linear revenues found by SciPy from several starts.

    ``rule`` is ``"Nash"`` (the sum of logarithms of gains), ``"utilitarian"`` or ``"egalitarian"`` (the smallest gain).
    """
    c0 = game.generalist.cost.scale
    costs = np.array([one.cost.scale for one in game.specialists])
    rates = np.array([one.revenue.rate for one in game.specialists])

    def gains(shares):
        total, own = shares @ rates, rates**2 / (4 * costs)
        theirs = rates * (1 - shares) * total / (2 * c0) + own * (1 - shares) ** 2
        return np.r_[total**2 / (4 * c0) + 2 * own @ (shares * (1 - shares)), theirs]

    scores = {"Nash": lambda g: np.log(np.maximum(g, 1e-300)).sum(), "utilitarian": np.sum, "egalitarian": np.min}
    rng, found, n = np.random.default_rng(0), [], len(rates)
    for start in rng.uniform(0.2, 0.8, (starts, n)):
        if rule == "egalitarian":  # the largest level that everybody reaches
            reach = {"type": "ineq", "fun": lambda z: gains(z[:-1]) - z[-1]}
            done = minimize(
                lambda z: -z[-1],
                np.r_[start, gains(start).min()],
                jac=lambda z: np.r_[np.zeros(n), -1.0],
                bounds=[(0, 1)] * n + [(None, None)],
                constraints=[reach],
                method="SLSQP",
                options={"ftol": 1e-15, "maxiter": 500},
            )
        else:
            done = minimize(
                lambda shares: -scores[rule](gains(shares)),
                start,
                bounds=[(0, 1)] * n,
                options={"ftol": 1e-15, "gtol": 1e-9},
            )
        found.append(scores[rule](gains(np.clip(done.x[:n], 0, 1))))
    return float(max(found))
