"""The tables of the database. ``migrations`` make them; a test compares both."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

#: one row a session, kept beside its log for lists and timers; everything in it follows from the log
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("title", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("created_at", String(30), nullable=False),
    Column("at", String(30), nullable=False),
    Column("deadline", String(30)),
    Column("reveal_at", String(30)),
    Column("sampling", Integer, nullable=False, default=0),
    Column("entries", Integer, nullable=False),
    Column("head", String(80), nullable=False),
    Index("sessions_by_state", "state"),
)

#: the logs; a trigger refuses to change or delete a row
entries = Table(
    "entries",
    metadata,
    Column("session_id", String(40), ForeignKey("sessions.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", String(30), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("body", Text, nullable=False),
)

#: sealed reports, pools, settlements and shares, encrypted unless public; a trigger refuses to change or delete a row
documents = Table(
    "documents",
    metadata,
    Column("session_id", String(40), ForeignKey("sessions.id"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("at", String(30), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("session_id", String(40), ForeignKey("sessions.id")),  # none for operators
    Column("role", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", String(30), nullable=False),
    Column("expires_at", String(30)),
    Column("used_at", String(30)),
    Column("revoked_at", String(30)),
    UniqueConstraint("hash", name="tokens_hash"),
    Index("tokens_by_session", "session_id"),
)

#: how far long work is; overwritten
progress = Table(
    "progress",
    metadata,
    Column("session_id", String(40), ForeignKey("sessions.id"), primary_key=True),
    Column("label", String(80), primary_key=True),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("started_at", String(30), nullable=False),
    Column("at", String(30), nullable=False),
)

#: processes that work on jobs, each with what it said last; kept out of backups
workers = Table(
    "workers",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("at", String(30), nullable=False),
)
