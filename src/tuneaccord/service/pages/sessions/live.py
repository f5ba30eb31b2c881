"""A page that follows its session: parts are built again when what they show has changed, and only then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Forbidden, NotFound, Unauthenticated
from tuneaccord.service.pages.parts import live, text
from tuneaccord.service.pages.sessions.visits import Visit
from tuneaccord.service.pages.sessions.words import news, sentence
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

PACE = 1.2  #: seconds between two looks

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A piece of the page.

    ``key`` is what it depends on in a view; ``load`` reads what else it needs, in a thread; ``build`` makes its
    elements from the view and what was loaded. Before ``key`` is asked ``follow`` may read, in a thread, what a view
    does not tell.
    """

    key: Callable[[dict], Any]
    build: Callable[[dict, Any], None]
    load: Callable[[Reading, Caller, dict], Any] | None = None
    follow: Callable[[Reading, Caller, dict], Any] | None = None


class Live:
    """The open page of one visitor: looks for news every second or so, with the token checked each time."""

    def __init__(self, visit: Visit, view: dict) -> None:
        self.visit, self.view, self.client = visit, view, ui.context.client
        self.parts: list[tuple[Part, ui.element, list]] = []
        self.pulse: list | None = None
        self._busy = self._again = self.over = False
        self.said = live(classes="sr-only")
        self.complaint = live(classes="notice")
        self.complaint.props["id"] = "complaint"

    def add(self, part: Part, classes: str = "stack") -> ui.element:
        """A place for the part; it is filled by the next :meth:`refresh`."""
        place = ui.element("div").classes(classes)
        self.parts.append((part, place, []))
        return place

    async def start(self) -> None:
        """Fill the page, and begin to follow."""
        await self._show(self.view)
        self.timer = ui.timer(PACE, self.refresh, immediate=False)

    async def refresh(self, anyway: bool = False) -> None:
        """Look whether there is something new, and show it; ``anyway`` also where the session has not changed."""
        if anyway:
            self.pulse = None
        if self._busy:
            self._again = True
            return
        self._busy = True
        try:
            await self._look()
            while self._again and not self.over:
                self._again = False
                await self._look()
        except (Unauthenticated, Forbidden, NotFound) as refusal:
            self.end(str(refusal))
        except TuneaccordError as error:
            self.complain(f"This page could not look for news: {error} It tries again by itself.")
        finally:
            self._busy = False

    async def _look(self) -> None:
        visit = self.visit
        pulse = await visit.read(lambda reading, caller: reading.pulse(caller, visit.session_id))
        if pulse == self.pulse:
            return
        view = await visit.read(lambda reading, caller: reading.view(caller, visit.session_id))
        await self._show(view)
        self.pulse = pulse

    async def _show(self, view: dict) -> None:
        before, self.view = self.view, view
        for part, place, shown in self.parts:
            await self._read(part.follow, view)
            key = part.key(view)
            if shown == [key]:
                continue
            loaded = await self._read(part.load, view)
            if place.is_deleted:
                return
            place.clear()
            with place:
                part.build(view, loaded)
            shown[:] = [key]
        if said := news(before, view):
            self.said.set_text(said)

    async def _read(self, read: Callable[[Reading, Caller, dict], Any] | None, view: dict) -> Any:
        return None if read is None else await self.visit.read(lambda reading, caller: read(reading, caller, view))

    async def act(self, move: Callable[[Desk, Caller], Any], done: str = "") -> Any:
        """Make a move and show what came of it; None when it was refused, and the page then says why."""
        self.complain("")
        try:
            result = await self.visit.act(move)
        except Unauthenticated as refusal:
            self.end(str(refusal))
            return None
        except TuneaccordError as refusal:
            self.complain(str(refusal))
            return None
        await self.refresh()
        if done:
            self.said.set_text(done)
        return True if result is None else result

    def complain(self, message: str) -> None:
        """Say what went wrong, where it is read out; an empty message takes it away."""
        self.complaint.set_text(sentence(message))
        if message:
            self.client.run_javascript("document.getElementById('complaint')?.scrollIntoView({block: 'center'})")

    def end(self, message: str) -> None:
        """Take everything from the page: the visitor may not see it any more."""
        if self.over:
            return
        self.over = True
        self.timer.deactivate()
        for _, place, _ in self.parts:
            place.clear()
        self.complaint.set_text(sentence(message))
        with self.parts[0][1]:  # the button that was pressed may be gone by now
            text("Enter again", "a").props["href"] = "/sessions"

    def focus(self, element_id: str) -> None:
        """Move the keyboard's place, where the element that had it is gone."""
        self.client.run_javascript(f"document.getElementById('{element_id}')?.focus()")
