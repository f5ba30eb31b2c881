"""A session of a few groups, taken to the state that a test needs, by way of the desk."""

import time
from datetime import UTC, datetime, timedelta

from tuneaccord.service import tables
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Invalid, WrongState
from tuneaccord.service.keys import read_keys
from tuneaccord.service.store import Store
from tuneaccord.service.times import stamp

POOL = {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}, {"id": "c"}]]}
SCORES = {"legal": [0.9, 0.1, 0.0], "support": [0.2, 0.7, 0.1], "marketing": [0.0, 0.3, 1.0]}


def desk_at(folder, url=None):
    """A desk with its keys in ``folder``; the database is there too unless ``url`` is given."""
    store = Store(url or f"sqlite:///{folder / 'sessions.db'}")
    tables.metadata.create_all(store.engine)
    return Desk(store, read_keys(folder / "keys"))


def in_seconds(seconds):
    """A time as the log writes it."""
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))


def in_time(move, seconds=(1.0, 8.0, 64.0)):
    """A deadline so soon with which ``move(deadline)`` is made; later where it had passed before, on a slow machine."""
    for wait in seconds[:-1]:
        try:
            move(deadline := in_seconds(wait))
            return deadline
        except (Invalid, WrongState):
            continue
    move(deadline := in_seconds(seconds[-1]))
    return deadline


def opened(desk, names=tuple(SCORES), **terms):
    """(session id, provider, groups by name) of an open session that the groups have joined."""
    made = desk.create(desk.caller(desk.operator()), {"title": "three departments", **terms})
    provider = desk.caller(made.token)
    desk.open(provider, made.session_id)
    joined = {name: desk.join(desk.invite(provider, made.session_id, name)) for name in names}
    return made.session_id, provider, {name: desk.caller(one.token) for name, one in joined.items()}


def reporting(desk, deadline=None, reveal_at=None, reports=True):
    """The same once the pool is frozen and, unless told otherwise, everybody has reported."""
    name, provider, groups = opened(desk)
    desk.freeze(provider, name, POOL)
    desk.begin(provider, name, deadline, reveal_at)
    if reports:
        for group, caller in groups.items():
            desk.report(caller, name, {"size": 3, "scores": [SCORES[group]]})
    return name, provider, groups


def kinds(desk, session_id):
    """The kinds of the log's entries, in order."""
    with desk.store.reading() as connection:
        return [entry.kind for entry in desk.store.entries(connection, session_id)]


def until(condition, seconds=120.0):
    """Wait for it, and fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.02)


def in_state(desk, session_id, *states):
    """Whether the session is in one of these states, to be asked later."""
    return lambda: desk.session(session_id).state in states
