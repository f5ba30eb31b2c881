"""What is logged, and what never is."""

import io
import json
import logging
import re

import pytest
import structlog

from tuneaccord.service import logs

TOKEN = "tac_Ab-9_" + "x" * 38


@pytest.fixture
def written():
    """``written(form, level)``: the stream that the logs go to from now on."""
    root, ours = logging.getLogger(), logging.getLogger("tuneaccord")
    level, handlers, our_level = root.level, root.handlers[:], ours.level

    def begin(form="json", level="info"):
        stream = io.StringIO()
        logs.configure(form, level, stream)
        return stream

    yield begin
    logging.captureWarnings(False)
    root.setLevel(level)
    ours.setLevel(our_level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def test_a_line_of_json(written):
    stream = written()
    structlog.stdlib.get_logger("tuneaccord.x").info("request", status=200, ms=1.5)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["status"], line["ms"], line["level"]) == ("request", 200, 1.5, "info")
    assert line["timestamp"].endswith("Z")


def test_a_line_of_text(written):
    stream = written("text")
    structlog.stdlib.get_logger("tuneaccord.x").warning("done with it", route="/a", said="two words")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert 'warning done with it route=/a said="two words" [tuneaccord.x]' in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_libraries_write_the_same_way_and_without_secrets(written, form):
    stream = written(form)
    logging.getLogger("some.library").warning("refused %s at %s", TOKEN, "https://host/join/abcdefgh")
    logging.getLogger("uvicorn.error").info("Started server process")
    assert TOKEN not in stream.getvalue()
    assert "abcdefgh" not in stream.getvalue()
    assert "/join/***" in stream.getvalue()
    assert "Started" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_is_told_by_its_kind_and_places_without_its_text(written, form):
    stream = written(form)
    secret = "0.7312345"  # the line that raises is shown, so it must not have the text itself
    try:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"not a score: {secret}") from error
    except ValueError as error:
        structlog.stdlib.get_logger("tuneaccord.x").exception("failed")
        logging.getLogger("tuneaccord.y").exception("failed too")
        logging.getLogger("nicegui").exception(error)
    text = stream.getvalue()
    assert text.count("ValueError from KeyError") == 3
    assert text.count("test_logs.py") == 6
    assert "an exception was raised" in text
    assert secret not in text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        ("GET /join/k3m8p2qa HTTP/1.1", "k3m8p2qa"),
        ("https://host/class?code=k3m8p2qa&x=1", "k3m8p2qa"),
        (f"https://host/enter#token={TOKEN}", TOKEN[4:]),
        ("{'cookie': 'tuneaccord-4f00=secretword'}", "secretword"),
        ("tuneaccord-operator=secretword; Path=/", "secretword"),
        ("postgresql+psycopg://us:pass-word@db/x", "pass-word"),
    ],
)
def test_what_is_taken_out(text, hidden):
    assert hidden not in logs.without_secrets(text)


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_line_of_a_request_is_as_any_other(written, form):
    told = {"request": "ab", "method": "GET", "route": "/join/{invitation}", "status": 200, "ms": 1.5, "role": "-"}
    stream = written(form)
    structlog.stdlib.get_logger("tuneaccord.requests").info("request", **told)
    logs.tell(logging.getLogger("tuneaccord.requests"), logging.INFO, "request", told)
    logs.tell(logging.getLogger("tuneaccord.requests"), logging.DEBUG, "request", told)
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    one, other = stream.getvalue().splitlines()
    assert time.sub("TIME", one) == time.sub("TIME", other) != one
    assert "/join/***" in other


def test_ordinary_text_stays():
    text = "joined /api/v1/sessions/{session_id} at http://127.0.0.1:8090 by legal@example.org"
    assert logs.without_secrets(text) == text


def test_a_line_break_in_a_value_begins_no_line(written):
    stream = written("text")
    structlog.stdlib.get_logger("tuneaccord.x").info("name\nforged", given="a\x1b[31m\nb")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_configuring_again_replaces(written):
    first, second = written(), written()
    logging.getLogger("tuneaccord.z").warning("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)


def test_the_level_counts(written):
    stream = written(level="warning")
    structlog.stdlib.get_logger("tuneaccord.x").info("not this")
    structlog.stdlib.get_logger("tuneaccord.x").error("but this")
    assert "not this" not in stream.getvalue()
    assert "but this" in stream.getvalue()


def test_libraries_do_not_tell_what_passes_through_them(written):
    stream = written(level="debug")
    for name in ("sqlalchemy.engine.Engine", "engineio.server", "httpx", "uvicorn.error", "nicegui"):
        logging.getLogger(name).info("a statement and its values")
    logging.getLogger("tuneaccord.x").debug("but this")
    assert "values" not in stream.getvalue()
    assert "but this" in stream.getvalue()
