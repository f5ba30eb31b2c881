"""A session of several parties as a state machine: which moves are legal, for whom, and what they write to the log.

    draft -> open -> frozen -> reporting -> closed -> settling -> settled -> published

or ``failed`` (from which the provider may try again) and ``cancelled``. A session is what its log says: :func:`replay`
makes it from the entries, and refuses a log in which a move was not legal. No clock, file or database is used here;
times are given, as UTC in ISO 8601 with milliseconds, so that their order is that of the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tuneaccord.service.chain import Entry, genesis, sealed_entry
from tuneaccord.service.errors import Forbidden, Invalid, WrongState

STATES = (
    "draft",
    "open",
    "frozen",
    "reporting",
    "closed",
    "settling",
    "settled",
    "published",
    "failed",
    "cancelled",
)
ENDED = ("published", "cancelled")
#: after these nobody's report can change any more, and the server may read them
SEALED_NO_MORE = ("closed", "settling", "settled", "published", "failed")

PROVIDER, GROUP, AUDITOR, OBSERVER, CLOCK = "provider", "group", "auditor", "observer", "clock"
MOST_GROUPS = 5000


@dataclass(frozen=True)
class Actor:
    """Who makes a move: a role, and for a group its name."""

    role: str
    name: str = ""

    def to_dict(self) -> dict[str, str]:
        """As plain data."""
        return {"role": self.role, "name": self.name}


#: the server itself: timers and jobs
THE_CLOCK = Actor(CLOCK, "server")


@dataclass(frozen=True)
class Move:
    """Who may make a move, in which states, and the state it leads to (None: it stays)."""

    roles: tuple[str, ...]
    states: tuple[str, ...]
    leads_to: str | None = None


MOVES: dict[str, Move] = {
    "revised": Move((PROVIDER,), ("draft",)),
    "opened": Move((PROVIDER,), ("draft",), "open"),
    "invited": Move((PROVIDER,), ("open",)),
    "joined": Move((GROUP,), ("open",)),
    "removed": Move((PROVIDER,), ("open",)),
    "token replaced": Move((PROVIDER,), ("open", "frozen", "reporting", "closed", "settling", "settled", "published")),
    "sampling": Move((PROVIDER,), ("open",)),
    "sampling failed": Move((CLOCK,), ("open",)),
    "frozen": Move((PROVIDER, CLOCK), ("open",), "frozen"),
    "reporting": Move((PROVIDER,), ("frozen",), "reporting"),
    "reported": Move((GROUP,), ("reporting",)),
    "deadline moved": Move((PROVIDER,), ("reporting",)),
    "closed": Move((PROVIDER, CLOCK), ("reporting",), "closed"),
    "settling": Move((CLOCK,), ("closed",), "settling"),
    "settled": Move((CLOCK,), ("settling",), "settled"),
    "published": Move((PROVIDER, CLOCK), ("settled",), "published"),
    "failed": Move((CLOCK,), ("closed", "settling"), "failed"),
    "tried again": Move((PROVIDER,), ("failed",), "closed"),
    "cancelled": Move((PROVIDER,), tuple(state for state in STATES if state not in (*ENDED, "settled")), "cancelled"),
}


@dataclass(frozen=True)
class Seat:
    """A group of the session: when it joined, whether the server plays it, and its latest report's commitment."""

    name: str
    joined_at: str
    bot: bool = False
    report: int | None = None  #: number of the log entry of its latest report
    commitment: str | None = None


