"""What every route does before its own part: who asks, how often, and with what.

The token is looked at before anything is made of the body, so that nobody without one can make the server work; a body
of more than a few kilobytes is not even read before. Cookies are not looked at anywhere in the interface.

Most endpoints need nothing but who asks, the session and a body. These are answered in one go by one thread, which
takes less than half as long as gathering parameters and asking for a thread twice, and by everything else in the web
framework's way.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tuneaccord.service.api.errors import Unsupported
from tuneaccord.service.api.limits import Limits
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Invalid, Unauthenticated
from tuneaccord.service.forms import Model, checked
from tuneaccord.service.plain_json import strict_json
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

JSON = "application/json"
LONGEST_ID = 64  #: characters of a session's identifier in an address
SMALL = 16_384  #: bytes of a body that is read before it is known who sends it
_READERS = 2
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True)
class Ask:
    """A request: who asks (None on the few routes that are for everybody), and the data that came with it."""

    request: Request
    caller: Caller
    data: Any

    @property
    def desk(self) -> Desk:
        """Where moves are made."""
        return self.request.app.state.desk

    @property
    def reading(self) -> Reading:
        """Where things are read."""
        return self.request.app.state.reading

    def told(self, model: type[Model]) -> Model:
        """The data, checked; raises :class:`Invalid` in one sentence."""
        return checked(model, self.data, "the body")


async def _ask(request: Request) -> Ask:  # a plain function would cost a thread
    return Ask(request, getattr(request.state, "caller", None), getattr(request.state, "data", None))  # type: ignore[arg-type]


Asked = Annotated[Ask, Depends(_ask)]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Guarded(APIRoute):
    """A route that needs a token."""

    def get_route_handler(self) -> Handler:
        """The route's own handler behind the guard."""
        usual = _guarded(super().get_route_handler(), self, _identify)
        self.handler = InOneGo(usual, self, _admitted).answer if in_one_go(self) else usual
        return self.handler


class Public(APIRoute):
    """A route for everybody; counted by address, and for codes and invitations by mistakes."""

    def get_route_handler(self) -> Handler:
        """The route's own handler behind the guard."""
        usual = _guarded(super().get_route_handler(), self, _count)
        self.handler = InOneGo(usual, self, _counted).answer if in_one_go(self) else usual
        return self.handler


def in_one_go(route: APIRoute) -> bool:
    """Whether an endpoint takes nothing but who asks, a session, and a body that is not a form."""
    takes = set(inspect.signature(route.endpoint).parameters)
    return takes <= {"asked", "session_id"} and not inspect.iscoroutinefunction(route.endpoint)


class InOneGo:
    """One route whose requests are answered by one thread from the token to the answer."""

    def __init__(self, usual: Handler, route: APIRoute, admit: Callable[[Request], Caller | None]) -> None:
        self._usual, self._admit, self._endpoint = usual, admit, route.endpoint
        self._needs_json, self._optional = _body_of(route)
        self._reads = "GET" in route.methods

    async def answer(self, request: Request) -> Response:
        """The answer; raises what is refused."""
        places = request.path_params
        if len(places.get("session_id", "")) > LONGEST_ID:
            return await self._usual(request)  # which says what is wrong with it
        if self._reads:
            async with _turns():
                return await _in_thread(request, self._work, request, places, b"")
        if self._needs_json and _announced(request) > SMALL:
            request.state.caller = await _in_thread(request, self._admit, request)
        body = await request.body() if self._needs_json else b""
        return await _in_thread(request, self._work, request, places, body)

    def _work(self, request: Request, places: dict[str, str], body: bytes) -> Response:
        known = request.scope["state"]
        caller = known["caller"] if "caller" in known else self._admit(request)
        data = _parsed(request, body, self._optional) if self._needs_json else None
        asked = Ask(request, caller, data)  # type: ignore[arg-type]
        if known.get("caller") is not None:
            still_valid(asked)
        return self._endpoint(asked, **places)


async def _in_thread(request: Request, function: Callable[..., Any], *given: Any) -> Any:
    """What the function returns or raises. Anyio's threads do the same and cost several times as much at each call."""
    return await asyncio.get_running_loop().run_in_executor(request.app.state.threads, _done, function, *given)


def _done(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except StopIteration as error:  # which no future takes: who waits for it would wait for ever
        raise RuntimeError("a request raised StopIteration") from error


def _announced(request: Request) -> float:
    """The body's bytes as the client says, which the server below holds it to; infinite where it does not say."""
    told = request.headers.get("content-length", "")
    return int(told[:20]) if told.isdigit() and "transfer-encoding" not in request.headers else math.inf


def _turns() -> asyncio.Semaphore:
    """Turns for what only reads: threads that compute at the same time hold each other up, by a factor of two and more.

    What writes waits for the disk, and several that wait together are written together.
    """
    loop = asyncio.get_running_loop()
    if loop not in _TURNS:
        _TURNS[loop] = asyncio.Semaphore(_READERS)
    return _TURNS[loop]


def _body_of(route: APIRoute) -> tuple[bool, bool]:
    """Whether a route takes JSON, and whether it can be left out."""
    takes = (route.openapi_extra or {}).get("requestBody", {})
    return JSON in takes.get("content", {}), not takes.get("required", True)


def _guarded(handler: Handler, route: APIRoute, admit: Callable[[Request], Coroutine[Any, Any, None]]) -> Handler:
    needs_json, optional = _body_of(route)
    reads = "GET" in route.methods and not inspect.iscoroutinefunction(route.endpoint)

    async def guarded(request: Request) -> Response:
        async with _turns():
            await admit(request)
        if needs_json:
            request.state.data = await _data(request, optional)
        if not reads:
            return await handler(request)
        async with _turns():
            return await handler(request)

    return guarded


async def _identify(request: Request) -> None:
    request.state.caller = await run_in_threadpool(_admitted, request)


def _admitted(request: Request) -> Caller:
    """Who asks, counted; raises :class:`Unauthenticated` and :class:`TooMany`."""
    limits: Limits = request.app.state.limits
    try:
        caller = request.app.state.desk.caller(_bearer(request))
    except Unauthenticated:
        limits.refused(request.scope)
        raise
    limits.by_token(caller.token_id)
    request.state.role = caller.role
    return caller


async def _count(request: Request) -> None:
    _counted(request)


def _counted(request: Request) -> None:
    request.app.state.limits.by_address(request.scope)


def _bearer(request: Request) -> str | None:
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def still_valid(asked: Ask) -> None:
    """Raise :class:`Unauthenticated` when the token of a request that waited has been revoked meanwhile."""
    asked.desk.caller(_bearer(asked.request))


async def _data(request: Request, optional: bool) -> Any:
    body = await request.body()
    if len(body) > 100_000:
        return await run_in_threadpool(_parsed, request, body, optional)
    return _parsed(request, body, optional)


def _parsed(request: Request, body: bytes, optional: bool) -> Any:
    if not body:
        if optional:
            return {}
        raise Invalid("a JSON body is missing.")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != JSON:
        raise Unsupported(f"send the body as {JSON}, got {kind or 'no Content-Type'!r:.60}.")
    return strict_json(body)
