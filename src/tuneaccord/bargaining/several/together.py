"""Several searches at once, whose questions are answered together.

A play of a hundred vectors of shares costs little more than a play of one, but a local search asks for one at a time.
So each search runs in a thread of its own that waits for its answer, and once all have asked they are answered in one
go. What is asked together does not depend on timing, so the results do not either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Ask = Callable[[np.ndarray], tuple[np.ndarray, ...]]  #: from points (points, shares) to arrays with one row a point


class _Stopped(Exception):
    """Another search, or the answering, has failed."""


class _Table:
    def __init__(self, live: int) -> None:
        self.changed = threading.Condition()
        self.live, self.failure = live, None
        self.questions: dict[int, np.ndarray] = {}
        self.answers: dict[int, tuple[np.ndarray, ...]] = {}

    def ask(self, number: int, points: np.ndarray) -> tuple[np.ndarray, ...]:
        with self.changed:
            self.questions[number] = np.atleast_2d(points)
            self.changed.notify_all()
            self.changed.wait_for(lambda: number in self.answers or self.failure is not None)
            if self.failure is not None:
                raise _Stopped
            return self.answers.pop(number)

    def answer(self, answer: Ask) -> None:
        with self.changed:
            while True:
                self.changed.wait_for(lambda: self.failure is not None or len(self.questions) >= self.live)
                if self.live == 0 or self.failure is not None:
                    return
                asked = sorted(self.questions.items())
                self.questions.clear()
                try:
                    parts = answer(np.vstack([points for _, points in asked]))
                except BaseException as failure:
                    self.failure = failure
                    self.changed.notify_all()
                    return
                ends = np.cumsum([len(points) for _, points in asked])[:-1]
                split = zip(*(np.split(part, ends) for part in parts), strict=True)
                self.answers.update({number: one for (number, _), one in zip(asked, split, strict=True)})
                self.changed.notify_all()


def together(jobs: Sequence[Callable[[Ask], Any]], answer: Ask) -> list[Any]:
    """What each of ``jobs``, called with its way to ask, returns; ``answer`` is called in the caller's thread."""
    if len(jobs) == 1:
        return [jobs[0](lambda points: answer(np.atleast_2d(points)))]
    table = _Table(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(number: int) -> None:
        failure = None
        try:
            results[number] = jobs[number](lambda points: table.ask(number, points))
        except _Stopped:
            pass
        except BaseException as error:
            failure = error
        with table.changed:
            table.live -= 1
            table.failure = table.failure or failure
            table.changed.notify_all()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    table.answer(answer)
    for thread in threads:
        thread.join()
    if table.failure is not None:
        raise table.failure
    return results
