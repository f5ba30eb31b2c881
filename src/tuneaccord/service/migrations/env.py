"""What Alembic runs: the revisions on a connection that it is given."""

from alembic import context

from tuneaccord.service.tables import metadata


def run() -> None:
    """Take the steps within the transaction of whoever calls."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file
    run()
