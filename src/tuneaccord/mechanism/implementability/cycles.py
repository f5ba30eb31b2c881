"""Shortest paths and least mean cycles of a complete directed graph, by whole rows at a time."""

from __future__ import annotations

import numpy as np


def shortest_paths(lengths: np.ndarray) -> np.ndarray:
    """``paths[b, a]``: the shortest way from b to a (Floyd and Warshall); cycles must not be negative.

    >>> shortest_paths(np.array([[0.0, 5.0, 1.0], [9.0, 0.0, 9.0], [9.0, 1.0, 0.0]]))[0]
    array([0., 2., 1.])
    """
    paths = np.array(lengths, float)
    for middle in range(len(paths)):
        np.fill_diagonal(paths, 0.0)  # a cycle that is negative by rounding would be added to itself
        np.minimum(paths, paths[:, middle, None] + paths[middle], out=paths)
    np.fill_diagonal(paths, 0.0)
    return paths


def least_mean_cycle(lengths: np.ndarray) -> tuple[int, ...]:
    """The nodes of a cycle with the least mean length (Karp), in the direction of the edges; none for one node.

    >>> least_mean_cycle(np.array([[0.0, 3.0, 1.0], [3.0, 0.0, 3.0], [-2.0, 3.0, 0.0]]))
    (0, 2)
    """
    count = len(lengths)
    if count == 1:
        return ()
    edges = np.array(lengths, float)
    np.fill_diagonal(edges, np.inf)
    walks, parents = np.full((count + 1, count), np.inf), np.zeros((count + 1, count), int)
    walks[0] = 0.0  # a walk may start anywhere, as from a source outside that reaches every node at no cost
    for step in range(1, count + 1):
        through = walks[step - 1][:, None] + edges
        parents[step] = through.argmin(axis=0)
        walks[step] = through.min(axis=0)
    means = (walks[count] - walks[:count]) / (count - np.arange(count))[:, None]
    # rounding may move the least node among near ties: the best cycle on any of the best walks is taken
    ends = np.argsort(means.max(axis=0))[:8]
    cycles = [cycle for end in ends for cycle in _cycles_on(_walk(parents, int(end)))]
    return min(cycles, key=lambda cycle: _mean(edges, cycle))


def _walk(parents: np.ndarray, end: int) -> list[int]:
    nodes = [end]
    for step in range(len(parents) - 1, 0, -1):
        nodes.append(int(parents[step, nodes[-1]]))
    return nodes[::-1]


def _cycles_on(walk: list[int]):
    """The simple cycles into which a walk falls apart, each from its smallest node."""
    path: list[int] = []
    for node in walk:
        if node in path:
            start = path.index(node)
            cycle, path = path[start:], path[:start]
            turn = cycle.index(min(cycle))
            yield tuple(cycle[turn:] + cycle[:turn])
        path.append(node)


def _mean(edges: np.ndarray, cycle: tuple[int, ...]) -> float:
    return float(edges[np.roll(cycle, 1), list(cycle)].mean())
