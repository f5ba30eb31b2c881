"""The proxies of docs/running.md in front of a real server: pages, the interface, uploads, addresses and refusals."""

import base64
import contextlib
import itertools
import json
import os
import threading
import time
from types import SimpleNamespace

import httpx
import pytest

pytest.importorskip("nicegui", reason="the service needs the web extra: pip install tuneaccord[web]")

from browser_play import CHROMIUM, Visitor, served
from free_ports import free_port
from proxy_play import NAME, PROXIES, ThroughProxy, program, running

from tuneaccord import Client

pytestmark = pytest.mark.slow
TRIALS = 5  #: wrong tokens a minute from one address
PADDED = 60_000_000  #: bytes of an upload, below the largest that the server takes
POOL = {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]}


@pytest.fixture(scope="module", params=PROXIES)
def site(request, tmp_path_factory):
    """A server behind a proxy: its ``url``, the operator's ``link``, and ``client(address)``: requests from there."""
    if program(request.param) is None:
        missing = f"{request.param} is not installed here (Debian: apt-get install {request.param})"
        needed = request.param == "nginx" and os.environ.get("TUNEACCORD_ALL_TESTS") == "1"  # Caddy is large
        (pytest.fail if needed else pytest.skip)(missing)
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    url = f"https://{NAME}:{port}"
    variables = {"TUNEACCORD_URL": url, "TUNEACCORD_PROXIES": "127.0.0.1", "TUNEACCORD_TRIALS": str(TRIALS)}
    with contextlib.ExitStack() as stack:
        _, link = stack.enter_context(served(folder, **variables))
        told = json.loads((folder / "ready.json").read_text())
        proxy = stack.enter_context(running(request.param, folder / "proxy", port, told["port"]))

        def client(address="127.0.0.1", **given):
            through = httpx.Client(base_url=url, transport=ThroughProxy(proxy, address), timeout=60, **given)
            return stack.enter_context(through)

        yield SimpleNamespace(
            kind=request.param, url=url, port=port, link=link, client=client, proxy=proxy, server=told["port"],
            operator=link.partition("#token=")[2],
        )  # fmt: skip


@pytest.fixture
def provider(site):
    """A provider's client, through the proxy, of a session that is open."""
    operator = Client(site.url, site.operator, transport=ThroughProxy(site.proxy))
    provider = operator.with_token(operator.create({"title": "behind a proxy"})["token"])
    provider.open()
    provider.join(provider.invite("legal")["invitation"])
    yield provider
    operator.shut()


def test_a_large_upload_arrives_and_a_larger_one_is_refused_in_the_one_shape(site, provider, tmp_path):
    file = tmp_path / "pool.json"
    file.write_bytes(b" " * PADDED + json.dumps(POOL).encode())
    provider.freeze(file)
    assert [one["id"] for one in provider.pool()["responses"][0]] == ["a", "b"]
    file.write_bytes(b" " * (PADDED + 8_000_000))
    with file.open("rb") as content:
        path, headers = f"/api/v1/sessions/{provider.session_id}/pool/file", _bearer(provider.token)
        answer = site.client().post(path, headers=headers, files={"file": ("pool.json", content)})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_refusal_comes_before_the_upload_has_been_sent(site, provider):
    """The server does not read the rest, which a proxy could take for a failure (502)."""
    path, file = f"/api/v1/sessions/{provider.session_id}/pool/file", {"file": ("pool.json", b" " * PADDED)}
    answer = site.client("127.0.0.9").post(path, headers=_bearer("tac_wrong"), files=file)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


def test_a_request_that_waits_is_answered_as_soon_as_there_is_news(site, provider):
    path, answers, last = f"/api/v1/sessions/{provider.session_id}/log", [], provider.log()[-1]["number"]

    def wait():
        given = {"after": last, "wait": 25}
        answers.append(site.client().get(path, params=given, headers=_bearer(provider.token)).json())

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1.5)
    assert not answers
    began = time.monotonic()
    provider.freeze(POOL)
    waiting.join(60)
    assert [entry["kind"] for entry in answers[0]["entries"]] == ["frozen"]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/%6detrics", "/x/../metrics", "//metrics"])
def test_what_watches_the_server_is_not_seen_from_outside(site, path):
    # as it stands: a client would tidy the path up
    answer = site.client().send(httpx.Request("GET", httpx.URL(site.url).copy_with(raw_path=path.encode())))
    assert "tuneaccord_requests" not in answer.text
    assert "checks" not in answer.text
    assert answer.status_code == 404 or path == "//metrics", answer.text
    if path in ("/metrics", "/readyz"):
        assert httpx.get(f"http://127.0.0.1:{site.server}{path}", timeout=60).status_code == 200


def test_an_address_cannot_be_made_up_and_is_not_mixed_with_others(site):
    made_up = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(TRIALS)]
    made_up += [
        {"X-Forwarded-For": "198.51.100.7, 192.0.2.77", "Forwarded": "for=192.0.2.78", "X-Real-IP": "192.0.2.9"}
    ]
    asking = site.client("127.0.0.2")
    seen = []
    for one in itertools.islice(itertools.cycle(made_up), 10 * TRIALS):
        seen.append(asking.get("/api/v1/me", headers={**_bearer("tac_wrong"), **one}).status_code)
        if seen[-1] == 429:  # a little later where the machine is so slow that it may try again meanwhile
            break
    assert seen == [401] * (len(seen) - 1) + [429]
    assert len(seen) > TRIALS
    assert site.client("127.0.0.3").get("/api/v1/me", headers=_bearer("tac_wrong")).status_code == 401
    assert site.client("127.0.0.2").get("/api/v1/me", headers=_bearer(site.operator)).status_code == 200


def test_another_name_does_not_reach_the_server(site):
    answer = site.client().get("/", headers={"Host": f"evil.example.org:{site.port}"})
    assert "tuneaccord" not in answer.text.lower()
    assert answer.status_code == 421 or not answer.content


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", f"http://{NAME}", "ours"])
def test_forms_and_websockets_are_taken_from_its_own_pages_only(site, origin):
    asking, ours = site.client("127.0.0.4"), origin == "ours"
    headers = {"Origin": site.url if ours else origin}
    form = asking.post("/enter", data={"token": site.operator}, headers=headers)
    assert form.status_code == (303 if ours else 403), form.text
    if ours:
        cookie = form.headers["set-cookie"].lower()
        assert all(f"; {word}" in cookie for word in ("secure", "httponly", "samesite=strict"))
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    with asking.stream("GET", path, headers={**headers, **upgrade}) as answer:
        assert answer.status_code == (101 if ours else 403)


@pytest.mark.browser
def test_the_studio_in_a_browser(site, tmp_path):
    """Chromium asks for the name, over TLS; buttons act through the websocket."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not os.path.exists(CHROMIUM):
        missing = "no Chromium is installed here (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("TUNEACCORD_ALL_TESTS") == "1" else pytest.skip)(missing)
    arguments = ["--no-sandbox", "--ignore-certificate-errors", f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        visitor = Visitor(browser, site.url, tmp_path)
        visitor.enter(site.link)
        visitor.page.get_by_role("link", name="Create a session").click()
        visitor.textbox("Title").fill("Behind a proxy")
        visitor.press("Create the session")
        link = visitor.textbox("Link for the provider").input_value()
        cookies = visitor.context.cookies()
        visitor.check()
        browser.close()
    assert link.startswith(f"{site.url}/")
    assert visitor.frames, "nothing came through a websocket"
    assert all(cookie["secure"] for cookie in cookies)
    assert any(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies)


def _bearer(token):
    return {"Authorization": f"Bearer {token}"}
