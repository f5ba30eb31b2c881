"""Work for a page that is overtaken by newer work: sliders ask faster than answers are computed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from nicegui import background_tasks, ui

from tuneaccord.errors import InputError

#: a part of the work, computed in a thread, and what shows its result on the page
Step = tuple[Callable[[], Any], Callable[[Any], None]]


class Latest:
    """Runs the newest request's steps one by one, each in a thread, and drops the rest of an older request's.

    ``plan(request)`` lists the steps; ``complain(message)`` shows what was wrong, or nothing. Where ``eager``, a first
    step's result is shown though a newer request is there already: during a long drag something must move. The work
    begins after ``patience`` seconds without a newer request.
    """

    def __init__(
        self,
        plan: Callable[[Any], Iterable[Step]],
        complain: Callable[[str], None],
        *,
        eager: bool = True,
        patience: float = 0.0,
    ) -> None:
        self.plan, self.complain, self.eager, self.patience = plan, complain, eager, patience
        self.client = ui.context.client
        self.number, self.request, self.working = 0, None, False

    def ask(self, request: Any) -> None:
        """Answer this request, and no older one."""
        self.number += 1
        self.request = request
        if not self.working:
            self.working = True
            background_tasks.create(self._work(), name="explorer")

    async def _work(self) -> None:
        try:
            answered = 0
            while answered != self.number and not self.client.is_deleted:
                answered = self.number
                await self._answer(self.request, answered)
        finally:
            self.working = False

    async def _answer(self, request: Any, number: int) -> None:
        try:
            await asyncio.sleep(self.patience)
            if self.client.is_deleted or (self.patience and self.number != number):
                return
            with self.client:
                self.complain("")
            for place, (compute, show) in enumerate(self.plan(request)):
                result = await asyncio.to_thread(compute)
                overtaken = self.number != number
                if self.client.is_deleted or (overtaken and not (self.eager and place == 0)):
                    return
                with self.client:
                    show(result)
                if overtaken:
                    return
        except InputError as error:
            with self.client:
                self.complain(str(error))
