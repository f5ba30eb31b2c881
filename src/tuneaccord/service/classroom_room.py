"""A class at the desk: start it by one call, lead it from round to round, and read what it played once it is revealed.

| | provider | auditor | group | observer |
|---|---|---|---|---|
| the code | while open | no | no | no |
| rounds before and after this one | yes | yes | yes | yes |
| everybody's wishes, reports, gains | once published | once published | once published | once published |
| curve of one's own utility | | | once published | |

Nobody sees another player's wishes or report before the session is published, and none of this exists for sessions
that are not classroom sessions. What a player wants is told to that player by :meth:`Reading.true_type`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from tuneaccord.artifacts import canonical_json
from tuneaccord.service.chain import Entry
from tuneaccord.service.classroom_results import Player, exaggeration, results
from tuneaccord.service.classroom_stories import STORIES, fitting_strength, story
from tuneaccord.service.current import place_of
from tuneaccord.service.desk import Desk, Joined
from tuneaccord.service.errors import Forbidden, Invalid, WrongState
from tuneaccord.service.forms import finite
from tuneaccord.service.reading import MEMBERS
from tuneaccord.service.refusals import stands
from tuneaccord.service.server import RECORD, Server
from tuneaccord.service.session import GROUP, PROVIDER, Session
from tuneaccord.service.terms import terms_of
from tuneaccord.service.times import stamp
from tuneaccord.service.tokens import OPERATOR, Caller, hash_of

PLAN, NEXT, CODE = "classroom/plan", "classroom/next", "classroom/code/"
LARGEST_SIZE = 20.0
POINTS = {"currency": "points", "rate": 10.0}  #: a utility of 1 is ten points
MOST_ROUNDS = 50
_CACHED = 16


@dataclass(frozen=True)
class Plan:
    """What a class is about to play: not part of the terms, because it may change until the pool is frozen."""

    story: str = next(iter(STORIES))
    minutes: float = 4.0  #: for reports
    round: int = 1
    previous: str | None = None  #: session of the round before


class Room:
    """The classroom sessions of a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self._server = desk, Server(desk)
        self._known: dict[str, tuple[list[Player], dict[str, Any]]] = {}
        self._lock = Lock()

    # The teacher's moves

    def start(self, caller: Caller, given: Mapping[str, Any]) -> Joined:
        """A class that can be joined at once.

        ``given`` may have ``title``, ``story``, ``seats``, ``bots``, ``paid`` (payments on), ``strength`` (None: fits
        the number of seats) and ``minutes``. The teacher's token is in what comes back. Raises :class:`Invalid`.
        """
        return self._start(caller, _terms(given), _plan(given))

    def again(self, operator: Caller, caller: Caller, session_id: str, given: Mapping[str, Any]) -> Joined:
        """The next round: another session on the same terms but for what is ``given``, which this one points to.

        Raises :class:`WrongState` before the reveal, or when there is a next round already.
        """
        session = self._class(caller, session_id, PROVIDER)
        if not session.ended:
            raise WrongState(f"{stands(session.state, 'this round')}. Reveal or cancel it first.")
        if self.following(caller, session_id) is not None:
            raise WrongState("the next round has been opened already.")
        plan = self._plan(session_id)
        planned = _plan({**asdict(plan), **{key: given[key] for key in ("story", "minutes") if key in given}})
        terms = {**session.terms, **({"payment": _payment(given["paid"])} if "paid" in given else {})}
        if planned.story != plan.story:
            terms |= {"title": story(planned.story).title, "description": story(planned.story).question}
        joined = self._start(operator, terms, Plan(planned.story, planned.minutes, plan.round + 1, session_id))
        with self.desk.moving(session_id) as moving:
            self._keep(moving, NEXT, {"session": joined.session_id})
        if self.following(caller, session_id) != joined.session_id:  # two clicks at once: the first one counts
            self.desk.cancel(self.desk.caller(joined.token), joined.session_id, "opened twice")
            raise WrongState("the next round has been opened already.")
        return joined

    def code(self, caller: Caller, session_id: str, fresh: bool = False) -> str:
        """The code that players join by, made on first use; a ``fresh`` one makes the old one void."""
        session = self._class(caller, session_id, PROVIDER)
        if session.state != "open":
            raise WrongState(f"{stands(session.state, 'the class')}; a code is for a class that can be joined.")
        known = self._code(session_id)
        if known is not None and not fresh and self._is_valid(known):
            return known
        code = self.desk.class_code(caller, session_id)
        with self.desk.moving(session_id) as moving:
            earlier = len(self.desk.store.documents(session_id, CODE, moving.connection))
            self._keep(moving, f"{CODE}{earlier:06d}", {"code": code})
        return code

    def freeze(self, caller: Caller, session_id: str) -> Entry:
        """Freeze the pool of the planned story; the server takes the empty seats."""
        self._class(caller, session_id, PROVIDER)
        return self.desk.freeze(caller, session_id, story(self._plan(session_id).story).pool())

    def begin(self, caller: Caller, session_id: str, minutes: float | None = None) -> Entry:
        """Take reports for the planned number of minutes, or this one."""
        self._class(caller, session_id, PROVIDER)
        length = _minutes(self._plan(session_id).minutes if minutes is None else minutes)
        return self.desk.begin(caller, session_id, self._in(length))

    def longer(self, caller: Caller, session_id: str, minutes: float = 1.0) -> Entry:
        """More minutes for reports."""
        session = self._class(caller, session_id, PROVIDER)
        if session.deadline is None:
            raise WrongState("there is no deadline to move.")
        return self.desk.move_deadline(caller, session_id, _later(session.deadline, _minutes(minutes)))

    def follow(self, caller: Caller, session_id: str) -> Joined:
        """A player's seat in the next round, under the same name.

        Raises :class:`WrongState` when there is no next round, or it cannot be joined (any more).
        """
        self._class(caller, session_id, GROUP)
        if (following := self.following(caller, session_id)) is None:
            raise WrongState("there is no next round yet.")
        code = self._code(following)
        if self.desk.session(following).state != "open" or code is None:
            raise WrongState("the next round cannot be joined any more.")
        return self.desk.join_class(code, caller.name)

    # What can be read

    def plan(self, caller: Caller, session_id: str) -> Plan:
        """What this class plays, and which round it is; the story is public once the pool is."""
        self._class(caller, session_id, *MEMBERS)
        return self._plan(session_id)

    def following(self, caller: Caller, session_id: str) -> str | None:
        """The session of the next round, or None."""
        self._class(caller, session_id, *MEMBERS)
        found = self._document(session_id, NEXT)
        return None if found is None else found["session"]

    def results(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """What everybody wanted, reported and got, once it is published; see :func:`classroom_results.results`.

        ``round`` is this round's number. From the second on, each player also has ``total``: the sum of its utilities
        over all published rounds in which somebody of that name played.
        """
        session = self._published(caller, session_id)
        found = self._revealed(session)[1]
        plan = self._plan(session_id)
        totals = self._totals(plan, found)
        rows = [{**row, **({"total": totals[row["name"]]} if plan.round > 1 else {})} for row in found["players"]]
        return {**found, "round": plan.round, "players": rows}

    def own(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """The caller's row of the results, with ``players``: how many there were."""
        self.desk.allowed(caller, session_id, GROUP)
        found = self.results(caller, session_id)
        row = next(row for row in found["players"] if row["name"] == caller.name)
        return {**{key: value for key, value in found.items() if key != "players"}, "you": row,
                "players": len(found["players"])}  # fmt: skip

    def curve(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """The caller's utility against its exaggeration; see :func:`classroom_results.exaggeration`."""
        self.desk.allowed(caller, session_id, GROUP)
        session = self._published(caller, session_id)
        terms, pool = terms_of(session.terms), self.desk.pool(session_id)[0]
        return exaggeration(terms, pool, self._revealed(session)[0], caller.name)

    # Behind them

    def _class(self, caller: Caller, session_id: str, *roles: str) -> Session:
        self.desk.allowed(caller, session_id, *roles)
        session = self.desk.session(session_id)
        if session.terms.get("classroom") is None:
            raise WrongState("this is not a classroom session.")
        return session

    def _published(self, caller: Caller, session_id: str) -> Session:
        session = self._class(caller, session_id, *MEMBERS)
        if session.state != "published":
            raise WrongState(f"{stands(session.state, 'the class')}; this can be seen once its results are revealed.")
        return session

    def _revealed(self, session: Session) -> tuple[list[Player], dict[str, Any]]:
        """The players of a published class and its results, computed once for all who ask."""
        with self._lock:
            if session.id not in self._known:
                while len(self._known) >= _CACHED:
                    self._known.pop(next(iter(self._known)))
                players = self._players(session)
                found = results(terms_of(session.terms), self.desk.pool(session.id)[0], players)
                self._known[session.id] = players, found
            return self._known[session.id]

    def _players(self, session: Session) -> list[Player]:
        told = self._server.document(session.id, RECORD)["reports"]
        return [
            Player(name, self.desk.true_type(session.id, name), told.get(name), seat.bot)
            for name, seat in session.seats.items()
        ]

    def _totals(self, plan: Plan, found: Mapping[str, Any]) -> dict[str, float]:
        totals = {row["name"]: row["utility"] for row in found["players"]}
        for _ in range(MOST_ROUNDS):
            if plan.previous is None:
                break
            session = self.desk.session(plan.previous)
            rows = self._revealed(session)[1]["players"] if session.state == "published" else []
            for row in rows:
                if row["name"] in totals:
                    totals[row["name"]] += row["utility"]
            plan = self._plan(session.id)
        return totals

    def _start(self, caller: Caller, terms: Mapping[str, Any], plan: Plan) -> Joined:
        if caller.role != OPERATOR:
            raise Forbidden("only an operator of this server can start a class.")
        story(plan.story)
        joined = self.desk.create(caller, terms, "teacher")
        with self.desk.moving(joined.session_id) as moving:
            self._keep(moving, PLAN, asdict(plan))
        teacher = self.desk.caller(joined.token)
        self.desk.open(teacher, joined.session_id)
        self.code(teacher, joined.session_id)
        return joined

    def _plan(self, session_id: str) -> Plan:
        return Plan(**(self._document(session_id, PLAN) or {}))

    def _code(self, session_id: str) -> str | None:
        kept = self.desk.store.documents(session_id, CODE)
        if not kept:
            return None
        newest = max(kept)
        return json.loads(self.desk.keys.decrypt(kept[newest], place_of(session_id, newest)))["code"]

    def _is_valid(self, code: str) -> bool:
        row = self.desk.store.token(hash_of(code))
        return row is not None and row.revoked_at is None

    def _document(self, session_id: str, name: str) -> dict[str, Any] | None:
        stored = self.desk.store.document(session_id, name)
        return None if stored is None else json.loads(self.desk.keys.decrypt(stored, place_of(session_id, name)))

    def _keep(self, moving: Any, name: str, content: Mapping[str, Any]) -> None:
        place = place_of(moving.session.id, name)
        moving.put(name, self.desk.keys.encrypt(canonical_json(content), place))

    def _in(self, minutes: float) -> str:
        return _later(self.desk.clock(), minutes)


def _terms(given: Mapping[str, Any]) -> dict[str, Any]:
    known = ("title", "story", "seats", "bots", "paid", "strength", "minutes")
    if unknown := sorted(set(given) - set(known)):
        raise Invalid(f"a class: unknown keys {', '.join(unknown)}. Known are: {', '.join(known)}.")
    seats = given.get("seats", 6)
    if not isinstance(seats, int) or isinstance(seats, bool) or not 2 <= seats <= 300:
        raise Invalid(f"a class: seats must be a whole number from 2 to 300, got {seats!r:.40}.")
    strength = given.get("strength")
    told = story(given.get("story", Plan.story))
    return {
        "title": given.get("title") or told.title,
        "description": told.question,
        "divergence": {"kind": "KL", "strength": fitting_strength(seats) if strength is None else strength},
        "payment": _payment(given.get("paid", True)),
        "money": POINTS,
        "largest_size": LARGEST_SIZE,
        "classroom": {"seats": seats, "bots": given.get("bots", "truthful")},
    }


def _payment(paid: Any) -> dict[str, str]:
    return {"kind": "Externality" if paid else "Free"}


def _plan(given: Mapping[str, Any]) -> Plan:
    return Plan(given.get("story", Plan.story), _minutes(given.get("minutes", Plan.minutes)))


def _minutes(given: Any) -> float:
    if not finite(given) or not 0.25 <= given <= 120:
        raise Invalid(f"minutes must be a number from 0.25 to 120, got {given!r:.40}.")
    return float(given)


def _later(moment: str, minutes: float) -> str:
    return stamp(datetime.fromisoformat(moment) + timedelta(minutes=minutes))
