"""``tuneaccord serve`` as a process: how it starts, hands over the operator's link, refuses, and ends."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("nicegui", reason="the service needs the web extra: pip install tuneaccord[web]")

from typer.testing import CliRunner

import tuneaccord
from tuneaccord.cli import serve
from tuneaccord.cli.app import app
from tuneaccord.errors import InputError, MissingDependencyError
from tuneaccord.service.api.progress import LONGEST_WAIT
from tuneaccord.service.keys import read_keys
from tuneaccord.service.settings import Settings


def command(*arguments):
    return [sys.executable, "-m", "tuneaccord", "serve", *map(str, arguments)]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUNEACCORD_")}
    return {**kept, "OMP_NUM_THREADS": "1", **more}


def refused(*arguments, **more):
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(**more), timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


@contextlib.contextmanager
def serving(folder, *arguments, **more):
    """A running server; ``process``, its ``url``, and what it printed in ``folder / "out"`` and ``"err"``."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    with open(folder / "out", "w") as out, open(folder / "err", "w") as err:
        process = subprocess.Popen(
            command("--folder", folder, "--port", 0, "--ready-file", ready, *arguments),
            stdout=out, stderr=err, env=environment(**more),
        )  # fmt: skip
        try:
            until = time.monotonic() + 300
            while not ready.exists():
                assert process.poll() is None, (folder / "err").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            process.url = json.loads(ready.read_text())["url"]
            yield process
        finally:
            process.kill()
            process.wait()


