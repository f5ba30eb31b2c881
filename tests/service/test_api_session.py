"""A whole session over HTTP, each party with nothing but its token."""

import csv
import io
import json

import pytest
from service_http import API, asking, told
from service_play import POOL, REPORTS, TERMS, play

from tuneaccord.service.settling import settle_data


def test_from_draft_to_three_invoices(desk):
    ask = asking(desk, "draft")
    begun = ask("operator", "POST", f"{API}/sessions", json={"terms": {"title": "theirs"}, "provider": "us"})
    assert begun.status_code == 201
    assert begun.json()["session_id"] in {
        one["id"] for one in _json(ask("operator", "GET", f"{API}/sessions"))["sessions"]
    }
    assert _json(ask("provider", "PUT", "terms", json=TERMS))["kind"] == "revised"
    assert _json(ask("provider", "POST", "open"))["kind"] == "opened"
    for group in REPORTS:
        invited = ask("provider", "POST", "invitations", json={"group": group})
        assert invited.json()["url"].endswith(f"/join/{invited.json()['invitation']}")
        joined = ask(None, "POST", f"{API}/join", json={"invitation": invited.json()["invitation"]})
        assert (joined.status_code, joined.json()["group"]) == (201, group)
        ask.played.tokens[group] = joined.json()["token"]
    assert _json(ask("legal", "GET", f"{API}/me")) == {"role": "group", "name": "legal", "session_id": ask.played.id}
    digest = _json(ask("provider", "PUT", "pool", json=POOL))["data"]["pool"]
    assert _json(ask("provider", "POST", "begin"))["kind"] == "reporting"
    proofs = {name: _json(ask(name, "PUT", "report", json=report)) for name, report in REPORTS.items()}
    assert proofs["legal"]["report"]["size"] == 3
    assert _json(ask("provider", "POST", "close"))["kind"] == "closed"
    ask.played.settle()
    told(ask("legal", "GET", "shares/legal"), 409, "wrong_state")
    assert _json(ask("provider", "POST", "publish"))["kind"] == "published"

    settled = settle_data(TERMS, _json(ask("legal", "GET", "pool")), {n: p["report"] for n, p in proofs.items()})
    for name in REPORTS:
        assert _json(ask(name, "GET", f"shares/{name}"))["amount"] == settled.shares[name]["amount"]
        row = next(csv.DictReader(io.StringIO(ask(name, "GET", f"invoices/{name}?format=csv").text)))
        assert row["amount"] == settled.shares[name]["amount"]
        assert settled.shares[name]["amount"] in ask(name, "GET", f"invoices/{name}").text
    assert _json(ask(None, "GET", f"{API}/criteria"))["criteria"][0]["name"]
    receipt = _json(ask("legal", "GET", "receipt"))
    assert [entry["kind"] for entry in receipt["log"]][-2:] == ["settled", "published"]
    assert receipt["pool"] == _json(ask("provider", "GET", "pool"))
    assert digest in json.dumps(receipt)


def _json(answer):
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


@pytest.mark.slow
def test_documents_of_a_settled_session(desk):
    ask = asking(desk, "published")
    for path in ("settlement", "settlement?format=csv", "explanations/legal", "invoices/legal"):
        answer = ask("auditor", "GET", path)
        assert answer.status_code == 200
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<script" not in answer.text
    assert set(_json(ask("auditor", "GET", "audit"))) == {"audit", "broken_promises"}
    assert _json(ask("auditor", "GET", "record"))["reports"]["legal"]["size"] == 3
    assert _json(ask("observer", "GET", "outcome"))["groups"] == list(REPORTS)


def test_a_reports_deadline_is_moved_and_a_session_cancelled_with_a_reason(desk, clock):
    ask = asking(desk, "frozen")
    begun = _json(ask("provider", "POST", "begin", json={"deadline": clock.later(60)}))
    assert begun["data"]["deadline"] is not None
    assert _json(ask("provider", "PATCH", "deadline", json={"deadline": None}))["data"] == {"deadline": None}
    told(ask("provider", "PATCH", "deadline", json={"deadline": "tomorrow"}), 422, "invalid")
    assert _json(ask("provider", "POST", "cancel", json={"reason": "no money"}))["data"]["reason"] == "no money"
    assert _json(ask("legal", "GET", ""))["reason"] == "no money"


