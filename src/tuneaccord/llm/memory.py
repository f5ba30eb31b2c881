"""Work that does not fit in memory is done in smaller pieces, and says so."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

from tuneaccord.errors import ModelError
from tuneaccord.execution import remark
from tuneaccord.llm.backend import torch

Result = TypeVar("Result")

#: by kind of work, how many replies at a time were not too many, in this process
_fitted: dict[str, int] = {}
_SIGNS = ("not enough memory", "can't allocate memory", "cannot allocate memory", "out of memory", "bad_alloc")


def fitting(kind: str, count: int, work: Callable[[int], Result]) -> Result:
    """``work(size)``, where ``size`` is how many of ``count`` replies to take at a time: all, or ever fewer.

    Out of memory, the size is halved and ``work`` starts afresh; in pieces its result is the same up to rounding.
    The size that fits is remembered for work of the same kind, and whoever runs the job is told. Raises
    :class:`ModelError` when a single reply at a time is too much.

    >>> fitting("doubling", 3, lambda size: [2 * reply for reply in range(size)])
    [0, 2, 4]
    """
    while True:
        size = min(_fitted.get(kind, count), count)
        try:
            return work(size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size <= 1:
                raise ModelError(
                    f"out of memory while {kind}, with a single reply at a time. Use fewer --workers, shorter prompts "
                    "or pool.new_tokens, or a smaller model."
                ) from None
        # not in the handler, which keeps what the attempt had allocated
        _fitted[kind] = (size + 1) // 2
        remark(f"not enough memory for {kind} {size} replies at a time; going on with {_fitted[kind]} at a time")
        _release()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short; PyTorch has no common type for all devices.

    >>> [is_out_of_memory(error) for error in (MemoryError(), RuntimeError("CUDA out of memory."), OSError())]
    [True, True, False]
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def pieces(count: int, size: int) -> list[slice]:
    """``count`` things, ``size`` at a time.

    >>> pieces(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    return [slice(start, start + size) for start in range(0, count, size)]
