"""JSON in the strict sense, for whatever comes from outside: no NaN, nothing beyond floating point, not too deep."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tuneaccord.service.errors import Invalid

DEEPEST = 64
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def strict_json(body: bytes, what: str = "the body") -> Any:
    """The data in ``body``.

    Raises :class:`Invalid` in one sentence that begins with ``what``.

    >>> strict_json(b'{"size": 3}')
    {'size': 3}
    """

    def no_constant(text: str) -> Any:
        raise Invalid(f"{what} has {text}, which is not a number in JSON.")

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise Invalid(f"{what} has the number {text:.40}, which is too large.")
        return number

    def whole(text: str) -> int:
        if len(text) > 30:
            raise Invalid(f"{what} has the number {text[:20]}..., which is too long.")
        return int(text)

    try:
        data = json.loads(body.decode("utf-8"), parse_constant=no_constant, parse_float=finite, parse_int=whole)
    except UnicodeDecodeError as error:
        raise Invalid(f"{what} is not UTF-8 text (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise Invalid(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise Invalid(f"{what} is nested too deeply.") from None
    if _deep(body):
        raise Invalid(f"{what} is nested deeper than {DEEPEST}.")
    if b"\\u" in body:
        _check_characters(data, what)
    return data


def _deep(body: bytes) -> bool:
    """Whether valid JSON is nested deeper than we take; one pass removes at least the innermost level."""
    brackets = _TEXTS.sub(b"", body).translate(None, _NO_BRACKETS)
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return bool(brackets)


def _check_characters(data: Any, what: str) -> None:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Invalid(f"{what} has half a surrogate pair, which is no character.") from None
