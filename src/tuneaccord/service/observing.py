"""The outermost layer of a server: it counts, times and logs requests, and answers what watches over the server.

``/healthz``, ``/readyz`` and ``/metrics`` are answered here, before anything that limits or refuses requests. All
other requests go on to the application. A request is known by an identifier of its own, which is in the answer's
header ``X-Request-ID``, in the body of an error and in the log.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import anyio.to_thread
import structlog

from tuneaccord.service.health import Health
from tuneaccord.service.logs import tell
from tuneaccord.service.metrics import CONTENT_TYPE, Metrics
from tuneaccord.service.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

UNKNOWN = "(no such route)"
_PATIENCE = 5.0  #: seconds for the checks of /readyz
_STATIC = ("/_nicegui", "/static", "/favicon")
_log = logging.getLogger("tuneaccord.requests")
#: for identifiers, which need not be secret: asking the system for random bytes lets other threads in
_draw = random.Random().getrandbits


class Observed:
    """An ASGI application that watches another."""

    def __init__(self, app: Any, settings: Settings, health: Health, metrics: Metrics) -> None:
        self.app, self.settings, self.health, self.metrics = app, settings, health, metrics
        self._own = {"/healthz": self._alive, "/readyz": self._ready, "/metrics": self._figures}
        self._checking: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer and look on."""
        if scope["type"] == "lifespan":
            anyio.to_thread.current_default_thread_limiter().total_tokens = self.settings.threads
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            with self.metrics.websockets.track_inprogress():
                await self.app(scope, receive, send)
        elif scope["path"] in self._own:
            await self._answer(scope, send)
        else:
            await _Request(self.app, self.metrics, scope).pass_on(receive, send)

    # What watches over the server asks

    async def _answer(self, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            status, kind, body = 405, "text/plain", b"only GET\n"
        else:
            status, kind, body = await self._own[scope["path"]](scope)
        headers = [
            (b"content-type", kind.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _alive(self, scope: Scope) -> tuple[int, str, bytes]:
        return 200, "application/json", b'{"alive": true}\n'

    async def _ready(self, scope: Scope) -> tuple[int, str, bytes]:
        answer: dict[str, Any] = {"ready": False, "checks": {}, "problem": f"no answer in {_PATIENCE:.0f} seconds"}
        with anyio.move_on_after(_PATIENCE):
            answer = await self._aside(self.health.ready)
        return 200 if answer["ready"] else 503, "application/json", json.dumps(answer).encode() + b"\n"

    async def _figures(self, scope: Scope) -> tuple[int, str, bytes]:
        if not self._may_see_figures(scope):
            return 403, "text/plain", b"metrics are for this machine only, or for whoever has the metrics token\n"
        return 200, CONTENT_TYPE, await self._aside(self.metrics.text)

    def _may_see_figures(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        if self.settings.metrics_token:
            given = headers.get(b"authorization", b"")
            return hmac.compare_digest(given, b"Bearer " + self.settings.metrics_token.encode())
        # what a proxy on this machine passes on comes from anywhere
        return _from_here(scope) and not any(b"forwarded" in name for name in headers)

    async def _aside(self, function: Callable[[], Any]) -> Any:
        """In a thread of its own, which is there even when all others are busy."""
        self._checking = self._checking or anyio.CapacityLimiter(4)
        return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=self._checking)


class _Request:
    """One request on its way through the application."""

    def __init__(self, app: Any, metrics: Metrics, scope: Scope) -> None:
        self.app, self.metrics, self.scope = app, metrics, scope
        self.id = f"{_draw(64):016x}"
        self.status: int | None = None
        scope.setdefault("state", {})["request_id"] = self.id

    async def pass_on(self, receive: Receive, send: Send) -> None:
        async def noted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                if not any(name.lower() == b"x-request-id" for name, _ in message.get("headers", ())):
                    message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
            await send(message)

        began = time.perf_counter()
        try:
            await self.app(self.scope, receive, noted)
        except Exception:
            if self.status is None:  # otherwise the application has answered, and logged what happened
                log = structlog.stdlib.get_logger(_log.name)
                log.exception("a request failed", request=self.id, route=self._route())
                await self._say_so(noted)
        finally:
            self._tell(time.perf_counter() - began)

    async def _say_so(self, send: Send) -> None:
        error = {"code": "internal", "message": "the server failed.", "status": 500, "request_id": self.id}
        body = json.dumps({"error": error}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _tell(self, seconds: float) -> None:
        route, status = self._route(), self.status or 499  # 499: gone before there was an answer
        self.metrics.answered(self.scope["method"], route, status, seconds)
        quiet = logging.DEBUG if route.startswith(_STATIC) else logging.INFO
        told = {
            "request": self.id,
            "method": self.scope["method"][:10],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "role": self.scope["state"].get("role") or "-",
        }
        tell(_log, logging.ERROR if status >= 500 else quiet, "request", told)

    def _route(self) -> str:
        """The template of the route: the path itself may have an invitation in it."""
        return str(getattr(self.scope.get("route"), "path", None) or UNKNOWN)


def _from_here(scope: Scope) -> bool:
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False
