"""What nobody can ask for any more, while logs that have it still replay."""

import pytest
from service_play import POOL, REPORTS, play

from tuneaccord.service.admitting import likeness
from tuneaccord.service.chain import sealed_entry
from tuneaccord.service.classroom import bot_names
from tuneaccord.service.errors import Invalid, WrongState
from tuneaccord.service.session import Actor, created, replay

SAME = [
    ("legal", "Legal"), ("legal", "LEGAL"), ("legal affairs", "Legal  Affairs"), ("café", "cafe\u0301"),
    ("straße", "STRASSE"), ("ﬁnance", "finance"),
]  # fmt: skip
OTHERS = [("legal", "legal 2"), ("cafe", "café"), ("a b", "ab"), ("o", "0")]


# Closing and trying again without a report


@pytest.mark.parametrize("deadline", [None, 60])
def test_a_person_does_not_close_before_somebody_has_reported(desk, clock, deadline):
    played = play(desk, "reporting", deadline=deadline and clock.later(deadline))
    before = played.session
    with pytest.raises(WrongState, match=r"nobody has reported.* Wait for a report, or cancel the session"):
        desk.close(played.provider, played.id)
    assert played.session == before
    moves = played.reading.view(played.provider, played.id)["moves"]
    assert ("closed" in moves, "cancelled" in moves) == (False, True)
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    assert "closed" in played.reading.view(played.provider, played.id)["moves"]
    desk.close(played.provider, played.id)
    played.settle()
    assert played.session.state == "settled"


def test_a_session_that_is_not_taking_reports_says_that_first(desk):
    played = play(desk, "open")
    with pytest.raises(WrongState, match="the session is open for groups to join"):
        desk.close(played.provider, played.id)
    with pytest.raises(WrongState, match="so nobody can try again"):
        desk.try_again(played.provider, played.id)


def test_an_old_log_without_a_report_still_replays():
    us, legal, twin, clock = Actor("provider", "us"), Actor("group", "legal"), Actor("group", "Legal"), Actor("clock")
    log = [created("s", {"title": "ours"}, us, "2026-01-01T00:00:00.000Z")]
    steps = [
        (us, "opened", {}), (us, "invited", {"group": "legal"}), (us, "invited", {"group": "Legal"}),
        (legal, "joined", {}), (twin, "joined", {}),
        (us, "frozen", {"pool": "sha256:0", "summary": {}, "groups": ["legal", "Legal"]}),
        (us, "reporting", {"deadline": None, "reveal_at": None}), (us, "closed", {}), (clock, "settling", {}),
        (clock, "failed", {"reason": "nobody reported"}), (us, "tried again", {}),
    ]  # fmt: skip
    for number, (actor, kind, data) in enumerate(steps, start=1):
        moment = f"2026-01-01T00:00:{number:02d}.000Z"
        log.append(sealed_entry(number, moment, kind, actor.to_dict(), data, log[-1].digest))
    session = replay("s", log)
    assert (session.state, list(session.seats)) == ("closed", ["legal", "Legal"])


# Names


@pytest.mark.parametrize(("first", "second"), SAME)
def test_a_name_that_cannot_be_told_from_another_is_refused(desk, first, second):
    for one, two in ((first, second), (second, first)):
        played = play(desk, "open", reports={})
        invitation = desk.invite(played.provider, played.id, one)
        with pytest.raises(Invalid, match=f"from that of group {one!r}"):  # invited
            desk.invite(played.provider, played.id, two)
        desk.join(invitation)
        with pytest.raises(Invalid, match=f"from that of group {one!r}"):  # joined
            desk.invite(played.provider, played.id, two)
        assert list(played.session.seats) == [one]
        desk.remove(played.provider, played.id, one)
        desk.join(desk.invite(played.provider, played.id, two))
        assert list(played.session.seats) == [two]


@pytest.mark.parametrize(("first", "second"), OTHERS)
def test_names_that_can_be_told_apart_are_two_groups(desk, first, second):
    played = play(desk, "open", reports={})
    for name in (first, second, second):  # an invitation that was lost is replaced
        invitation = desk.invite(played.provider, played.id, name)
    desk.join(invitation)
    assert set(played.session.seats) == {second}
    assert played.session.invited == (first,)
    assert likeness(first) != likeness(second)


def test_an_invitation_from_before_does_not_make_a_twin(desk, monkeypatch):
    played = play(desk, "open", reports={})
    first = desk.invite(played.provider, played.id, "legal")
    with monkeypatch.context() as before:
        before.setattr("tuneaccord.service.desk.admit", lambda *move: None)
        second = desk.invite(played.provider, played.id, "Legal")
    desk.join(first)
    with pytest.raises(Invalid, match="from that of group 'legal'"):
        desk.join(second)
    assert list(played.session.seats) == ["legal"]


def test_players_of_a_class_and_those_that_the_server_plays_have_names_of_their_own(desk):
    terms = {"title": "class", "classroom": {"seats": 4}}
    played = play(desk, "open", terms=terms, reports={})
    code = desk.class_code(played.provider, played.id)
    desk.join_class(code, "Bot 1")
    desk.join_class(code, "Ada")
    with pytest.raises(Invalid, match="from that of group 'Ada'"):
        desk.join_class(code, "ada")
    desk.freeze(played.provider, played.id, POOL)
    assert list(played.session.seats) == ["Bot 1", "Ada", "bot 2", "bot 3"]
    assert bot_names(("BOT 2",), 3) == ["bot 1", "bot 3"]
