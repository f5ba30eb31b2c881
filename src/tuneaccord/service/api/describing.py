"""Routes with their description: one decorator a method, from which the OpenAPI document is made.

A route says what it takes and what it answers by models. Answers are plain data from the desk, sent as they are; that
they are what their models say is tested against the description.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tuneaccord.service.api.answers import Problem
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import JSON, Guarded, Public

PREFIX = "/api/v1"
_REF = "#/components/schemas/{model}"
_WORDS = {
    401: "No token, or one that is unknown, expired or revoked.",
    403: "The token is for another session or another role.",
    404: "There is no such thing, or none that the asker may know of.",
    409: "The session is in a state in which this is not possible.",
    413: "More data than the server takes.",
    415: "A body in another form than this address takes.",
    422: "The data is not what was expected; the message says what was.",
    429: "Too many requests; Retry-After says for how many seconds to wait.",
    503: "The database does not answer, or a key is missing. Try again.",
}
Endpoint = Callable[..., Any]


class Routes:
    """The routes of one noun.

    ``takes`` is the model of a JSON body, ``form`` the schema of an upload; ``answer`` is the model of the answer;
    ``needs`` is what the route refuses besides tokens, as status codes.
    """

    def __init__(self, noun: str) -> None:
        self.router, self.noun = APIRouter(prefix=PREFIX), noun

    def add(
        self,
        method: str,
        path: str,
        answer: Any,
        *,
        takes: type[BaseModel] | tuple[type[BaseModel], ...] | None = None,
        form: dict[str, Any] | None = None,
        optional: bool = False,
        example: Any = None,
        status: int = 200,
        needs: Iterable[int] = (409,),
        public: bool = False,
        other: dict[str, str] | None = None,
        also: dict[int, str] | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        """Register an endpoint; its docstring is its description, its name the operation."""
        body = _json_body(takes, optional, example) if takes is not None else _form_body(form) if form else None

        def register(endpoint: Endpoint) -> Endpoint:
            words = inspect.cleandoc(endpoint.__doc__ or "")
            extra: dict[str, Any] = {} if public else {"security": [{"token": []}]}
            if body is not None:
                extra["requestBody"] = body
            answers = {
                status: _answered(answer, other),
                **{code: {"description": w} for code, w in (also or {}).items()},
            }
            refusals = {429, 503, *needs, *(() if public else (401, 403)), *((413, 415, 422) if body else ())}
            refusals |= {404} if "{" in path else set()
            refusals |= {422} if len(inspect.signature(endpoint).parameters) > 1 else set()
            self.router.add_api_route(
                path,
                endpoint,
                methods=[method],
                status_code=status,
                response_class=Answer,
                responses={**answers, **{code: _refused(code) for code in sorted(refusals)}},
                response_model=None,
                summary=words.split("\n")[0].rstrip("."),
                description=words,
                operation_id=endpoint.__name__,
                tags=[self.noun],
                openapi_extra=extra,
                route_class_override=Public if public else Guarded,
            )
            return endpoint

        return register

    def on(self, app: FastAPI) -> None:
        """Serve these routes from ``app``."""
        app.router.routes.extend(self.router.routes)


def _answered(answer: Any, other: dict[str, str] | None) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"description": answer, "content": {kind: {"schema": {"type": "string"}} for kind in (other or {})}}
    told = {"description": _first_sentence(answer.__doc__), "content": {JSON: {"schema": reference(answer)}}}
    return told


def _refused(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {"description": _WORDS[status], "content": {JSON: {"schema": reference(Problem)}}}
    if status == 429:
        told["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds to wait."}}
    return told


def reference(model: Any) -> dict[str, Any]:
    """A schema that points to the description of ``model``, or of a list of it."""
    if isinstance(model, list):
        return {"type": "array", "items": reference(model[0])}
    USED.add(model)
    return {"$ref": _REF.format(model=model.__name__)}


USED: set[type[BaseModel]] = set()


def _json_body(takes: Any, optional: bool, example: Any) -> dict[str, Any]:
    schemas = [reference(model) for model in (takes if isinstance(takes, tuple) else (takes,))]
    content: dict[str, Any] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    if example is not None:
        content["example"] = example
    return {"required": not optional, "content": {JSON: content}}


def _form_body(form: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def _first_sentence(words: str | None) -> str:
    return re.split(r"(?<=\.)\s", inspect.cleandoc(words or "The answer."))[0]


def describe(app: FastAPI, version: str) -> dict[str, Any]:
    """The OpenAPI document of ``app``."""
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.path.startswith(PREFIX)]
    document = get_openapi(
        title="tuneaccord",
        version=version,
        summary="Several groups decide together how one language model gets tuned, and who pays what.",
        description=_ABOUT,
        routes=routes,
    )
    _, schemas = models_json_schema([(model, "validation") for model in _ordered()], ref_template=_REF)
    components = document.setdefault("components", {})
    components["schemas"] = {**components.get("schemas", {}), **schemas["$defs"]}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": _TOKENS}}
    return document


def _ordered() -> list[type[BaseModel]]:
    return sorted(USED, key=lambda model: model.__name__)


_TOKENS = "A token of one session and role, or of an operator. It is taken from this header only, never from a cookie."
_ABOUT = (
    "Every refusal has one shape: an error with code, message, status and request_id. Times are UTC in ISO 8601. "
    "Request bodies are JSON in UTF-8, uploads multipart forms. docs/api.md has examples."
)
