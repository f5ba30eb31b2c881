"""Every address of the studio with every role: who gets what, and no group's secrets for anybody else."""

import pytest
from service_http import API
from service_play import REPORTS, play
from starlette.routing import Mount
from starlette.testclient import TestClient
from test_api_roles import CANARIES, secrets_of

from tuneaccord.service.api.app import build
from tuneaccord.service.pages.sessions.documents import DOCUMENTS
from tuneaccord.service.settings import Settings

pytestmark = pytest.mark.slow

SESSION = "/sessions/{session_id}"
MEMBERS = ("provider", "legal", "support", "auditor", "observer")
EVERYBODY = (*MEMBERS, "operator", "none", "wrong", "revoked", "other")
#: the pages, and who gets each of them in a published session; a new one must be added here
PAGES = {
    "/": EVERYBODY,
    "/mechanism": EVERYBODY,
    "/bargaining": EVERYBODY,
    "/reports": EVERYBODY,
    "/reports/{place}": (),  # the server was given no runs to show
    "/report-files/{place}": (),
    "/sessions": EVERYBODY,
    "/sessions/new": ("operator",),
    SESSION: MEMBERS,
    f"{SESSION}/documents/{{name}}": ("provider", "legal", "support", "auditor"),  # pool.json
    "/join": EVERYBODY,
    "/join/{invitation}": (),  # it is not one
    "/enter": EVERYBODY,
    "/class": EVERYBODY,
    "/class/new": ("operator",),
    "/class/{session_id}": (),  # the session is no class
}
#: forms and uploads, which change something
POSTS = {"/enter", "/join", "/leave", f"{SESSION}/files/{{key}}"} | {
    f"/class/{what}" for what in ("join", "start", "again", "next")
}


def addresses(routes, methods, prefix=""):
    """Paths of all routes but the interface and what the pages' framework serves of its own."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if isinstance(route, Mount):
            yield from addresses(route.routes or [], methods, path)
        elif methods & set(route.methods or ()) and not path.startswith(
            ("/api", "/_nicegui", "/studio-static", "/favicon")
        ):
            yield path


@pytest.fixture
def studio(desk):
    """(browser, application) with a session; the browser is one that keeps no cookies."""
    given = Settings(folder=None, rate=10**6, trials=10**6)
    app = build(desk, given)
    with TestClient(app, base_url=given.public_url, raise_server_exceptions=False) as http:
        yield http, app


def cookies(played):
    """What each visitor's browser sends."""
    mine, desk = f"tuneaccord-{played.id}", played.desk
    revoked = desk.issue_token(played.provider, played.id, "provider", "gone")
    row = next(row for row in played.reading.tokens(played.provider, played.id) if row["name"] == "gone")
    desk.revoke(played.provider, played.id, row["id"])
    return {
        **{who: f"{mine}={played.tokens[who]}" for who in MEMBERS},
        "operator": f"tuneaccord-operator={played.tokens['operator']}",
        "none": "",
        "wrong": f"{mine}=tac_{'A' * 43}; tuneaccord-operator=tac_{'A' * 43}",
        "revoked": f"{mine}={revoked}; tuneaccord-operator={revoked}",
        "other": f"{mine}={play(desk, 'open').tokens['provider']}; tuneaccord-operator={played.tokens['provider']}",
    }


def visited(http, played, cookie, path, **query):
    for name, value in {"session_id": played.id, "name": "pool.json", "place": "0", "invitation": "tac_x"}.items():
        path = path.replace(f"{{{name}}}", value)
    return http.get(path, headers={"Cookie": cookie} if cookie else {}, params=query, follow_redirects=False)


def test_the_tables_have_every_address(studio):
    routes = studio[1].routes
    assert set(addresses(routes, {"GET"})) == set(PAGES)
    assert set(addresses(routes, {"POST", "PUT", "PATCH", "DELETE"})) == POSTS


def test_every_visitor_gets_what_the_table_says(studio, desk):
    http, played = studio[0], play(desk)
    for who, cookie in cookies(played).items():
        for path, expected in PAGES.items():
            if expected == EVERYBODY and who not in ("legal", "none"):
                continue  # the same for all, and some are drawn anew each time
            answer = visited(http, played, cookie, path)
            assert answer.status_code < 500, (path, who)
            assert (answer.status_code == 200) == (who in expected), (path, who, answer.status_code)
            assert (
                "default-src 'self'" in answer.headers["content-security-policy"]
                or "'none'" in answer.headers["content-security-policy"]
            )


def test_a_document_is_for_those_who_may_read_it(studio, desk):
    http, played = studio[0], play(desk)
    for_all = {"receipt.json", "terms.json"}
    for_provider = {"settlement.html", "settlement.csv"}
    for_some = {"pool.json", "sheet.csv"}
    for who, cookie in cookies(played).items():
        for name in DOCUMENTS:
            path = f"{SESSION}/documents/{name}"
            status = visited(http, played, cookie, path, group="legal").status_code
            own = name.startswith(("invoice", "explanation")) and who in ("provider", "auditor", "legal", "support")
            may = (
                own
                or (name in for_all and who in MEMBERS)
                or (name in for_provider and who in ("provider", "auditor"))
                or (name in for_some and who in MEMBERS and who != "observer")
            )
            assert (status == 200) == may, (who, name, status)


@pytest.mark.parametrize("state", ["reporting", "settled", "published"])
def test_no_page_shows_a_groups_secrets_to_others(studio, desk, state):
    http, played = studio[0], play(desk, state, reports={**REPORTS, "legal": CANARIES})
    if state == "reporting":
        played.proofs["legal"] = desk.report(played.groups["legal"], played.id, CANARIES)
    secrets, sent = secrets_of(played, state), cookies(played)
    for who in set(sent) - {"provider", "auditor", "legal"}:
        pages = [
            visited(http, played, sent[who], path).text for path in PAGES if path.startswith(("/sessions", "/class"))
        ]
        documents = [
            visited(http, played, sent[who], f"{SESSION}/documents/{name}", group="legal").text for name in DOCUMENTS
        ]
        heard = "\n".join([*pages, *documents])
        assert [secret for secret in secrets if secret in heard] == [], who


def test_a_cookie_opens_no_route_of_the_interface(studio, desk):
    http, played = studio[0], play(desk)
    for cookie in cookies(played).values():
        answer = http.get(f"{API}/sessions/{played.id}", headers={"Cookie": cookie} if cookie else {})
        assert answer.status_code == 401


def test_what_changes_something_is_not_taken_from_other_sites(studio, desk):
    http, played = studio[0], play(desk, "reporting")
    cookie = cookies(played)["provider"]
    for path in POSTS:
        at = path.replace("{session_id}", played.id).replace("{key}", "0")
        for origin in ("https://evil.example", "null", "http://127.0.0.1"):
            headers = {"Origin": origin, "Cookie": cookie}
            assert http.post(at, headers=headers, data={"token": "x"}).status_code == 403, (path, origin)
        # a browser that leaves Origin out still says where the page was
        fetched = {"Sec-Fetch-Site": "cross-site", "Cookie": cookie}
        assert http.post(at, headers=fetched, data={"token": "x"}).status_code in (401, 403), path
    assert played.session.state == "reporting"
