"""Session pages without a browser: forms and cookies, whose documents are whose, files, and what the pages say."""

import asyncio
import re

import pytest
from service_play import POOL, Clock, play
from session_steps import desk_at
from starlette.responses import Response
from starlette.testclient import TestClient

from tuneaccord.service.api.app import build
from tuneaccord.service.api.limits import Buckets
from tuneaccord.service.errors import Invalid, TooMany, Unauthenticated
from tuneaccord.service.pages.sessions import uploads
from tuneaccord.service.pages.sessions.documents import DOCUMENTS
from tuneaccord.service.pages.sessions.pool_editor import CandidateEditor, ResponseEditor
from tuneaccord.service.pages.sessions.terms_form import (
    terms_from_file,
    terms_in,
    values_of,
)
from tuneaccord.service.pages.sessions.visits import Hall, Visit, cookie_name
from tuneaccord.service.pages.sessions.words import (
    news,
    next_words,
    progress_words,
    steps_of,
)
from tuneaccord.service.pages.sessions.words_of_terms import DIVERGENCES, PAYMENTS, RULES, terms_rows
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import STATES
from tuneaccord.service.settings import Settings
from tuneaccord.service.terms import pool_data, terms_data, terms_of
from tuneaccord.service.tokens import OPERATOR

BASE = "http://127.0.0.1:8090"
OURS = {"origin": BASE, "sec-fetch-site": "same-origin"}
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """One desk for all of these: starting an application takes most of a second."""
    made = desk_at(tmp_path_factory.mktemp("pages"))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def client(desk, tmp_path_factory):
    app = build(desk, Settings(folder=tmp_path_factory.mktemp("settings"), trials=5))
    with TestClient(app, base_url=BASE, follow_redirects=False) as made:
        yield made


@pytest.fixture(scope="module")
def published(desk):
    return play(desk)


@pytest.fixture
def ask(client, desk):
    """``ask(method, path, token, session_id)``: one request of a browser that has this cookie and no other."""
    client.app.state.limits._mistakes._full.clear()

    def asked(method, path, token=None, session_id=OPERATOR, **given):
        client.cookies.clear()
        cookie = {"cookie": f"{cookie_name(session_id)}={token}"} if token else {}
        headers = {**OURS, **cookie, **given.pop("headers", {})}
        return client.request(method, path, headers={k: v for k, v in headers.items() if v is not None}, **given)

    return asked


# Entering


