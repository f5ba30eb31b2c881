"""Threads that answer requests: each takes the next that waits, and tells the event loop what came of it.

Requests pass through here once each, so this does next to nothing: anyio's threads, which do all else, look at
contexts, cancellation and limits at every call, which takes several times as long.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any


class Threads:
    """At most ``most`` threads, begun when they are needed; they end with this object.

    >>> async def both():
    ...     threads = Threads(2)
    ...     return await asyncio.gather(threads.run(max, 1, 2), threads.run(min, 1, 2))
    >>> asyncio.run(both())
    [2, 1]
    """

    def __init__(self, most: int) -> None:
        self._most, self._begun, self._under_way = most, 0, 0
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        weakref.finalize(self, self._waiting.put, None)

    async def run(self, function: Callable[..., Any], *given: Any) -> Any:
        """What the function returns or raises; it goes on where nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._under_way += 1
        if self._begun < min(self._most, self._under_way):
            self._begun += 1
            threading.Thread(target=_serve, args=(self._waiting,), name="requests", daemon=True).start()
        self._waiting.put((loop, answer, function, given))
        try:
            return await answer
        finally:
            self._under_way -= 1


def _serve(waiting: SimpleQueue[Any]) -> None:
    while (one := waiting.get()) is not None:
        loop, answer, function, given = one
        try:
            told = answer.set_result, function(*given)
        except BaseException as error:
            told = answer.set_exception, error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(_tell, answer, *told)
        del one, loop, answer, function, given, told  # or they would be kept until the next request
    waiting.put(None)


def _tell(answer: asyncio.Future[Any], tell: Callable[[Any], None], what: Any) -> None:
    if not answer.done():
        tell(what)
