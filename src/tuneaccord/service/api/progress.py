"""The public log, with waiting: one look at the database for all who wait for the same session."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from typing import Annotated, Any

from fastapi import Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tuneaccord.service.api import answers
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import Ask, Asked, still_valid
from tuneaccord.service.api.sessions import SessionId
from tuneaccord.service.desk import Desk

routes = Routes("log")
LONGEST_WAIT = 25
EVERY = 0.5  #: seconds between two looks
After = Annotated[int, Query(ge=-1, le=2_000_000_000, description="Only entries with a larger number.")]
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for something new.")]
Known = Annotated[
    str | None, Header(alias="If-None-Match", max_length=200, description="The ETag of an earlier answer.")
]


@routes.add(
    "GET",
    "/sessions/{session_id}/log",
    answers.LogPart,
    needs=(),
    also={304: "Nothing has changed since the answer with this ETag."},
)
async def get_log(asked: Asked, session_id: SessionId, after: After = -1, wait: Wait = 0, known: Known = None) -> Any:
    """Read the public log after an entry, and how far long work is.

    With ``wait`` the answer comes as soon as there is something new: an entry after ``after``, or, with
    ``If-None-Match``, anything else than the answer with that ETag had.
    """
    asked.desk.allowed(asked.caller, session_id)
    watch: Watch = asked.request.app.state.watch
    until = time.monotonic() + wait
    while True:
        pulse = await watch.pulse(session_id)
        answer, news = await run_in_threadpool(_answer, asked, session_id, after, known)
        if news or _over(asked, until):
            return answer
        while not _over(asked, until) and await watch.pulse(session_id) == pulse:
            await asyncio.sleep(min(EVERY, max(0.0, until - time.monotonic())))
        if await asked.request.is_disconnected():
            return answer
        await run_in_threadpool(still_valid, asked)


def _over(asked: Ask, until: float) -> bool:
    """Whether to answer with what there is: the time is up, or the server is about to end."""
    stopping = getattr(asked.request.app.state, "stopping", None)
    return time.monotonic() >= until or (stopping is not None and stopping.is_set())


def _answer(asked: Ask, session_id: str, after: int, known: str | None) -> tuple[Response, bool]:
    """The answer as things are, and whether it is worth sending before the time is over."""
    view = asked.reading.view(asked.caller, session_id)
    entries = asked.reading.log(asked.caller, session_id, after + 1)
    answer = Answer({"state": view["state"], "entries": entries, "progress": view["progress"]})
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    if tag == known:
        return Response(status_code=304, headers={"ETag": tag}), False
    answer.headers["ETag"] = tag
    return answer, bool(entries) or known is not None


class Watch:
    """Tells when a session's log or progress has changed, whichever process changed it.

    All who wait for a session share one look at the database every half second.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: dict[str, tuple[float, asyncio.Task[Any]]] = {}

    async def pulse(self, session_id: str) -> Any:
        """Something that is different after the session has changed; at most half a second old."""
        now = time.monotonic()
        at, look = self._seen.get(session_id, (-math.inf, None))
        if look is None or now - at > EVERY * 0.9:
            for old in [key for key, (then, _) in self._seen.items() if now - then > 60]:
                del self._seen[old]
            look = asyncio.create_task(run_in_threadpool(self._read, session_id))
            self._seen[session_id] = now, look
        return await asyncio.shield(look)

    def _read(self, session_id: str) -> Any:
        with self._desk.store.reading() as connection:
            head = self._desk.store.head(connection, session_id)
        return head, tuple((row["label"], row["done"]) for row in self._desk.store.progress(session_id))