def test_entering_gives_a_cookie_that_scripts_and_other_sites_cannot_use(ask, published):
    answer = ask("POST", "/enter", data={"token": f"  {published.tokens['legal']}\n"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sessions/{published.id}")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"tuneaccord-{published.id}=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "; secure" not in cookie  # this server speaks plain HTTP, to its own machine only


def test_cookie_is_secure_behind_tls(desk, published, tmp_path):
    hall = Hall(desk, Settings(folder=tmp_path, url="https://accord.example.org"))
    answer = Response()
    hall.keep(answer, published.groups["legal"], published.tokens["legal"])
    assert "; secure" in answer.headers["set-cookie"].lower()


def test_a_whole_link_may_be_pasted(ask, published):
    answer = ask("POST", "/enter", data={"token": f"{BASE}/enter#token={published.tokens['auditor']}"})
    assert answer.status_code == 303
    answer = ask("POST", "/join", data={"invitation": f"{BASE}/enter#token={published.tokens['auditor']}"})
    assert answer.headers["location"] == f"/sessions/{published.id}"


def test_an_invitation_in_the_box_for_tokens_leads_to_its_page(ask, desk):
    played = play(desk, "open")
    invitation = desk.invite(played.provider, played.id, "later")
    answer = ask("POST", "/enter", data={"token": f" {BASE}/join/{invitation}\n"})
    assert answer.headers["location"] == f"/join/{invitation}"
    assert "set-cookie" not in answer.headers
    assert ask("POST", "/enter", data={"token": "x/join///evil.example/"}).headers["location"].startswith("/join/%2F")


@pytest.mark.parametrize("token", ["", "tac_wrong", "x" * 5000, "\0", EVIL])
def test_wrong_tokens_do_not_enter(ask, token):
    answer = ask("POST", "/enter", data={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert EVIL not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": None, "sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "sec-fetch-site": None},
        {"origin": None, "sec-fetch-site": None},
    ],
)
@pytest.mark.parametrize("path", ["/enter", "/join", "/leave"])
def test_forms_from_elsewhere_are_refused(ask, desk, headers, path):
    played = play(desk, "open")
    invitation = desk.invite(played.provider, played.id, "late")
    data = {"token": played.tokens["provider"], "invitation": invitation, "session": played.id}
    answer = ask("POST", path, data=data, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "late" not in played.session.seats


@pytest.fixture
def no_time_passes(monkeypatch):
    """No bucket fills between two requests, however slow the machine."""
    monkeypatch.setattr(Buckets, "_left", lambda self, key, now: self._full.get(key, (float(self.rate), now))[0])


def test_guessing_is_slowed_down(ask, desk, no_time_passes):
    played = play(desk, "open")
    answers = [ask("POST", "/enter", data={"token": f"tac_{number}"}).status_code for number in range(8)]
    assert answers == [401] * 5 + [429] * 3
    invitation = desk.invite(played.provider, played.id, "late")
    assert ask("POST", "/join", data={"invitation": invitation}).status_code == 429


def test_looking_at_an_invitation_does_not_use_it(ask, desk):
    played = play(desk, "open", terms={"title": EVIL, "description": EVIL})
    invitation = desk.invite(played.provider, played.id, f"late {EVIL}")
    for _ in range(2):
        page = ask("GET", f"/join/{invitation}")
        assert page.status_code == 200
        assert EVIL not in page.text  # only ever escaped, or as data in a script
        assert "late" in page.text
    answer = ask("POST", "/join", data={"invitation": invitation})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sessions/{played.id}")
    assert f"late {EVIL}" in played.session.seats
    assert ask("POST", "/join", data={"invitation": invitation}).status_code == 401
    assert ask("GET", f"/join/{invitation}").status_code == 401


def test_the_address_to_join_says_what_it_needs_and_takes_a_whole_link(ask, desk):
    page = ask("GET", "/join")
    assert page.status_code == 200
    assert "Paste the whole link" in page.text
    played = play(desk, "open")
    link = f"{BASE}/join/{desk.invite(played.provider, played.id, 'late')}"
    answer = ask("POST", "/join", data={"invitation": f" {link}\n"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sessions/{played.id}")


def test_leaving_removes_the_cookie(ask, published):
    answer = ask("POST", "/leave", published.tokens["legal"], published.id, data={"session": published.id})
    assert answer.status_code == 303
    assert re.search(rf"tuneaccord-{published.id}=\"?\"?; .*max-age=0", answer.headers["set-cookie"].lower())


# Pages


@pytest.mark.slow
def test_pages_are_for_those_who_have_entered(ask, desk, published):
    other = play(desk, "open")
    path = f"/sessions/{published.id}"
    for role in ("provider", "legal", "auditor", "observer"):
        page = ask("GET", path, published.tokens[role], published.id)
        assert page.status_code == 200, role
    assert ask("GET", path).status_code == 401
    assert ask("GET", path, "tac_wrong", published.id).status_code == 401
    assert ask("GET", path, published.tokens["operator"], published.id).status_code == 403
    assert ask("GET", path, other.tokens["legal"], published.id).status_code == 403  # a token of another session
    desk.revoke(other.provider, other.id, other.groups["legal"].token_id)
    assert ask("GET", f"/sessions/{other.id}", other.tokens["legal"], other.id).status_code == 401


def test_only_operators_create_sessions_and_see_all(ask, published):
    assert ask("GET", "/sessions/new", published.tokens["operator"]).status_code == 200
    assert ask("GET", "/sessions/new").status_code == 401
    assert ask("GET", "/sessions/new", published.tokens["provider"]).status_code == 403
    assert published.id not in ask("GET", "/sessions").text
    assert "All sessions of this server" in ask("GET", "/sessions", published.tokens["operator"]).text


def test_pages_make_no_more_moves_a_minute_than_the_interface(desk, tmp_path, no_time_passes):
    played = play(desk, "reporting")
    visit = Visit(Hall(desk, Settings(folder=tmp_path, rate=2)), played.id, played.tokens["legal"])
    report = {"size": 1, "scores": [[0, 0.5, 1]]}
    entries = played.session.entries
    for _ in range(2):
        asyncio.run(visit.act(lambda desk, caller: desk.report(caller, played.id, report)))
    with pytest.raises(TooMany):
        asyncio.run(visit.act(lambda desk, caller: desk.report(caller, played.id, report)))
    assert played.session.entries == entries + 2


# Documents

GROUPS_OWN = {"invoice.html", "invoice.csv", "explanation.html", "receipt.json", "pool.json", "sheet.csv", "terms.json"}
EVERYTHING = {*DOCUMENTS}
MAY = {
    "provider": EVERYTHING,
    "auditor": EVERYTHING,
    "legal": GROUPS_OWN,
    "observer": {"receipt.json", "terms.json"},
    "operator": set(),
}


@pytest.mark.parametrize("role", MAY)
def test_documents_by_role(ask, published, role):
    for name in DOCUMENTS:
        address = f"/sessions/{published.id}/documents/{name}?group=support"
        answer = ask("GET", address, published.tokens[role], published.id)
        assert (answer.status_code == 200) == (name in MAY[role]), (name, answer.status_code)
        assert answer.headers["cache-control"] == "no-store"
        if answer.status_code != 200:
            assert answer.status_code == 403


def test_a_groups_documents_are_its_own_whatever_the_address_says(ask, published):
    address = f"/sessions/{published.id}/documents/invoice.csv?group=support"
    ours = ask("GET", address, published.tokens["legal"], published.id).text
    theirs = ask("GET", address, published.tokens["support"], published.id).text
    assert "legal" in ours
    assert "support" not in ours
    assert "support" in theirs


def test_documents_wait_for_their_state(ask, desk):
    played = play(desk, "settled")
    address = f"/sessions/{played.id}/documents/"
    assert ask("GET", address + "settlement.html", played.tokens["provider"], played.id).status_code == 200
    for name in ("invoice.html", "invoice.csv", "explanation.html"):
        assert ask("GET", address + name, played.tokens["legal"], played.id).status_code == 409
    receipt = ask("GET", address + "receipt.json", played.tokens["legal"], played.id).json()
    assert "share" not in receipt
    assert "settled" not in [entry["kind"] for entry in receipt["log"]]


def test_documents_run_no_scripts(ask, published):
    answer = ask("GET", f"/sessions/{published.id}/documents/invoice.html", published.tokens["legal"], published.id)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("inline")
    assert (
        ask("GET", f"/sessions/{published.id}/documents/x.html", published.tokens["legal"], published.id).status_code
        == 404
    )


# Files


def test_files_need_a_ticket_of_the_same_visitor(ask, published):
    path = f"/sessions/{published.id}/files/guessed"
    assert ask("POST", path, content=b"x").status_code == 401
    assert ask("POST", path, published.tokens["legal"], published.id, content=b"x").status_code == 404
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert (
        ask("POST", path, published.tokens["legal"], published.id, content=b"x", headers=elsewhere).status_code == 403
    )


def test_files_are_bounded_and_their_names_are_no_paths(ask, published, monkeypatch):
    seen = []

    class Client:
        __enter__ = __exit__ = lambda *given: None

    class Element:
        is_deleted, client = False, Client()

    async def receive(path, name):
        seen.append((path.name, name, path.read_bytes()))
        return "taken"

    class Visit:
        session_id, token = published.id, published.tokens["legal"]

    monkeypatch.setitem(uploads._tickets, "ours", uploads._Ticket(Visit, receive, Element))
    path = f"/sessions/{published.id}/files/ours"
    name = {"x-file-name": "..%2F..%2Fetc%2Fpasswd.csv"}
    taken = ask("POST", path, published.tokens["legal"], published.id, content=b"some", headers=name)
    assert (taken.status_code, taken.json()) == (200, {"message": "taken"})
    assert seen == [("upload", "../../etc/passwd.csv", b"some")]
    other = ask("POST", path, published.tokens["support"], published.id, content=b"some")
    assert other.status_code == 403
    assert other.json()["error"]["code"] == "forbidden"
    assert ask("POST", path, published.tokens["legal"], published.id, content=b"").status_code == 422
    packed = {"content-encoding": "gzip"}
    assert ask("POST", path, published.tokens["legal"], published.id, content=b"x", headers=packed).status_code in (
        415,
        422,
    )
    assert len(seen) == 1


# What pages say


def test_every_state_says_what_is_next(desk):
    reached = {}
    for state in ("draft", "open", "frozen", "reporting", "closed", "settling", "settled", "published"):
        played = play(desk, state)
        for role in ("provider", "legal", "auditor", "observer"):
            if played.tokens.get(role):
                caller = desk.caller(played.tokens[role])
                reached[state, role] = played.reading.view(caller, played.id)
    said = {where: next_words(view) for where, view in reached.items()}
    assert all(words.endswith(".") for words in said.values())
    for (state, role), view in reached.items():
        marks = [mark for _, mark in steps_of(view)]
        assert [mark for mark in marks if "now" in mark] == [marks[list(STATES).index(state)]], (state, role)
        for other in ("failed", "cancelled"):
            assert next_words({**view, "state": other, "reason": "rain"}).endswith(("rain", "."))
            assert "now" in [mark for _, mark in steps_of({**view, "state": other})]


def test_news_tells_what_others_did(desk):
    clock = Clock()
    played = play(desk, "reporting")
    view = Reading(desk).view(played.provider, played.id)
    told = {**view, "groups": [{**one, "reported": one["name"] == "legal"} for one in view["groups"]]}
    assert news(view, view) == ""
    assert news(view, told) == "Reported: legal."
    assert news(view, {**view, "state": "closed"}) == "The session is now closed."
    assert news(view, {**view, "deadline": clock()}) == "The deadline was moved."
    more = [*view["groups"], *({"name": f"g{place}", "reported": False} for place in range(5))]
    assert news(view, {**view, "groups": more}) == "Joined: g0, g1, g2 and 2 more."


def test_progress_tells_the_time_left():
    row = {"label": "sampling", "started_at": "2026-01-01T00:00:00.000Z", "at": "2026-01-01T00:01:00.000Z"}
    assert progress_words({**row, "done": 0, "total": 4}) == "sampling: 0 of 4"
    assert progress_words({**row, "done": 1, "total": 121}) == "sampling: 1 of 121, about 2 h left"
    assert progress_words({**row, "done": 4, "total": 4}) == "sampling: 4 of 4"


# Forms


@pytest.mark.parametrize(("key", "offered"), [("divergence", DIVERGENCES), ("rule", RULES), ("payment", PAYMENTS)])
def test_every_choice_of_the_form_makes_terms(key, offered):
    begin = {**values_of(terms_data({"title": "ours"})), "lowest": "0,1", "rate": "12.5"}
    for kind in offered:
        terms = terms_data(terms_in({**begin, key: kind}))
        assert terms[key]["kind"] == kind
        assert terms["scores"]["lowest"] == 0.1
        assert {**terms_in(values_of(terms), terms), "sampling": None} == terms  # the form shows what there is
        assert terms_rows(terms)


def test_form_keeps_what_it_does_not_show():
    given = {
        "title": "ours",
        "payment": {"kind": "Fee", "fraction": 0.25},
        "divergence": {"kind": "Alpha", "strength": 2.0, "order": 0.5},
        "sampling": {"model": "embedded", "prompts": ["a", "b"], "replies": 8},
    }
    terms = terms_data(given)
    assert terms_data(terms_in(values_of(terms), terms)) == terms


@pytest.mark.parametrize(("key", "value"), [("strength", "much"), ("rate", ""), ("largest_size", "1 000")])
def test_form_names_the_field_that_is_wrong(key, value):
    with pytest.raises(Invalid, match="must be a number"):
        terms_in({**values_of(terms_data({"title": "ours"})), key: value})


def test_terms_come_from_another_sessions_file(tmp_path):
    file = tmp_path / "upload"
    file.write_text('{"title": "theirs", "money": {"currency": "h", "rate": 2}}')
    assert terms_from_file(file, "terms.json")["money"] == {"currency": "h", "rate": 2}
    file.write_text('{"title": NaN}')
    with pytest.raises(Invalid, match="NaN"):
        terms_from_file(file, "terms.json")


def test_written_pools_can_be_frozen():
    terms = terms_of({"title": "ours"})
    editor = ResponseEditor()
    assert pool_data(editor.pool(), terms)["base"] is None
    for one, chance in zip(editor.prompts[0]["responses"], ("0,5", "0.3", "0.2"), strict=True):
        one["base"] = chance
    assert pool_data(editor.pool(), terms)["base"] == [[0.5, 0.3, 0.2]]
    editor.prompts[0]["responses"][1]["base"] = ""
    with pytest.raises(Invalid, match="or none of them"):
        editor.pool()
    candidates = CandidateEditor()
    assert pool_data(candidates.pool(), terms)["base"] == "base"
    candidates.rows[1]["price"] = "free"
    with pytest.raises(Invalid, match="must be a number"):
        candidates.pool()


# Reads that only pages use


def test_an_invitation_can_be_looked_at(desk):
    played = play(desk, "open", terms={"title": "ours", "description": "for all"})
    invitation = desk.invite(played.provider, played.id, "late")
    facts = played.reading.invitation(invitation)
    assert (facts["title"], facts["group"], facts["provider"], facts["state"]) == ("ours", "late", "provider", "open")
    for wrong in ("", "tac_x", played.tokens["legal"], None):
        with pytest.raises(Unauthenticated):
            played.reading.invitation(wrong)
    desk.freeze(played.provider, played.id, POOL)
    with pytest.raises(Unauthenticated):
        played.reading.invitation(invitation)


def test_pulse_beats_with_every_move(desk):
    played = play(desk, "open")
    before = played.reading.pulse(played.groups["legal"], played.id)
    assert played.reading.pulse(played.provider, played.id) == before
    desk.remove(played.provider, played.id, "support")
    assert played.reading.pulse(played.groups["legal"], played.id) != before
    desk.store.set_progress(played.id, "settling", 1, 2, desk.clock())
    assert played.reading.pulse(played.provider, played.id)[1:] == [["settling", 1, 2]]
