"""The only way in: who may do what, by which token; what is taken and what is refused."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_play import POOL, REPORTS, TERMS, play

from tuneaccord.artifacts import digest_of
from tuneaccord.service import tokens
from tuneaccord.service.chain import commitment, first_fault
from tuneaccord.service.errors import Forbidden, Invalid, NotFound, Unauthenticated, WrongState
from tuneaccord.service.times import parsed_time


def log_of(desk, session_id):
    """The log as plain data."""
    with desk.store.reading() as connection:
        return [entry.to_dict() for entry in desk.store.entries(connection, session_id)]


# Tokens


@pytest.mark.parametrize("token", [None, "", "tac_wrong", 7, b"tac_", "x" * 10_000, "\ud800", "' OR 1=1 --"])
def test_without_a_known_token_nobody_is_anybody(desk, token):
    with pytest.raises(Unauthenticated):
        desk.caller(token)


def test_the_database_has_only_hashes(desk):
    played = play(desk, "open")
    rows = [*desk.store.tokens(played.id), *desk.store.tokens(None)]
    stored = json.dumps([row.__dict__ for row in rows])
    assert {row.role for row in rows} == {"operator", "provider", "invitation", "group", "auditor", "observer"}
    assert not [token for token in played.tokens.values() if token in stored]


def test_a_token_expires_at_its_time(desk, clock):
    played = play(desk, "open")
    token = desk.issue_token(played.provider, played.id, "auditor", "late", clock.later(60))
    assert desk.caller(token).role == "auditor"
    clock.pass_by(59.9)
    assert desk.caller(token).role == "auditor"
    clock.pass_by(0.1)
    with pytest.raises(Unauthenticated, match="expired"):
        desk.caller(token)


def test_a_revoked_token_is_of_no_use_and_one_does_not_revoke_ones_own(desk):
    played = play(desk, "open")
    desk.revoke(played.provider, played.id, played.auditor.token_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        desk.caller(played.tokens["auditor"])
    with pytest.raises(NotFound):
        desk.revoke(played.provider, played.id, played.auditor.token_id)
    with pytest.raises(WrongState, match="the token that you use now"):
        desk.revoke(played.provider, played.id, played.provider.token_id)


def test_tokens_are_for_one_session(desk):
    ours, theirs = play(desk, "reporting"), play(desk, "reporting")
    for move in (
        lambda: desk.report(theirs.groups["legal"], ours.id, REPORTS["legal"]),
        lambda: desk.close(theirs.provider, ours.id),
        lambda: desk.issue_token(theirs.provider, ours.id, "auditor", "spy"),
        lambda: desk.revoke(theirs.provider, ours.id, ours.auditor.token_id),
        lambda: ours.reading.view(theirs.auditor, ours.id),
    ):
        with pytest.raises(Forbidden, match="for another session"):
            move()
    with pytest.raises(NotFound):  # nor does a session's provider reach another's tokens by their ids
        desk.revoke(theirs.provider, theirs.id, ours.auditor.token_id)
    assert desk.caller(ours.tokens["auditor"]).role == "auditor"


def test_moves_are_for_one_role(desk):
    """Each move by each role that it is not for; what the right role does is in the other tests."""
    played = play(desk, "reporting")
    id = played.id
    moves = {
        "operator": [lambda who: desk.create(who, TERMS)],
        "provider": [
            lambda who: desk.revise(who, id, TERMS),
            lambda who: desk.open(who, id),
            lambda who: desk.invite(who, id, "ops"),
            lambda who: desk.class_code(who, id),
            lambda who: desk.remove(who, id, "legal"),
            lambda who: desk.freeze(who, id, POOL),
            lambda who: desk.sample(who, id),
            lambda who: desk.begin(who, id),
            lambda who: desk.move_deadline(who, id, None),
            lambda who: desk.close(who, id),
            lambda who: desk.try_again(who, id),
            lambda who: desk.publish(who, id),
            lambda who: desk.cancel(who, id),
            lambda who: desk.issue_token(who, id, "auditor", "x"),
            lambda who: desk.replace_token(who, id, "legal"),
            lambda who: desk.revoke(who, id, "x"),
        ],
        "group": [lambda who: desk.report(who, id, REPORTS["legal"])],
    }
    callers = [played.operator, played.provider, played.groups["legal"], played.auditor, played.observer]
    before = log_of(desk, id)
    for role, chosen in moves.items():
        for caller in callers:
            if caller.role == role:
                continue
            for move in chosen:
                with pytest.raises(Forbidden):
                    move(caller)
    assert log_of(desk, id) == before


# Joining


def test_an_invitation_lets_one_join_once(desk):
    played = play(desk, "open", reports={})
    invitation = desk.invite(played.provider, played.id, " legal ")
    with pytest.raises(Unauthenticated):  # it is no token
        desk.caller(invitation)
    joined = desk.join(invitation)
    assert (joined.group, desk.caller(joined.token).name) == ("legal", "legal")
    with pytest.raises(Unauthenticated, match="used already"):
        desk.join(invitation)
    for wrong in ("tac_wrong", None, played.tokens["auditor"], joined.token, 3):
        with pytest.raises(Unauthenticated, match="not known here"):
            desk.join(wrong)


def test_a_second_invitation_voids_the_first_and_invitations_expire(desk, clock):
    played = play(desk, "open", reports={})
    first = desk.invite(played.provider, played.id, "legal")
    second = desk.invite(played.provider, played.id, "legal", clock.later(60))
    with pytest.raises(Unauthenticated, match="revoked"):
        desk.join(first)
    clock.pass_by(61)
    with pytest.raises(Unauthenticated, match="expired"):
        desk.join(second)
    desk.join(desk.invite(played.provider, played.id, "legal"))
    with pytest.raises(Invalid, match="has joined already"):
        desk.invite(played.provider, played.id, "legal")


def test_of_many_who_use_one_invitation_at_once_one_joins(desk_on):
    played = play(desk_on, "open", reports={})
    invitation = desk_on.invite(played.provider, played.id, "legal")
    start = threading.Barrier(8)

    def try_it(_):
        start.wait()
        try:
            return desk_on.join(invitation).token
        except Unauthenticated:
            return None

    with ThreadPoolExecutor(8) as threads:
        joined = [token for token in threads.map(try_it, range(8)) if token]
    assert len(joined) == 1
    assert list(played.session.seats) == ["legal"]
    assert len([row for row in desk_on.store.tokens(played.id) if row.role == "group"]) == 1


def test_freezing_voids_invitations_and_removing_a_group_its_tokens(desk):
    played = play(desk, "open")
    invitation = desk.invite(played.provider, played.id, "ops")
    desk.remove(played.provider, played.id, "legal")
    with pytest.raises(Unauthenticated, match="revoked"):
        desk.caller(played.tokens["legal"])
    again = desk.join(desk.invite(played.provider, played.id, "legal"))
    desk.freeze(played.provider, played.id, POOL)
    with pytest.raises(Unauthenticated, match="revoked"):
        desk.join(invitation)
    assert list(played.session.seats) == ["support", "marketing", "legal"]
    assert desk.caller(again.token).name == "legal"


def test_a_replaced_token_is_in_the_log_and_the_old_one_is_void(desk):
    played = play(desk, "reporting")
    new = desk.replace_token(played.provider, played.id, "legal")
    with pytest.raises(Unauthenticated, match="revoked"):
        desk.caller(played.tokens["legal"])
    assert desk.caller(new).name == "legal"
    assert log_of(desk, played.id)[-1]["data"] == {"group": "legal"}
    with pytest.raises(Invalid, match="no group 'ops'"):
        desk.replace_token(played.provider, played.id, "ops")


HOSTILE = [
    "<script>alert(1)</script>",
    "Ä ö 中文 🎲",
    "'; DROP TABLE sessions; --",
    "../../etc/passwd",
    "a/b",
    "%",
    "x" * 80,
    "界" * 80,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_printable_name_goes_through_a_whole_session(desk_on, name):
    played = play(desk_on, "published", reports={name: REPORTS["legal"], "support": REPORTS["support"]})
    share = played.reading.share(played.groups[name], played.id, name)
    assert share["group"] == name
    with pytest.raises(Forbidden):
        played.reading.share(played.groups[name], played.id, "support")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "a\x1b[2J", "a\u202eb", "\ud800", "x" * 81, None, 3, ["a"]])
def test_names_that_cannot_be_shown_are_refused(desk, name):
    played = play(desk, "open", reports={})
    with pytest.raises(Invalid, match="a group's name must be"):
        desk.invite(played.provider, played.id, name)
    with pytest.raises(Invalid, match="a group's name must be"):
        desk.issue_token(played.provider, played.id, "auditor", name)


@pytest.mark.parametrize("title", ["a\0b", "\ud800"])
def test_texts_that_cannot_be_stored_are_refused(desk_on, title):
    operator = desk_on.caller(desk_on.operator())
    with pytest.raises(Invalid, match="terms"):
        desk_on.create(operator, {"title": title})
    played = play(desk_on, "open")
    bad = {**POOL, "prompts": [{"id": "p", "text": title}]}
    with pytest.raises(Invalid, match="pool"):
        desk_on.freeze(played.provider, played.id, bad)
    with pytest.raises(Invalid, match="reason"):
        desk_on.cancel(played.provider, played.id, title)


# Reporting


def test_only_the_last_report_counts_and_each_has_its_proof(desk):
    played = play(desk, "reporting")
    for name, report in REPORTS.items():
        desk.report(played.groups[name], played.id, {**report, "scores": [[0, 0, 1]]})
    proofs = {name: desk.report(played.groups[name], played.id, report) for name, report in REPORTS.items()}
    desk.close(played.provider, played.id)
    played.settle()
    desk.publish(played.provider, played.id)
    record = played.reading.record(played.provider, played.id)
    for name, proof in proofs.items():
        assert proof["commitment"] == commitment(proof["salt"], proof["report"])
        assert proof["digest"] == digest_of({key: value for key, value in proof.items() if key != "digest"})
        assert log_of(desk, played.id)[proof["entry"]["number"]] == proof["entry"]
        assert record["reports"][name] == proof["report"]
        assert record["reports"][name]["scores"] == REPORTS[name]["scores"]


def test_a_report_after_the_deadline_is_refused_and_the_one_before_stays(desk, clock):
    played = play(desk, "reporting", deadline=clock.later(60))
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    clock.pass_by(60)
    with pytest.raises(WrongState, match="the deadline for reports was"):
        desk.report(played.groups["legal"], played.id, {**REPORTS["legal"], "size": 99})
    assert played.server.close_when_due(played.id)
    with pytest.raises(WrongState, match="the session is closed"):
        desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    played.settle()
    assert played.reading.record(played.provider, played.id)["reports"]["legal"]["size"] == 3


def test_a_deadline_that_passes_while_a_report_is_checked_holds(desk, clock, monkeypatch):
    """The state is looked at again where the entry is written."""
    played = play(desk, "reporting", deadline=clock.later(60))
    checked = desk.agreed.pool

    def slowly(session):
        clock.pass_by(61)
        return checked(session)

    monkeypatch.setattr(desk.agreed, "pool", slowly)
    with pytest.raises(WrongState, match="the deadline for reports was"):
        desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    assert desk.store.documents(played.id, "report/") == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scores": [[0.1, 0.9]]}, "1 rows of 3 numbers"),
        ({"scores": [[0.1, 0.9, 0], [0, 0, 0]]}, "1 rows of 3 numbers"),
        ({"scores": [[0.1, 0.9, 1.1]]}, "response 'c' to prompt 'p' is 1.1"),
        ({"scores": [[0.1, 0.9, -1e-9]]}, "0 to 1"),
        ({"scores": [[0.1, 0.9, float("nan")]]}, "report"),
        ({"scores": [[0.1, 0.9, float("inf")]]}, "report"),
        ({"scores": [[0.1, 0.9, "0"]]}, "scores"),
        ({"scores": [[0.1, 0.9, True]]}, "scores"),
        ({"scores": 3}, "scores"),
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": 1e300}, "largest size"),
        ({"size": None}, "either a size or a worth"),
        ({"worth": 3}, "either a size or a worth"),
        ({"sizes": 3}, "size"),
    ],
)
def test_a_report_that_does_not_fit_is_refused_in_one_line(desk, change, told):
    played = play(desk, "reporting")
    with pytest.raises(Invalid, match=told) as error:
        desk.report(played.groups["legal"], played.id, {**REPORTS["legal"], **change})
    assert "\n" not in str(error.value)
    assert played.session.reported == ()


@pytest.mark.slow
@pytest.mark.parametrize("groups", [50])
def test_reports_of_many_at_once_are_all_kept(desk_on, groups):
    reports = {f"group {n}": {"size": n + 1, "scores": [[n / groups, 0.5, 1 - n / groups]]} for n in range(groups)}
    played = play(desk_on, "reporting", reports=reports)
    before = played.session.entries
    start = threading.Barrier(groups)

    def report(name):
        start.wait()
        return desk_on.report(played.groups[name], played.id, reports[name])

    with ThreadPoolExecutor(groups) as threads:
        proofs = dict(zip(reports, threads.map(report, reports), strict=True))
    assert sorted(proof["entry"]["number"] for proof in proofs.values()) == list(range(before, before + groups))
    log = log_of(desk_on, played.id)
    assert first_fault(played.id, log) is None
    assert [entry["number"] for entry in log] == list(range(before + groups))
    desk_on.close(played.provider, played.id)
    opened = played.server.opened(played.session)
    assert {name: told["report"]["size"] for name, told in opened.items()} == {
        name: float(report["size"]) for name, report in reports.items()
    }
    assert {name: told["salt"] for name, told in opened.items()} == {name: one["salt"] for name, one in proofs.items()}


def test_reports_are_not_opened_before_the_close(desk):
    played = play(desk, "reporting")
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    with pytest.raises(WrongState, match="after the close"):
        played.server.opened(played.session)
    desk.cancel(played.provider, played.id, "enough")
    with pytest.raises(WrongState, match="after the close"):
        played.server.opened(played.session)


# Terms, pools and times


def test_terms_are_fixed_once_open_and_the_pool_once_frozen(desk):
    played = play(desk, "draft")
    desk.revise(played.provider, played.id, {"title": "second"})
    assert played.session.title == "second"
    desk.open(played.provider, played.id)
    with pytest.raises(WrongState):
        desk.revise(played.provider, played.id, {"title": "third"})
    played = play(desk, "frozen")
    with pytest.raises(WrongState):
        desk.freeze(played.provider, played.id, {**POOL, "base": [[0.2, 0.4, 0.4]]})
    assert played.reading.pool(played.groups["legal"], played.id)["base"] == POOL["base"]


@pytest.mark.parametrize(
    "given", ["tomorrow", "2026-12-01T18:00:00", 3, "", "9999-12-31T23:59:59-23:59", ["x"], "2026-13-01"]
)
def test_times_need_a_zone_and_a_meaning(desk, given):
    played = play(desk, "frozen")
    with pytest.raises(Invalid, match="a time with its zone"):
        desk.begin(played.provider, played.id, given)
    assert parsed_time("2026-12-01T18:00:00Z", "x") == parsed_time("2026-12-01T19:00:00+01:00", "x")


def test_a_group_that_did_not_report_pays_nothing_and_sees_so(desk):
    played = play(desk, "reporting")
    for name in ("legal", "support"):
        desk.report(played.groups[name], played.id, REPORTS[name])
    desk.close(played.provider, played.id)
    played.settle()
    desk.publish(played.provider, played.id)
    with pytest.raises(WrongState, match="pays nothing"):
        played.reading.share(played.groups["marketing"], played.id, "marketing")
    assert set(played.session.shares) == {"legal", "support"}


def test_settling_again_changes_nothing(desk_on):
    played = play(desk_on, "settling")
    attempt = played.session.attempts
    for _ in range(2):
        played.server.compute(played.id, attempt)
    assert played.server.record(played.id, attempt)
    settled = played.session
    assert played.server.record(played.id, attempt)
    assert played.server.begin_settling(played.id) is None
    assert played.session == settled
    assert [entry["kind"] for entry in log_of(desk_on, played.id)].count("settled") == 1


def test_class_codes_let_players_in_until_the_seats_are_taken(desk):
    played = play(desk, "open", terms={**TERMS, "classroom": {"seats": 2}}, reports={})
    old = desk.class_code(played.provider, played.id)
    code = desk.class_code(played.provider, played.id)
    with pytest.raises(Unauthenticated, match="this code is not known"):
        desk.join_class(old, "ada")
    desk.join_class(f" {code.upper()} ", "ada")
    with pytest.raises(WrongState, match="has joined already"):
        desk.join_class(code, "ada")
    desk.join_class(code, "bob")
    with pytest.raises(WrongState, match="all seats"):
        desk.join_class(code, "eve")
    with pytest.raises(Unauthenticated):
        desk.caller(code)
    desk.freeze(played.provider, played.id, POOL)
    with pytest.raises(Unauthenticated):
        desk.join_class(code, "late")


def test_the_server_plays_the_empty_seats(desk):
    played = play(desk, "open", terms={**TERMS, "classroom": {"seats": 4}}, reports={"ada": REPORTS["legal"]})
    desk.freeze(played.provider, played.id, POOL)
    desk.begin(played.provider, played.id)
    assert [name for name, seat in played.session.seats.items() if seat.bot] == list(played.session.reported)
    assert len(played.session.reported) == 3


def test_jobs_hear_of_each_move(desk):
    heard = []
    desk.after = lambda session: heard.append(session.state)
    play(desk, "frozen")
    assert heard[0] == "open"
    assert heard[-1] == "frozen"


def test_jobs_hear_of_no_report(desk):
    played, heard = play(desk, "reporting"), []
    desk.after = lambda session: heard.append(session.deadline)
    desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    assert heard == []
    desk.move_deadline(played.provider, played.id, "2100-01-01T00:00:00Z")
    assert heard == ["2100-01-01T00:00:00.000Z"]


def test_codes_and_tokens_are_long_enough():
    assert len({tokens.new_token() for _ in range(100)}) == 100
    assert len({tokens.new_code() for _ in range(100)}) == 100
    assert len(tokens.new_token()) - 4 >= 43  # 256 bits


def test_a_class_that_begins_in_the_transaction_that_freezes_its_pool(desk, monkeypatch):
    """The server's players need the pool, which nobody else can read yet."""
    created = desk.create(desk.caller(desk.operator()), {"title": "class", "classroom": {"seats": 3}})
    provider, session_id = desk.caller(created.token), created.session_id
    desk.open(provider, session_id)
    desk.join_class(desk.class_code(provider, session_id), "ada")
    frozen, append = threading.Event(), desk.store.append

    def slow(connection, session, entry):
        append(connection, session, entry)
        if entry.kind == "frozen":
            frozen.set()
            end = time.monotonic() + 60
            while desk.store._writes._waiting == 0 and time.monotonic() < end:
                time.sleep(0.001)

    def begins():
        frozen.wait(60)
        return desk.begin(provider, session_id).kind

    monkeypatch.setattr(desk.store, "append", slow)
    with ThreadPoolExecutor(2) as threads:
        moves = [threads.submit(desk.freeze, provider, session_id, POOL), threads.submit(begins)]
    assert [moves[0].result().kind, moves[1].result()] == ["frozen", "reporting"]
