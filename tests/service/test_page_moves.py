"""A page offers no move that can only be refused."""

import pytest
from service_play import REPORTS, play
from session_steps import desk_at
from starlette.testclient import TestClient

from tuneaccord.service.api.app import build
from tuneaccord.service.pages.sessions.visits import cookie_name
from tuneaccord.service.pages.sessions.words import next_words
from tuneaccord.service.settings import Settings

BASE = "http://127.0.0.1:8090"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """One desk for all of these: starting an application takes most of a second."""
    made = desk_at(tmp_path_factory.mktemp("moves"))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def client(desk, tmp_path_factory):
    app = build(desk, Settings(folder=tmp_path_factory.mktemp("settings")))
    with TestClient(app, base_url=BASE, follow_redirects=False) as made:
        yield made


def page_of(client, played, path="sessions"):
    """The provider's page as it is first sent."""
    cookie = f"{cookie_name(played.id)}={played.tokens['provider']}"
    client.cookies.clear()
    answer = client.get(f"/{path}/{played.id}", headers={"cookie": cookie})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(("terms", "path", "label"), [
    ({"title": "ours"}, "sessions", "Close now and settle"),
    ({"title": "class", "classroom": {"seats": 3}}, "class", "Take no more reports"),
])  # fmt: skip
def test_closing_is_offered_once_somebody_has_reported(desk, client, terms, path, label):
    played = play(desk, "reporting", terms=terms)
    page = page_of(client, played, path)
    assert "Nobody has reported yet" in page
    assert label not in page
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    page = page_of(client, played, path)
    assert "Nobody has reported yet" not in page
    assert label in page


@pytest.mark.parametrize("reports", [{}, {"legal": REPORTS["legal"]}])
def test_trying_again_is_offered_where_there_is_something_to_settle(desk, client, reports):
    played = play(desk, "reporting", deadline="2999-01-01T00:00:00Z")
    for name, report in reports.items():
        desk.report(played.groups[name], played.id, report)
    now, desk.clock = desk.clock, lambda: "2999-01-01T00:00:00.000Z"
    try:
        assert played.server.close_when_due(played.id)
    finally:
        desk.clock = now
    played.server.begin_settling(played.id)
    played.server.fail(played.id, "no numbers")
    page, view = page_of(client, played), played.reading.view(played.provider, played.id)
    assert ("Settle again" in page) == ("tried again" in view["moves"]) == bool(reports)
    assert "Cancel the session" in page
    for caller in (played.provider, played.groups["legal"], played.auditor):
        words = next_words(played.reading.view(caller, played.id))
        assert ("can try again" in words) == bool(reports)
        assert ("Nobody reported" in words) != bool(reports)
