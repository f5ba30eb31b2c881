"""Cutting a reward array into blocks that fit the cache, and running the pieces on threads.

A *piece* is a range of responses of one prompt; a *task* is a run of pieces done by one thread. Both depend on the
shape alone and never on the number of threads, and partial sums are merged in the order of the pieces, so that the
number of threads does not change a bit of the result. Threads are plain Python threads around compiled code that
releases the interpreter's lock: unlike a compiler's own threading layer they survive a fork and calls from several
threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

#: bytes of one block of all groups; beyond it the second use of a row comes from memory
_CACHE = 2 << 20
#: rewards that one task should cover, so that starting it costs next to nothing
_TASK = 1 << 21


def block_width(groups: int, responses: int, itemsize: int) -> int:
    """Responses in a block: as many as fit the cache with all groups, between 256 and 4096.

    >>> block_width(groups=256, responses=65536, itemsize=4)
    2048
    """
    width = _CACHE // (groups * itemsize) // 64 * 64
    return min(max(width, 256), 4096, responses)


def pieces(prompts: int, groups: int, responses: int, width: int) -> np.ndarray:
    """Rows (prompt, first response, last response + 1); a long prompt is cut into several, at multiples of ``width``.

    >>> pieces(prompts=2, groups=4, responses=100, width=100)
    array([[  0,   0, 100],
           [  1,   0, 100]])
    """
    length = max(1, _TASK // (groups * width)) * width
    starts = np.arange(0, responses, length)
    cuts = np.column_stack([starts, np.minimum(starts + length, responses)])
    return np.column_stack([np.repeat(np.arange(prompts), len(cuts)), np.tile(cuts, (prompts, 1))]).astype(np.int64)


def sample_pieces(prompts: int, responses: int) -> np.ndarray:
    """Eight short pieces of every prompt, evenly spaced, from which to guess a centre.

    >>> sample_pieces(prompts=1, responses=100_000)[:2]
    array([[    0,     0,   256],
           [    0, 12500, 12756]])
    """
    starts = np.arange(8) * (responses // 8)
    cuts = np.column_stack([starts, np.minimum(starts + 256, responses)])
    return np.column_stack([np.repeat(np.arange(prompts), 8), np.tile(cuts, (prompts, 1))]).astype(np.int64)


def tasks(parts: np.ndarray, groups: int) -> list[tuple[int, int]]:
    """Ranges of consecutive pieces of about equal work."""
    each = max(1, int(_TASK // max(1, groups * int((parts[:, 2] - parts[:, 1]).max()))))
    return [(start, min(start + each, len(parts))) for start in range(0, len(parts), each)]


def row_tasks(rows: int, responses: int) -> list[tuple[int, int]]:
    """Ranges of rows, for problems solved one row at a time.

    >>> row_tasks(rows=3, responses=1 << 19)
    [(0, 2), (2, 3)]
    """
    each = max(1, (_TASK >> 1) // responses)
    return [(start, min(start + each, rows)) for start in range(0, rows, each)]


def run(task: Callable[[int, int], None], ranges: list[tuple[int, int]], threads: int | None) -> None:
    """Call ``task`` on every range, on ``threads`` threads; None for all cores."""
    workers = min(len(ranges), threads or os.cpu_count() or 1)
    if workers <= 1:
        for start, stop in ranges:
            task(start, stop)
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(task, start, stop) for start, stop in ranges]:
            done.result()
