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

from tuneaccord.service import refusals
from tuneaccord.service.chain import Entry, genesis, sealed_entry
from tuneaccord.service.errors import Forbidden, Invalid, WrongState
from tuneaccord.service.move_data import check_data
from tuneaccord.service.moves import (
    AUDITOR,
    CLOCK,
    ENDED,
    GROUP,
    MOST_GROUPS,
    MOVES,
    NEED_A_REPORT,
    OBSERVER,
    PROVIDER,
    SEALED_NO_MORE,
    STATES,
    THE_CLOCK,
    Actor,
    Move,
)

__all__ = [
    "AUDITOR",
    "CLOCK",
    "ENDED",
    "GROUP",
    "MOST_GROUPS",
    "MOVES",
    "NEED_A_REPORT",
    "OBSERVER",
    "PROVIDER",
    "SEALED_NO_MORE",
    "STATES",
    "THE_CLOCK",
    "Actor",
    "Move",
    "Seat",
    "Session",
    "created",
    "replay",
]


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

    def sensible_moves_of(self, actor: Actor) -> tuple[str, ...]:
        """Those of them that lead somewhere: while nobody has reported, there is nothing to settle."""
        return tuple(kind for kind in self.moves_of(actor) if self.reported or kind not in NEED_A_REPORT)

    def move(self, actor: Actor, kind: str, at: str, data: Mapping[str, Any] | None = None) -> Entry:
        """The log entry of a legal move.

        Raises :class:`Forbidden` when the actor's role may never make it, :class:`WrongState` when it is not possible
        now, :class:`Invalid` when its data does not fit.
        """
        move = MOVES[kind]
        if actor.role not in move.roles:
            raise Forbidden(refusals.not_for(actor.role, kind, move.roles))
        if self.state not in move.states:
            raise WrongState(refusals.not_now(self.state, kind, self.sensible_moves_of(actor)))
        at, data = max(at, self.at), dict(data or {})
        check_data(self, actor, kind, at, data)
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
