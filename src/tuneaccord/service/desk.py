"""The desk: the only way into a server's sessions. It knows who asks, and lets them do and see what is theirs.

Pages, API, jobs and commands call it; none of them decides anything. A move takes the session's row, replays what
is new in its log, asks the state machine, and appends one entry, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuneaccord.artifacts import canonical_json, digest_of
from tuneaccord.service import classroom, tokens
from tuneaccord.service.admitting import admit
from tuneaccord.service.chain import Entry
from tuneaccord.service.current import POOL, Agreed, Logs, place_of
from tuneaccord.service.errors import Forbidden, Invalid, NotFound, Unauthenticated, WrongState
from tuneaccord.service.forms import checked_name, checked_text
from tuneaccord.service.keys import Keys
from tuneaccord.service.rehearsing import check_pool, check_report
from tuneaccord.service.sealing import Proof, Told
from tuneaccord.service.session import (
    AUDITOR,
    GROUP,
    OBSERVER,
    PROVIDER,
    THE_CLOCK,
    Actor,
    Session,
    created,
    replay,
)
from tuneaccord.service.store import Store, TokenRow
from tuneaccord.service.terms import (
    CandidatePool,
    ResponsePool,
    Terms,
    pool_data,
    pool_of,
    report_data,
    shape_of,
    terms_data,
)
from tuneaccord.service.times import parsed_time, utc_now
from tuneaccord.service.tokens import CLASSROOM, INVITATION, OPERATOR, Caller


@dataclass(frozen=True)
class Joined:
    """What a group gets when it joins: its token is shown only here."""

    session_id: str
    group: str
    token: str


class Moving:
    """One session inside a transaction: its state so far, and the entries that are added to it."""

    def __init__(self, desk: Desk, connection: sa.Connection, session: Session) -> None:
        self._desk, self.connection, self.session = desk, connection, session

    def move(self, actor: Actor, kind: str, data: Mapping[str, Any] | None = None) -> Entry:
        """Make a legal move and write it down."""
        entry = self.session.move(actor, kind, self._desk.clock(), data)
        admit(self.session, actor, kind, data)
        self.session = self.session.after(entry)
        self._desk.store.append(self.connection, self.session, entry)
        return entry

    def put(self, name: str, content: bytes) -> None:
        """Keep a document with the session."""
        self._desk.store.put(self.connection, self.session.id, name, content, self.session.at)

    def add_token(self, role: str, name: str, expires_at: str | None = None, token: str | None = None) -> str:
        """A new token of the session."""
        token = token or tokens.new_token()
        row = tokens.row(token, role, name, self.session.id, self._desk.clock(), expires_at)
        self._desk.store.add_token(self.connection, row)
        return token


class Desk:
    """Everything that can be done with the sessions of one database.

    ``after`` is called with a session whenever it has moved and may ask for another job; ``clock`` gives the time.
    """

    def __init__(self, store: Store, keys: Keys, clock: Callable[[], str] = utc_now) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.after: Callable[[Session], None] = lambda session: None
        self.logs, self.agreed = Logs(store), Agreed(store, keys)

    # Who asks

    def caller(self, token: str | None) -> Caller:
        """Who a token stands for.

        Raises :class:`Unauthenticated` for none, an unknown, expired or revoked one, or one that only lets one join.
        """
        if not token or not isinstance(token, str) or len(token) > 200:
            raise Unauthenticated("this needs a token. Send it as: Authorization: Bearer TOKEN")
        row = self.store.token(tokens.hash_of(token))
        if row is None or row.role not in tokens.CALLERS:
            raise Unauthenticated("this token is not known here. Ask the provider of your session for a new one.")
        self._check_alive(row)
        return Caller(row.id, row.role, row.name, row.session_id)

    def _check_alive(self, row: TokenRow) -> None:
        if row.revoked_at is not None and row.role == OPERATOR:
            raise Unauthenticated("this token was revoked. Make another one: tuneaccord serve --new-operator-token")
        if row.revoked_at is not None:
            raise Unauthenticated("this token was revoked. Ask the provider of your session for a new one.")
        if row.expires_at is not None and self.clock() >= row.expires_at:
            raise Unauthenticated("this token has expired. Ask the provider of your session for a new one.")

    def allowed(self, caller: Caller, session_id: str, *roles: str) -> None:
        """Raise :class:`Forbidden` for a token of another session or of another role."""
        if caller.session_id != session_id:
            raise Forbidden("this token is for another session.")
        if roles and caller.role not in roles:
            raise Forbidden(f"this is for: {', '.join(roles)}. Your role here is {caller.role}.")

    def operator(self, name: str = "operator") -> str:
        """A new operator's token: it lets one create sessions on this server. For the command line."""
        token = tokens.new_token()
        with self.store.writing() as connection:
            self.store.add_token(connection, tokens.row(token, OPERATOR, name, None, self.clock()))
        return token

    # Sessions as they are

    def session(self, session_id: str) -> Session:
        """The session, replayed up to the end of its log. For the server's own use."""
        return self.logs.session(session_id)

    @contextmanager
    def moving(self, session_id: str) -> Iterator[Moving]:
        """The session inside one transaction that holds its row."""
        with self.store.writing(session_id) as connection:
            moving = Moving(self, connection, self.logs.current(connection, session_id, lock=True))
            before = moving.session
            yield moving
            self.logs.moved(moving.session)
        self.logs.remember(moving.session)
        if _asks_for(moving.session) != _asks_for(before):
            self.after(moving.session)

    def pool(self, session_id: str) -> tuple[dict[str, Any], ResponsePool | CandidatePool]:
        """The frozen pool as it was digested, and checked. For the server's own use."""
        return self.agreed.pool(self.session(session_id))

    def terms(self, session_id: str) -> Terms:
        """The session's terms, checked. For the server's own use."""
        return self.agreed.terms(self.session(session_id))

    # The provider's moves

    def create(self, caller: Caller, terms: Mapping[str, Any], provider: str = "provider") -> Joined:
        """A new session in draft; the provider's token is in what comes back."""
        if caller.role != OPERATOR:
            raise Forbidden("only an operator of this server can create sessions.")
        agreed, name = terms_data(terms), checked_name(provider)
        session_id, token, at = tokens.new_id(), tokens.new_token(), self.clock()
        entry = created(session_id, agreed, Actor(PROVIDER, name), at)
        session = replay(session_id, [entry])
        self.store.begin_session(session, entry, tokens.row(token, PROVIDER, name, session_id, at))
        return Joined(session_id, name, token)

    def revise(self, caller: Caller, session_id: str, terms: Mapping[str, Any]) -> Entry:
        """Other terms, while the session is a draft."""
        return self._provider(caller, session_id, "revised", {"terms": terms_data(terms)})

    def open(self, caller: Caller, session_id: str) -> Entry:
        """Fix the terms and let groups be invited."""
        return self._provider(caller, session_id, "opened")

    def invite(self, caller: Caller, session_id: str, group: str, expires_at: str | None = None) -> str:
        """A one-time invitation for a group; an earlier one for the same name is void."""
        self.allowed(caller, session_id, PROVIDER)
        name, until = checked_name(group), parsed_time(expires_at, "expires_at")
        with self.moving(session_id) as moving:
            moving.move(caller.actor, "invited", {"group": name})
            at = self.clock()
            self.store.revoke(moving.connection, session_id, at, role=INVITATION, name=name)
            return moving.add_token(INVITATION, name, until)

    def class_code(self, caller: Caller, session_id: str) -> str:
        """A code with which any number of players can join a classroom session; an earlier one is void."""
        self.allowed(caller, session_id, PROVIDER)
        with self.moving(session_id) as moving:
            if moving.session.terms.get("classroom") is None or moving.session.state != "open":
                raise WrongState("a code is for a classroom session that is open. Others join by invitation.")
            self.store.revoke(moving.connection, session_id, self.clock(), role=CLASSROOM)
            return moving.add_token(CLASSROOM, "", token=tokens.new_code())

    def remove(self, caller: Caller, session_id: str, group: str) -> Entry:
        """Take a group out before the pool is frozen; its tokens are revoked."""
        self.allowed(caller, session_id, PROVIDER)
        with self.moving(session_id) as moving:
            entry = moving.move(caller.actor, "removed", {"group": checked_name(group)})
            for role in (GROUP, INVITATION):
                self.store.revoke(moving.connection, session_id, self.clock(), role=role, name=entry.data["group"])
            return entry

    def freeze(self, caller: Caller, session_id: str, pool: Mapping[str, Any]) -> Entry:
        """Freeze what there is to choose from; its digest becomes public."""
        self.allowed(caller, session_id, PROVIDER)
        return self._freeze(session_id, caller.actor, self._taken(session_id, pool))

    def sample(self, caller: Caller, session_id: str) -> Entry:
        """Have the server draw the pool from the language model that the terms name; nobody can join any more."""
        self.allowed(caller, session_id, PROVIDER)
        source = self.session(session_id).terms.get("sampling")
        if source is None:
            raise WrongState("the terms name no language model to sample from. Upload a pool instead.")
        return self._provider(caller, session_id, "sampling", {"source": source})

    def freeze_sampled(self, session_id: str, pool: Mapping[str, Any]) -> Entry:
        """The sampled pool, frozen by the server."""
        return self._freeze(session_id, THE_CLOCK, self._taken(session_id, pool))

    def _taken(self, session_id: str, pool: Mapping[str, Any]) -> dict[str, Any]:
        """The pool as it is stored, once the agreed rules are known to take it."""
        session = self.session(session_id)
        agreed = self.agreed.terms(session)
        data = pool_data(pool, agreed)
        groups = max(len(session.seats), agreed.classroom.seats if agreed.classroom else 0)
        check_pool(agreed, data, groups)
        return data

    def _freeze(self, session_id: str, actor: Actor, pool: dict[str, Any]) -> Entry:
        checked = pool_of(pool)
        shape = shape_of(checked)
        summary = {"kind": pool["kind"], "prompts": shape[0], "responses": shape[1]}
        digest, stored = digest_of(pool), self.keys.encrypt(canonical_json(pool), place_of(session_id, POOL))
        self.agreed.keep(digest, pool, checked)
        with self.moving(session_id) as moving:  # what takes long for a large pool was done before
            if moving.session.terms.get("classroom") is not None and moving.session.may(actor, "frozen"):
                seats = moving.session.terms["classroom"]["seats"]
                for name in classroom.bot_names(tuple(moving.session.seats), seats):
                    moving.move(Actor(GROUP, name), "joined", {"bot": True})
            groups = list(moving.session.seats)
            entry = moving.move(actor, "frozen", {"pool": digest, "summary": summary, "groups": groups})
            moving.put(POOL, stored)
            for role in (INVITATION, CLASSROOM):
                self.store.revoke(moving.connection, session_id, self.clock(), role=role)
            return entry

    def begin(
        self, caller: Caller, session_id: str, deadline: str | None = None, reveal_at: str | None = None
    ) -> Entry:
        """Take reports, until the deadline if there is one; publish at ``reveal_at`` if that is given."""
        self.allowed(caller, session_id, PROVIDER)
        data = {
            "deadline": parsed_time(deadline, "the deadline"),
            "reveal_at": parsed_time(reveal_at, "the time of publication"),
        }
        with self.moving(session_id) as moving:
            entry = moving.move(caller.actor, "reporting", data)
            for seat in [seat for seat in moving.session.seats.values() if seat.bot]:
                truth = self._true_type(moving.session, seat.name)
                told = Told(classroom.bot_report(truth, self.agreed.terms(moving.session)))
                self._report(moving, Actor(GROUP, seat.name), told)
            return entry

    def move_deadline(self, caller: Caller, session_id: str, deadline: str | None) -> Entry:
        """Another deadline, or none, while the old one has not passed."""
        return self._provider(caller, session_id, "deadline moved", {"deadline": parsed_time(deadline, "the deadline")})

    def close(self, caller: Caller, session_id: str) -> Entry:
        """Take no more reports."""
        return self._provider(caller, session_id, "closed")

    def try_again(self, caller: Caller, session_id: str) -> Entry:
        """Settle again after a failure."""
        return self._provider(caller, session_id, "tried again")

    def publish(self, caller: Caller, session_id: str) -> Entry:
        """Show each group its invoice."""
        return self._provider(caller, session_id, "published")

    def cancel(self, caller: Caller, session_id: str, reason: str = "") -> Entry:
        """End the session without a settlement."""
        return self._provider(caller, session_id, "cancelled", {"reason": _reason(reason)})

    def issue_token(self, caller: Caller, session_id: str, role: str, name: str, expires_at: str | None = None) -> str:
        """A token for an auditor or an observer, or another one for the provider."""
        self.allowed(caller, session_id, PROVIDER)
        if role not in (PROVIDER, AUDITOR, OBSERVER):
            raise Invalid(f"tokens can be issued for: provider, auditor, observer; got {role!r:.40}. Invite groups.")
        until = parsed_time(expires_at, "expires_at")
        with self.moving(session_id) as moving:
            return moving.add_token(role, checked_name(name), until)

    def replace_token(self, caller: Caller, session_id: str, group: str) -> str:
        """A new token for a group that lost its own; the old ones are revoked.

        Whoever has it can report in the group's name, so the log says that it was replaced.
        """
        self.allowed(caller, session_id, PROVIDER)
        name = checked_name(group)
        with self.moving(session_id) as moving:
            moving.move(caller.actor, "token replaced", {"group": name})
            self.store.revoke(moving.connection, session_id, self.clock(), role=GROUP, name=name)
            return moving.add_token(GROUP, name)

    def revoke(self, caller: Caller, session_id: str, token_id: str) -> None:
        """Make a token of the session useless."""
        self.allowed(caller, session_id, PROVIDER)
        if token_id == caller.token_id:
            raise WrongState("this is the token that you use now. Issue another one and revoke this one with it.")
        with self.moving(session_id) as moving:
            if self.store.revoke(moving.connection, session_id, self.clock(), id=token_id) == 0:
                raise NotFound("there is no such token that is still valid.")

    # The groups' moves

    def invitation(self, invitation: str) -> TokenRow:
        """The one-time invitation, if it can still be used; this does not use it."""
        row = self.store.token(tokens.hash_of(invitation)) if isinstance(invitation, str) else None
        if row is None or row.role != INVITATION or row.session_id is None:
            raise Unauthenticated("this invitation is not known here. Ask for a new one.")
        if row.used_at is not None:
            raise Unauthenticated("this invitation was used already. Ask for a new one if that was not you.")
        self._check_alive(row)
        return row

    def join(self, invitation: str) -> Joined:
        """Take the seat that a one-time invitation is for."""
        row = self.invitation(invitation)
        with self.moving(row.session_id) as moving:
            if not self.store.use_token(moving.connection, row.id, self.clock()):
                raise Unauthenticated("this invitation was used already. Ask for a new one if that was not you.")
            moving.move(Actor(GROUP, row.name), "joined")
            return Joined(row.session_id, row.name, moving.add_token(GROUP, row.name))

    def join_class(self, code: str, name: str) -> Joined:
        """Take a seat of a classroom session under a name of one's choice."""
        row = self.store.token(tokens.hash_of(code.strip().lower())) if isinstance(code, str) else None
        if row is None or row.role != CLASSROOM or row.revoked_at is not None or row.session_id is None:
            raise Unauthenticated("this code is not known here. Check it, or ask your teacher.")
        player = checked_name(name)
        with self.moving(row.session_id) as moving:
            if len(moving.session.seats) >= moving.session.terms["classroom"]["seats"]:
                raise WrongState("all seats of this session are taken.")
            moving.move(Actor(GROUP, player), "joined")
            return Joined(row.session_id, player, moving.add_token(GROUP, player))

    def report(self, caller: Caller, session_id: str, report: Mapping[str, Any]) -> Proof:
        """Seal a group's report, instead of an earlier one; what comes back is the group's proof, shown only here.

        The proof has the report, its salt, its commitment and the log entry.
        """
        self.allowed(caller, session_id, GROUP)
        session = self.session(session_id)
        if not session.may(caller.actor, "reported"):
            session.move(caller.actor, "reported", self.clock(), {"commitment": ""})  # raises the reason
        pool, agreed = self.agreed.pool(session), self.agreed.terms(session)
        told = Told(report_data(report, pool[1], agreed))
        check_report(agreed, pool[0], told.report, list(session.seats), caller.name)
        with self.moving(session_id) as moving:
            entry = self._report(moving, caller.actor, told)
        return told.proof(session_id, entry)

    def _report(self, moving: Moving, actor: Actor, told: Told) -> Entry:
        entry = moving.move(actor, "reported", {"commitment": told.commitment})
        name = report_name(actor.name, entry.number)
        moving.put(name, self.keys.seal(told.text, place_of(moving.session.id, name)))
        return entry

    # For the server

    def true_type(self, session_id: str, name: str) -> dict[str, Any]:
        """What a classroom's player wants. The caller must have checked who asks."""
        return self._true_type(self.session(session_id), name)

    def _true_type(self, session: Session, name: str) -> dict[str, Any]:
        secret = self.keys.salt(f"{session.id}/classroom")
        return classroom.true_type(secret, name, self.agreed.pool(session)[1], self.agreed.terms(session))

    def _provider(self, caller: Caller, session_id: str, kind: str, data: Mapping[str, Any] | None = None) -> Entry:
        self.allowed(caller, session_id, PROVIDER)
        with self.moving(session_id) as moving:
            return moving.move(caller.actor, kind, data)


def _asks_for(session: Session) -> tuple[Any, ...]:
    """What the jobs of a session depend on, so that a report among hundreds wakes nobody."""
    return session.state, session.sampling, session.deadline, session.reveal_at, session.attempts


def report_name(group: str, number: int) -> str:
    """The name of a sealed report among a session's documents."""
    return f"report/{number}/{group}"


def _reason(given: Any) -> str:
    if not isinstance(given, str) or len(given) > 1000:
        raise Invalid("the reason must be a text of at most 1000 characters.")
    try:
        return checked_text(given)
    except ValueError as error:
        raise Invalid(f"the reason: {error}") from None
