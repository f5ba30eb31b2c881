"""What sessions are now: their logs replayed, their terms and pools read and checked, the last ones kept in memory.

What is kept is known by digests, so it cannot be stale: a session by the digest of its last entry, a pool by its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

import sqlalchemy as sa

from tuneaccord.artifacts import digest_of
from tuneaccord.errors import TuneaccordError
from tuneaccord.service.chain import Entry
from tuneaccord.service.errors import Unavailable, WrongState
from tuneaccord.service.keys import Keys
from tuneaccord.service.session import Session, replay
from tuneaccord.service.store import Store
from tuneaccord.service.terms import CandidatePool, ResponsePool, Terms, pool_of, terms_of

POOL = "pool"  #: the pool's name among a session's documents
_SESSIONS, _POOLS = 256, 8  #: how many are kept
_RESTORE = "Restore the database from a backup."


def place_of(session_id: str, name: str) -> bytes:
    """What a stored document is bound to, so that it is of no use elsewhere."""
    return f"{session_id}/{name}".encode()


class Logs:
    """Sessions as their logs say."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, Lock()
        self._known: dict[str, Session] = {}
        self._moved: Session | None = None  # the last one that moved here; perhaps not committed yet

    def session(self, session_id: str) -> Session:
        """The session, replayed up to the end of its log.

        Raises :class:`NotFound`, and :class:`Unavailable` when its log is damaged.
        """
        known = self._known.get(session_id)
        if known is not None and self._store.head_now(session_id) == (known.entries, known.head):
            return known
        with self._store.reading() as connection:
            session = self.current(connection, session_id)
        self.remember(session)
        return session

    def current(self, connection: sa.Connection, session_id: str, lock: bool = False) -> Session:
        """The same within a transaction; with ``lock`` nobody else moves it until that ends."""
        moved_here = self._store.moved(connection, session_id) if lock else None
        if moved_here is not None:
            return moved_here
        known = self._known.get(session_id)  # before its row is read, so that it is not ahead of it
        moved = self._moved
        count, head = self._store.head(connection, session_id, lock)
        for session in (known, moved):
            if session is not None and (session.id, session.entries, session.head) == (session_id, count, head):
                return session
        if known is not None and known.entries < count:
            new = self._store.entries(connection, session_id, known.entries)
            if new and new[0].previous == known.head:
                return _led_to(head, session_id, new, known)
        self._known.pop(session_id, None)  # another log than the one known, restored from a backup
        return _led_to(head, session_id, self._store.entries(connection, session_id))

    def moved(self, session: Session) -> None:
        """Hear what a move made of a session, before it is committed: the next may be in the same transaction."""
        self._moved = session

    def remember(self, session: Session) -> None:
        """Keep what is committed."""
        with self._lock:
            known = self._known.pop(session.id, None)
            self._known[session.id] = session if known is None or known.entries <= session.entries else known
            _trim(self._known, _SESSIONS)


def _led_to(head: str, session_id: str, log: list[Entry], since: Session | None = None) -> Session:
    try:
        session = replay(session_id, log, since)
    except (TuneaccordError, TypeError, KeyError) as error:
        raise Unavailable(f"the log of session {session_id} is damaged ({error}) {_RESTORE}") from None
    if session.head != head:
        raise Unavailable(f"the log of session {session_id} is not complete. {_RESTORE}")
    return session


class Agreed:
    """The terms and pools of sessions, checked: that takes as long as checking a report."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys, self._lock = store, keys, Lock()
        self._terms: dict[str, tuple[Mapping[str, Any], Terms]] = {}
        self._pools: dict[str, tuple[dict[str, Any], ResponsePool | CandidatePool]] = {}

    def terms(self, session: Session) -> Terms:
        """The session's terms."""
        known = self._terms.get(session.id)
        if known is None or known[0] is not session.terms:
            with self._lock:
                known = self._terms[session.id] = session.terms, terms_of(session.terms)
                _trim(self._terms, _SESSIONS)
        return known[1]

    def pool(self, session: Session) -> tuple[dict[str, Any], ResponsePool | CandidatePool]:
        """The frozen pool as it was digested, and checked.

        Raises :class:`WrongState` before there is one, :class:`Unavailable` when what is stored is another.
        """
        if session.pool is None:
            raise WrongState("the pool of this session is not frozen yet.")
        known = self._pools.get(session.pool)
        return known if known is not None else self._read_pool(session)

    def _read_pool(self, session: Session) -> tuple[dict[str, Any], ResponsePool | CandidatePool]:
        stored = self._store.document(session.id, POOL)
        data = None if stored is None else json.loads(self._keys.decrypt(stored, place_of(session.id, POOL)))
        if data is None or digest_of(data) != session.pool:
            raise Unavailable(f"the stored pool is not the one that was frozen. {_RESTORE}")
        return self.keep(session.pool, data, pool_of(data))

    def keep(
        self, digest: str, data: dict[str, Any], pool: ResponsePool | CandidatePool
    ) -> tuple[dict[str, Any], ResponsePool | CandidatePool]:
        """A pool by its digest, also one that is not committed yet: the next move may be in the same transaction."""
        with self._lock:
            kept = self._pools[digest] = data, pool
            _trim(self._pools, _POOLS)
        return kept


def _trim(kept: dict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.pop(next(iter(kept)), None)
