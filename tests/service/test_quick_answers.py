"""The short way to an answer: the same answers as the web framework's own way, refusals too, and nothing read early."""

import asyncio
import gc
import json
import time
import weakref

import pytest
from service_http import API, asking, told
from service_play import REPORTS, TERMS

from tuneaccord.service.api import guard
from tuneaccord.service.api.lane import Lane
from tuneaccord.service.errors import Invalid

JSON = {"Content-Type": "application/json"}
#: who, method, address, what is sent
REQUESTS = [
    ("legal", "GET", "", {}),
    ("provider", "GET", "tokens", {}),
    ("observer", "GET", "tokens", {}),
    ("auditor", "GET", f"{API}/me", {}),
    ("operator", "GET", f"{API}/sessions", {}),
    ("legal", "GET", f"{API}/sessions/{'0' * 24}", {}),
    ("legal", "GET", f"{API}/sessions/{'0' * 65}", {}),
    ("legal", "GET", f"{API}/sessions/", {}),
    ("legal", "GET", f"{API}/sessions/%7Bsession_id%7D", {}),
    ("tac_nobody", "GET", "", {}),
    ("tac_nobody", "GET", f"{API}/sessions/{'0' * 65}", {}),
    (None, "GET", "", {}),
    (None, "PUT", "report", {"content": b"{", "headers": JSON}),
    ("legal", "DELETE", "", {}),
    ("legal", "PATCH", "report", {}),
    ("provider", "PUT", "terms", {"json": TERMS}),
    ("legal", "PUT", "report", {}),
    ("legal", "PUT", "report", {"content": b"{", "headers": JSON}),
    ("legal", "PUT", "report", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
    ("legal", "PUT", "report", {"json": {"size": 1, "scores": [[2.0, 0.0, 0.0]]}}),
    ("legal", "PUT", "report", {"json": {"size": 1, "scores": [[0.0] * 40_000]}}),
    ("observer", "PUT", "report", {"json": REPORTS["legal"]}),
    ("provider", "POST", "begin", {}),
    (None, "POST", f"{API}/join", {"json": {"invitation": "tac_nobody"}}),
    (None, "POST", f"{API}/join", {"json": {"what": 1}}),
]


def answers(ask):
    """All answers, without what differs from one request to the next."""
    found = []
    for who, method, path, given in REQUESTS:
        answer = ask(who, method, path, **given)
        body = answer.json()
        for changing in (body, body.get("error", {})):
            changing.pop("request_id", None)
            changing.pop("now", None)
        headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
        found.append((answer.status_code, {**headers, "content-length": None}, body))
    return found


def test_both_ways_answer_alike(desk, monkeypatch):
    ask = asking(desk)
    short = answers(ask)
    assert {status for status, _, _ in short} == {200, 401, 403, 404, 405, 409, 415, 422}
    monkeypatch.setattr(Lane, "_found", lambda lane, scope: None)
    monkeypatch.setattr(guard, "LONGEST_ID", -1)
    usual = answers(ask)
    for request, one, other in zip(REQUESTS, short, usual, strict=True):
        assert one == other, request[:3]


def test_most_requests_take_the_short_way(desk, monkeypatch):
    ask, ways = asking(desk), []
    found = Lane._found

    def watched(lane, scope):
        ways.append(found(lane, scope))
        return ways[-1]

    monkeypatch.setattr(Lane, "_found", watched)
    ask("legal", "GET", "")
    ask("legal", "PUT", "report", json=REPORTS["legal"])
    ask("legal", "GET", "log")  # waits, and takes parameters
    assert [way and way[0].path for way in ways] == [
        f"{API}/sessions/{{session_id}}",
        f"{API}/sessions/{{session_id}}/report",
        None,
    ]
    assert ways[0][1] == {"session_id": ask.played.id}


@pytest.mark.parametrize(("length", "read"), [(b"20000", 0), (b"20", 1), (None, 0)])
def test_a_large_body_is_not_read_before_it_is_known_who_sends_it(desk, length, read):
    ask = asking(desk)
    asked, sent = [], []

    async def receive():
        asked.append(1)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8090"), (b"authorization", b"Bearer tac_wrong"), *JSON_HEADER]
    headers += [(b"content-length", length)] if length else []
    path = f"{API}/sessions/{ask.played.id}/report"
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    asyncio.run(ask.http.app({**scope, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8090)}, receive, send))
    assert sent[0]["status"] == 401
    assert len(asked) == read


