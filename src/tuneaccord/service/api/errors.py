"""The one shape of every refusal: ``{"error": {"code", "message", "status", "request_id"}}``.

What the service refuses has its status and its sentence. What the web framework refuses (no such route, a parameter
of another type) is put into a sentence here. Anything else is a bug: the caller gets a number to quote and nothing of
the inside, the log gets where it happened.
"""

from __future__ import annotations

import json
import logging
import traceback
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from tuneaccord.errors import MissingDependencyError, StorageError, TuneaccordError
from tuneaccord.service.errors import ServiceError

_log = logging.getLogger(__name__)

LONGEST = 1000  #: characters of a message
_CODES = {
    400: "refused",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}


class Answer(JSONResponse):
    """Plain data as JSON."""

    def render(self, content: Any) -> bytes:
        """UTF-8, without NaN."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class Unsupported(ServiceError):
    """A body in a form that this route does not take."""

    status = 415
    code = "unsupported_media_type"


def error_response(
    status: int, code: str, message: str, request_id: str, headers: dict[str, str] | None = None
) -> Answer:
    """A refusal in the one shape."""
    told = {"code": code, "message": shown(message), "status": status, "request_id": request_id}
    return Answer({"error": told}, status_code=status, headers=headers)


def shown(message: str) -> str:
    """A message that can be sent: bounded, one line, and without what is no character.

    >>> shown("a\\ud800b\\nc")
    'a?b?c'
    """
    short = message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."
    return "".join(one if one.isprintable() else "?" for one in short)


def request_id_of(scope: Any) -> str:
    """The number by which this request is known in logs and answers."""
    return scope.get("state", {}).get("request_id", "")


def refusal(scope: Any, error: Exception) -> Answer:
    """The answer to a refused request."""
    request_id = request_id_of(scope)
    if isinstance(error, ServiceError):
        return error_response(error.status, error.code, str(error), request_id, _headers(error))
    if isinstance(error, StorageError):
        _log.error("stored data cannot be read: %s (request %s)", error, request_id)
        return error_response(500, "damaged", f"{_OURS} Quote request {request_id}.", request_id)
    if isinstance(error, MissingDependencyError):
        return error_response(503, "unavailable", f"this server lacks a part: {error}", request_id)
    if isinstance(error, TuneaccordError):
        return error_response(422, "invalid", str(error), request_id)
    return unexpected(scope, error)


_OURS = "the server could not do this, and it is not your fault. The operator finds the reason in the log."


def unexpected(scope: Any, error: Exception) -> Answer:
    """A bug: logged with the places it went through, and without what an exception's text may hold."""
    request_id = request_id_of(scope)
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s (request %s)\n%s", type(error).__name__, request_id, places)
    return error_response(500, "internal", f"{_OURS} Quote request {request_id}.", request_id)


def _headers(error: ServiceError) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    wait = getattr(error, "wait", None)
    return {**headers, "Retry-After": str(wait)} if wait is not None else headers


def add_handlers(app: FastAPI) -> None:
    """Answer every refusal of ``app`` in the one shape."""

    async def refused(request: Request, error: Exception) -> Response:
        return refusal(request.scope, error)

    async def by_framework(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "refused")
        message = f"{request.method} {request.url.path[:200]}: {_phrase(error)}"
        return error_response(error.status_code, code, message, request_id_of(request.scope), dict(error.headers or {}))

    async def misfit(request: Request, error: RequestValidationError) -> Response:
        return error_response(422, "invalid", sentence(error), request_id_of(request.scope))

    app.add_exception_handler(TuneaccordError, refused)
    app.add_exception_handler(HTTPException, by_framework)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, misfit)  # type: ignore[arg-type]


def _phrase(error: HTTPException) -> str:
    words = {404: "there is no such address.", 405: f"use {(error.headers or {}).get('Allow', 'another method')}."}
    return words.get(error.status_code, f"{error.detail or HTTPStatus(error.status_code).phrase}")


def sentence(error: RequestValidationError) -> str:
    """The first parameter that does not fit, in words."""
    first = error.errors()[0]
    where, name = first["loc"][0], ".".join(str(part) for part in first["loc"][1:]) or "value"
    if first["type"] == "missing":
        return f"the {where} parameter {name} is missing."
    said = first["msg"][:1].lower() + first["msg"][1:]
    return f"the {where} parameter {name}: {said}, got {first.get('input')!r:.60}."
