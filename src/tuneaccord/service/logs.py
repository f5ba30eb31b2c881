"""Structured logs: one line a request and one for everything that went wrong, as text or JSON, on standard error.

A line never has a token, an invitation, a code, an address of a page or what somebody reported. Requests are named by
the template of their route (``/api/v1/sessions/{session_id}/report``), never by their path or query; exceptions by
their kind and where they were raised, without their text. Whatever is written passes :func:`without_secrets`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

#: libraries whose loggers have handlers or levels of their own
_LIBRARIES = ("uvicorn", "uvicorn.access", "uvicorn.error", "alembic", "nicegui", "socketio", "engineio", "dbos")

_SECRETS = (
    (re.compile(r"\btac_[A-Za-z0-9_\-]+"), "tac_***"),
    (re.compile(r"(/join/|[?&#](?:token|code|invitation)=)[^\s\"'<>&#]+"), r"\1***"),
    (re.compile(r"(://[^\s:/@]+:)[^\s@/]+@"), r"\1***@"),
    (re.compile(r"((?:authorization|cookie)['\"]?\s*[:=]\s*)[^\n]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(tuneaccord-[A-Za-z0-9]+=)[^\s;\"']+"), r"\1***"),
)
#: whatever has none of these has no secret: most values of most lines, so that looking is cheap
_SUSPECT = re.compile(r"tac_|/join/|[?&#]|://|authorization|cookie|tuneaccord-", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """``text`` without tokens, invitations, cookies and the passwords of addresses.

    >>> without_secrets("GET /join/tac_AbC12 at postgresql://us:pass@db/x")
    'GET /join/*** at postgresql://us:***@db/x'
    """
    if _SUSPECT.search(text) is not None:
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
    return text


def configure(form: str = "text", level: str = "info", to: TextIO | None = None) -> None:
    """Send everything that is logged in this process to ``to`` (standard error), as ``text`` or ``json``.

    Calling it again replaces what was set before.
    """
    formatter = _Formatter(
        form,
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redacted, _renderer(form)],
    )
    handler = logging.StreamHandler(to or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if getattr(old, "tuneaccord", False):
            root.removeHandler(old)
    handler.tuneaccord = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    # below warnings, libraries tell what passes through them: statements with their values, packets, addresses
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.getLogger("tuneaccord").setLevel(level.upper())
    logging.captureWarnings(True)
    _take_over()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def tell(logger: logging.Logger, level: int, what: str, told: dict[str, Any]) -> None:
    """One line with these values, as structlog would write it, for lines that come many times a second.

    It takes half the time, since nobody looks for the place in the program from which it comes.
    """
    if logger.isEnabledFor(level):
        record = logging.LogRecord(logger.name, level, "", 0, what, None, None)
        record.told = told
        logger.handle(record)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Writes what :func:`tell` was told without structlog's steps, and all else by them."""

    def __init__(self, form: str, **options: Any) -> None:
        super().__init__(**options)
        self._render = _as_json if form == "json" else _as_text

    def format(self, record: logging.LogRecord) -> str:
        told = getattr(record, "told", None)
        if told is None:
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        level, name = record.levelname.lower(), record.name
        line = {**told, "event": record.msg, "level": level, "logger": name, "timestamp": at}
        return self._render(None, "", _redacted(None, "", line))


_JSON = json.JSONEncoder(ensure_ascii=False)


def _as_json(logger: Any, method: str, event: dict[str, Any]) -> str:
    return _JSON.encode(event)


def _shared() -> list[Any]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _places,
    ]


def _places(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """An exception by its kind and the places it went through: its text may hold what somebody reported."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    error = error[1] if isinstance(error, tuple) else error
    if not isinstance(error, BaseException):
        return event
    if str(event.get("event")).strip() == str(error).strip():
        event["event"] = "an exception was raised"
    kinds, places = [], []
    while error is not None:
        kinds.append(type(error).__name__)
        places = traceback.format_tb(error.__traceback__) + places
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return {**event, "error": " from ".join(kinds), "exception": "".join(places).rstrip()}


def _renderer(form: str) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return _as_text


def _redacted(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: without_secrets(value) if isinstance(value, str) else value for key, value in event.items()}


def _as_text(logger: Any, method: str, event: dict[str, Any]) -> str:
    """``time level what key=value ...``; a traceback follows on lines of its own."""
    trace = event.pop("exception", None)
    at, level, what = event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")
    name = event.pop("logger", "")
    told = " ".join(f"{key}={_value(value)}" for key, value in event.items())
    line = f"{at} {level:<7} {_printable(str(what))}" + (f" {told}" if told else "") + (f" [{name}]" if name else "")
    return line if trace is None else f"{line}\n{trace}"


def _value(value: Any) -> str:
    text = _printable(str(value))
    return f'"{text}"' if " " in text or not text else text


def _printable(text: str) -> str:
    """A name must not begin a line of its own in the log, or steer the terminal that shows it."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _take_over() -> None:
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            if not isinstance(handler, logging.NullHandler):
                logger.removeHandler(handler)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    logging.getLogger("nicegui").setLevel(logging.ERROR)  # it warns of each address that is not there, by its name