JSON_HEADER = [(b"content-type", b"application/json")]


def test_a_revoked_token_is_refused_at_the_next_request(desk):
    ask = asking(desk)
    assert ask("observer", "GET", "").status_code == 200
    rows = ask("provider", "GET", "tokens").json()["tokens"]
    observer = next(row["id"] for row in rows if row["role"] == "observer")
    assert ask("provider", "DELETE", f"tokens/{observer}").status_code == 200
    assert "revoked" in told(ask("observer", "GET", ""), 401, "unauthenticated")


def test_the_proof_of_a_report_is_whole_json(desk):
    ask = asking(desk)
    answer = ask("legal", "PUT", "report", json=REPORTS["legal"])
    proof = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(json.dumps(proof)) == proof
    assert proof["entry"]["data"]["commitment"] == proof["commitment"]
    assert proof["report"]["scores"] == [[float(score) for score in row] for row in REPORTS["legal"]["scores"]]


def slow_put(ask, body, between):
    """The status of a report whose body arrives in two halves, with ``between()`` between them."""
    sent, halves = [], [body[:10], body[10:]]

    async def receive():
        if len(halves) == 1:
            between()
        return {"type": "http.request", "body": halves.pop(0), "more_body": bool(halves)}

    async def send(message):
        sent.append(message)

    token = ask.played.tokens["legal"].encode()
    headers = [(b"host", b"127.0.0.1:8090"), (b"authorization", b"Bearer " + token), *JSON_HEADER]
    path = f"{API}/sessions/{ask.played.id}/report"
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": b"", "scheme": "http"}
    scope["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
    asyncio.run(ask.http.app({**scope, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8090)}, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize("length", [2_000, 20_000])
def test_a_token_that_is_replaced_while_its_report_arrives_seals_nothing(desk, length):
    ask = asking(desk)
    body = json.dumps(REPORTS["legal"]).encode().ljust(length)
    assert slow_put(ask, body, lambda: None) == 200
    before = desk.session(ask.played.id).entries
    status = slow_put(ask, body, lambda: desk.replace_token(ask.played.provider, ask.played.id, "legal"))
    assert status == 401
    assert desk.session(ask.played.id).entries == before + 1  # that it was replaced


def test_a_request_that_is_refused_leaves_nothing_behind(desk, monkeypatch):
    """What it held would otherwise stay until the next search for garbage, which is rare in a server."""
    ask, held = asking(desk), []

    class Data:
        """Stands for a body of megabytes."""

    def refuse(*given):
        data = Data()
        held.append(weakref.ref(data))
        raise Invalid("no")

    monkeypatch.setattr(desk, "report", refuse)
    gc.disable()
    try:
        for _ in range(3):
            assert ask("legal", "PUT", "report", json={}).status_code == 422
        end = time.monotonic() + 30  # a thread may not have put it down yet
        while any(one() is not None for one in held) and time.monotonic() < end:
            time.sleep(0.01)
        assert [one() for one in held] == [None] * 3
    finally:
        gc.enable()


def test_a_request_that_raises_what_no_future_takes_is_an_error(desk, monkeypatch):
    ask = asking(desk)

    def ends(*given):
        raise StopIteration

    monkeypatch.setattr(ask.http.app.state.reading, "view", ends)
    answer = ask("legal", "GET", "")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
