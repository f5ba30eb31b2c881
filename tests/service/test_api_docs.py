"""The page on the interface has a heading for each route, its tables say what the code says, and its example runs."""

import re
from dataclasses import fields
from pathlib import Path

import httpx
from service_http import API, asking

import tuneaccord
from tuneaccord.service import foreign, sources
from tuneaccord.service.api.errors import _CODES
from tuneaccord.service.api.progress import LONGEST_WAIT
from tuneaccord.service.plain_json import DEEPEST
from tuneaccord.service.settings import Settings
from tuneaccord.service.settling import settle_data

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_every_route_has_a_heading_and_every_heading_a_route(desk):
    described = asking(desk, "draft").http.app.openapi()
    routes = {
        f"{method.upper()} {path.removeprefix(API)}"
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert set(re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)) == routes


def test_the_page_names_who_may_as_the_walk_tests_it():
    from test_api_roles import ROUTES

    for (method, path), expected in ROUTES.items():
        heading = f"### `{method} {path.removeprefix(API).replace(':path', '')}`\n\n"
        said = PAGE.split(heading)[1].split("\n### ")[0].split("\n## ")[0]
        if expected.roles in (("provider",), ("operator",)):
            assert said.startswith(f"{expected.roles[0].capitalize()}. "), heading
        elif expected.roles == ("legal", "support"):
            assert said.startswith("Group"), heading
        elif expected.roles == ("provider", "auditor"):
            assert said.startswith("Provider, auditor. "), heading
        elif expected.roles == ("provider", "legal", "auditor"):
            assert said.startswith("The group itself, provider, auditor. "), heading
        elif expected.public:
            assert "No token is needed." in said, heading


def test_the_limits_are_those_of_the_code():
    defaults = {field.name: field.default for field in fields(Settings)}
    for variable, name in re.findall(r"\| ([\d,]+).*?\| `TUNEACCORD_(\w+)` \|", PAGE):
        assert int(variable.replace(",", "")) == defaults[name.lower()], name
    for words, value in {
        "depth of JSON": DEEPEST,
        "columns of a file": foreign.MOST_COLUMNS,
        "replies for which criteria": sources.MOST_TEXTS,
        "| preference pairs": sources.MOST_PAIRS,
        "seconds to wait for the log": LONGEST_WAIT,
    }.items():
        row = next(line for line in PAGE.splitlines() if words in line and line.startswith("|"))
        assert f"| {value:,} |" in row


def test_every_code_of_a_refusal_is_in_the_table():
    from tuneaccord.service import client_requests

    for code in {*_CODES.values(), *client_requests._KINDS} - {"refused"}:
        assert f"`{code}`" in PAGE, code


def test_the_answers_of_the_description_are_those_that_come(desk):
    document = asking(desk, "draft").http.app.openapi()
    assert document["openapi"].startswith("3.1")
    operations = [told for methods in document["paths"].values() for told in methods.values()]
    assert len({told["operationId"] for told in operations}) == len(operations)
    for told in operations:
        assert told["summary"]
        assert told["tags"]
        public = "security" not in told
        assert public == ("403" not in told["responses"])
        for status, answer in told["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        if "application/json" in told.get("requestBody", {}).get("content", {}):
            assert "example" in told["requestBody"]["content"]["application/json"]


def test_the_example_for_python_runs(desk, monkeypatch, capsys):
    ask = asking(desk, "draft")
    code = PAGE.split("## From Python")[1].split("```python")[1].split("```")[0]
    waited = []

    def wait(client, state):
        ask.played.id = client.session_id
        server, attempt = ask.played.server, ask.played.server.begin_settling(client.session_id)
        server.compute(client.session_id, attempt)
        server.record(client.session_id, attempt)
        waited.append(state)

    made = tuneaccord.Client
    monkeypatch.setattr(made, "wait", wait)
    monkeypatch.setattr(
        tuneaccord, "Client", lambda url, token: made(url, token, transport=_Here(ask.http)), raising=False
    )
    exec(compile(code, "docs/api.md", "exec"), {"operator_token": ask.played.tokens["operator"]})
    amount, token = capsys.readouterr().out.split()
    pool = {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]}
    expected = settle_data({"title": "ours"}, pool, {"legal": {"size": 3, "scores": [[0.1, 0.9]]}})
    assert (amount, token[:4], waited) == (expected.shares["legal"]["amount"], "tac_", ["settled"])


class _Here(httpx.BaseTransport):
    """Answers by an application in this process."""

    def __init__(self, http):
        self.http = http

    def handle_request(self, request):
        answer = self.http.request(
            request.method, str(request.url), headers=dict(request.headers), content=request.read()
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)
