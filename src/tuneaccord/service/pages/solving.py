"""The solutions of the newest game that a page asks for; what an older one still computes is ended."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable

from nicegui import background_tasks, ui

from tuneaccord.bargaining import FineTuningGame
from tuneaccord.config.game import every_rule
from tuneaccord.errors import InputError
from tuneaccord.service.pages.bargaining_numbers import is_quick, solved
from tuneaccord.service.pages.bargaining_state import Deal

PATIENCE = 0.3  #: seconds without a change before a game is solved
LONGEST = 180.0  #: seconds that a slow game may take
AT_ONCE = 2  #: slow games on one server
LARGEST = 1_000_000  #: bytes of one solution's line

_places = asyncio.Semaphore(AT_ONCE)


class Solving:
    """Calls ``show(rows, total)`` with the rows so far and how many there will be, ``tell(words)`` with the state."""

    def __init__(self, show: Callable[[list[dict], int], None], tell: Callable[[str], None]) -> None:
        self.show, self.tell = show, tell
        self.client = ui.context.client
        self.task: asyncio.Task | None = None
        self.client.on_delete(self.stop)

    def ask(self, deal: Deal) -> None:
        """Solve this deal's game, and no other one any more."""
        self.stop()
        self.task = background_tasks.create(self._work(deal), name="solutions")

    def stop(self) -> None:
        """End what is being computed."""
        if self.task is not None and not self.task.done():
            self.task.cancel()

    async def _work(self, deal: Deal) -> None:
        try:
            game = deal.game()
            total, rows = len(every_rule(game)), []
            self._say(f"Solving: 0 of {total} solutions.")
            await asyncio.sleep(PATIENCE)
            async for row in _in_thread(game) if is_quick(game) else _in_process(game):
                rows.append(row)
                self._show(rows, total)
        except InputError as error:
            self._say(f"There are no solutions: {error}")
        except TimeoutError:
            self._say(f"Stopped after {LONGEST:g} seconds. The command tuneaccord bargain has no such limit.")

    def _show(self, rows: list[dict], total: int) -> None:
        if not self.client.is_deleted:
            with self.client:
                self.show(list(rows), total)
        self._say("" if len(rows) == total else f"Solving: {len(rows)} of {total} solutions.")

    def _say(self, words: str) -> None:
        if not self.client.is_deleted:
            with self.client:
                self.tell(words)


async def _in_thread(game: FineTuningGame) -> AsyncIterator[dict]:
    for rule in every_rule(game):
        yield await asyncio.to_thread(solved, game, rule)


async def _in_process(game: FineTuningGame) -> AsyncIterator[dict]:
    async with _places, asyncio.timeout(LONGEST):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tuneaccord.service.pages.bargaining_solver",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=LARGEST,
        )  # fmt: skip
        try:
            process.stdin.write(json.dumps(game.to_dict()).encode())
            process.stdin.close()
            while line := await process.stdout.readline():
                yield json.loads(line)
        finally:
            if process.returncode is None:
                process.kill()
            await asyncio.shield(process.wait())
