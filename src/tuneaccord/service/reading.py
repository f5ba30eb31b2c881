"""What each role may see of a session, as plain data. Everything that is shown to anybody comes through here.

| | provider | auditor | group | observer |
|---|---|---|---|---|
| terms, groups, state, log, progress | yes | yes | yes | yes |
| pool | yes | yes | yes | no |
| own report, payment, what lying would have done | | | once published | |
| model, price, guarantees | once settled | once settled | once published | once published |
| everybody's reports and payments | once settled | once settled | no | no |
| tokens | yes | no | no | no |
"""

from __future__ import annotations

from typing import Any

from tuneaccord.artifacts import digest_of
from tuneaccord.service.chain import Entry
from tuneaccord.service.desk import Desk
from tuneaccord.service.errors import Forbidden, WrongState
from tuneaccord.service.refusals import stands
from tuneaccord.service.server import RECORD, Server, share_name
from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER, Session
from tuneaccord.service.tokens import OPERATOR, Caller

MEMBERS = (PROVIDER, AUDITOR, GROUP, OBSERVER)


class Reading:
    """The reads of a desk, each for the roles that may."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self._server = desk, Server(desk)

    def sessions(self, caller: Caller) -> list[dict[str, Any]]:
        """All sessions of this server in a few words, for its operator; to others only their own."""
        rows = self.desk.store.sessions()
        if caller.role != OPERATOR:
            rows = [row for row in rows if row["id"] == caller.session_id]
        return [{key: row[key] for key in ("id", "title", "state", "created_at", "deadline")} for row in rows]

    def view(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """Where the session stands, and what the caller can do now."""
        self.desk.allowed(caller, session_id, *MEMBERS)
        session = self.desk.session(session_id)
        return {
            "id": session.id,
            "title": session.title,
            "state": session.state,
            "terms": dict(session.terms),
            "you": {"role": caller.role, "name": caller.name},
            "moves": list(session.sensible_moves_of(caller.actor)),
            "groups": [
                {
                    "name": seat.name,
                    "joined_at": seat.joined_at,
                    "bot": seat.bot,
                    "reported": seat.commitment is not None,
                }
                for seat in session.seats.values()
            ],
            "invited": list(session.invited),
            "sampling": session.sampling,
            "pool": session.pool,
            "deadline": session.deadline,
            "reveal_at": session.reveal_at,
            "settlement": session.settlement,
            "reason": session.reason,
            "provider": session.provider,
            "created_at": session.created_at,
            "settled_at": session.settled_at,
            "at": session.at,
            "entries": session.entries,
            "head": session.head,
            "now": self.desk.clock(),
            "progress": [_progress(row) for row in self.desk.store.progress(session_id)],
        }

    def pulse(self, caller: Caller, session_id: str) -> list[Any]:
        """What changes whenever :meth:`view` does: the number of log entries, and how far each piece of work is.

        Cheap enough to be asked by every open page every second.
        """
        self.desk.allowed(caller, session_id, *MEMBERS)
        with self.desk.store.reading() as connection:
            entries, _ = self.desk.store.head(connection, session_id)
        return [entries, *([row["label"], row["done"], row["total"]] for row in self.desk.store.progress(session_id))]

    def invitation(self, invitation: str) -> dict[str, Any]:
        """Who invites whom to what; the invitation is not used by this.

        Raises :class:`Unauthenticated` when it cannot be used any more.
        """
        row = self.desk.invitation(invitation)
        session = self.desk.session(str(row.session_id))
        with self.desk.store.reading() as connection:
            provider = self.desk.store.entries(connection, session.id)[0].by["name"]
        return {
            "title": session.title,
            "description": str(session.terms.get("description", "")),
            "group": row.name,
            "provider": provider,
            "state": session.state,
            "session": session.id,
            "expires_at": row.expires_at,
            "terms": dict(session.terms),
        }

    def log(self, caller: Caller, session_id: str, start: int = 0) -> list[dict[str, Any]]:
        """The public log from entry ``start`` on.

        What the settled entry says of the model is left out for groups and observers until it is published, so for
        them the log then ends before it.
        """
        self.desk.allowed(caller, session_id, *MEMBERS)
        with self.desk.store.reading() as connection:
            log = self.desk.store.entries(connection, session_id, max(0, start))
        early = caller.role in (PROVIDER, AUDITOR) or any(entry.kind == "published" for entry in log)
        return [entry.to_dict() for entry in log if early or entry.kind != "settled"]

    def pool(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """The frozen pool."""
        self.desk.allowed(caller, session_id, PROVIDER, AUDITOR, GROUP)
        return self.desk.pool(session_id)[0]

    def outcome(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """What everybody may know of the settlement: the model, its price, what is guaranteed."""
        self.desk.allowed(caller, session_id, *MEMBERS)
        self._reached(session_id, caller)
        return self._settled_entry(session_id).data["public"]

    def share(self, caller: Caller, session_id: str, group: str) -> dict[str, Any]:
        """A group's part of the settlement: its report, value, payment, and what misreports would have done."""
        self.desk.allowed(caller, session_id, PROVIDER, AUDITOR, GROUP)
        if caller.role == GROUP and caller.name != group:
            raise Forbidden("this belongs to another group.")
        session = self._reached(session_id, caller)
        if group not in session.shares:
            raise WrongState(f"group {group!r} did not report, so it has no part in the settlement and pays nothing.")
        return self._server.document(session_id, share_name(group))

    def record(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """Everybody's reports and results, from which the settlement can be computed again."""
        self.desk.allowed(caller, session_id, PROVIDER, AUDITOR)
        self._reached(session_id, caller)
        return self._server.document(session_id, RECORD)

    def tokens(self, caller: Caller, session_id: str) -> list[dict[str, Any]]:
        """All tokens of the session but not the tokens themselves."""
        self.desk.allowed(caller, session_id, PROVIDER)
        shown = ("id", "role", "name", "created_at", "expires_at", "used_at", "revoked_at")
        return [{key: getattr(row, key) for key in shown} for row in self.desk.store.tokens(session_id)]

    def true_type(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """What a player of a classroom session wants; for that player only."""
        self.desk.allowed(caller, session_id, GROUP)
        if self.desk.session(session_id).terms.get("classroom") is None:
            raise WrongState("this is not a classroom session: you know best what you want.")
        return self.desk.true_type(session_id, caller.name)

    def receipt(self, caller: Caller, session_id: str) -> dict[str, Any]:
        """Everything that the caller may have, in one document that can be checked offline at any time."""
        self.desk.allowed(caller, session_id, *MEMBERS)
        session = self.desk.session(session_id)
        receipt: dict[str, Any] = {
            "kind": "receipt",
            "version": 1,
            "session": session_id,
            "holder": {"role": caller.role, "name": caller.name},
            "log": self.log(caller, session_id),
        }
        if session.pool is not None and caller.role != OBSERVER:
            receipt["pool"] = self.pool(caller, session_id)
        if self._open_to(caller, session):
            if caller.role == GROUP and caller.name in session.shares:
                receipt["share"] = self.share(caller, session_id, caller.name)
            if caller.role in (PROVIDER, AUDITOR):
                receipt["record"] = self.record(caller, session_id)
                receipt["shares"] = {group: self.share(caller, session_id, group) for group in session.shares}
        return {**receipt, "digest": digest_of(receipt)}

    def _open_to(self, caller: Caller, session: Session) -> bool:
        early = caller.role in (PROVIDER, AUDITOR)
        return session.state == "published" or (early and session.state == "settled")

    def _reached(self, session_id: str, caller: Caller) -> Session:
        session = self.desk.session(session_id)
        if not self._open_to(caller, session):
            when = "settled" if caller.role in (PROVIDER, AUDITOR) else "published"
            raise WrongState(f"{stands(session.state)}; this can be seen once it is {when}.")
        return session

    def _settled_entry(self, session_id: str) -> Entry:
        with self.desk.store.reading() as connection:
            entry = self.desk.store.last(connection, session_id, "settled")
        if entry is None:
            raise WrongState("the session is not settled yet.")
        return entry


def _progress(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("label", "done", "total", "started_at", "at")}