@dataclass(frozen=True)
class Session:
    """What a session's log amounts to."""

    id: str
    state: str = "draft"
    terms: Mapping[str, Any] = field(default_factory=dict)
    seats: Mapping[str, Seat] = field(default_factory=dict)
    invited: tuple[str, ...] = ()  #: names that were invited and have not joined yet
    sampling: bool = False
    pool: str | None = None  #: digest
    deadline: str | None = None
    reveal_at: str | None = None
    settlement: str | None = None  #: digest of what all parties' shares and the public part amount to
    shares: Mapping[str, str] = field(default_factory=dict)  #: each group's commitment
    reason: str | None = None  #: why it failed or was cancelled
    attempts: int = 0  #: how often settling began
    provider: str = ""  #: who created it
    created_at: str = ""
    settled_at: str | None = None
    entries: int = 0
    at: str = ""  #: time of the last entry
    head: str = ""  #: digest of the last entry

    @property
    def title(self) -> str:
        """As agreed in the terms."""
        return str(self.terms.get("title", ""))

    @property
    def reported(self) -> tuple[str, ...]:
        """The groups that have reported, in the order in which they joined."""
        return tuple(name for name, seat in self.seats.items() if seat.commitment)

    @property
    def ended(self) -> bool:
        """Whether no further move can be made."""
        return self.state in ENDED

    def may(self, actor: Actor, kind: str) -> bool:
        """Whether the actor could make the move now, its data apart."""
        move = MOVES[kind]
        return actor.role in move.roles and self.state in move.states

    def moves_of(self, actor: Actor) -> tuple[str, ...]:
        """The moves that the actor could make now."""
        return tuple(kind for kind in MOVES if self.may(actor, kind))

    def move(self, actor: Actor, kind: str, at: str, data: Mapping[str, Any] | None = None) -> Entry:
        """The log entry of a legal move.

        Raises :class:`Forbidden` when the actor's role may never make it, :class:`WrongState` when it is not possible
        now, :class:`Invalid` when its data does not fit.
        """
        move = MOVES[kind]
        if actor.role not in move.roles:
            raise Forbidden(f"{_article(actor.role)} may not do this ({kind}). It is for: {', '.join(move.roles)}.")
        if self.state not in move.states:
            raise WrongState(
                f"the session is {self.state}; '{kind}' is possible when it is {' or '.join(move.states)}."
            )
        at, data = max(at, self.at), dict(data or {})
        _CHECKS.get(kind, _nothing)(self, actor, at, data)
        return sealed_entry(self.entries, at, kind, actor.to_dict(), data, self.head)

    def after(self, entry: Entry) -> Session:
        """The session once the entry is in its log."""
        move, actor = MOVES[entry.kind], Actor(**entry.by)
        changed = _CHANGES.get(entry.kind, _no_change)(self, actor, entry)
        return replace(
            changed,
            state=move.leads_to or self.state,
            entries=entry.number + 1,
            at=entry.at,
            head=entry.digest,
        )


def created(session_id: str, terms: Mapping[str, Any], by: Actor, at: str) -> Entry:
    """The first entry of a session's log."""
    return sealed_entry(0, at, "created", by.to_dict(), {"terms": dict(terms)}, genesis(session_id))


def replay(session_id: str, entries: Iterable[Entry], since: Session | None = None) -> Session:
    """The session that a log amounts to, each move checked again; ``since`` is what the log before them amounts to.

    Raises :class:`Invalid` that names the first entry that is not a legal move.

    >>> log = [created("s", {"title": "ours"}, Actor("provider", "us"), "2026-01-01T00:00:00.000Z")]
    >>> session = replay("s", log)
    >>> session.state, session.after(session.move(Actor("provider", "us"), "opened", "2026-01-01T00:00:01.000Z")).state
    ('draft', 'open')
    """
    session = since
    for entry in entries:
        _check_form(entry)
        if session is None:
            session = _begun(session_id, entry)
            continue
        if entry.kind not in MOVES:
            raise Invalid(f"entry {entry.number} has the unknown kind {entry.kind!r:.40}.")
        try:
            again = session.move(Actor(**entry.by), entry.kind, entry.at, entry.data)
        except (Forbidden, WrongState, Invalid, TypeError) as error:
            raise Invalid(f"entry {entry.number} ({entry.kind}) was not a legal move: {error}") from None
        if again != entry:
            raise Invalid(f"entry {entry.number} ({entry.kind}) does not follow from the log before it.")
        session = session.after(entry)
    if session is None:
        raise Invalid("the log is empty.")
    return session


