"""What every route does before its own part: who asks, how often, and with what.

The token is looked at before anything of the body is read, so that nobody without one can make the server work.
Cookies are not looked at anywhere in the interface.
"""

from __future__ import annotations

import asyncio
import inspect
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
from tuneaccord.service.plain_json import strict_json
from tuneaccord.service.reading import Reading
from tuneaccord.service.terms import Model, checked
from tuneaccord.service.tokens import Caller

JSON = "application/json"
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
        return _guarded(super().get_route_handler(), self, _identify)


class Public(APIRoute):
    """A route for everybody; counted by address, and for codes and invitations by mistakes."""

    def get_route_handler(self) -> Handler:
        """The route's own handler behind the guard."""
        return _guarded(super().get_route_handler(), self, _count)


def _turns() -> asyncio.Semaphore:
    """Turns for what only reads: threads that compute at the same time hold each other up, by a factor of two and more.

    What writes waits for the disk, and several that wait together are written together.
    """
    loop = asyncio.get_running_loop()
    if loop not in _TURNS:
        _TURNS[loop] = asyncio.Semaphore(_READERS)
    return _TURNS[loop]


def _guarded(handler: Handler, route: APIRoute, admit: Callable[[Request], Coroutine[Any, Any, None]]) -> Handler:
    takes = (route.openapi_extra or {}).get("requestBody", {})
    needs_json, optional = JSON in takes.get("content", {}), not takes.get("required", True)

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
    limits: Limits = request.app.state.limits
    try:
        caller = await run_in_threadpool(request.app.state.desk.caller, _bearer(request))
    except Unauthenticated:
        limits.refused(request.scope)
        raise
    limits.by_token(caller.token_id)
    request.state.caller = caller
    request.state.role = caller.role


async def _count(request: Request) -> None:
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
    if not body:
        if optional:
            return {}
        raise Invalid("a JSON body is missing.")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != JSON:
        raise Unsupported(f"send the body as {JSON}, got {kind or 'no Content-Type'!r:.60}.")
    return await run_in_threadpool(strict_json, body) if len(body) > 100_000 else strict_json(body)
