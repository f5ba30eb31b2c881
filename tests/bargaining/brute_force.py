"""Fine-tuning games by brute force: dense grids, zoomed in on from every local maximum. No line of the package is used.

A game comes as plain data (``game.to_dict()``); its parameters may be arrays, one number a game. Curves are evaluated
by their formulas, a specialist's reply by scanning its marginal profit for every fall through zero, the generalist's
base by scanning its utility. Slow, and only as sure as its grids are fine; what it reports is attained, though, so a
solver that does worse has missed something.
"""

from __future__ import annotations

import numpy as np

WIDE = 8.0  # features of the random games lie well below this
TIE = 1e-14  # utilities closer than this part of the money involved are taken for equal


def money(curve: dict, base, x):
    """A curve's value at ``x``; only a cost by level depends on ``base``."""
    kind = curve["kind"]
    if kind == "Fixed":
        return np.where(x > 0, fit(curve["amount"], x), 0.0) + money(curve["curve"], base, x)
    if kind == "Capped":
        return money(curve["curve"], base, np.minimum(x, fit(curve["limit"], x)))
    if kind == "Level":
        return money(curve["curve"], 0.0, base + x) - money(curve["curve"], 0.0, base + 0.0 * x)
    if kind == "Tabulated":
        return table(curve)[0](x)
    p = {name: fit(given, x) for name, given in curve.items() if name != "kind"}
    if kind == "Power":
        return p["scale"] * x ** p["exponent"]
    if kind == "Linear":
        return p["rate"] * x
    if kind == "Log":
        return p["scale"] * np.log1p(p["rate"] * x)
    if kind == "Sqrt":
        return p["scale"] * np.sqrt(x)
    if kind == "Saturating":
        return p["cap"] * (1.0 - np.exp(-p["rate"] * x))
    assert kind == "Logistic", kind
    return p["scale"] * (sigmoid((x - p["midpoint"]) / p["width"]) - sigmoid(-p["midpoint"] / p["width"]))


def rate(curve: dict, base, x):
    """A curve's slope at ``x``, to the right at a kink."""
    kind = curve["kind"]
    if kind == "Fixed":
        return rate(curve["curve"], base, x)
    if kind == "Capped":
        return np.where(x < fit(curve["limit"], x), rate(curve["curve"], base, x), 0.0)
    if kind == "Level":
        return rate(curve["curve"], 0.0, base + x)
    if kind == "Tabulated":
        return table(curve)[1](x)
    p = {name: fit(given, x) for name, given in curve.items() if name != "kind"}
    with np.errstate(divide="ignore"):
        if kind == "Power":
            return p["scale"] * p["exponent"] * x ** (p["exponent"] - 1.0)
        if kind == "Linear":
            return p["rate"] + 0.0 * x
        if kind == "Log":
            return p["scale"] * p["rate"] / (1.0 + p["rate"] * x)
        if kind == "Sqrt":
            return 0.5 * p["scale"] / np.sqrt(x)
        if kind == "Saturating":
            return p["cap"] * p["rate"] * np.exp(-p["rate"] * x)
    rising = sigmoid((x - p["midpoint"]) / p["width"])
    return p["scale"] / p["width"] * rising * (1.0 - rising)


def fit(parameter, x):
    """A parameter with one number a game, along the first axis of ``x``."""
    array = np.asarray(parameter, float)
    return array.reshape(array.shape + (1,) * (np.ndim(x) - array.ndim)) if array.ndim else array


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


_TABLES: dict = {}


def table(curve: dict):
    """Value and slope of the parabolas through a table, by the definition: see :func:`drawn`."""
    key = (tuple(curve["x"]), tuple(curve["y"]), curve["beyond"])
    if key not in _TABLES:
        _TABLES[key] = drawn(*key)
    return _TABLES[key]