def _check_form(entry: Entry) -> None:
    texts = (entry.at, entry.kind, entry.previous, entry.digest)
    if not all(isinstance(text, str) for text in texts) or not isinstance(entry.data, dict):
        raise Invalid(f"entry {entry.number!r:.20} is not of the form of an entry.")
    if not isinstance(entry.by, dict) or {type(value) for value in entry.by.values()} - {str}:
        raise Invalid(f"entry {entry.number!r:.20} does not say by whom it is.")


def _begun(session_id: str, entry: Entry) -> Session:
    expected = sealed_entry(0, entry.at, "created", entry.by, entry.data, genesis(session_id))
    terms = entry.data.get("terms")
    if entry != expected or not isinstance(terms, dict) or entry.by.get("role") != PROVIDER:
        raise Invalid("entry 0 is not the creation of this session.")
    begun = Session(session_id, terms=entry.data["terms"], provider=entry.by.get("name", ""), created_at=entry.at)
    return replace(begun, entries=1, at=entry.at, head=entry.digest)


# What a move's data must be


def _nothing(session: Session, actor: Actor, at: str, data: dict) -> None:
    if data:
        raise Invalid(f"this move takes no data, got {', '.join(sorted(data))}.")


def _only(data: dict, *names: str) -> None:
    if set(data) != set(names):
        raise Invalid(f"expected the data {', '.join(names)}, got {', '.join(sorted(data)) or 'nothing'}.")


def _revised(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "terms")
    if not isinstance(data["terms"], dict):
        raise Invalid("terms must be a mapping.")


def _invited(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "group")
    if session.sampling:
        raise WrongState("the pool is being sampled; nobody can be invited any more.")
    name = data["group"]
    if name in session.seats:
        raise Invalid(f"group {name!r} has joined already. Remove it first, or choose another name.")
    if len(session.seats) + len(session.invited) >= MOST_GROUPS:
        raise Invalid(f"a session has at most {MOST_GROUPS} groups.")


def _joined(session: Session, actor: Actor, at: str, data: dict) -> None:
    if data not in ({}, {"bot": True}):
        raise Invalid("joining takes no data.")
    if session.sampling:
        raise WrongState("the pool is being sampled; nobody can join any more.")
    if actor.name in session.seats:
        raise WrongState(f"group {actor.name!r} has joined already.")
    if len(session.seats) >= MOST_GROUPS:
        raise Invalid(f"a session has at most {MOST_GROUPS} groups.")


def _removed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "group")
    if data["group"] not in session.seats and data["group"] not in session.invited:
        raise Invalid(f"there is no group {data['group']!r} to remove.")


def _token_replaced(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "group")
    if data["group"] not in session.seats:
        raise Invalid(f"no group {data['group']!r} has joined this session.")


def _sampling(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "source")
    if session.sampling:
        raise WrongState("the pool is being sampled already.")


def _sampling_failed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "reason")
    if not session.sampling:
        raise WrongState("no pool is being sampled.")


def _frozen(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "pool", "summary", "groups")
    if data["groups"] != list(session.seats):
        raise Invalid("the groups are not those who joined.")
    if not session.seats:
        raise WrongState("no group has joined yet, so there is nobody to freeze the pool for.")
    if session.sampling and actor.role != CLOCK:
        raise WrongState("the pool is being sampled; wait for it, or cancel the session.")
    if actor.role == CLOCK and not session.sampling:
        raise WrongState("no pool is being sampled.")


def _reporting(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "deadline", "reveal_at")
    _later(at, data["deadline"], "the deadline")
    if data["reveal_at"] is not None and not (data["deadline"] and data["reveal_at"] >= data["deadline"]):
        raise Invalid("the time of publication must not be before the deadline for reports.")


def _deadline_moved(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "deadline")
    _later(at, data["deadline"], "the new deadline")
    if session.deadline is not None and at >= session.deadline:
        raise WrongState("the deadline has passed; it cannot be moved any more.")
    if session.reveal_at and data["deadline"] and data["deadline"] > session.reveal_at:
        raise Invalid(f"the results are to be published at {session.reveal_at}; the deadline must not be after that.")


def _reported(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "commitment")
    if actor.name not in session.seats:
        raise Forbidden(f"group {actor.name!r} is not part of this session.")
    if session.deadline is not None and at >= session.deadline:
        raise WrongState(f"the deadline for reports was {session.deadline}.")


