"""Triggers that refuse to change or delete what was written to a log, or a document."""

from alembic import op

revision, down_revision = "0002", "0001"

_FUNCTION = """
CREATE FUNCTION tuneaccord_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    """Refuse UPDATE and DELETE, and on PostgreSQL also TRUNCATE."""
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(_FUNCTION)
    for table in ("entries", "documents"):
        for event in ("UPDATE", "DELETE", *(["TRUNCATE"] if postgres else [])):
            op.execute(_postgres(table, event) if postgres else _sqlite(table, event))


def _postgres(table: str, event: str) -> str:
    each = "STATEMENT" if event == "TRUNCATE" else "ROW"
    return (
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION tuneaccord_only_added()"
    )


def _sqlite(table: str, event: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are only ever added'); END"
    )