def ask(url, token=None, data=None, method=None):
    """Status and JSON of one request."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until_it_has_read(url):
    """Until the server has seen what was sent to it before: it takes and reads connections in their order."""
    for _ in range(3):
        assert ask(f"{url}/healthz")[0] == 200


def until_it_takes_nobody(url):
    """Until the server has heard that it is to stop."""
    address, end = ("127.0.0.1", int(url.rpartition(":")[2])), time.monotonic() + 60
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < end:
            socket.create_connection(address).close()
            time.sleep(0.02)
        raise AssertionError("it still takes connections")


def operator_of(folder):
    return (folder / serve.LINK_FILE).read_text().strip().partition("#token=")[2]


# Without a process


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "0.0.0.0"}, "say at which address they find this server"),
        ({"host": "0.0.0.0", "url": "http://192.168.1.5:8090"}, "without TLS everybody on the way can read tokens"),
    ],
)
def test_other_machines_only_with_tls(given, words):
    with pytest.raises(InputError, match=re.escape(words)):
        serve.check_reach(Settings(**given), insecure=False)


@pytest.mark.parametrize(
    ("given", "insecure"),
    [
        ({"host": "127.0.0.1"}, False),
        ({"host": "0.0.0.0", "url": "https://accord.example.org"}, False),
        ({"host": "0.0.0.0", "url": "http://192.168.1.5:8090"}, True),
    ],
)
def test_who_may_serve(given, insecure):
    serve.check_reach(Settings(**given), insecure)


def test_missing_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "nicegui" else object())
    with pytest.raises(
        MissingDependencyError, match=re.escape("(nicegui). Install them with: pip install 'tuneaccord[web]'")
    ):
        serve.need_web()


# As a process


@pytest.mark.slow
def test_one_line_says_why_it_cannot_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"error: port {port} is taken on this machine" in refused("--folder", tmp_path, "--port", port)
    assert not (tmp_path / "tuneaccord.db").exists()
    (tmp_path / "file").write_text("")
    assert "error: " in refused("--folder", tmp_path / "file" / "x", "--port", 0)
    away = "postgresql://us:hidden@127.0.0.1:1/none"
    said = refused("--folder", tmp_path, "--port", 0, "--database", away)
    assert "does not answer" in said
    assert "hidden" not in said


def test_wrong_settings_are_one_line_too(monkeypatch):
    runner = CliRunner()
    said = runner.invoke(app, ["serve", "--host", "0.0.0.0", "--url", "http://192.0.2.1"])
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert "--insecure where the network is trusted" in said.stderr
    monkeypatch.setenv("TUNEACCORD_PORT", "high")
    said = runner.invoke(app, ["serve"])
    assert (said.exit_code, said.stderr) == (2, "error: TUNEACCORD_PORT must be a whole number, got 'high'.\n")


@pytest.mark.slow
def test_the_link_is_handed_over_once_and_can_be_replaced(tmp_path):
    with serving(tmp_path, "--no-worker") as server:
        said = (tmp_path / "out").read_text()
        assert f"serving at {server.url}" in said
        assert "tac_" not in said
        link = tmp_path / serve.LINK_FILE
        assert stat.S_IMODE(link.stat().st_mode) == 0o600
        first = operator_of(tmp_path)
        assert link.read_text().startswith(f"{server.url}/enter#token=")
        assert ask(f"{server.url}/api/v1/me", first) == (
            200,
            {"role": "operator", "name": "operator", "session_id": None},
        )
        link.unlink()
        again = subprocess.run(
            command("--folder", tmp_path, "--new-operator-token"),
            capture_output=True,
            text=True,
            env=environment(),
            check=True,
        )
        assert "earlier operator links no longer work" in again.stdout
        assert ask(f"{server.url}/api/v1/me", first)[0] == 401
        assert ask(f"{server.url}/api/v1/me", operator_of(tmp_path))[0] == 200
        link.unlink()
        server.terminate()
        assert server.wait(60) == 0
    with serving(tmp_path, "--no-worker"):
        assert "operator" not in (tmp_path / "out").read_text()
        assert not link.exists()


@pytest.mark.slow
def test_it_answers_what_it_has_begun_and_ends_with_status_zero(tmp_path):
    with serving(tmp_path) as server:
        assert ask(f"{server.url}/readyz")[0] == 200
        operator = operator_of(tmp_path)
        _, begun = ask(f"{server.url}/api/v1/sessions", operator, {"terms": {"title": "ours"}})
        path = f"/api/v1/sessions/{begun['session_id']}/log?after=0&wait={LONGEST_WAIT}"
        waiting = http.client.HTTPConnection(server.url.partition("//")[2], timeout=120)
        waiting.request("GET", path, headers={"Authorization": f"Bearer {begun['token']}"})  # no news will come
        until_it_has_read(server.url)
        asked = time.monotonic()
        server.terminate()
        assert server.wait(60) == 0
        assert time.monotonic() - asked < LONGEST_WAIT - 5  # ten seconds, on a machine that is not busy
        answer = waiting.getresponse()
        assert (answer.status, json.load(answer)) == (200, {"state": "draft", "entries": [], "progress": []})
        waiting.close()
        assert "stopped" in (tmp_path / "err").read_text()
        with pytest.raises(urllib.error.URLError):
            ask(f"{server.url}/healthz")


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path):
    with (
        serving(tmp_path, "--no-worker") as server,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as slow,
    ):
        head = f"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {operator_of(tmp_path)}\r\n"
        slow.sendall(
            f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode()
        )  # never all of it
        until_it_has_read(server.url)
        server.send_signal(signal.SIGINT)
        until_it_takes_nobody(server.url)
        assert server.poll() is None
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 128 + signal.SIGINT


@pytest.mark.slow
def test_a_whole_session_leaves_no_secret_in_the_logs(tmp_path):
    """Also at the level that tells most, with requests that are refused and pages that are not there."""
    secrets, score = {"hidden-word"}, 0.7312345678
    with serving(tmp_path, TUNEACCORD_LEVEL="debug", TUNEACCORD_LOG="json") as server:
        api, operator = f"{server.url}/api/v1", operator_of(tmp_path)

        def told(method, path, token=None, data=None, expected=(200, 201)):
            status, answer = ask(f"{api}{path}", token, data, method)
            assert status in expected, answer
            return answer

        begun = told("POST", "/sessions", operator, {"terms": {"title": "Canary title"}})
        path, provider = f"/sessions/{begun['session_id']}", begun["token"]
        told("POST", f"{path}/open", provider)
        secrets |= {operator, provider}
        tokens = {}
        for name in ("Canary one", "Canary two"):
            invitation = told("POST", f"{path}/invitations", provider, {"group": name})["invitation"]
            for page in (f"/join/{invitation}", f"/enter?token={invitation}", f"/nowhere/{invitation}"):
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(server.url + page, timeout=120).read()
            tokens[name] = told("POST", "/join", None, {"invitation": invitation})["token"]
            told("POST", "/join", None, {"invitation": invitation}, (401, 409))
            secrets |= {invitation, tokens[name]}
        pool = {"prompts": [{"id": "p", "text": "Canary prompt"}], "responses": [[{"id": "a"}, {"id": "b"}]]}
        told("PUT", f"{path}/pool", provider, pool)
        told("POST", f"{path}/begin", provider)
        for name, token in tokens.items():
            told("PUT", f"{path}/report", token, {"size": 3, "scores": [[score, "hidden-word"]]}, (422,))
            told("PUT", f"{path}/report", token, {"size": 3, "scores": [[score, len(name) / 1000]]})
        told("GET", path, "tac_hidden-word", None, (401,))
        told("POST", "/join", None, {"code": "k3m8p2qa", "name": "hidden-word"}, (401,))
        told("POST", f"{path}/close", provider)
        until = time.monotonic() + 300
        while told("GET", path, provider)["state"] != "settled":
            assert time.monotonic() < until
            time.sleep(0.2)
        told("POST", f"{path}/publish", provider)
        share = told("GET", f"{path}/shares/Canary%20one", tokens["Canary one"])
        server.terminate()
        assert server.wait(60) == 0
    written = (tmp_path / "err").read_text() + (tmp_path / "out").read_text()
    lines = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
    routes = {line.get("route") for line in lines}
    assert {"/api/v1/join", "/api/v1/sessions/{session_id}/report"} <= routes
    assert {line.get("role") for line in lines} >= {"operator", "provider", "group"}
    found = secrets | {str(score), "Canary", "k3m8p2qa", share["salt"], share["report_salt"]}
    assert [secret for secret in found if secret in written] == []


@pytest.mark.slow
def test_a_server_that_cannot_open_reports_and_a_worker_that_can(tmp_path):
    """As compose.yaml sets them up, on one database."""
    folders = {name: tmp_path / name for name in ("web", "worker")}
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    for folder in folders.values():
        folder.mkdir()
    read_keys(folders["worker"] / "keys")
    (folders["web"] / "keys").mkdir()
    for name in ("data.key", "seal.pub"):
        shutil.copy(folders["worker"] / "keys" / name, folders["web"] / "keys" / name)
    with serving(folders["web"], "--no-worker", "--database", database) as server:
        assert not (folders["web"] / "keys" / "seal.key").exists()
        assert ask(f"{server.url}/readyz")[0] == 503  # nobody does the jobs
        operator = tuneaccord.Client(server.url, operator_of(folders["web"]))
        provider = operator.with_token(operator.create({"title": "ours"})["token"])
        provider.open()
        group = provider.join(provider.invite("legal")["invitation"])
        provider.freeze({"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]})
        provider.begin()
        group.report(size=2, scores=[[0.0, 1.0]])
        provider.close()
        work = [sys.executable, "-m", "tuneaccord", "work", "--folder", folders["worker"], "--database", database]
        with open(tmp_path / "worker.err", "w") as said:
            worker = subprocess.Popen(work, stdout=said, stderr=said, env=environment())
        try:
            assert provider.wait("settled", timeout=300)["state"] == "settled"
            assert ask(f"{server.url}/readyz")[0] == 200
            worker.terminate()
            assert worker.wait(120) == 0
        finally:
            worker.kill()
            worker.wait()
        provider.publish()
        assert group.share()["report"]["scores"] == [[0.0, 1.0]]
        operator.shut()
