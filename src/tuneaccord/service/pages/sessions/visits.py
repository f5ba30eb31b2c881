"""Who is at a page: tokens in cookies, asked again at every action; forms from elsewhere and guessing are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fastapi import Request, Response

from tuneaccord.service.api.limits import Limits
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Forbidden, ServiceError, TooMany, Unauthenticated
from tuneaccord.service.reading import Reading
from tuneaccord.service.settings import Settings
from tuneaccord.service.tokens import OPERATOR, Caller

COOKIE = "tuneaccord-"
_THREADS = ThreadPoolExecutor(16, thread_name_prefix="session-pages")
COOKIE_AGE = 90 * 24 * 3600  #: seconds that a browser keeps a token

Result = TypeVar("Result")


@dataclass
class Hall:
    """What all session pages share."""

    desk: Desk
    settings: Settings
    limits: Limits | None = None  #: those of the interface beside the pages, so that guesses count together
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.reading = Reading(self.desk)
        self.limits = self.limits or Limits(self.settings)

    def link(self, path: str) -> str:
        """An address of this server for people."""
        return f"{self.settings.public_url}{path}"

    def visit(self, request: Request, session_id: str) -> Visit:
        """The visit of a browser to one session."""
        return Visit(self, session_id, request.cookies.get(cookie_name(session_id), ""))

    def operator(self, request: Request) -> Visit:
        """The visit of a browser as an operator."""
        return Visit(self, OPERATOR, request.cookies.get(cookie_name(OPERATOR), ""))

    def keep(self, response: Response, caller: Caller, token: str) -> None:
        """Give the browser its cookie."""
        response.set_cookie(
            cookie_name(caller.session_id or OPERATOR),
            token,
            max_age=COOKIE_AGE,
            httponly=True,
            samesite="strict",
            secure=self.settings.public_url.startswith("https:"),
        )

    def counted(self, request: Request, refusal: ServiceError) -> ServiceError:
        """The refusal to tell, once a token, code or invitation that is not known here counts against the address."""
        try:
            if isinstance(refusal, Unauthenticated):
                self.limits.refused(request.scope)
        except TooMany as too_many:
            return too_many
        return refusal

    def check_origin(self, request: Request) -> None:
        """Raise :class:`Forbidden` for a form or a script that does not come from a page of this server.

        Browsers say so in Sec-Fetch-Site, which no page can set; older ones in Origin.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
        here = {urlsplit(self.settings.public_url).netloc, request.headers.get("host", "")}
        ours = site == "same-origin" if site is not None else urlsplit(origin).netloc in here
        if not ours:
            raise Forbidden("this was not sent from a page of this server. Open the page in a browser and try again.")


def cookie_name(session_id: str) -> str:
    """The cookie of one session, or of the operator."""
    return COOKIE + session_id


@dataclass(frozen=True)
class Visit:
    """One open page: what it does is asked of the desk each time, so a revoked token stops working at once."""

    hall: Hall
    session_id: str
    token: str

    def caller(self) -> Caller:
        """Who this is, as of now. Raises :class:`Unauthenticated`."""
        if not self.token:
            raise Unauthenticated(
                "you have not entered this session in this browser. Paste your token, or use your link."
            )
        caller = self.hall.desk.caller(self.token)
        if self.session_id != OPERATOR:
            self.hall.desk.allowed(caller, self.session_id)
        elif caller.role != OPERATOR:
            raise Forbidden("this page is for an operator of this server.")
        return caller

    async def read(self, read: Callable[[Reading, Caller], Result]) -> Result:
        """What a read gives, in a thread."""
        return await in_thread(lambda: read(self.hall.reading, self.caller()))

    async def act(self, act: Callable[[Desk, Caller], Any]) -> Any:
        """What a move gives, in a thread; a token may make as many a minute as through the interface."""

        def acted() -> Any:
            caller = self.caller()
            self.hall.limits.by_token(caller.token_id)
            return act(self.hall.desk, caller)

        return await in_thread(acted)


async def in_thread(work: Callable[[], Result]) -> Result:
    """What short work with the database gives; what takes longer has threads of its own (``run.io_bound``)."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
