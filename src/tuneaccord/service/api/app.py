"""The application: the interface under ``/api/v1``, the studio's pages below, and what keeps both safe around them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

import tuneaccord
from tuneaccord.service.api import about, groups, pools, progress, reports, results, sessions, tokens
from tuneaccord.service.api.bodies import Bounded
from tuneaccord.service.api.describing import describe
from tuneaccord.service.api.errors import add_handlers
from tuneaccord.service.api.headers import Outermost
from tuneaccord.service.api.lane import Lane
from tuneaccord.service.api.limits import Limits
from tuneaccord.service.api.progress import Watch
from tuneaccord.service.desk import Desk
from tuneaccord.service.reading import Reading
from tuneaccord.service.settings import Settings

NOUNS = (about, sessions, groups, pools, reports, progress, results, tokens)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def build(desk: Desk, settings: Settings, jobs: Any = None, *, pages: bool = True) -> FastAPI:
    """The application of one server.

    ``jobs`` are kept at ``app.state.jobs`` and neither started nor stopped here. ``pages=False`` leaves the studio
    out, for a server of the interface alone.
    """
    app = FastAPI(title="tuneaccord", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.desk, app.state.reading, app.state.settings, app.state.jobs = desk, Reading(desk), settings, jobs
    app.state.limits, app.state.watch = Limits(settings), Watch(desk)
    app.state.threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="requests")
    for noun in NOUNS:
        noun.routes.on(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.add_route("/api/{rest:path}", _nowhere, methods=METHODS, include_in_schema=False)
    add_handlers(app)
    app.add_middleware(Lane, routes=app.routes)
    app.add_middleware(Bounded, settings=settings)
    app.add_middleware(Outermost, settings=settings)
    if pages:
        from tuneaccord.service import pages as studio

        studio.mount(app, desk, settings)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = describe(app, tuneaccord.__version__)
    return app.openapi_schema


async def _nowhere(request: Request) -> Any:
    """Whatever no route took: another method of an address that is there, or no address."""
    allowed = sorted({method for route in request.app.routes for method in _other_methods(route, request.scope)})
    if allowed:
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
    raise HTTPException(404)


def _other_methods(route: BaseRoute, scope: Any) -> set[str]:
    if getattr(route, "endpoint", None) is _nowhere or not hasattr(route, "methods"):
        return set()
    return set(route.methods or ()) if route.matches(scope)[0] is Match.PARTIAL else set()
