"""A mesh of the unit cube whose cells can be halved where it matters."""

from __future__ import annotations

from itertools import product

import numpy as np

_DEEPEST = 12  # halvings that whole numbers of the finest spacing allow for


class Mesh:
    """Cubes of [0, 1]^dimensions, ``cells`` along each axis to begin with, and their corners."""

    def __init__(self, dimensions: int, cells: int) -> None:
        self._size = cells * 2**_DEEPEST
        self._numbers: dict[tuple[int, ...], int] = {}
        self._offsets = np.array(list(product((0, 1), repeat=dimensions)))
        starts = np.array(list(product(range(cells), repeat=dimensions))) * 2**_DEEPEST
        self._widths = np.full(len(starts), 2**_DEEPEST)
        self._starts = starts
        self._corners = self._numbered(starts, self._widths)

    @property
    def shares(self) -> np.ndarray:
        """All corners, (points, dimensions), old ones first."""
        return np.array(list(self._numbers)) / self._size

    def mixed(self, stays: np.ndarray) -> np.ndarray:
        """Which cells have corners of both kinds, or touch such a cell's corner that stays."""
        inside = stays[self._corners]
        return inside.any(axis=1) & ~inside.all(axis=1)

    def halve(self, which: np.ndarray) -> None:
        """Replace some cells by the smaller ones inside them."""
        if not which.any():
            return
        half = self._widths[which] // 2
        starts = (self._starts[which][:, None, :] + half[:, None, None] * self._offsets).reshape(
            -1, self._starts.shape[1]
        )
        widths = np.repeat(half, len(self._offsets))
        self._starts = np.vstack([self._starts[~which], starts])
        self._widths = np.concatenate([self._widths[~which], widths])
        self._corners = np.vstack([self._corners[~which], self._numbered(starts, widths)])

    def connected(self, stays: np.ndarray) -> list[np.ndarray]:
        """The points that stay, grouped by chains of cells that share corners that stay."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        inside = stays[self._corners]
        first = self._corners[np.arange(len(inside)), inside.argmax(axis=1)]
        cell, corner = np.nonzero(inside)
        links = coo_matrix((np.ones(len(cell)), (first[cell], self._corners[cell, corner])), shape=(len(stays),) * 2)
        _, labels = connected_components(links, directed=False)
        groups = [np.flatnonzero(stays & (labels == label)) for label in np.unique(labels[stays])]
        return sorted(groups, key=lambda rows: int(rows[0]))

    def _numbered(self, starts: np.ndarray, widths: np.ndarray) -> np.ndarray:
        corners = starts[:, None, :] + widths[:, None, None] * self._offsets
        return np.array(
            [
                [self._numbers.setdefault(tuple(point), len(self._numbers)) for point in cell]
                for cell in corners.tolist()
            ]
        )