def drawn(x, y, beyond):
    """From point to point one or two parabolas; SciPy evaluates them.

    The slope at a point is that of the parabola through it and its neighbours, but at most twice the smaller secant;
    at the two ends it makes the interval one parabola. Inside an interval the slopes meet halfway if both are on one
    side of the secant, and else where the meeting slope is the secant. Random tables have no three points in line.
    """
    from scipy.interpolate import PPoly

    if x[0] > 0:
        x, y = (0.0, *x), (0.0, *y)
    secants = [(y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(len(x) - 1)]
    slopes = []
    for i in range(1, len(secants)):
        parabola = np.polyfit(np.array(x[i - 1 : i + 2]) - x[i], y[i - 1 : i + 2], 2)[1]
        slopes.append(min(parabola, 2 * secants[i - 1], 2 * secants[i]))
    slopes = [2 * secants[0] - slopes[0], *slopes, 2 * secants[-1] - slopes[-1]] if slopes else [secants[0], secants[0]]
    breaks, pieces = [x[0]], []
    for i, secant in enumerate(secants):
        a, b = slopes[i], slopes[i + 1]
        if abs(a + b - 2 * secant) <= 1e-13 * (a + b):
            parts = [(x[i + 1], a, b)]
        else:
            apart = (a - secant) * (b - secant) < 0
            meet = x[i] + (x[i + 1] - x[i]) * ((b - secant) / (b - a) if apart else 0.5)
            middle = secant if apart else 2 * secant - (a + b) / 2
            parts = [(meet, a, middle), (x[i + 1], middle, b)]
        for end, first, last in parts:
            height = y[i] if breaks[-1] == x[i] else pieces[-1][2] + (breaks[-1] - breaks[-2]) * (first + a) / 2
            pieces.append(((last - first) / (end - breaks[-1]) / 2, first, height))
            breaks.append(end)
    pieces.append((0.0, 0.0 if beyond == "flat" else slopes[-1], y[-1]))
    value = PPoly(np.array(pieces).T, [*breaks, breaks[-1] + 1.0])
    return value, value.derivative()


def corners(curve: dict) -> list:
    """Where the slope jumps or bends, apart from any base."""
    inner = corners(curve["curve"]) if "curve" in curve else []
    if curve["kind"] == "Capped":
        return [*inner, curve["limit"]]
    if curve["kind"] == "Tabulated":
        return [*inner, *table(curve)[0].x[1:-1]]
    return inner


def by_level(cost: dict) -> bool:
    return cost["kind"] == "Level" or ("curve" in cost and by_level(cost["curve"]))


def bends(curve: dict) -> str:
    """ "up", "down" or "" if a curve's slope rises, falls, or neither for sure."""
    kind = curve["kind"]
    if kind in ("Fixed", "Level"):
        return bends(curve["curve"])
    if kind == "Capped":
        return "down" if bends(curve["curve"]) in ("down", "straight") else ""
    if kind == "Power":
        return "up" if np.all(np.asarray(curve["exponent"]) > 1) else "down"
    return {"Linear": "straight", "Log": "down", "Sqrt": "down", "Saturating": "down"}.get(kind, "")


def reply(one: dict, share, base, *, points: int = 140):
    """The best reply of specialist ``one`` to each ``share`` and ``base``, of one shape (games, ...).

    Returns the improvement, whether it takes part, its utility, and its revenue.
    """
    share, base = (np.array(part, float) for part in np.broadcast_arrays(share, base))
    kept, cost, revenue = (1.0 - share)[..., None], one["cost"], one["revenue"]

    def worth(x):
        return kept * money(revenue, 0.0, base[..., None] + x) - money(cost, base[..., None], x)

    def marginal(x):
        with np.errstate(invalid="ignore"):  # infinity less infinity, both curves being steep at 0
            rise = kept * rate(revenue, 0.0, base[..., None] + x)
            return np.where(kept > 0, rise, 0.0) - rate(cost, base[..., None], x)

    top = highest(worth, base.shape)
    simple = bends(revenue) in ("down", "straight") and bends(cost) in ("up", "straight")
    if simple:
        grid = np.stack([np.zeros_like(base), *kinks(one, base, top), top], axis=-1)
    else:
        fine = np.concatenate([np.linspace(0.0, WIDE, points), [1e-8, 1e-6, 1e-4, 1e-3, 1e-2]])
        wide = top[..., None] * np.geomspace(1e-3, 1.0, 25)
        grid = np.concatenate(
            [np.broadcast_to(fine, (*base.shape, len(fine))), wide, *kinks(one, base, top, -1)], axis=-1
        )
    grid = np.sort(grid, axis=-1)
    left, right = grid[..., :-1], np.nextafter(grid[..., 1:], 0.0)
    falls = (marginal(left) > 0) & (marginal(right) <= 0) & (right > left)
    keep = 1 if simple else 3
    score = np.where(falls, np.maximum(worth(left), worth(right)), -np.inf)
    best = np.argsort(-score, axis=-1)[..., :keep]
    low, high = (np.take_along_axis(part, best, -1) for part in (left, right))
    found = np.take_along_axis(falls, best, -1)
    for _ in range(50):
        middle = 0.5 * (low + high)
        up = marginal(middle) > 0
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    corner = np.concatenate([base[..., None][..., :0], *kinks(one, base, top, -1)], axis=-1)
    options = np.concatenate([0.0 * base[..., None], low, corner], axis=-1)
    values = worth(options)
    values[..., 1 : 1 + keep][~found] = -np.inf
    # a corner beside a flat top is worth as much up to rounding, but is no peak
    peaked = (marginal(np.nextafter(corner, 0.0)) > 0) & (marginal(corner) <= 0)
    values[..., values.shape[-1] - corner.shape[-1] :][~peaked] = -np.inf
    size = np.abs(kept * money(revenue, 0.0, base[..., None] + options)) + np.abs(money(cost, base[..., None], options))
    # the largest improvement among equally good ones: contributing beats free-riding
    good = values >= (values.max(axis=-1, keepdims=True) - TIE * size)
    pick = np.argmax(np.where(good, options, -1.0), axis=-1)[..., None]
    x = np.take_along_axis(options, pick, -1)[..., 0]
    utility = np.take_along_axis(values, pick, -1)[..., 0] - fit(one["entry_cost"], x)
    joins = utility >= fit(one["outside"], x) - TIE * (1.0 + np.take_along_axis(size, pick, -1)[..., 0])
    income = np.where(joins, money(revenue, 0.0, base + x), 0.0)
    return np.where(joins, x, 0.0), joins, np.where(joins, utility, fit(one["outside"], x)), income


def highest(worth, shape):
    """Past this improvement the profit only falls."""
    top = np.full(shape, WIDE)
    for _ in range(60):
        values = worth(np.stack([top, 2 * top, 4 * top], axis=-1))
        still = (values[..., 1] > values[..., 0]) | (values[..., 2] > values[..., 1])
        if not still.any():
            break
        top = np.where(still, 2 * top, top)
    return 2 * top


def kinks(one: dict, base, top, axis: int | None = None) -> list:
    """Improvements at which a curve has a corner, one array each (with a last axis of 1 if ``axis``)."""
    places = [fit(corner, base) - base for corner in corners(one["revenue"])]
    for corner in corners(one["cost"]):
        # a cap outside a cost by level limits the improvement, one inside it the level
        places += [fit(corner, base) - base] * by_level(one["cost"]) + [fit(corner, base) + 0.0 * base]
    places = [np.clip(place, 0.0, top) for place in places]
    return [place[..., None] for place in places] if axis else places


def earned(game: dict, shares, base, **how):
    """Everybody's utility at ``base`` (games, ...), generalist first along the last axis; and the replies."""
    total = -money(game["generalist"]["cost"], 0.0, base)
    theirs, replies = [], []
    for i, one in enumerate(game["specialists"]):
        share = fit(shares[:, i], base)
        x, joins, utility, income = reply(one, share, base, **how)
        total = total + share * income
        theirs.append(utility)
        replies.append((x, joins))
    return np.stack([total, *theirs], axis=-1), replies


def play(game: dict, shares, *, bases: int = 200, peaks: int = 3, zooms: int = 10, **how):
    """The best base for each row of ``shares`` (games, specialists), and everybody's utility there.

    Scans ``bases`` of them and zooms in around the ``peaks`` best local maxima. Of equally good bases the largest.
    """
    shares = np.atleast_2d(np.asarray(shares, float))
    few = np.zeros((len(shares), 1))
    top = highest(lambda b: earned(game, shares, b[:, 0], **how)[0][..., 0][:, None], few.shape)
    scan = np.concatenate([np.linspace(0.0, WIDE, bases), [1e-8, 1e-6, 1e-4, 1e-3, 1e-2]])
    scan = np.sort(np.concatenate([few + scan, top * np.geomspace(1e-3, 1.0, 25)], axis=1), axis=1)
    scan = np.concatenate([scan, *level_corners(game, few)], axis=1)
    scan.sort(axis=1)
    worth = earned(game, shares, scan, **how)[0][..., 0]
    rows = np.arange(len(shares))[:, None]
    padded = np.pad(worth, ((0, 0), (1, 1)), constant_values=-np.inf)
    peak = (worth >= padded[:, :-2]) & (worth >= padded[:, 2:])
    spots = np.argsort(-np.where(peak, worth, -np.inf), axis=1)[:, :peaks]
    last = scan.shape[1] - 1
    low, high = scan[rows, np.maximum(spots - 1, 0)], scan[rows, np.minimum(spots + 1, last)]
    best = scan[rows, spots]
    for _ in range(zooms):
        inside = low[..., None] + (high - low)[..., None] * np.linspace(0.0, 1.0, 13)
        inside = np.sort(np.concatenate([inside, best[..., None]], axis=-1), axis=-1)
        worth = earned(game, shares, inside, **how)[0][..., 0]
        at = 13 - np.argmax(worth[..., ::-1], axis=-1)[..., None]
        step = (high - low) / 12.0
        best = np.take_along_axis(inside, at, -1)[..., 0]
        low, high = np.maximum(best - step, low), np.minimum(best + step, high)
    best = polished(lambda base: earned(game, shares, base, **how)[0][..., 0], best)
    utilities = earned(game, shares, best, **how)[0]
    size = 1.0 + np.abs(utilities[..., 0]).max(axis=1, keepdims=True)
    good = utilities[..., 0] >= utilities[..., 0].max(axis=1, keepdims=True) - 1e-13 * size
    pick = np.argmax(np.where(good, best, -1.0), axis=1)
    return best[rows[:, 0], pick], utilities[rows[:, 0], pick]


def polished(worth, best):
    """A value says where it is largest to 8 digits only; its slope, by differences, to 11: a step of Newton's method.

    Left as it is where the differences at two step sizes disagree, at a corner or a jump.
    """
    step = 1e-3 * np.minimum(best, 1.0)[..., None]
    at = worth(best[..., None] + step * np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]))
    step = step[..., 0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        wide = (8 * (at[..., 5] - at[..., 1]) - (at[..., 6] - at[..., 0])) / (12 * step)
        narrow = (8 * (at[..., 4] - at[..., 2]) - (at[..., 5] - at[..., 1])) / (6 * step)
        bend = (at[..., 5] - 2 * at[..., 3] + at[..., 1]) / step**2
        moved = -wide / bend
        smooth = (np.abs(wide - narrow) < 1e-7 * np.abs(bend)) & (bend < 0) & (np.abs(moved) < 0.1 * step)
    return np.where(smooth, best + np.where(smooth, moved, 0.0), best)


def level_corners(game: dict, few) -> list:
    """Bases at which a curve has a corner, as further places to look at."""
    curves = [game["generalist"]["cost"], *(one["revenue"] for one in game["specialists"])]
    return [few + fit(corner, few) for curve in curves for corner in corners(curve)]
