"""The server's own moves: close at the deadline, open the reports, settle, record, publish. Each can be done again.

These are the steps of the durable jobs. A step that was done, in whole or in part, by a process that died is simply
done again: results are kept under names that follow from their inputs, and a move that has been made is not made twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tuneaccord.artifacts import canonical_json
from tuneaccord.errors import StorageError
from tuneaccord.progress import Progress
from tuneaccord.service.auditing import audit_data, in_public, of_group, too_many
from tuneaccord.service.chain import commitment
from tuneaccord.service.current import place_of
from tuneaccord.service.desk import Desk, report_name
from tuneaccord.service.errors import WrongState
from tuneaccord.service.refusals import stands
from tuneaccord.service.session import SEALED_NO_MORE, THE_CLOCK, Session
from tuneaccord.service.settling import sealed_part, settle_data, settlement_digest

RECORD = "settlement/record"


def share_name(group: str) -> str:
    """The name of a group's share among a session's documents."""
    return f"settlement/share/{group}"


class Server:
    """What the server does by itself with the sessions of a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def close_when_due(self, session_id: str) -> bool:
        """Close a session whose deadline has passed; whether it is closed now."""
        with self.desk.moving(session_id) as moving:
            session = moving.session
            if session.state != "reporting":
                return session.state in SEALED_NO_MORE
            if session.deadline is None or self.desk.clock() < session.deadline:
                return False
            moving.move(THE_CLOCK, "closed")
            return True

    def publish_when_due(self, session_id: str) -> bool:
        """Publish a settled session whose time has come; whether it is published now."""
        with self.desk.moving(session_id) as moving:
            session = moving.session
            if session.state != "settled":
                return session.state == "published"
            if session.reveal_at is None or self.desk.clock() < session.reveal_at:
                return False
            moving.move(THE_CLOCK, "published")
            return True

    def begin_settling(self, session_id: str) -> int | None:
        """Which attempt at settling is under way; None when there is nothing to settle."""
        with self.desk.moving(session_id) as moving:
            if moving.session.state == "closed":
                moving.move(THE_CLOCK, "settling")
            return moving.session.attempts if moving.session.state == "settling" else None

    def compute(self, session_id: str, attempt: int) -> None:
        """Open the reports, settle, and keep the outcome for :meth:`record`, unless that was done before.

        Raises :class:`InputError` when there is nothing to settle or the numbers cannot be computed with.
        """
        name = _work_name(attempt)
        if self.desk.store.document(session_id, name) is not None:
            return
        session = self.desk.session(session_id)
        reports = self._reports(session)
        if not reports:
            raise WrongState("nobody reported, so there is nothing to settle. Open another session.")
        outcome = settle_data(session.terms, self.desk.pool(session_id)[0], reports, list(session.seats))
        data = {"public": outcome.public, "shares": outcome.shares, "record": outcome.record}
        self._keep(session_id, {name: data})

    def audit(self, session_id: str, attempt: int) -> None:
        """Look for lies that pay, and keep what was found for :meth:`record`, unless that was done before.

        It takes seconds, and is skipped with a reason where it would take much longer.
        """
        name = _audit_name(attempt)
        if self.desk.store.document(session_id, name) is not None:
            return
        session = self.desk.session(session_id)
        found = {"skipped": too_many(len(session.reported))}
        if not found["skipped"]:
            watch = _Watch(lambda done, total: self._show(session_id, done, total))
            pool = self.desk.pool(session_id)[0]
            found = audit_data(session.terms, pool, self._reports(session), list(session.seats), watch)
        self._keep(session_id, {name: found})

    def _show(self, session_id: str, done: int, total: int) -> None:
        self.desk.store.set_progress(session_id, "looking for lies that pay", done, total, self.desk.clock())

    def _reports(self, session: Session) -> dict[str, dict[str, Any]]:
        return {group: told["report"] for group, told in self.opened(session).items()}

    def record(self, session_id: str, attempt: int) -> bool:
        """Write the settlement to the log, once, with everybody's part of it; whether the session is settled now.

        With the audit, if :meth:`audit` was done.
        """
        session = self.desk.session(session_id)
        if session.state in ("settled", "published"):
            return True
        if session.state != "settling" or session.attempts != attempt:
            return False
        outcome, audit = self.document(session_id, _work_name(attempt)), self._audit(session_id, attempt)
        place = f"{session_id}/settled/{attempt}"
        salts = {group: told["salt"] for group, told in self.opened(session).items()}
        record = {
            **outcome["record"],
            "audit": audit,
            "salts": salts,
            "salt": self.desk.keys.salt(f"{place}/record"),
        }
        shares = {
            group: {
                **share,
                "audit": of_group(audit, group),
                "report_salt": salts[group],
                "salt": self.desk.keys.salt(f"{session_id}/{attempt}/{group}"),
            }
            for group, share in outcome["shares"].items()
        }
        bound = {group: sealed_part(share) for group, share in shares.items()}
        public = {**outcome["public"], "audit": in_public(audit)}
        data = {"public": public, "shares": bound, "record": sealed_part(record)}
        data["settlement"] = settlement_digest(**data)
        kept = {RECORD: record, **{share_name(group): share for group, share in shares.items()}}
        encrypted = self._encrypted(session_id, kept)
        with self.desk.moving(session_id) as moving:
            if moving.session.state != "settling" or moving.session.attempts != attempt:
                return moving.session.state in ("settled", "published")
            moving.move(THE_CLOCK, "settled", data)
            for name, content in encrypted.items():
                moving.put(name, content)
            return True

    def _audit(self, session_id: str, attempt: int) -> dict[str, Any]:
        if self.desk.store.document(session_id, _audit_name(attempt)) is None:
            return {"skipped": "No audit was made."}
        return self.document(session_id, _audit_name(attempt))

    def fail(self, session_id: str, reason: str) -> None:
        """End an attempt at settling that cannot succeed as things are."""
        with self.desk.moving(session_id) as moving:
            if moving.session.may(THE_CLOCK, "failed"):
                moving.move(THE_CLOCK, "failed", {"reason": reason[:1000]})

    def sampling_failed(self, session_id: str, reason: str) -> None:
        """The pool could not be drawn; the provider can try again or upload one."""
        with self.desk.moving(session_id) as moving:
            if moving.session.state == "open" and moving.session.sampling:
                moving.move(THE_CLOCK, "sampling failed", {"reason": reason[:1000]})

    def opened(self, session: Session) -> dict[str, dict[str, Any]]:
        """Each group's last report with its salt, opened and checked against the log; only after the close.

        Raises :class:`WrongState` before, :class:`StorageError` when a report is missing or not what was committed to.
        """
        if session.state not in SEALED_NO_MORE:
            raise WrongState(f"{stands(session.state)}; reports are opened after the close.")
        return {group: self._open(session, group) for group in session.reported}

    def _open(self, session: Session, group: str) -> dict[str, Any]:
        seat = session.seats[group]
        name = report_name(group, seat.report)
        sealed = self.desk.store.document(session.id, name)
        if sealed is None:
            raise StorageError(f"the sealed report of group {group!r} is missing. Restore the database from a backup.")
        told = json.loads(self.desk.keys.open_sealed(sealed, place_of(session.id, name)))
        if commitment(told["salt"], told["report"]) != seat.commitment:
            raise StorageError(f"the report of group {group!r} is not the one that the log binds to.")
        return told

    def document(self, session_id: str, name: str) -> dict[str, Any]:
        """A stored document as plain data; :class:`StorageError` when it is missing or was changed."""
        stored = self.desk.store.document(session_id, name)
        if stored is None:
            raise StorageError(f"the document {name} of session {session_id} is missing. Restore it from a backup.")
        return json.loads(self.desk.keys.decrypt(stored, place_of(session_id, name)))

    def _encrypted(self, session_id: str, documents: dict[str, dict[str, Any]]) -> dict[str, bytes]:
        """Documents as they are stored; made before the session is held, because large ones take long."""
        return {
            name: self.desk.keys.encrypt(canonical_json(content), place_of(session_id, name))
            for name, content in documents.items()
        }

    def _keep(self, session_id: str, documents: dict[str, dict[str, Any]]) -> None:
        encrypted = self._encrypted(session_id, documents)
        with self.desk.moving(session_id) as moving:
            for name, content in encrypted.items():
                moving.put(name, content)


def _work_name(attempt: int) -> str:
    return f"work/{attempt}/outcome"


def _audit_name(attempt: int) -> str:
    return f"work/{attempt}/audit"


class _Watch(Progress):
    """Tells how far a search is, a few times a second at most."""

    def __init__(self, show: Callable[[int, int], None]) -> None:
        self._show, self._next = show, 0.0

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        steps = [done]

        def advance() -> None:
            steps[0] += 1
            if time.monotonic() >= self._next or steps[0] >= total:
                self._next = time.monotonic() + 0.5
                self._show(steps[0], total)

        yield advance

    def note(self, message: str) -> None:
        pass
