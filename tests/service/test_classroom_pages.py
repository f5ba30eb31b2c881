"""The doors of a class, without a browser: forms from elsewhere, wrong codes, other people's cookies."""

import pytest
from session_steps import desk_at
from starlette.testclient import TestClient

from tuneaccord.service.api.app import build
from tuneaccord.service.classroom_room import Room
from tuneaccord.service.pages.sessions.classroom_code import base_address, only_here, qr_svg
from tuneaccord.service.pages.sessions.visits import cookie_name
from tuneaccord.service.settings import Settings
from tuneaccord.service.tokens import OPERATOR

BASE = "http://127.0.0.1:8090"
OURS = {"origin": BASE, "sec-fetch-site": "same-origin"}
CLASS = {"story": "homework", "seats": "5", "bots": "truthful", "paid": "no", "minutes": "4", "strength": ""}


class Browser:
    """A cookie jar of its own; the pages' event loop is the one that the application was started in."""

    def __init__(self, client, cookies):
        self.client, self.cookies = client, cookies

    def _asked(self, method, path, **given):
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**given.pop("headers", {}), **({"cookie": cookies} if cookies else {})}
        self.client.cookies.clear()
        answer = self.client.request(method, path, headers=headers, **given)
        self.cookies.update(answer.cookies)
        return answer

    def get(self, path, **given):
        return self._asked("GET", path, **given)

    def post(self, path, **given):
        return self._asked("POST", path, **given)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """One desk for all of these: starting an application takes most of a second."""
    made = desk_at(tmp_path_factory.mktemp("class"))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def served(desk, tmp_path_factory):
    """``served(token, session_id)``: a browser on one application."""
    app = build(desk, Settings(folder=tmp_path_factory.mktemp("settings"), trials=3))
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        yield lambda token=None, session_id=OPERATOR: Browser(client, {cookie_name(session_id): token} if token else {})


@pytest.fixture
def count(desk):
    """How many sessions were added since the test began."""
    before = len(desk.store.sessions())
    return lambda: len(desk.store.sessions()) - before


def _started(desk, served, **given):
    """(session id, teacher's browser, code)."""
    teacher = served(desk.operator())
    answer = teacher.post("/class/start", data={**CLASS, **given}, headers=OURS)
    assert answer.status_code == 303, answer.text
    session_id = answer.headers["location"].rpartition("/")[2]
    caller = desk.caller(teacher.cookies[cookie_name(session_id)])
    return session_id, teacher, Room(desk).code(caller, session_id)


def test_a_class_is_started_and_joined_by_plain_forms(desk, served):
    session_id, _, code = _started(desk, served, title="Friday", strength="2,5", paid="yes")
    terms = desk.session(session_id).terms
    assert (terms["title"], terms["divergence"]["strength"]) == ("Friday", 2.5)
    assert terms["payment"] == {"kind": "Externality"}
    player = served()
    answer = player.post("/class/join", data={"code": f" {code[:4].upper()} {code[4:]}", "name": "ada"}, headers=OURS)
    assert answer.headers["location"] == f"/class/{session_id}"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert desk.caller(player.cookies[cookie_name(session_id)]).name == "ada"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": BASE},
        {"origin": "null"},
        {},
    ],
)
def test_forms_from_elsewhere_are_refused_and_change_nothing(desk, served, count, headers):
    session_id, teacher, code = _started(desk, served)
    before = desk.session(session_id).entries
    for path in ("/class/join", "/class/start", "/class/again", "/class/next"):
        answer = teacher.post(path, data={**CLASS, "code": code, "name": "ada", "session": session_id}, headers=headers)
        assert answer.status_code == 403
    assert desk.session(session_id).entries == before
    assert count() == 1


@pytest.mark.parametrize("given", [{"seats": "many"}, {"seats": "nan"}, {"strength": "-1"}, {"story": "<b>"}])
def test_a_form_with_a_wrong_value_is_told_so_with_nothing_run(desk, served, count, given):
    answer = served(desk.operator()).post("/class/start", data={**CLASS, **given}, headers=OURS)
    assert answer.status_code == 422
    assert "<b>" not in answer.text
    assert count() == 0


def test_markup_in_names_is_text_in_refusals(desk, served):
    _, _, code = _started(desk, served)
    name = "<script>alert(1)</script>"
    for expected in (303, 409):  # the second one meets the first
        answer = served().post("/class/join", data={"code": code, "name": name}, headers=OURS)
        assert answer.status_code == expected
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_only_an_operator_starts_a_class_and_only_its_teacher_goes_on(desk, served, count):
    session_id, teacher, code = _started(desk, served)
    player = served()
    player.post("/class/join", data={"code": code, "name": "ada"}, headers=OURS)
    again = {"session": session_id, "paid": "yes", "story": "town", "minutes": "3"}
    assert player.post("/class/start", data=CLASS, headers=OURS).status_code == 401
    assert player.post("/class/again", data=again, headers=OURS).status_code == 401
    assert teacher.post("/class/next", data={"session": session_id}, headers=OURS).status_code == 403
    assert player.post("/class/next", data={"session": session_id}, headers=OURS).status_code == 409
    assert teacher.post("/class/again", data=again, headers=OURS).status_code == 409  # not revealed yet
    assert served().post("/class/next", data={"session": session_id}, headers=OURS).status_code == 401
    assert count() == 1


def test_a_class_page_needs_a_token_of_that_class(desk, served):
    session_id, _, _ = _started(desk, served)
    other_id, other, code = _started(desk, served)
    assert served().get(f"/class/{session_id}").status_code == 401
    assert other.get(f"/class/{session_id}").status_code == 401  # it has the cookie of its own class only
    token = other.cookies[cookie_name(other_id)]
    assert served(token, session_id).get(f"/class/{session_id}").status_code == 403
    assert served("tac_" + "x" * 43, session_id).get(f"/class/{session_id}").status_code == 401
    player = served()
    player.post("/class/join", data={"code": code, "name": "ada"}, headers=OURS)
    assert code not in player.get("/class").text


def test_no_session_that_is_not_a_class_has_a_class_page(desk, served):
    made = desk.create(desk.caller(desk.operator()), {"title": "ours"})
    answer = served(made.token, made.session_id).get(f"/class/{made.session_id}")
    assert answer.status_code == 409
    assert "not a classroom session" in answer.text


def test_the_address_for_phones_is_the_one_the_server_was_told(tmp_path):
    class Request:
        class url:
            scheme, netloc = "http", "10.0.0.7:8090"

    assert base_address(Settings(folder=tmp_path), Request) == "http://10.0.0.7:8090"
    assert base_address(Settings(folder=tmp_path, url="https://class.example.org/"), Request) == (
        "https://class.example.org"
    )
    assert only_here("http://[::1]:8090")
    assert not only_here("http://10.0.0.7:8090")


def test_the_qr_code_is_a_picture_without_anything_from_outside():
    picture = qr_svg("http://10.0.0.7:8090/class#abcd2345")
    assert picture.startswith("<svg")
    assert "href" not in picture
    assert "viewBox" in picture
    assert picture != qr_svg("http://10.0.0.7:8090/class#abcd2346")


def test_guessing_codes_ends_after_a_few(desk, served):
    """The last one here: for a minute nobody can join from this address."""
    session_id, _, code = _started(desk, served)
    told = [
        served().post("/class/join", data={"code": one, "name": "x"}, headers=OURS).status_code
        for one in (*(f"aaaabbb{number}" for number in range(4)), code)
    ]
    assert told == [401, 401, 401, 429, 429]
    assert not desk.session(session_id).seats
