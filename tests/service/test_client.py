"""The Python client at a real server on a loopback address."""

import json
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn
from service_play import POOL, REPORTS, TERMS, Clock, play

import tuneaccord
from tuneaccord.service.api.app import build
from tuneaccord.service.api.progress import EVERY
from tuneaccord.service.client import Client
from tuneaccord.service.errors import Forbidden, Invalid, TooMany, Unauthenticated, Unavailable, WrongState
from tuneaccord.service.reading import Reading
from tuneaccord.service.server import Server
from tuneaccord.service.settings import Settings


class Serving(uvicorn.Server):
    """A server in a thread of this process."""

    def install_signal_handlers(self):
        """The test keeps its own."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, desk) of a real server."""
    from tuneaccord.service.connect import connect

    folder = tmp_path_factory.mktemp("served")
    settings = Settings(folder=folder, rate=100_000, largest_body=200_000)
    desk = connect(settings)
    desk.clock = Clock()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(build(desk, settings, pages=False), log_level="warning", lifespan="off")
        server = Serving(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", desk
        server.should_exit = True
        thread.join(60)
    desk.store.close()


def settle(desk, session_id):
    """As the jobs do it."""
    server = Server(desk)
    attempt = server.begin_settling(session_id)
    server.compute(session_id, attempt)
    assert server.record(session_id, attempt)


@pytest.mark.slow
def test_a_session_from_the_first_move_to_the_invoices(served, tmp_path):
    url, desk = served
    with tuneaccord.Client(url, desk.operator()) as operator:
        with pytest.raises(WrongState, match="for no session"):
            operator.view()
        begun = operator.create({"title": "theirs"})
        assert begun["session_id"] in [one["id"] for one in operator.sessions()]
    provider = Client(url, begun["token"])
    provider.revise(TERMS)
    provider.open()
    groups = {name: provider.join(provider.invite(name)["invitation"]) for name in [*REPORTS, "a/b .. %"]}
    assert provider.remove("a/b .. %")["data"] == {"group": "a/b .. %"}
    with pytest.raises(Unauthenticated, match="revoked"):
        groups.pop("a/b .. %").view()
    groups["legal"] = provider.with_token(provider.replace_token("legal"))
    observer = provider.with_token(provider.issue_token("observer", "press"))
    (tmp_path / "pool.json").write_text(json.dumps(POOL))
    assert provider.freeze(tmp_path / "pool.json")["kind"] == "frozen"
    assert groups["legal"].pool()["base"] == POOL["base"]
    provider.begin()
    (tmp_path / "sheet.csv").write_text("prompt_id,reply_id,score\np,b,0.9\np,a,0.1\np,c,0\n")
    by_sheet = groups["legal"].report(sheet=tmp_path / "sheet.csv", size=3)
    assert by_sheet["report"]["scores"] == REPORTS["legal"]["scores"]
    for name, client in groups.items():
        assert client.report(REPORTS[name]["scores"], size=REPORTS[name]["size"])["group"] == name
    provider.close()
    settle(desk, begun["session_id"])
    assert provider.wait("settled", timeout=60)["state"] == "settled"
    with pytest.raises(WrongState, match="once it is published"):
        groups["legal"].share()
    provider.publish()
    amounts = {name: client.share()["amount"] for name, client in groups.items()}
    assert len(set(amounts.values())) == 3
    assert amounts == provider.record()["amounts"]
    assert amounts["legal"] in groups["legal"].invoice(form="csv")
    assert amounts["legal"] in groups["legal"].invoice()
    with pytest.raises(Forbidden, match="another group"):
        groups["legal"].invoice("support")
    assert observer.outcome()["groups"] == list(REPORTS)
    assert [entry["kind"] for entry in observer.follow()][-1] == "published"
    assert groups["legal"].receipt()["share"]["amount"] == amounts["legal"]
    assert set(provider.audit()) == {"audit", "broken_promises"}
    mine = next(row for row in provider.tokens() if row["name"] == "press")
    provider.revoke(mine["id"])
    with pytest.raises(Unauthenticated):
        observer.view()


@pytest.mark.slow
def test_waiting_ends_when_something_happens(served):
    url, desk = served
    played = play(desk, "frozen")
    legal = Client(url, played.tokens["legal"])
    last = legal.log()[-1]["number"]
    threading.Timer(0.3, lambda: desk.begin(played.provider, played.id)).start()
    began = time.monotonic()
    assert [entry["kind"] for entry in legal.log(after=last, wait=20)] == ["reporting"]
    assert time.monotonic() - began < 19  # it looks every half second, and did not wait for the end
    began = time.monotonic()
    assert legal.log(after=last + 1, wait=0.3) == []
    assert time.monotonic() - began >= 0.3


@pytest.mark.slow
def test_many_wait_for_one_session_with_one_look_at_the_database(served, monkeypatch):
    url, desk = served
    played, looks = play(desk, "frozen"), []
    head = desk.store.head
    monkeypatch.setattr(desk.store, "head", lambda *given, **named: looks.append(1) or head(*given, **named))
    answered = []
    view = Reading.view
    monkeypatch.setattr(Reading, "view", lambda *given: answered.append(1) or view(*given))
    last = len(played.reading.log(played.provider, played.id)) - 1
    heard = []
    threads = [
        threading.Thread(target=lambda: heard.append(Client(url, played.tokens["legal"]).log(after=last, wait=25)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()

    def until(true):
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end
            time.sleep(0.02)

    until(lambda: len(answered) == 20)  # all of them have looked for themselves once
    time.sleep(0.1)
    began = time.monotonic()
    looks.clear()
    until(lambda: len(looks) >= 3)
    assert not heard
    looked, seconds = len(looks), time.monotonic() - began
    assert looked <= 3 + seconds / (0.9 * EVERY)  # each of the twenty would look so often by itself
    desk.begin(played.provider, played.id)
    for thread in threads:
        thread.join()
    assert [[entry["kind"] for entry in part] for part in heard] == [["reporting"]] * 20


@pytest.mark.slow
def test_waiting_for_a_state_that_will_not_come_says_so(served):
    url, desk = served
    played = play(desk, "reporting")
    provider = Client(url, played.tokens["provider"])
    with pytest.raises(WrongState, match=r"after 0.1 s the session is still reporting, not settled"):
        provider.wait("settled", timeout=0.1)
    provider.cancel("no money")
    with pytest.raises(WrongState, match="the session is cancelled, not settled: no money"):
        provider.wait("settled", timeout=60)


@pytest.mark.slow
def test_changes_are_told_as_they_come(served):
    """A report, which leaves the state as it is, and to a group the settlement, whose entry it does not see yet."""
    url, desk = served
    played = play(desk, "reporting")
    seen = Client(url, played.tokens["legal"]).changes(timeout=60)
    assert not any(one["reported"] for one in next(seen)["groups"])
    for name, report in REPORTS.items():
        desk.report(played.groups[name], played.id, report)
        assert [one["name"] for one in next(seen)["groups"] if one["reported"]][-1] == name
    desk.close(played.provider, played.id)
    assert next(seen)["state"] == "closed"
    settle(desk, played.id)
    while (view := next(seen))["state"] != "settled":  # the audit's progress may come first
        assert view["state"] == "settling"
    desk.publish(played.provider, played.id)
    assert [view["state"] for view in seen] == ["published"]
    assert Client(url, played.tokens["legal"]).wait("settled")["state"] == "published"
    assert len(list(Client(url, played.tokens["legal"]).changes(timeout=0))) == 1


def test_a_state_that_there_is_not_is_refused_before_waiting(served):
    url, desk = served
    played = play(desk, "open")
    with pytest.raises(tuneaccord.InputError, match="Did you mean 'settled'"):
        Client(url, played.tokens["legal"]).wait("setled")


def test_refusals_are_those_of_the_desk(served):
    url, desk = served
    played = play(desk, "reporting")
    legal = Client(url, played.tokens["legal"])
    with pytest.raises(Invalid, match="agreed scale"):
        legal.report([[0, 0, 7]], size=1)
    with pytest.raises(Forbidden, match="for: provider"):
        legal.tokens()
    with pytest.raises(Unauthenticated, match="not known here"):
        Client(url, "tac_wrong").me()
    with pytest.raises(tuneaccord.InputError, match="cannot be sent as JSON"):
        legal.report([[0, 0, float("nan")]], size=1)
    with pytest.raises(tuneaccord.InputError, match="one of scores, sheet"):
        legal.report(size=1)
    with pytest.raises(tuneaccord.InputError, match="begins with http"):
        Client("localhost:80")
    with pytest.raises(Unavailable, match="cannot be reached"):
        Client("http://127.0.0.1:9").me()  # the port for discarding


@pytest.mark.slow
def test_a_stream_that_is_too_long_is_answered_over_a_network_too(served):
    url, desk = served
    played = play(desk, "reporting")
    headers = {"Authorization": f"Bearer {played.tokens['legal']}", "Content-Type": "application/json"}
    address = f"{url}/api/v1/sessions/{played.id}/report"
    with httpx.Client(timeout=120) as http:
        for _ in range(3):
            stream = (b" " * 10_000 for _ in range(60))  # 600,000 bytes in chunks, without a length
            assert http.put(address, headers=headers, content=stream).status_code == 413
        assert http.put(address, headers=headers, content=b" " * 300_000).status_code == 413
        assert http.get(f"{url}/api/v1/me", headers=headers).status_code == 200


def test_a_busy_server_is_asked_again_for_as_long_as_it_says():
    answers = [
        httpx.Response(503),
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(200, json={"role": "x"}),
    ]
    client = Client("http://x", "t", transport=httpx.MockTransport(lambda request: answers.pop(0)))
    assert client.me() == {"role": "x"}
    refused = {"error": {"code": "too_many_requests", "message": "wait", "status": 429, "request_id": "1"}}
    always = httpx.MockTransport(lambda request: httpx.Response(429, json=refused, headers={"Retry-After": "50"}))
    with pytest.raises(TooMany, match="wait"):
        Client("http://x", "t", patience=1, transport=always).me()


@pytest.mark.parametrize(("headers", "asked"), [({}, 1), ({"Retry-After": "0"}, 2)])
def test_what_may_have_been_done_is_not_asked_for_again(headers, asked):
    away = {"error": {"code": "unavailable", "message": "away", "status": 503, "request_id": "1"}}
    me = {"session_id": "x", "role": "provider", "name": ""}
    answers = [httpx.Response(200, json=me), httpx.Response(503, json=away, headers=headers)]
    answers.append(httpx.Response(500, json=away))
    client = Client("http://x", "t", transport=httpx.MockTransport(lambda request: answers.pop(0)))
    with pytest.raises(Unavailable, match="away"):
        client.publish()
    assert len(answers) == 2 - asked


def test_the_client_does_not_show_its_token():
    client = Client("http://x", "tac_secret")
    assert "secret" not in repr(client) + str(vars(client).keys())
    assert client.token == "tac_secret"


@pytest.mark.slow
def test_the_package_loads_no_http_until_it_is_asked_for_a_client():
    code = (
        "import sys, tuneaccord; before = set(sys.modules); tuneaccord.Client; "
        "print('httpx' in before, 'httpx' in sys.modules, 'fastapi' in sys.modules, 'sqlalchemy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "False", "False"]
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        tuneaccord.Clint  # noqa: B018
