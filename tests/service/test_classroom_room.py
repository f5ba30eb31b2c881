"""A class at the desk: from the code to the reveal, from round to round, and who may read what when."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from session_steps import desk_at, opened

from tuneaccord.service.classroom_results import Player, results
from tuneaccord.service.classroom_room import CODE, Room
from tuneaccord.service.errors import Forbidden, Invalid, Unauthenticated, WrongState
from tuneaccord.service.reading import Reading
from tuneaccord.service.server import Server
from tuneaccord.service.terms import terms_of


@pytest.fixture
def desk(tmp_path):
    made = desk_at(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def operator(desk):
    return desk.caller(desk.operator())


def _joined(desk, room, operator, names=("ada", "ben", "cy"), **given):
    """(session id, teacher, players by name) of a class that these have joined."""
    made = room.start(operator, {"seats": 5, **given})
    teacher = desk.caller(made.token)
    code = room.code(teacher, made.session_id)
    return made.session_id, teacher, {name: desk.caller(desk.join_class(code, name).token) for name in names}


def _reported(desk, room, session_id, teacher, players, factor=2.0, silent=("cy",)):
    room.freeze(teacher, session_id)
    room.begin(teacher, session_id)
    for name, player in players.items():
        if name not in silent:
            truth = Reading(desk).true_type(player, session_id)
            desk.report(player, session_id, {**truth, "size": truth["size"] * factor})


def _revealed(desk, session_id, teacher):
    desk.close(teacher, session_id)
    server = Server(desk)
    attempt = server.begin_settling(session_id)
    server.compute(session_id, attempt)
    assert server.record(session_id, attempt)
    desk.publish(teacher, session_id)


def test_a_class_starts_by_one_call_and_can_be_joined_at_once(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator, story="town", paid=False, bots="exaggerating")
    session = desk.session(session_id)
    assert session.state == "open"
    assert list(session.seats) == ["ada", "ben", "cy"]
    assert session.terms["payment"] == {"kind": "Free"}
    assert session.terms["title"] == "One help line for a town"
    room.freeze(teacher, session_id)
    assert desk.pool(session_id)[0]["responses"][0][0]["id"] == "kind"
    assert [name for name, seat in desk.session(session_id).seats.items() if seat.bot] == ["bot 1", "bot 2"]
    assert all(not seat.bot for name, seat in desk.session(session_id).seats.items() if name in players)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seats": 1}, "whole number from 2 to 300"),
        ({"seats": True}, "whole number from 2 to 300"),
        ({"story": "townn"}, "town"),
        ({"minutes": 0}, "0.25 to 120"),
        ({"minutes": float("nan")}, "0.25 to 120"),
        ({"bots": "mad"}, "exaggerating"),
        ({"strength": -1.0}, "strength"),
        ({"colour": "red"}, "unknown keys colour"),
    ],
)
def test_a_class_that_cannot_be_is_refused_in_words_and_leaves_nothing_behind(desk, operator, given, words):
    with pytest.raises(Invalid, match=words):
        Room(desk).start(operator, given)
    assert desk.store.sessions() == []


def test_only_an_operator_starts_a_class(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    for caller in (teacher, players["ada"]):
        with pytest.raises(Forbidden):
            room.start(caller, {})
    with pytest.raises(Forbidden):
        _published_again(desk, room, session_id, teacher, players)


def _published_again(desk, room, session_id, teacher, players):
    _reported(desk, room, session_id, teacher, players)
    _revealed(desk, session_id, teacher)
    room.again(teacher, teacher, session_id, {})  # the teacher of one class is not an operator


def test_the_code_stays_the_same_until_a_fresh_one_is_asked_for(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    code = room.code(teacher, session_id)
    assert Room(desk).code(teacher, session_id) == code  # another process, after a restart
    fresh = room.code(teacher, session_id, fresh=True)
    assert fresh != code
    assert room.code(teacher, session_id) == fresh
    with pytest.raises(Unauthenticated):
        desk.join_class(code, "dot")
    desk.join_class(fresh, "dot")
    with pytest.raises(Forbidden):
        room.code(players["ada"], session_id)
    room.freeze(teacher, session_id)
    with pytest.raises(WrongState, match="frozen"):
        room.code(teacher, session_id)
    with pytest.raises(Unauthenticated):
        desk.join_class(fresh, "late")


def test_two_fresh_codes_at_once_are_both_kept(desk, operator, monkeypatch):
    """They share a transaction, and neither is to count only what is committed."""
    room, both = Room(desk), threading.Barrier(2)
    session_id, teacher, _ = _joined(desk, room, operator)
    before, made = len(desk.store.documents(session_id, CODE)), desk.class_code

    def together(*given):
        code = made(*given)
        both.wait(60)
        return code

    monkeypatch.setattr(desk, "class_code", together)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: room.code(teacher, session_id, fresh=True), range(2)))
    assert len(desk.store.documents(session_id, CODE)) == before + 2


def test_a_code_that_was_made_void_elsewhere_is_replaced(desk, operator):
    room = Room(desk)
    session_id, teacher, _ = _joined(desk, room, operator)
    elsewhere = desk.class_code(teacher, session_id)
    code = room.code(teacher, session_id)
    assert code != elsewhere
    assert desk.join_class(code, "dot").group == "dot"


def test_a_class_is_played_on_every_database(desk_on):
    room = Room(desk_on)
    operator = desk_on.caller(desk_on.operator())
    session_id, teacher, players = _joined(desk_on, room, operator)
    assert room.code(teacher, session_id, fresh=True) == room.code(teacher, session_id)
    _reported(desk_on, room, session_id, teacher, players)
    _revealed(desk_on, session_id, teacher)
    made = room.again(operator, teacher, session_id, {"paid": False})
    assert room.following(players["ada"], session_id) == made.session_id
    assert room.follow(players["ada"], session_id).group == "ada"
    assert len(room.results(teacher, session_id)["players"]) == 5


def test_the_database_does_not_have_the_code_in_the_clear(desk, operator, tmp_path):
    room = Room(desk)
    session_id, teacher, _ = _joined(desk, room, operator)
    code = room.code(teacher, session_id).encode()
    desk.store.close()
    assert all(code not in path.read_bytes() for path in tmp_path.glob("sessions.db*"))


def test_results_are_those_of_the_pure_functions_with_the_absent_in_them(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    _reported(desk, room, session_id, teacher, players)
    _revealed(desk, session_id, teacher)
    told = Reading(desk).record(teacher, session_id)["reports"]
    assert set(told) == {"ada", "ben", "bot 1", "bot 2"}
    seats = [
        Player(name, desk.true_type(session_id, name), told.get(name), name.startswith("bot"))
        for name in ("ada", "ben", "cy", "bot 1", "bot 2")
    ]
    expected = results(terms_of(desk.session(session_id).terms), desk.pool(session_id)[0], seats)
    assert room.results(teacher, session_id) == {**expected, "round": 1}
    own = room.own(players["cy"], session_id)
    assert own["you"]["reported"] is False
    assert own["players"] == 5
    share = Reading(desk).share(players["ada"], session_id, "ada")
    mine = room.own(players["ada"], session_id)["you"]
    assert mine["payment"] == share["payment"]  # what the class shows is what the invoice says
    assert mine["value"] == pytest.approx(share["group_value"] / 2, rel=1e-12)  # ada reported twice her size


def _members(desk, session_id, teacher, players):
    issued = {role: desk.caller(desk.issue_token(teacher, session_id, role, role)) for role in ("auditor", "observer")}
    return {"provider": teacher, "group": players["ada"], **issued}


def test_before_the_reveal_nobody_reads_anybodys_wishes(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    members = _members(desk, session_id, teacher, players)

    def all_refused():
        for role, caller in members.items():
            with pytest.raises(WrongState, match="revealed"):
                room.results(caller, session_id)
            for read in (room.own, room.curve):
                with pytest.raises(WrongState if role == "group" else Forbidden):
                    read(caller, session_id)

    all_refused()
    room.freeze(teacher, session_id)
    all_refused()
    room.begin(teacher, session_id)
    desk.report(players["ada"], session_id, Reading(desk).true_type(players["ada"], session_id))
    all_refused()
    desk.close(teacher, session_id)
    all_refused()
    server = Server(desk)
    attempt = server.begin_settling(session_id)
    server.compute(session_id, attempt)
    server.record(session_id, attempt)
    all_refused()  # settled, but not revealed: the teacher must wait as well
    desk.publish(teacher, session_id)
    found = [room.results(caller, session_id) for caller in members.values()]
    assert all(one == found[0] for one in found)
    assert room.curve(players["ben"], session_id)["factor"]


def test_a_player_gets_no_other_players_type_in_any_state(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    room.freeze(teacher, session_id)
    types = {name: Reading(desk).true_type(player, session_id) for name, player in players.items()}
    assert len({json.dumps(one) for one in types.values()}) == 3
    assert types["ada"] == Reading(desk).true_type(players["ada"], session_id)
    for caller in (teacher, *(_members(desk, session_id, teacher, players)[role] for role in ("auditor", "observer"))):
        with pytest.raises(Forbidden):
            Reading(desk).true_type(caller, session_id)
    shown = json.dumps([Reading(desk).view(players["ben"], session_id), Reading(desk).log(players["ben"], session_id)])
    assert json.dumps(types["ada"]["scores"])[2:-2] not in shown


def test_other_sessions_and_other_classes_are_shut(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    _reported(desk, room, session_id, teacher, players)
    _revealed(desk, session_id, teacher)
    _, stranger, others = _joined(desk, room, operator)
    for caller in (stranger, others["ada"], operator):
        for read in (room.results, room.own, room.curve, room.plan, room.following, room.code, room.follow):
            with pytest.raises(Forbidden):
                read(caller, session_id)


def test_a_session_that_is_no_class_has_none_of_this(desk):
    name, provider, groups = opened(desk)
    room = Room(desk)
    group = groups["legal"]
    moves = ((room.results, provider), (room.curve, group), (room.own, group), (room.code, provider))
    for read, caller in (*moves, (room.freeze, provider), (room.plan, provider), (room.follow, group)):
        with pytest.raises(WrongState, match="not a classroom"):
            read(caller, name)


def test_the_next_round_takes_the_players_along_under_their_names(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator, paid=False)
    with pytest.raises(WrongState, match="Reveal or cancel"):
        room.again(operator, teacher, session_id, {})
    _reported(desk, room, session_id, teacher, players)
    _revealed(desk, session_id, teacher)
    with pytest.raises(WrongState, match="no next round"):
        room.follow(players["ada"], session_id)
    made = room.again(operator, teacher, session_id, {"paid": True, "story": "game", "minutes": 2})
    with pytest.raises(WrongState, match="already"):
        room.again(operator, teacher, session_id, {})
    assert room.following(players["ada"], session_id) == made.session_id
    second = desk.caller(made.token)
    plan = room.plan(second, made.session_id)
    assert (plan.round, plan.previous, plan.story, plan.minutes) == (2, session_id, "game", 2.0)
    assert desk.session(made.session_id).terms["payment"] == {"kind": "Externality"}
    assert desk.session(made.session_id).terms["title"] == "One storyteller for a game"
    again = {name: desk.caller(room.follow(players[name], session_id).token) for name in ("ada", "ben")}
    assert [again[name].name for name in again] == ["ada", "ben"]
    with pytest.raises(WrongState, match="joined already"):
        room.follow(players["ada"], session_id)
    late = desk.caller(desk.join_class(room.code(second, made.session_id), "dot").token)
    _reported(desk, room, made.session_id, second, {**again, "dot": late})
    with pytest.raises(WrongState, match="any more"):
        room.follow(players["cy"], session_id)
    _revealed(desk, made.session_id, second)
    first = {row["name"]: row["utility"] for row in room.results(teacher, session_id)["players"]}
    rows = {row["name"]: row for row in room.results(second, made.session_id)["players"]}
    assert rows["ada"]["total"] == pytest.approx(first["ada"] + rows["ada"]["utility"], rel=1e-12)
    assert rows["dot"]["total"] == rows["dot"]["utility"]
    assert "total" not in room.results(teacher, session_id)["players"][0]


def test_a_cancelled_round_is_followed_by_another_and_counts_for_nothing(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator)
    room.freeze(teacher, session_id)
    desk.cancel(teacher, session_id, "fire drill")
    made = room.again(operator, teacher, session_id, {})
    second = desk.caller(made.token)
    assert desk.session(made.session_id).terms == desk.session(session_id).terms
    again = {"ada": desk.caller(room.follow(players["ada"], session_id).token)}
    _reported(desk, room, made.session_id, second, again)
    _revealed(desk, made.session_id, second)
    rows = room.results(second, made.session_id)["players"]
    assert all(row["total"] == row["utility"] for row in rows)


def test_reports_can_take_longer_than_planned(desk, operator):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator, minutes=2)
    room.freeze(teacher, session_id)
    room.begin(teacher, session_id)
    before = desk.session(session_id).deadline
    room.longer(teacher, session_id, 1)
    assert desk.session(session_id).deadline > before
    with pytest.raises(Forbidden):
        room.longer(players["ada"], session_id, 1)


def test_a_class_that_was_made_otherwise_is_led_like_any_other(desk, operator):
    made = desk.create(operator, {"title": "by hand", "classroom": {"seats": 3}, "largest_size": 10})
    teacher = desk.caller(made.token)
    desk.open(teacher, made.session_id)
    room = Room(desk)
    ada = desk.caller(desk.join_class(room.code(teacher, made.session_id), "ada").token)
    _reported(desk, room, made.session_id, teacher, {"ada": ada}, factor=1.0)
    _revealed(desk, made.session_id, teacher)
    assert room.own(ada, made.session_id)["you"]["lied"] is False


@pytest.mark.slow
@pytest.mark.parametrize("count", [30, 200])
def test_a_whole_class_is_revealed_within_seconds(desk, operator, count):
    room = Room(desk)
    session_id, teacher, players = _joined(desk, room, operator, [f"p{n}" for n in range(count)], seats=count + 5)
    _reported(desk, room, session_id, teacher, players, factor=1.5, silent=("p1",))
    _revealed(desk, session_id, teacher)
    found = room.results(teacher, session_id)
    assert len(found["players"]) == count + 5
    assert sum(row["lied"] for row in found["players"]) == count - 1
    assert all(row["gain"] <= 1e-9 for row in found["players"])
