"""The outermost layer: what it answers, counts and logs; and how a server is put together."""

import io
import json
import logging
import socket

import pytest
import structlog
from fastapi import APIRouter, FastAPI, Request, WebSocket
from starlette.testclient import TestClient

from tuneaccord.errors import InputError
from tuneaccord.service import logs
from tuneaccord.service.health import Health
from tuneaccord.service.metrics import Metrics
from tuneaccord.service.observing import UNKNOWN, Observed
from tuneaccord.service.running import bound
from tuneaccord.service.settings import Settings

SECRET = "tac_" + "Zz9-" * 10


@pytest.fixture
def lines():
    """The log of this test: a function that gives its lines so far, parsed."""
    root, ours, stream = logging.getLogger(), logging.getLogger("tuneaccord"), io.StringIO()
    level, handlers, our_level = root.level, root.handlers[:], ours.level
    logs.configure("json", "info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.setLevel(level)
    ours.setLevel(our_level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def application():
    app, routes = FastAPI(), APIRouter(prefix="/api/v1")

    @routes.get("/sessions/{session_id}")
    def see(session_id: str, request: Request):
        request.state.role = "auditor"
        return {"request_id": request.state.request_id}

    @routes.get("/failing")
    def failing():
        raise RuntimeError(f"no answer from postgresql://us:hidden@db with {SECRET}")

    @app.websocket("/open")
    async def opened(socket: WebSocket):
        await socket.accept()
        await socket.send_text(str(metrics_of[0].websockets._value.get()))
        await socket.close()

    metrics_of = []
    app.include_router(routes)
    return app, metrics_of


@pytest.fixture
def client(desk, tmp_path, lines):
    """``client(address, **settings)``: a client of a watched application, and its metrics."""

    def make(address="127.0.0.1", **settings):
        (app, metrics_of), metrics = application(), Metrics(desk.store, lambda: {"workers": 1})
        metrics_of.append(metrics)
        observed = Observed(app, Settings(folder=tmp_path, **settings), Health(desk.store, tmp_path), metrics)
        return TestClient(observed, client=(address, 5000), raise_server_exceptions=False)

    return make


def test_alive_without_a_database(client, desk):
    desk.store.close()
    answer = client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})
    assert client().post("/healthz").status_code == 405


def test_ready_only_with_a_worker(client, desk):
    answer = client().get("/readyz")
    assert answer.status_code == 503
    assert not answer.json()["checks"]["worker"]["ok"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 403),
    ],
)
def test_metrics_are_for_this_machine(client, address, headers, status):
    assert client(address).get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer sixteen-letters-x", 200), ("Bearer sixteen-letters-y", 403), ("", 403), ("sixteen-letters-x", 403)],
)
def test_with_a_metrics_token_only_it_counts(client, authorization, status):
    for address in ("127.0.0.1", "192.0.2.7"):
        watching = client(address, metrics_token="sixteen-letters-x")
        assert watching.get("/metrics", headers={"Authorization": authorization}).status_code == status


def test_a_request_is_counted_and_logged_by_its_route(client, lines):
    asking = client()
    answer = asking.get(f"/api/v1/sessions/{SECRET}?token={SECRET}")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    line = lines()[-1]
    assert {key: line[key] for key in ("event", "request", "method", "route", "status", "role")} == {
        "event": "request",
        "request": answer.json()["request_id"],
        "method": "GET",
        "route": "/api/v1/sessions/{session_id}",
        "status": 200,
        "role": "auditor",
    }
    assert line["ms"] >= 0
    figures = asking.get("/metrics").text
    counted = 'tuneaccord_requests_total{method="GET",route="/api/v1/sessions/{session_id}",status="200"} 1.0'
    assert counted in figures
    assert SECRET not in figures + json.dumps(lines())


def test_two_requests_have_two_identifiers(client):
    asking = client()
    first, second = (asking.get("/api/v1/sessions/x").json()["request_id"] for _ in range(2))
    assert first != second


def test_an_unknown_address_is_not_named(client, lines):
    assert client().get(f"/join/{SECRET}").status_code == 404
    assert lines()[-1]["route"] == UNKNOWN
    assert SECRET not in json.dumps(lines())


def test_a_failure_that_the_application_answered_is_counted_and_not_told_twice(client, lines):
    answer = client().get("/api/v1/failing")
    assert answer.status_code == 500
    assert [(line["event"], line["level"], line["status"]) for line in lines()] == [("request", "error", 500)]
    assert lines()[0]["request"] == answer.headers["x-request-id"]
    assert "hidden" not in answer.text + json.dumps(lines())


def test_a_failure_before_the_answer_is_told_with_its_places_and_not_its_text(desk, tmp_path, lines):
    text = "the score 0.7312345 of legal"

    async def broken(scope, receive, send):
        raise RuntimeError(text)

    observed = Observed(broken, Settings(folder=tmp_path), Health(desk.store, tmp_path), Metrics(desk.store))
    answer = TestClient(observed).get("/x")
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["code"]) == (500, 500, "internal")
    failed = lines()[0]
    assert (failed["event"], failed["error"], failed["request"]) == (
        "a request failed",
        "RuntimeError",
        error["request_id"],
    )
    assert "in broken" in failed["exception"]
    assert text not in json.dumps(lines())


def test_open_pages_are_counted(client):
    with client().websocket_connect("/open") as opened:
        assert opened.receive_text() == "1.0"


def test_a_port_that_is_taken():
    with bound("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is taken on this machine. Stop what uses it"):
            bound("127.0.0.1", port)


def test_an_address_of_another_machine():
    with pytest.raises(InputError, match=r"cannot listen on '192\.0\.2\.7'"):
        bound("192.0.2.7", 0)


def test_an_address_of_the_sixth_version():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        with bound("::1", 0) as listening:
            assert listening.getsockname()[1] > 0
    except InputError as error:
        assert "cannot listen" in str(error)  # noqa: PT017  (machines without IPv6 say so)
