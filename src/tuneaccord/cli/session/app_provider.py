"""The provider's commands of ``tuneaccord session`` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneaccord.cli.session.app import HERE, AnywayOption, JsonOption, SessionOption, session_app

if TYPE_CHECKING:
    from tuneaccord.cli.session.moves import Move

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The group's name.")]


@session_app.command("open")
def open_session(session: SessionOption = HERE, as_json: JsonOption = False) -> None:
    """Provider: fix the terms, so that groups can be invited."""
    _move(lambda client: client.open(), "the terms are fixed", session, as_json)


@session_app.command()
def invite(
    groups: Annotated[list[str], typer.Argument(metavar="GROUP...", help="Names of groups.")],
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Such as 2026-12-01T18:00:00Z; default: never.")
    ] = None,
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Provider: make a link for each group, which works once."""
    from tuneaccord.cli.session.moves import invite as run

    run(groups, expires=expires, session=session, json=as_json)


@session_app.command()
def remove(group: GroupArgument, session: SessionOption = HERE, as_json: JsonOption = False) -> None:
    """Provider: take a group out, before the pool is frozen."""
    _move(lambda client: client.remove(group), "the group is removed", session, as_json)


@session_app.command()
def admit(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="auditor or observer.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Provider: make a link with a token for an auditor or observer."""
    from tuneaccord.cli.session.moves import admit as run

    run(role, name, session=session, json=as_json)


@session_app.command("replace-token")
def replace_token(group: GroupArgument, session: SessionOption = HERE, as_json: JsonOption = False) -> None:
    """Provider: make a link with a new token for a group that lost its own; the old one is void."""
    from tuneaccord.cli.session.moves import replace_token as run

    run(group, session=session, json=as_json)


@session_app.command()
def freeze(
    file: Annotated[
        Path | None, typer.Argument(help="The pool (.yaml, .json, .jsonl, .csv, .parquet).", show_default=False)
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Have the server draw it from the model that the terms name.")
    ] = False,
    anyway: AnywayOption = False,
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Provider: freeze what there is to choose from; nobody can join any more."""
    from tuneaccord.cli.session.moves import freeze as run

    run(file, sample=sample, anyway=anyway, session=session, json=as_json)


@session_app.command()
def begin(
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="TIME", help="Such as 2026-12-01T18:00:00Z; default: none.")
    ] = None,
    reveal: Annotated[
        str | None, typer.Option("--reveal", metavar="TIME", help="Publish then, without anybody's doing.")
    ] = None,
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Provider: take reports from now on."""
    _move(lambda client: client.begin(deadline, reveal), "reports are taken", session, as_json)


@session_app.command()
def deadline(
    time: Annotated[str, typer.Argument(metavar="TIME", help="Such as 2026-12-01T18:00:00Z, or none.")],
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Provider: another deadline, or none, while the old one has not passed."""
    moved = None if time == "none" else time
    _move(lambda client: client.move_deadline(moved), "the deadline is moved", session, as_json)


@session_app.command()
def close(anyway: AnywayOption = False, session: SessionOption = HERE, as_json: JsonOption = False) -> None:
    """Provider: take no more reports; the server settles."""
    from tuneaccord.cli.session.moves import close as run

    run(anyway=anyway, session=session, json=as_json)


@session_app.command()
def publish(session: SessionOption = HERE, as_json: JsonOption = False) -> None:
    """Provider: show each group its invoice."""
    _move(lambda client: client.publish(), "published", session, as_json)


@session_app.command("try-again")
def try_again(session: SessionOption = HERE, as_json: JsonOption = False) -> None:
    """Provider: settle again after a failure."""
    _move(lambda client: client.try_again(), "the server settles again", session, as_json)


@session_app.command()
def cancel(
    reason: Annotated[str, typer.Option("--reason", help="All members can read it.")] = "",
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Provider: end the session without a settlement."""
    _move(lambda client: client.cancel(reason), "cancelled", session, as_json)


def _move(make: Move, words: str, session: Path, as_json: bool) -> None:
    from tuneaccord.cli.session.moves import move

    move(make, words, session=session, json=as_json)