def test_a_group_is_removed_or_gets_a_new_token(desk):
    ask = asking(desk, "open")
    lost = ask.played.tokens["legal"]
    ask.played.tokens["legal"] = _json(ask("provider", "POST", "groups/token", json={"group": "legal"}))["token"]
    told(ask(lost, "GET", ""), 401, "unauthenticated")
    assert ask("legal", "GET", "").status_code == 200
    odd = "a/b .. 100% ?#"
    invited = _json(ask("provider", "POST", "invitations", json={"group": odd}))
    _json(ask(None, "POST", f"{API}/join", json={"invitation": invited["invitation"]}))
    removed = ask("provider", "DELETE", "groups/a%2Fb%20%2E%2E%20100%25%20%3F%23")
    assert _json(removed)["data"] == {"group": odd}
    told(ask("provider", "DELETE", "groups/nobody"), 422, "invalid")


def test_an_invitation_works_once(desk):
    ask = asking(desk, "open")
    invited = _json(ask("provider", "POST", "invitations", json={"group": "fourth"}))["invitation"]
    assert ask(None, "POST", f"{API}/join", json={"invitation": invited}).status_code == 201
    assert "used already" in told(ask(None, "POST", f"{API}/join", json={"invitation": invited}), 401)
    told(ask(invited, "GET", ""), 401)  # nor is it a token


def test_tokens_are_listed_issued_and_revoked(desk):
    ask = asking(desk, "open")
    token = _json(ask("provider", "POST", "tokens", json={"role": "auditor", "name": "council"}))["token"]
    rows = _json(ask("provider", "GET", "tokens"))["tokens"]
    assert token not in json.dumps(rows)
    mine = next(row for row in rows if row["name"] == "council")
    assert ask(token, "GET", "log").status_code == 200
    assert _json(ask("provider", "DELETE", f"tokens/{mine['id']}")) == {"done": True}
    assert "revoked" in told(ask(token, "GET", "log"), 401)
    told(ask("provider", "DELETE", f"tokens/{mine['id']}"), 404)
    told(ask("provider", "DELETE", "tokens/not-one"), 422)
    told(ask("provider", "POST", "tokens", json={"role": "group", "name": "x"}), 422)


def test_a_class_joins_by_code_and_is_told_what_it_wants(desk):
    ask = asking(desk, "open", terms={"title": "class", "classroom": {"seats": 5}})
    code = _json(ask("provider", "POST", "code"))["code"]
    joined = _json(ask(None, "POST", f"{API}/join", json={"code": code.upper(), "name": "ada"}))
    told(ask(None, "POST", f"{API}/join", json={"code": code, "name": "ada"}), 409)
    told(ask(None, "POST", f"{API}/join", json={"code": code}), 422)
    told(ask(None, "POST", f"{API}/join", json={"code": "zzzzzzzz", "name": "eve"}), 401)
    _json(ask("provider", "PUT", "pool", json=POOL))
    _json(ask("provider", "POST", "begin"))
    wishes = _json(ask(joined["token"], "GET", "true-type"))
    assert set(wishes) == {"size", "scores"}
    assert wishes != _json(ask("legal", "GET", "true-type"))


def test_sampling_needs_a_model_in_the_terms(desk):
    ask = asking(desk, "open")
    assert "Upload a pool" in told(ask("provider", "POST", "pool/sample"), 409)
    told(ask("provider", "POST", "try-again"), 409)


def test_the_log_is_read_in_parts_and_by_tag(desk):
    ask = asking(desk, "frozen")
    whole = ask("observer", "GET", "log")
    entries = whole.json()["entries"]
    assert [entry["number"] for entry in entries] == list(range(len(entries)))
    part = _json(ask("observer", "GET", "log?after=2"))
    assert part["entries"] == entries[3:]
    same = ask("observer", "GET", "log", headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    _json(ask("provider", "POST", "begin"))
    assert ask("observer", "GET", "log", headers={"If-None-Match": whole.headers["etag"]}).status_code == 200


def test_the_settled_entry_is_hidden_until_it_is_published(desk):
    ask = asking(desk, "settled")
    assert "settled" in {entry["kind"] for entry in _json(ask("auditor", "GET", "log"))["entries"]}
    hidden = _json(ask("legal", "GET", "log"))["entries"]
    assert "settled" not in {entry["kind"] for entry in hidden}
    _json(ask("provider", "POST", "publish"))
    rest = _json(ask("legal", "GET", f"log?after={hidden[-1]['number']}"))["entries"]
    assert [entry["kind"] for entry in rest] == ["settled", "published"]


def test_other_sessions_are_not_seen(desk):
    ask, other = asking(desk, "published"), play(desk, "published")
    for path in ("", "log", "pool", "receipt", "shares/legal"):
        assert "another session" in told(ask(other.tokens["legal"], "GET", path), 403, "forbidden")
    assert [one["id"] for one in _json(ask("legal", "GET", f"{API}/sessions"))["sessions"]] == [ask.played.id]
