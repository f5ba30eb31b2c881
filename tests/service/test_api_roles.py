"""Every route with every role: who may, who may not, and that no group learns what is another's."""

import json
from dataclasses import dataclass

import pytest
from fastapi.routing import APIRoute
from service_http import API, asking, told
from service_play import POOL, REPORTS, STATES, TERMS, play

ROLES = ("operator", "provider", "legal", "support", "auditor", "observer")
MEMBERS = ("provider", "legal", "support", "auditor", "observer")
GROUPS = ("legal", "support")
SESSION = f"{API}/sessions/{{session_id}}"


@dataclass(frozen=True)
class Expected:
    """Who may use a route, and how it answers them in a published session; to all others it answers 403."""

    roles: tuple[str, ...]
    status: int = 409
    body: dict | None = None
    public: bool = False
    files: dict | None = None


PROVIDER, REPORT = ("provider",), {"size": 1, "scores": [[0.5, 0.5, 0.5]]}
SHEET = {"file": ("s.csv", b"prompt_id,reply_id,score\np,a,0\np,b,0\np,c,0\n")}
#: a new route must be added here
ROUTES = {
    ("GET", f"{API}/openapi.json"): Expected(ROLES, 200, public=True),
    ("GET", f"{API}/docs"): Expected(ROLES, 200, public=True),
    ("GET", f"{API}/criteria"): Expected(ROLES, 200, public=True),
    ("POST", f"{API}/join"): Expected(ROLES, 401, {"invitation": "tac_wrong"}, public=True),
    ("GET", f"{API}/me"): Expected(ROLES, 200),
    ("POST", f"{API}/sessions"): Expected(("operator",), 201, {"terms": TERMS}),
    ("GET", f"{API}/sessions"): Expected(ROLES, 200),
    ("GET", SESSION): Expected(MEMBERS, 200),
    ("PUT", f"{SESSION}/terms"): Expected(PROVIDER, body=TERMS),
    ("POST", f"{SESSION}/open"): Expected(PROVIDER),
    ("POST", f"{SESSION}/begin"): Expected(PROVIDER),
    ("PATCH", f"{SESSION}/deadline"): Expected(PROVIDER, body={"deadline": None}),
    ("POST", f"{SESSION}/close"): Expected(PROVIDER),
    ("POST", f"{SESSION}/publish"): Expected(PROVIDER),
    ("POST", f"{SESSION}/try-again"): Expected(PROVIDER),
    ("POST", f"{SESSION}/cancel"): Expected(PROVIDER),
    ("POST", f"{SESSION}/invitations"): Expected(PROVIDER, body={"group": "fourth"}),
    ("POST", f"{SESSION}/code"): Expected(PROVIDER),
    ("DELETE", f"{SESSION}/groups/{{group:path}}"): Expected(PROVIDER),
    ("POST", f"{SESSION}/groups/token"): Expected(PROVIDER, 422, {"group": "nobody"}),
    ("PUT", f"{SESSION}/pool"): Expected(PROVIDER, body=POOL),
    ("POST", f"{SESSION}/pool/file"): Expected(PROVIDER, files={"file": ("p.json", json.dumps(POOL).encode())}),
    ("POST", f"{SESSION}/pool/sample"): Expected(PROVIDER),
    ("GET", f"{SESSION}/pool"): Expected(("provider", "legal", "support", "auditor"), 200),
    ("GET", f"{SESSION}/pool/sheet"): Expected(("provider", "legal", "support", "auditor"), 200),
    ("PUT", f"{SESSION}/report"): Expected(GROUPS, body=REPORT),
    ("POST", f"{SESSION}/report/sheet"): Expected(GROUPS, files=SHEET),
    ("POST", f"{SESSION}/report/preferences"): Expected(GROUPS, files=SHEET),
    ("POST", f"{SESSION}/report/criteria"): Expected(GROUPS, body={"weights": {"calm": 1}, "size": 1}),
    ("GET", f"{SESSION}/log"): Expected(MEMBERS, 200),
    ("GET", f"{SESSION}/outcome"): Expected(MEMBERS, 200),
    ("GET", f"{SESSION}/shares/{{group:path}}"): Expected(("provider", "legal", "auditor"), 200),
    ("GET", f"{SESSION}/invoices/{{group:path}}"): Expected(("provider", "legal", "auditor"), 200),
    ("GET", f"{SESSION}/explanations/{{group:path}}"): Expected(("provider", "legal", "auditor"), 200),
    ("GET", f"{SESSION}/settlement"): Expected(("provider", "auditor"), 200),
    ("GET", f"{SESSION}/record"): Expected(("provider", "auditor"), 200),
    ("GET", f"{SESSION}/audit"): Expected(("provider", "auditor"), 200),
    ("GET", f"{SESSION}/receipt"): Expected(MEMBERS, 200),
    ("GET", f"{SESSION}/true-type"): Expected(GROUPS),
    ("GET", f"{SESSION}/tokens"): Expected(PROVIDER, 200),
    ("POST", f"{SESSION}/tokens"): Expected(PROVIDER, 201, {"role": "observer", "name": "x"}),
    ("DELETE", f"{SESSION}/tokens/{{token_id}}"): Expected(PROVIDER, 404),
}


def routes_of(app):
    return {
        (method, route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods or ()
    }


def test_the_table_has_every_route(desk):
    assert routes_of(asking(desk, "draft").http.app) == set(ROUTES)


def send(ask, who, method, route, group="legal"):
    expected = ROUTES[method, route]
    names = {"session_id": ask.played.id, "group:path": group, "token_id": "0" * 24}
    path = route
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    given = {"json": expected.body} if expected.body is not None else {"files": expected.files}
    return ask(who, method, path, **given)


@pytest.mark.slow
def test_every_role_gets_what_the_table_says(desk):
    ask = asking(desk, "published")
    for (method, route), expected in ROUTES.items():
        for who in ROLES:
            answer = send(ask, who, method, route)
            status = expected.status if who in expected.roles else 403
            assert answer.status_code == status, (method, route, who, answer.text[:200])
            if status >= 400:
                told(answer, status)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["draft", "reporting", "closed", "settled"])
