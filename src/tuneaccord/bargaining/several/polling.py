"""Search for better shares all around, where slopes do not help: across kinks and jumps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_RINGS = 4.0 ** -np.arange(0.0, 4.0)
_WIDEST = 1e-2
_ON_A_LINE = 17
_SPREAD = 0.1  # of the first draws, in shares
_WIDER = 1.3  # than the best of the last round
_FIRST_RINGS = 10.0 ** -np.arange(0.0, 6.0, 2.0)


Best = Callable[[np.ndarray], int]


def glance(best: Best, shares: np.ndarray) -> np.ndarray | None:
    """Something better around, from a few rings looked at once; None if there is nothing."""
    candidates = _around(shares, _WIDEST * _FIRST_RINGS, _axes(len(shares)))
    found = best(np.vstack([shares, candidates]))
    return None if not found else candidates[found - 1]


def poll(best: Best, shares: np.ndarray, *, least: float, seed: int, rounds: int) -> np.ndarray:
    """The best shares reached by searches along lines: axes and random directions, whichever shows something better.

    ``best(points)`` is the number of the best of some points, the first one unless another is clearly better. On a line
    the best point is closed in on to ``least``, so that a jump next to it is found too.
    """
    rng = np.random.default_rng(seed)
    count, radius = len(shares), _WIDEST
    for _ in range(rounds):
        turned = np.linalg.qr(rng.normal(size=(count, count)))[0]
        candidates = _around(shares, radius * _RINGS, np.vstack([_axes(count), turned, -turned]))
        found = best(np.vstack([shares, candidates]))
        if found:
            before, shares = shares, _along(best, shares, candidates[found - 1], least)
            radius = min(_WIDEST, 4.0 * max(float(np.abs(shares - before).max()), least))
        else:
            radius *= _RINGS[-1] / 4.0
            if radius < least:
                break
    return shares


def breed(score: Callable[[np.ndarray], np.ndarray], shares: np.ndarray, *, seed: int, rounds: int) -> np.ndarray:
    """The best of many shares drawn around, each round around the best fifth of the last and shaped like it.

    ``score(points)`` is (points,). Learns the direction of an edge and follows it, which lines and axes do slowly.
    """
    rng = np.random.default_rng(seed)
    count = len(shares)
    drawn = 24 + 16 * count
    middle, shape = shares, _SPREAD * np.eye(count)
    points, scores = shares[None, :], score(shares[None, :])
    for _ in range(rounds):
        fresh = np.clip(middle + rng.normal(size=(drawn, count)) @ shape, 0.0, 1.0)
        points, scores = np.vstack([points, fresh]), np.concatenate([scores, score(fresh)])
        order = np.argsort(-scores, kind="stable")[: drawn // 5]
        points, scores = points[order], scores[order]
        middle = points.mean(axis=0)
        off = (points - middle) / np.sqrt(len(points))
        shape = _WIDER * np.linalg.qr(np.vstack([off, 1e-12 * np.eye(count)]), mode="r")
    return points[0]


def _along(best: Best, start: np.ndarray, better: np.ndarray, least: float) -> np.ndarray:
    """The best point from ``start`` through ``better`` and on as far again."""
    low, high, length = 0.0, 2.0, float(np.abs(better - start).max())
    place = 1.0
    while (high - low) * length > least:
        places = np.append(place, np.linspace(low, high, _ON_A_LINE))
        place = float(places[best(np.clip(start + places[:, None] * (better - start), 0.0, 1.0))])
        step = (high - low) / (_ON_A_LINE - 1)
        low, high = max(place - step, low), min(place + step, high)
    return np.clip(start + place * (better - start), 0.0, 1.0)


def _axes(count: int) -> np.ndarray:
    return np.vstack([np.eye(count), -np.eye(count)])


def _around(shares: np.ndarray, radii: np.ndarray, directions: np.ndarray) -> np.ndarray:
    return np.clip(shares + (radii[:, None, None] * directions).reshape(-1, len(shares)), 0.0, 1.0)
