"""The little that NumPy arrays and torch tensors do not agree on, and blocks that fit a cache.

Tensors stay on their device. torch itself is never imported here: whoever hands over a tensor has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

#: rewards in a block: a float64 copy and its exponentials about fill a second-level cache
_CACHE = 1 << 16
#: rewards in a block on an accelerator, where starting a block costs more than its arithmetic
_DEVICE = 1 << 25


def is_tensor(array) -> bool:
    """Whether ``array`` is a torch tensor.

    >>> is_tensor(np.ones(2))
    False
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def namespace(array):
    """The module whose functions take ``array``: torch for tensors, NumPy for all else."""
    return sys.modules["torch"] if is_tensor(array) else np


def double(array):
    """``array`` in float64, on its device; itself if it is."""
    if is_tensor(array):
        return array.to(sys.modules["torch"].float64)
    return np.asarray(array, np.float64)


def like(numbers: np.ndarray, array):
    """NumPy ``numbers`` in float64 as ``array`` is: a tensor on its device, or themselves."""
    if is_tensor(array):
        return sys.modules["torch"].tensor(np.asarray(numbers, np.float64), device=array.device)
    return np.asarray(numbers, np.float64)


def to_numpy(array) -> np.ndarray:
    """``array`` as float64 on the CPU."""
    return array.detach().to("cpu", sys.modules["torch"].float64).numpy() if is_tensor(array) else double(array)


def blocks(scores, budget: int | None = None) -> Iterator[tuple[slice, list[slice]]]:
    """Lots of prompts, each with the pieces its responses are read in, for ``scores`` (prompts, groups, responses).

    >>> list(blocks(np.empty((3, 2, 4)), budget=16))
    [(slice(0, 2, None), [slice(0, 4, None)]), (slice(2, 3, None), [slice(0, 4, None)])]
    """
    prompts, groups, responses = scores.shape
    on_device = is_tensor(scores) and scores.device.type != "cpu"
    budget = budget or (_DEVICE if on_device else _CACHE)
    lot = max(1, budget // (groups * responses))
    width = responses if lot > 1 else max(64, budget // groups)
    pieces = [slice(start, min(start + width, responses)) for start in range(0, responses, width)]
    for start in range(0, prompts, lot):
        yield slice(start, min(start + lot, prompts)), pieces
