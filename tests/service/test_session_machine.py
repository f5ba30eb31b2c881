"""The state machine against a table written by hand, random walks, damaged logs, and the edges of deadlines."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneaccord.artifacts import digest_of
from tuneaccord.service.chain import Entry, first_fault, sealed_entry
from tuneaccord.service.errors import Forbidden, Invalid, WrongState
from tuneaccord.service.session import MOVES, STATES, THE_CLOCK, Actor, Session, created, replay

US, LEGAL, SUPPORT = Actor("provider", "us"), Actor("group", "legal"), Actor("group", "support")
ROLES = ("operator", "provider", "group", "auditor", "observer", "clock")
ACTORS = [US, LEGAL, SUPPORT, Actor("auditor", "a"), Actor("observer", "o"), THE_CLOCK]

#: who may do what, and when: the second route to MOVES; a state after -> is the one that the move leads to
LEGAL_MOVES = """
draft      provider  revised, opened -> open, cancelled -> cancelled
open       provider  invited, removed, token replaced, sampling, frozen -> frozen, cancelled -> cancelled
open       group     joined
open       clock     sampling failed, frozen -> frozen
frozen     provider  token replaced, reporting -> reporting, cancelled -> cancelled
reporting  provider  token replaced, deadline moved, closed -> closed, cancelled -> cancelled
reporting  group     reported
reporting  clock     closed -> closed
closed     provider  token replaced, cancelled -> cancelled
closed     clock     settling -> settling, failed -> failed
settling   provider  token replaced, cancelled -> cancelled
settling   clock     settled -> settled, failed -> failed
settled    provider  token replaced, published -> published
settled    clock     published -> published
published  provider  token replaced
failed     provider  tried again -> closed, cancelled -> cancelled
"""


def expected_moves():
    """(state, role, move) -> the state that it leads to."""
    table = {}
    for line in LEGAL_MOVES.strip().splitlines():
        state, role, moves = line.split(maxsplit=2)
        for move in moves.split(", "):
            name, _, leads_to = move.partition(" -> ")
            table[state, role, name] = leads_to or state
    return table


EXPECTED = expected_moves()


def at(second):
    """A time, in seconds after noon."""
    return f"2026-03-01T12:{second // 60:02d}:{second % 60:02d}.000Z"


def data_for(session, kind, deadline=None):
    """Data with which a move can be made when its state allows it."""
    groups = list(session.seats)
    return {
        "revised": {"terms": {"title": "other"}},
        "invited": {"group": "legal"},
        "removed": {"group": (groups or list(session.invited) or ["nobody"])[0]},
        "token replaced": {"group": (groups or ["nobody"])[0]},
        "sampling": {"source": {"model": "embedded"}},
        "sampling failed": {"reason": "no room"},
        "frozen": {"pool": "sha256:0", "summary": {}, "groups": groups},
        "reporting": {"deadline": deadline, "reveal_at": None},
        "reported": {"commitment": "sha256:1"},
        "deadline moved": {"deadline": None},
        "settled": {
            "settlement": "sha256:2", "public": {}, "record": "sha256:3",
            "shares": dict.fromkeys(session.reported, "sha256:4"),
        },
        "failed": {"reason": "no numbers"},
        "cancelled": {"reason": ""},
    }.get(kind, {})  # fmt: skip


class Walk:
    """A session and its log, moved step by step."""

    def __init__(self):
        self.log = [created("s", {"title": "ours"}, US, at(0))]
        self.session = replay("s", self.log)

    def go(self, actor, kind, second=None, data=None):
        """Make a move; the log stays as it was when it is refused."""
        data = data_for(self.session, kind) if data is None else data
        entry = self.session.move(actor, kind, at(second or len(self.log)), data)
        self.log.append(entry)
        self.session = self.session.after(entry)
        return self


def walked(state):
    """A session in a state, with two groups that report as soon as they may."""
    walk = Walk()
    steps = [
        (US, "opened"), (LEGAL, "joined"), (SUPPORT, "joined"), (US, "frozen"), (US, "reporting"), (LEGAL, "reported"),
        (SUPPORT, "reported"), (US, "closed"), (THE_CLOCK, "settling"), (THE_CLOCK, "settled"), (US, "published"),
    ]  # fmt: skip
    if state in ("failed", "cancelled"):
        walk = walked("settling" if state == "failed" else "open")
        return walk.go(THE_CLOCK if state == "failed" else US, state)
    for actor, kind in steps:
        if walk.session.state == state and not (state == "open" and kind == "joined"):
            break
        walk.go(actor, kind)
    return walk


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what_and_when(state, role):
    session = walked(state).session
    assert session.state == state
    actor = next((one for one in ACTORS if one.role == role), Actor(role))
    assert set(session.moves_of(actor)) == {move for one, who, move in EXPECTED if (one, who) == (state, role)}
    for kind in MOVES:
        anywhere = any((who, move) == (role, kind) for _, who, move in EXPECTED)
        if (state, role, kind) in EXPECTED:
            continue
        with pytest.raises(WrongState if anywhere else Forbidden):
            session.move(actor, kind, at(100), data_for(session, kind))


def test_every_legal_move_leads_where_the_table_says():
    made = set()
    for state, role, kind in EXPECTED:
        walk = walked(state)
        if role == "clock" and kind in ("sampling failed", "frozen"):
            walk.go(US, "sampling")
        if kind == "closed" and role == "clock":
            walk.go(US, "deadline moved", data={"deadline": at(50)})
        if kind == "published" and role == "clock":
            continue  # with a time of publication, below
        actor = Actor("group", "new") if kind == "joined" else next(one for one in ACTORS if one.role == role)
        data = {"group": "new"} if kind == "invited" else None
        walk.go(actor, kind, 100, data)
        assert walk.session.state == EXPECTED[state, role, kind], (state, role, kind)
        assert replay("s", walk.log) == walk.session
        made.add(kind)
    assert made == set(MOVES)


NAMES = st.sampled_from(["legal", "support", "ops", ""])
STEPS = st.tuples(
    st.sampled_from(sorted(MOVES)),
    st.one_of(
        st.sampled_from([US, US, US, THE_CLOCK, Actor("auditor", "a"), Actor("observer", "o")]),
        NAMES.map(lambda name: Actor("group", name)),
    ),
    st.integers(0, 3000),
    st.sampled_from([None, None, None, {}, {"group": "support"}, {"deadline": at(2000)}]),
)


@settings(max_examples=120)
@given(st.sampled_from(["draft", "open", "frozen", "reporting", "closed"]), st.lists(STEPS, max_size=40))
def test_a_random_walk_never_leaves_the_legal_graph(start, steps):
    walk = walked(start)
    for kind, actor, second, data in steps:
        before = walk.session
        try:
            walk.go(actor, kind, second, data)
        except (Forbidden, WrongState, Invalid):
            assert walk.session is before
            assert (before.state, actor.role, kind) not in EXPECTED or data is not None or kind not in _ALWAYS
            continue
        assert walk.session.state == EXPECTED[before.state, actor.role, kind]
        assert walk.session.at >= before.at
    log = [entry.to_dict() for entry in walk.log]
    assert first_fault("s", log) is None
    assert [entry["number"] for entry in log] == list(range(len(log)))
    assert replay("s", walk.log) == walk.session
    assert replay("s", walk.log[5:], replay("s", walk.log[:5])) == walk.session


_ALWAYS = ("opened", "settling", "tried again", "failed", "cancelled", "revised")  #: need nothing but their state


# A log that was touched


def whole(state="published"):
    """A log as data and as the bytes of its entries."""
    walk = walked(state)
    log = [entry.to_dict() for entry in walk.log]
    return walk.session, log, [json.dumps(entry, sort_keys=True).encode() for entry in log]


def found(session, texts):
    """Whether a log is told from that of the session."""
    try:
        log = [json.loads(text) for text in texts]
        return first_fault("s", log) is not None or replay("s", [Entry(**entry) for entry in log]) != session
    except (ValueError, Invalid):
        return True


def test_any_changed_byte_of_any_entry_is_found():
    session, log, texts = whole()
    assert not found(session, texts)
    changed = 0
    for number, text in enumerate(texts):
        for place in range(number % 3, len(text), 3):  # every third byte, others in each entry
            touched = text[:place] + bytes([text[place] ^ (1 + place % 7)]) + text[place + 1 :]
            try:
                if json.loads(touched) == log[number]:
                    continue  # other white space
            except ValueError:
                pass
            assert found(session, [*texts[:number], touched, *texts[number + 1 :]]), (number, touched)
            changed += 1
    assert changed > 1000


@pytest.mark.parametrize("number", range(12))
def test_a_missing_doubled_or_swapped_entry_is_found(number):
    session, _, texts = whole()
    assert len(texts) == 12
    assert found(session, [*texts[:number], *texts[number + 1 :]])
    assert found(session, [*texts[: number + 1], *texts[number:]])
    if number:
        swapped = [*texts[: number - 1], texts[number], texts[number - 1], *texts[number + 1 :]]
        assert found(session, swapped)
        assert "entry" in first_fault("s", [json.loads(text) for text in swapped])


def chained_again(log, start):
    """The entries from ``start`` on with digests that fit: what somebody who rewrites a log would do."""
    entries, previous = [Entry(**entry) for entry in log], log[0]["previous"]
    for number, entry in enumerate(entries):
        if number >= start:
            entries[number] = sealed_entry(number, entry.at, entry.kind, entry.by, entry.data, previous)
        previous = entries[number].digest
    return entries


def test_a_rewritten_log_has_another_head_and_an_illegal_one_is_refused():
    session, log, _ = whole()
    log[6]["data"]["commitment"] = "sha256:9"
    again = chained_again(log, 6)
    assert first_fault("s", [entry.to_dict() for entry in again]) is None
    assert replay("s", again).head != session.head  # what everybody who has the old head sees
    for number, change in ((1, {"by": SUPPORT.to_dict()}), (6, {"kind": "closed"}), (7, {"by": LEGAL.to_dict()})):
        _, log, _ = whole()
        log[number].update(change)
        again = chained_again(log, number)
        assert first_fault("s", [entry.to_dict() for entry in again]) is None
        if number == 7:  # legal reports twice, so support does not: the settlement's groups are others
            number = 10
        with pytest.raises(Invalid, match=f"entry {number} "):
            replay("s", again)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["legal", "us", at(5)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@given(st.integers(0, 11), st.sampled_from(["at", "kind", "by", "data", "previous"]), JUNK, st.data())
def test_a_log_of_anything_is_refused_in_words(number, name, junk, data):
    _, log, _ = whole()
    if name in ("by", "data") and log[number][name] and data.draw(st.booleans()):
        log[number][name] = {**log[number][name], data.draw(st.sampled_from(sorted(log[number][name]))): junk}
    else:
        log[number][name] = junk
    told = None
    try:
        again = chained_again(log, number)
        fault = first_fault("s", [entry.to_dict() for entry in again])
        session = replay("s", again)
    except Invalid as error:
        told = str(error)
    if told is not None:
        assert "entry" in told
    else:
        assert fault is None or number == 0
        assert isinstance(session, Session)


# Times


def reporting(deadline=60, reveal_at=None):
    """A session that takes reports until a time."""
    data = {"deadline": deadline and at(deadline), "reveal_at": reveal_at and at(reveal_at)}
    return walked("frozen").go(US, "reporting", data=data)


def test_a_report_at_the_deadline_is_too_late():
    early, late = at(59).replace("000Z", "999Z"), at(60)
    session = reporting().session
    assert session.move(LEGAL, "reported", early, {"commitment": "sha256:1"}).at == early
    with pytest.raises(WrongState, match=f"the deadline for reports was {late}"):
        session.move(LEGAL, "reported", late, {"commitment": "sha256:1"})
    with pytest.raises(WrongState, match="has not passed"):
        session.move(THE_CLOCK, "closed", early)
    assert session.move(THE_CLOCK, "closed", late).kind == "closed"
    assert session.move(US, "closed", early).kind == "closed"  # the provider may close before


def test_a_clock_that_goes_back_does_not_open_a_deadline_again():
    walk = reporting().go(LEGAL, "reported", 59)
    assert walk.session.move(SUPPORT, "reported", at(10), {"commitment": "sha256:1"}).at == at(59)


def test_without_a_deadline_only_the_provider_closes():
    walk = reporting(deadline=None)
    with pytest.raises(WrongState):
        walk.session.move(THE_CLOCK, "closed", at(3000))
    assert walk.go(LEGAL, "reported", 3000).go(US, "closed", 3001).session.state == "closed"


def test_a_deadline_can_be_moved_until_it_has_passed_and_not_into_the_past():
    walk = reporting()
    assert walk.go(US, "deadline moved", 59, {"deadline": at(90)}).session.deadline == at(90)
    for second, deadline, error in ((70, 70, Invalid), (70, 69, Invalid), (90, 95, WrongState), (91, None, WrongState)):
        with pytest.raises(error):
            walk.session.move(US, "deadline moved", at(second), {"deadline": deadline and at(deadline)})
    assert walk.go(US, "deadline moved", 89, {"deadline": None}).session.deadline is None


def test_publication_is_not_before_the_deadline_and_not_before_its_time():
    for deadline, reveal_at in ((60, 59), (None, 100)):
        with pytest.raises(Invalid, match="must not be before the deadline"):
            reporting(deadline, reveal_at)
    walk = reporting(60, 60)
    with pytest.raises(Invalid, match="must not be after"):
        walk.session.move(US, "deadline moved", at(20), {"deadline": at(61)})
    walk = reporting(60, 100).go(LEGAL, "reported", 59).go(THE_CLOCK, "closed", 60)
    walk.go(THE_CLOCK, "settling", 61).go(THE_CLOCK, "settled", 62)
    with pytest.raises(WrongState, match="has not come"):
        walk.session.move(THE_CLOCK, "published", at(99))
    assert walk.go(THE_CLOCK, "published", 100).session.state == "published"
    with pytest.raises(Invalid, match="has passed already"):
        walked("frozen").go(US, "reporting", 20, {"deadline": at(20), "reveal_at": None})


# What a move does


def test_a_report_replaces_the_one_before():
    walk = reporting().go(LEGAL, "reported", data={"commitment": "sha256:a"})
    walk.go(LEGAL, "reported", data={"commitment": "sha256:b"})
    assert walk.session.seats["legal"].commitment == "sha256:b"
    assert walk.session.seats["legal"].report == len(walk.log) - 1
    assert walk.session.reported == ("legal",)


def test_strangers_do_not_report_and_nobody_is_settled_who_did_not():
    walk = reporting()
    with pytest.raises(Forbidden, match="'ops' is not part"):
        walk.go(Actor("group", "ops"), "reported")
    walk.go(LEGAL, "reported").go(US, "closed").go(THE_CLOCK, "settling")
    data = data_for(walk.session, "settled")
    for shares in ({}, {"legal": "x", "support": "y"}, {"support": "y"}, ["legal"]):
        with pytest.raises(Invalid, match="are not those that reported"):
            walk.session.move(THE_CLOCK, "settled", at(20), {**data, "shares": shares})


def test_while_a_pool_is_sampled_nobody_comes_and_only_the_server_freezes():
    walk = walked("open").go(US, "sampling")
    for actor, kind, data in (
        (Actor("group", "ops"), "joined", {}),
        (US, "invited", {"group": "ops"}),
        (US, "sampling", {"source": {}}),
        (US, "frozen", None),
    ):
        with pytest.raises(WrongState, match="sampled"):
            walk.go(actor, kind, data=data)
    assert walk.go(THE_CLOCK, "sampling failed").go(US, "frozen").session.state == "frozen"
    with pytest.raises(WrongState, match="no pool is being sampled"):
        walked("open").go(THE_CLOCK, "frozen")


def test_a_failure_can_be_tried_again_and_counts():
    walk = walked("failed")
    assert walk.session.reason == "no numbers"
    walk.go(US, "tried again").go(THE_CLOCK, "settling").go(THE_CLOCK, "settled")
    assert (walk.session.attempts, walk.session.reason, walk.session.state) == (2, None, "settled")


def test_an_empty_session_is_not_frozen():
    with pytest.raises(WrongState, match="nobody to freeze"):
        Walk().go(US, "opened").go(US, "frozen")


def test_what_is_committed_to_is_in_the_head():
    walk = walked("published")
    assert walk.session.head == walk.log[-1].digest == digest_of(
        {key: value for key, value in walk.log[-1].to_dict().items() if key != "digest"}
    )  # fmt: skip
