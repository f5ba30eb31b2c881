"""Bodies of requests: bounded while they arrive, and never unpacked.

No more is read than the limit, whatever Content-Length says and whether there is one. A compressed body is refused,
since a few bytes of it can be gigabytes.
"""

from __future__ import annotations

import re
from typing import Any

from tuneaccord.service.api.errors import Unsupported, refusal
from tuneaccord.service.errors import TooLarge
from tuneaccord.service.settings import Settings

_UPLOADS = re.compile(r"^/api/v1/.*/(pool/file|report/sheet|report/preferences)$|^/_nicegui/|^/sessions/[^/]+/files/")


class Bounded:
    """Refuses a request whose body is compressed or larger than the settings allow (413, 415)."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a bounded request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        try:
            _check_announced(scope["headers"], limit)
        except (TooLarge, Unsupported) as error:
            await refusal(scope, error)(scope, receive, send)
            return
        await _Counted(self.app, limit)(scope, receive, send)

    def _limit(self, path: str) -> int:
        # an upload comes with boundaries and fields around the file
        return self.settings.largest_upload + 65_536 if _UPLOADS.search(path) else self.settings.largest_body


class _Counted:
    """One request, its bytes counted."""

    def __init__(self, app: Any, limit: int) -> None:
        self.app, self.limit, self.seen = app, limit, 0
        self.answered = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted() -> Any:
            message = await receive()
            self.seen += len(message.get("body", b""))
            if self.seen > self.limit:
                raise _too_large(self.limit)
            return message

        async def watched(message: Any) -> None:
            # what was read of it may have been turned into another refusal on the way
            if self.seen > self.limit and not self.answered:
                self.answered = True
                await refusal(scope, _too_large(self.limit))(scope, receive, send)
            elif self.seen <= self.limit:
                self.answered = self.answered or message["type"] == "http.response.start"
                await send(message)

        try:
            await self.app(scope, counted, watched)
        except TooLarge:
            if self.answered:
                raise
            await refusal(scope, _too_large(self.limit))(scope, receive, send)


def _check_announced(headers: list[tuple[bytes, bytes]], limit: int) -> None:
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise Unsupported("send the body as it is: compressed bodies (Content-Encoding) are not taken.")
        if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"a request to this address may have at most {limit:,} bytes.")