def test_who_may_not_may_not_in_any_state(desk, state):
    ask = asking(desk, state)
    before = ask.played.session
    for (method, route), expected in ROUTES.items():
        for who in set(ROLES) & set(ask.played.tokens) - set(expected.roles):
            told(send(ask, who, method, route), 403, "forbidden")
    assert ask.played.session == before


def bad_tokens(ask, clock):
    """Tokens that are none, with the status that every route must answer."""
    played = ask.played
    expired = ask.played.desk.issue_token(played.provider, played.id, "provider", "late", clock.later(60))
    revoked = ask.played.desk.issue_token(played.provider, played.id, "provider", "gone")
    row = next(row for row in played.reading.tokens(played.provider, played.id) if row["name"] == "gone")
    played.desk.revoke(played.provider, played.id, row["id"])
    invitation = played.desk.invite(played.provider, played.id, "fourth")
    clock.pass_by(120)
    other = play(played.desk, "open").tokens
    unknown = {"none": None, "empty": " ", "wrong": "tac_" + "A" * 43, "long": "x" * 5000, "odd": "töken"}
    refused = {"expired": expired, "revoked": revoked, "invitation": invitation, **unknown}
    return {
        **{name: (token, 401) for name, token in refused.items()},
        **{f"{role} of another session": (other[role], 403) for role in ("provider", "legal", "auditor", "observer")},
    }


@pytest.mark.slow
def test_no_wrong_expired_revoked_or_foreign_token_opens_a_route(desk, clock):
    ask = asking(desk, "open")
    tokens, session = bad_tokens(ask, clock), ask.played.session
    for name, (token, status) in tokens.items():
        for (method, route), expected in ROUTES.items():
            if expected.public or (status == 403 and "{session_id}" not in route):
                continue
            given = {"Authorization": f"Bearer {token}".encode()} if token is not None else {}
            answer = send_with(ask, given, method, route)
            assert answer.status_code == status, (name, method, route, answer.text[:200])
            told(answer, status, "unauthenticated" if status == 401 else "forbidden")
            assert status != 401 or answer.headers["www-authenticate"] == "Bearer"
    assert ask.played.session == session


def send_with(ask, headers, method, route):
    expected = ROUTES[method, route]
    path = route.replace("{session_id}", ask.played.id).replace("{group:path}", "legal").replace("{token_id}", "0" * 24)
    given = {"json": expected.body} if expected.body is not None else {"files": expected.files}
    return ask.http.request(method, path, headers=headers, **given)


def test_a_token_counts_in_the_header_only(desk):
    ask = asking(desk, "open")
    token = ask.played.tokens["provider"]
    for cookie in (f"tuneaccord-{ask.played.id}", "tuneaccord-operator", "token", "session"):
        answer = ask.http.post(f"{API}/sessions/{ask.played.id}/close", headers={"Cookie": f"{cookie}={token}"})
        told(answer, 401, "unauthenticated")
    for query in (f"?token={token}", f"?access_token={token}"):
        told(ask(None, "GET", f"{API}/me{query}"), 401)
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {ask.played.tokens['legal']}")]
    told(ask.http.get(f"{API}/me", headers=twice), 401)
    told(ask.http.get(f"{API}/me", headers={"Authorization": f"Basic {token}"}), 401)


def test_a_foreign_page_cannot_read_or_ask_first(desk):
    ask = asking(desk, "open")
    answer = ask("provider", "GET", "", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    told(ask.http.options(f"{API}/sessions/{ask.played.id}/report", headers=asked), 405)


CANARIES = {"size": 7.654321, "scores": [[0.123456789, 0.987654321, 0.246813579]], "how": "my canary"}


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES[1:])
def test_no_group_or_observer_learns_another_groups_secrets_in_any_state(desk, state):
    ask = asking(desk, state, reports={**REPORTS, "legal": CANARIES})
    if state == "reporting":
        ask.played.proofs["legal"] = desk.report(ask.played.groups["legal"], ask.played.id, CANARIES)
    secrets = secrets_of(ask.played, state)
    heard = {who: hear_everything(ask, who) for who in ("support", "observer")}
    for who, text in heard.items():
        assert "support" in text, "the walk heard nothing at all"
        for secret in secrets:
            assert secret not in text, (state, who, secret)
    if state == "published":
        mine = hear_everything(ask, "legal")
        assert all(secret in mine for secret in secrets - {str(ask.played.proofs["legal"]["salt"])}), "not canaries"


def secrets_of(played, state):
    """What only the group, and later provider and auditor, may see: as it is written wherever it is written."""
    secrets = {"7.654321", "0.123456789", "0.987654321", "0.246813579", "my canary"}
    if played.proofs:
        secrets.add(played.proofs["legal"]["salt"])
    if state in ("settled", "published"):
        share = played.reading.share(played.provider, played.id, "legal")
        secrets |= {repr(share["payment"]), repr(share["utility"]), share["amount"], share["salt"]}
    return secrets


def hear_everything(ask, who):
    """All that any route answers to ``who``: body and headers."""
    heard = []
    for method, route in ROUTES:
        for group in ("legal", "support"):
            answer = send(ask, who, method, route, group)
            heard.append(answer.text + json.dumps(dict(answer.headers)))
    return "\n".join(heard)
