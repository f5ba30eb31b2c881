"""The outermost layer: a number for each request, headers that keep browsers safe, and no requests from elsewhere.

A page of another site can make a browser send requests here. What it cannot do is set the Authorization header, which
is all the interface looks at. For pages, which use a cookie, requests that change something and websockets must come
from a page of this server; and the name under which the server is addressed must be its own.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from tuneaccord.service.api.errors import refusal, unexpected
from tuneaccord.service.errors import Forbidden, ServiceError
from tuneaccord.service.settings import Settings

API = "/api/"
#: for data and refusals: nothing may be loaded or run, nobody may frame it
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
#: for documents with a style of their own and pictures inside: no script, no form, nothing from anywhere
DOCUMENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
#: for pages of the studio: everything from this server only. Vue compiles templates, and NiceGUI starts each page
#: from a script inside it, hence the two exceptions
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
_HTTPS = {"Strict-Transport-Security": "max-age=31536000"}
_NUMBER = b"x-request-id"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SAFE = ("GET", "HEAD", "OPTIONS")
_WATCHED = ("/healthz", "/readyz", "/metrics")  # asked for by address


class Misdirected(ServiceError):
    """A request under a name that is not this server's."""

    status = 421
    code = "misdirected"


class Outermost:
    """Wraps an application; see the module."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.app = app
        self.names = _names(settings)
        always = {**_COMMON, **(_HTTPS if settings.public_url.startswith("https:") else {})}
        self._for_pages = _written({**always, "Content-Security-Policy": PAGE_POLICY})
        self._for_api = _written({**always, "Content-Security-Policy": API_POLICY, "Cache-Control": "no-store"})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        numbered = "request_id" in state
        if not numbered:
            state["request_id"] = secrets.token_hex(8)
        try:
            self._check(scope)
        except ServiceError as error:
            await self._refuse(scope, receive, send, error)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await self._answer(scope, receive, send, numbered)

    def _check(self, scope: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"origin")}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self.names and scope["path"] not in _WATCHED and _name(host) not in self.names:
            raise Misdirected("this server is not known under the name in the address. Use the one you were given.")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and origin is not None and not scope["path"].startswith(API) and not _same(origin, host):
            raise Forbidden("this request came from a page of another site.")

    async def _refuse(self, scope: Any, receive: Any, send: Any, error: ServiceError) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._answer(scope, receive, send, False, refusal(scope, error))

    async def _answer(self, scope: Any, receive: Any, send: Any, numbered: bool, app: Any = None) -> None:
        begun = False

        async def dressed(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = self._dressed(scope, message.get("headers", ()), numbered)
            await send(message)

        try:
            await (app or self.app)(scope, receive, dressed)
        except Exception as error:
            answer = unexpected(scope, error)
            if begun:
                raise RuntimeError("an answer broke off") from None
            await answer(scope, receive, dressed)

    def _dressed(self, scope: Any, headers: Any, numbered: bool) -> list[tuple[bytes, bytes]]:
        """The headers of an answer, with ours where it says nothing else."""
        given = {name.lower() for name, _ in headers}
        ours = self._for_api if scope["path"].startswith(API) else self._for_pages
        dressed = [*headers, *(one for one in ours if one[0] not in given)]
        if not numbered:
            dressed = [one for one in dressed if one[0].lower() != _NUMBER]
            dressed.append((_NUMBER, scope["state"]["request_id"].encode()))
        return dressed


def _written(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _names(settings: Settings) -> set[str]:
    """Names under which the server may be addressed; none: any, where it serves a network and was told no name."""
    if settings.url:
        return {*_LOOPBACK, urlsplit(settings.public_url).hostname or ""}
    return {*_LOOPBACK, settings.host} if settings.host in _LOOPBACK else set()


@lru_cache(1024)
def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
