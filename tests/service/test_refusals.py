"""Each move that is refused is refused in plain words, for all states, moves and roles."""

import re

import pytest
from test_session_machine import ACTORS, EXPECTED, at, data_for, walked

from tuneaccord.service import refusals
from tuneaccord.service.errors import Forbidden, WrongState
from tuneaccord.service.session import MOVES, STATES, THE_CLOCK, Actor

#: words of the log that are no words of a sentence about a session
OF_THE_LOG = {"reporting", "settling", "sampling", "revised", "reported", "invited", "joined", "clock", "opened by"}
WHO = {"provider": "the provider", "group": "a group", "clock": "the server itself"}
ROLES = {actor.role: actor for actor in (*ACTORS, Actor("operator"))}


def refused():
    """(state, role, move, refusal) of all that is refused for its state or role."""
    for state in STATES:
        session = walked(state).session
        for role, actor in ROLES.items():
            for kind in MOVES:
                if (state, role, kind) in EXPECTED:
                    continue
                with pytest.raises((WrongState, Forbidden)) as told:
                    session.move(actor, kind, at(100), data_for(session, kind))
                yield state, role, kind, told.value


def test_every_refusal_says_how_it_stands_what_was_wanted_and_what_can_be_done():
    seen = 0
    for state, role, kind, refusal in refused():
        words = str(refusal)
        case = (state, role, kind, words)
        assert refusals.wanted(kind) in words, case
        assert not set(re.findall(r"\w+", words)) & OF_THE_LOG, case
        assert not re.search(r"[_{}\[\]'\"]|None", words), case
        assert words.endswith("."), case
        if isinstance(refusal, Forbidden):
            assert f"your role in this session is {role.replace('clock', 'server')}." in words, case
            assert all(WHO[one] in words for one in MOVES[kind].roles), case
        else:
            assert words.startswith(refusals.stands(state) + ", so nobody can "), case
            assert words.partition(" now. ")[2], case
        seen += 1
    assert seen == len(STATES) * len(ROLES) * len(MOVES) - len(EXPECTED)


def test_what_can_be_done_instead_is_what_the_state_machine_takes():
    for state, role, kind, refusal in refused():
        if isinstance(refusal, Forbidden):
            continue
        possible = {move for one, who, move in EXPECTED if (one, who) == (state, role)}
        possible -= {"closed", "tried again"} if not walked(state).session.reported else set()
        told = re.search(r"You can (.*)\.$", str(refusal))
        found = set(re.split(r", | or ", told[1])) if told else set()
        assert found == {refusals.wanted(move) for move in possible}, (state, role, kind, str(refusal))


def test_states_and_moves_all_have_words_of_their_own():
    assert len({refusals.stands(state) for state in STATES}) == len(STATES)
    assert len({refusals.wanted(kind) for kind in MOVES}) == len(MOVES)
    assert refusals.stands("open", "the class").startswith("the class is open")


def test_what_only_the_server_does_is_said_so():
    with pytest.raises(Forbidden, match="only the server itself can write down its results"):
        walked("settling").session.move(Actor("provider", "us"), "settled", at(100))
    with pytest.raises(WrongState, match="results are published, so nobody can"):
        walked("published").session.move(THE_CLOCK, "failed", at(100))
