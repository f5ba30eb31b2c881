"""Sessions, their logs and documents, tokens, progress, workers."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """The first tables."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", sa.String(30), nullable=False),
        sa.Column("at", sa.String(30), nullable=False),
        sa.Column("deadline", sa.String(30)),
        sa.Column("reveal_at", sa.String(30)),
        sa.Column("sampling", sa.Integer, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("head", sa.String(80), nullable=False),
    )
    op.create_index("sessions_by_state", "sessions", ["state"])
    op.create_table(
        "entries",
        sa.Column("session_id", sa.String(40), sa.ForeignKey("sessions.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.String(30), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("session_id", sa.String(40), sa.ForeignKey("sessions.id"), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.String(30), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("session_id", sa.String(40), sa.ForeignKey("sessions.id")),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(30), nullable=False),
        sa.Column("expires_at", sa.String(30)),
        sa.Column("used_at", sa.String(30)),
        sa.Column("revoked_at", sa.String(30)),
        sa.UniqueConstraint("hash", name="tokens_hash"),
    )
    op.create_index("tokens_by_session", "tokens", ["session_id"])
    op.create_table(
        "progress",
        sa.Column("session_id", sa.String(40), sa.ForeignKey("sessions.id"), primary_key=True),
        sa.Column("label", sa.String(80), primary_key=True),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.String(30), nullable=False),
        sa.Column("at", sa.String(30), nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(120), primary_key=True),
        sa.Column("at", sa.String(30), nullable=False),
    )
