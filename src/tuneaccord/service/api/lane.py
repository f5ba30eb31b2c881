"""A short way to the endpoints that are asked most: one look into a table instead of a try at each route in turn.

It knows the addresses ``/api/v1/WORDS`` and ``/api/v1/sessions/SESSION/WORDS`` of the routes that are answered in one
go (see ``guard``), and calls the same handlers as the web framework would. Everything else goes on to that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.api.errors import refusal
from tuneaccord.service.api.guard import LONGEST_ID, Guarded, Public, in_one_go

_BEFORE = ("", "api", "v1")
_SESSION = "{session_id}"
Key = tuple[str, ...]


class Lane:
    """Wraps an application; ``routes`` are its routes, all of them."""

    def __init__(self, app: Any, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self._routes = dict(_known(routes))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or let the application answer."""
        found = self._found(scope) if scope["type"] == "http" and not scope.get("root_path") else None
        if found is None:
            await self.app(scope, receive, send)
            return
        route, scope["path_params"] = found
        scope["route"], scope["endpoint"] = route, route.endpoint
        try:
            answer = await route.handler(Request(scope, receive))
        except TuneaccordError as error:
            answer = refusal(scope, error)
        await answer(scope, receive, send)

    def _found(self, scope: Any) -> tuple[Guarded | Public, dict[str, str]] | None:
        method, parts, places = scope["method"], scope["path"].split("/"), {}
        if len(parts) > 4 and parts[3] == "sessions" and 0 < len(parts[4]) <= LONGEST_ID:
            places, parts[4] = {"session_id": parts[4]}, _SESSION
        route = self._routes.get((method, *parts))
        return None if route is None else (route, places)


def _known(routes: Iterable[BaseRoute]) -> Iterable[tuple[Key, Guarded | Public]]:
    for route in routes:
        if not isinstance(route, Guarded | Public) or not in_one_go(route):
            continue
        parts = route.path.split("/")
        fixed = [part for place, part in enumerate(parts) if (place, part) != (4, _SESSION)]
        if tuple(parts[:3]) == _BEFORE and not any("{" in part for part in fixed):
            for method in route.methods or ():
                yield (method, *parts), route
