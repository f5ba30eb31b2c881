"""The server's own steps: each can be done again, in whole or after being cut short, and has its effect once."""

import json
from dataclasses import replace

import pytest
from service_play import REPORTS, play
from settled_session import published

from tuneaccord.errors import StorageError
from tuneaccord.service.errors import Invalid, WrongState
from tuneaccord.service.server import RECORD, share_name


def log_of(played):
    return played.reading.log(played.provider, played.id)


def test_every_step_twice_is_one_settlement(desk):
    played = play(desk, "closed")
    server = played.server
    attempts = [server.begin_settling(played.id) for _ in range(2)]
    assert attempts == [1, 1]
    for _ in range(2):
        server.compute(played.id, 1)
        server.audit(played.id, 1)
    assert [server.record(played.id, 1) for _ in range(3)] == [True] * 3
    kinds = [entry["kind"] for entry in log_of(played)]
    assert kinds.count("settling") == kinds.count("settled") == 1
    assert server.begin_settling(played.id) is None


def test_a_step_that_was_cut_short_gives_the_same_when_it_is_done_again(desk):
    """Without what the audit stored, as if its process had died before, the record is the same to the last digit."""
    played = play(desk, "closed")
    server = played.server
    server.begin_settling(played.id)
    server.compute(played.id, 1)
    first, again = [], []
    for kept in (first, again):
        server.audit(played.id, 1)
        kept.append(server.document(played.id, "work/1/audit"))
    assert first == again


def test_the_audit_is_in_the_record_the_shares_and_in_words_in_public(desk):
    played = published(desk)
    record = played.reading.record(played.provider, played.id)
    assert [one["group"] for one in record["audit"]["groups"]] == list(REPORTS)
    assert record["audit"]["promise_broken"] is False
    outcome = played.reading.outcome(played.observer, played.id)
    assert outcome["audit"] == {"promise_broken": False}
    share = played.reading.share(played.groups["legal"], played.id, "legal")
    assert share["audit"]["pays"] is False
    told = json.dumps(share)
    assert "support" not in told and "marketing" not in told  # noqa: PT018
    progress = {one["label"]: one for one in played.reading.view(played.observer, played.id)["progress"]}
    shown = progress["looking for lies that pay"]
    assert shown["done"] == shown["total"] == 6  # three groups and three pairs


def test_without_an_audit_the_record_says_so(desk):
    played = play(desk)
    record = played.reading.record(played.provider, played.id)
    assert record["audit"] == {"skipped": "No audit was made."}
    assert played.reading.share(played.groups["legal"], played.id, "legal")["audit"] is None


def test_no_report_is_opened_before_the_close(desk):
    played = play(desk, "reporting")
    with pytest.raises(WrongState, match="reports are opened after the close"):
        played.server.opened(played.session)


def test_nobody_reported_before_the_deadline(desk, clock):
    played = play(desk, "reporting", deadline=clock.later(60))
    clock.pass_by(60)
    assert played.server.close_when_due(played.id)
    attempt = played.server.begin_settling(played.id)
    with pytest.raises(WrongState, match="nobody reported") as told:
        played.server.compute(played.id, attempt)
    played.server.fail(played.id, str(told.value))
    assert (played.session.state, played.session.reason) == ("failed", str(told.value))
    assert played.server.record(played.id, attempt) is False
    with pytest.raises(WrongState, match=r"trying again would fail again\. Cancel this session"):
        desk.try_again(played.provider, played.id)
    assert played.reading.view(played.provider, played.id)["moves"] == ["cancelled"]
    desk.cancel(played.provider, played.id)
    assert played.session.state == "cancelled"


def test_a_second_attempt_has_results_of_its_own(desk):
    played = play(desk, "settling")
    server = played.server
    server.compute(played.id, 1)
    server.fail(played.id, "the disk was full")
    desk.try_again(played.provider, played.id)
    assert server.begin_settling(played.id) == 2
    assert server.record(played.id, 1) is False  # a job of the first attempt that was late
    server.compute(played.id, 2)
    server.audit(played.id, 2)
    assert server.record(played.id, 2) is True
    assert played.session.state == "settled"


def test_a_report_that_is_not_what_the_log_binds_to_is_not_settled(desk):
    played = play(desk, "closed")
    seats = dict(played.session.seats)
    seats["legal"] = replace(seats["legal"], commitment="sha256:0")
    with pytest.raises(StorageError, match="the report of group 'legal' is not the one that the log binds to"):
        played.server.opened(replace(played.session, seats=seats))
    seats["legal"] = replace(played.session.seats["legal"], report=0)
    with pytest.raises(StorageError, match="the sealed report of group 'legal' is missing"):
        played.server.opened(replace(played.session, seats=seats))


def test_timers_do_what_is_due_and_no_more(desk, clock):
    played = play(desk, "reporting", deadline=clock.later(60), reveal_at=clock.later(120))
    server = played.server
    for name, report in REPORTS.items():
        desk.report(played.groups[name], played.id, report)
    assert server.close_when_due(played.id) is False
    clock.pass_by(60)
    assert [server.close_when_due(played.id) for _ in range(2)] == [True, True]
    played.settle()
    assert server.publish_when_due(played.id) is False
    clock.pass_by(60)
    assert [server.publish_when_due(played.id) for _ in range(2)] == [True, True]
    assert [entry["kind"] for entry in log_of(played)].count("closed") == 1


def test_what_was_stored_is_what_was_committed_to(desk):
    played = published(desk)
    assert played.server.document(played.id, RECORD) == played.reading.record(played.provider, played.id)
    stored = {name: played.server.document(played.id, share_name(name)) for name in REPORTS}
    assert stored["legal"] == played.reading.share(played.groups["legal"], played.id, "legal")
    with pytest.raises(StorageError, match="is missing"):
        played.server.document(played.id, "settlement/share/nobody")


def test_what_the_rules_would_refuse_at_the_settlement_is_refused_before(desk):
    terms = {"title": "ours", "payment": {"kind": "Redistribution", "largest_size": 2.0}}
    played = play(desk, "reporting", terms)
    with pytest.raises(Invalid, match="the agreed rules do not take your report: the size of group 1 is 3"):
        desk.report(played.groups["legal"], played.id, REPORTS["legal"])
    desk.report(played.groups["legal"], played.id, {**REPORTS["legal"], "size": 2})
    with pytest.raises(Invalid, match="do not take these terms and this pool: BalancedBudget needs"):
        play(desk, "frozen", {"title": "ours", "payment": {"kind": "BalancedBudget", "largest_sizes": 2.0}})
