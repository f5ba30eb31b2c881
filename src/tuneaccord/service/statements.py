"""The statements of moves and reads, built once: building one takes longer than SQLite takes to answer it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tuneaccord.service import tables

TOKEN = sa.select(tables.tokens).where(tables.tokens.c.hash == sa.bindparam("hash"))
USED = (
    sa.update(tables.tokens)
    .where(
        tables.tokens.c.id == sa.bindparam("token_id"),
        tables.tokens.c.used_at.is_(None),
        tables.tokens.c.revoked_at.is_(None),
    )
    .values(used_at=sa.bindparam("at"))
)
HEAD = sa.select(tables.sessions.c.entries, tables.sessions.c.head).where(
    tables.sessions.c.id == sa.bindparam("session_id")
)
HEAD_LOCKED = HEAD.with_for_update()
LOG = (
    sa.select(tables.entries.c.body)
    .where(tables.entries.c.session_id == sa.bindparam("session_id"), tables.entries.c.number >= sa.bindparam("start"))
    .order_by(tables.entries.c.number)
)
LAST = (
    sa.select(tables.entries.c.body)
    .where(tables.entries.c.session_id == sa.bindparam("session_id"), tables.entries.c.kind == sa.bindparam("kind"))
    .order_by(tables.entries.c.number.desc())
    .limit(1)
)
NEW_ENTRY, NEW_TOKEN = sa.insert(tables.entries), sa.insert(tables.tokens)
DOCUMENT = sa.select(tables.documents.c.content).where(
    tables.documents.c.session_id == sa.bindparam("session_id"), tables.documents.c.name == sa.bindparam("name")
)
NEW_DOCUMENT = {dialect: dialect.insert(tables.documents).on_conflict_do_nothing() for dialect in (sqlite, postgresql)}
MOVED = sa.update(tables.sessions).where(tables.sessions.c.id == sa.bindparam("moved_id"))
PROGRESS = (
    sa.select(tables.progress)
    .where(tables.progress.c.session_id == sa.bindparam("session_id"))
    .order_by(tables.progress.c.started_at, tables.progress.c.label)
)