def _closed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _nothing(session, actor, at, data)
    if actor.role == CLOCK and (session.deadline is None or at < session.deadline):
        raise WrongState("the deadline for reports has not passed.")


def _settled(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "settlement", "shares", "public", "record")
    if not isinstance(data["shares"], dict) or set(data["shares"]) != set(session.reported):
        raise Invalid("the settlement's groups are not those that reported.")


def _published(session: Session, actor: Actor, at: str, data: dict) -> None:
    _nothing(session, actor, at, data)
    if actor.role == CLOCK and (session.reveal_at is None or at < session.reveal_at):
        raise WrongState("the time of publication has not come.")


def _failed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "reason")


def _cancelled(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "reason")


def _later(at: str, moment: str | None, what: str) -> None:
    if moment is not None and moment <= at:
        raise Invalid(f"{what} {moment} has passed already; it is {at}.")


_CHECKS = {
    "revised": _revised,
    "invited": _invited,
    "joined": _joined,
    "removed": _removed,
    "token replaced": _token_replaced,
    "sampling": _sampling,
    "sampling failed": _sampling_failed,
    "frozen": _frozen,
    "reporting": _reporting,
    "reported": _reported,
    "deadline moved": _deadline_moved,
    "closed": _closed,
    "settled": _settled,
    "published": _published,
    "failed": _failed,
    "cancelled": _cancelled,
}


# What a move changes, apart from the state


def _no_change(session: Session, actor: Actor, entry: Entry) -> Session:
    return session


def _with_seat(session: Session, seat: Seat) -> dict[str, Seat]:
    return {**session.seats, seat.name: seat}


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(one for one in names if one != name)


def _after_joined(session: Session, actor: Actor, entry: Entry) -> Session:
    seat = Seat(actor.name, entry.at, bot=bool(entry.data.get("bot")))
    return replace(session, seats=_with_seat(session, seat), invited=_without(session.invited, actor.name))


def _after_removed(session: Session, actor: Actor, entry: Entry) -> Session:
    name = entry.data["group"]
    seats = {one: seat for one, seat in session.seats.items() if one != name}
    return replace(session, seats=seats, invited=_without(session.invited, name))


def _after_invited(session: Session, actor: Actor, entry: Entry) -> Session:
    return replace(session, invited=(*_without(session.invited, entry.data["group"]), entry.data["group"]))


def _after_reported(session: Session, actor: Actor, entry: Entry) -> Session:
    seat = replace(session.seats[actor.name], report=entry.number, commitment=entry.data["commitment"])
    return replace(session, seats=_with_seat(session, seat))


def _after_settled(session: Session, actor: Actor, entry: Entry) -> Session:
    return replace(session, settlement=entry.data["settlement"], shares=entry.data["shares"], settled_at=entry.at)


_CHANGES = {
    "revised": lambda session, actor, entry: replace(session, terms=entry.data["terms"]),
    "invited": _after_invited,
    "joined": _after_joined,
    "removed": _after_removed,
    "sampling": lambda session, actor, entry: replace(session, sampling=True),
    "sampling failed": lambda session, actor, entry: replace(session, sampling=False, reason=entry.data["reason"]),
    "frozen": lambda session, actor, entry: replace(
        session, pool=entry.data["pool"], sampling=False, invited=(), reason=None
    ),
    "reporting": lambda session, actor, entry: replace(
        session, deadline=entry.data["deadline"], reveal_at=entry.data["reveal_at"]
    ),
    "reported": _after_reported,
    "deadline moved": lambda session, actor, entry: replace(session, deadline=entry.data["deadline"]),
    "settling": lambda session, actor, entry: replace(session, attempts=session.attempts + 1),
    "settled": _after_settled,
    "failed": lambda session, actor, entry: replace(session, reason=entry.data["reason"]),
    "tried again": lambda session, actor, entry: replace(session, reason=None),
    "cancelled": lambda session, actor, entry: replace(session, reason=entry.data["reason"]),
}


def _article(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"
