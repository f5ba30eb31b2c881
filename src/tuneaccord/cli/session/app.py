"""The commands ``tuneaccord session ...`` and their options; each imports its part when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

session_app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
)

SessionOption = Annotated[
    Path, typer.Option("--session", metavar="FILE", help="The file that keeps who you are: server and token.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Overwrite the file if it is there already.")]
GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="For provider and auditor: whose it is to be.")
]
AnywayOption = Annotated[bool, typer.Option("--anyway", help="Although it leaves groups out.")]
HERE = Path("session.json")


@session_app.callback()
def of_session(ctx: typer.Context) -> None:
    """Take part in a session of a server from this terminal: create, join, report, follow, take home."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


# Becoming a party


@session_app.command()
def join(
    link: Annotated[str, typer.Argument(help="The link of your invitation, or a class's; - reads it from input.")],
    name: Annotated[str | None, typer.Option("--name", help="In a class: the name that everybody sees.")] = None,
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take your group's seat: the one-time link becomes a token, which is kept in the session file."""
    from tuneaccord.cli.session.joining import join as run

    run(link, name=name, session=session, replace=replace, json=as_json)


@session_app.command()
def enter(
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="A file with the link; - asks for it.")] = "-",
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Keep the token of a link .../enter#token=..., as a provider, auditor or observer gets one."""
    from tuneaccord.cli.session.joining import enter as run

    run(file, session=session, replace=replace, json=as_json)


@session_app.command()
def create(
    file: Annotated[Path, typer.Argument(help="The terms (.yaml).")],
    operator: Annotated[
        str,
        typer.Option("--operator", metavar="FILE", help="A file with the operator's link; without it you are asked."),
    ] = "-",
    provider: Annotated[str, typer.Option("--name", help="What the provider is called.")] = "provider",
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Begin a session as its provider. Needs the link of the server's operator."""
    from tuneaccord.cli.session.joining import create as run

    run(file, operator=operator, provider=provider, session=session, replace=replace, json=as_json)


# Everybody


@session_app.command()
def status(
    wait: Annotated[
        str | None, typer.Option("--wait", metavar="STATE", help="First wait until it is settled, published, ...")
    ] = None,
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Say where the session stands, who has joined and reported, and what you can do now."""
    from tuneaccord.cli.session.status import run

    run(wait=wait, session=session, json=as_json)


@session_app.command()
def report(
    file: Annotated[
        Path | None,
        typer.Argument(help="Score sheet (.csv, .parquet), preference pairs (.jsonl), or a whole report (.yaml)."),
    ] = None,
    size: Annotated[float | None, typer.Option("--size", help="How many your group stands for.")] = None,
    worth: Annotated[
        float | None, typer.Option("--worth", help="Instead: what you would pay at most for your best model.")
    ] = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option("--criterion", metavar="NAME=W", help="Instead of a file: mix published criteria."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sealed, and send nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="In place of your earlier report.")] = False,
    proof: Annotated[
        Path | None, typer.Option("--proof", metavar="FILE", help="Keep the proof here; default: beside the session.")
    ] = None,
    session: SessionOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Report in secret what each reply or candidate is worth to your group, and keep the proof of it."""
    from tuneaccord.cli.session.report import run

    run(
        file, size=size, worth=worth, criteria=criterion or [], dry_run=dry_run, replace=replace, proof=proof,
        session=session, json=as_json,
    )  # fmt: skip


# What to take home


@session_app.command()
def receipt(
    file: Annotated[Path, typer.Argument(help="Write it here.")] = Path("receipt.json"),
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Save everything that you may have, for tuneaccord verify."""
    from tuneaccord.cli.session.saving import receipt as run

    run(file, session=session, replace=replace)


@session_app.command()
def invoice(
    file: Annotated[Path, typer.Argument(help="Write it here, as .html or .csv.")] = Path("invoice.html"),
    group: GroupOption = None,
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Save your invoice, once the session is published."""
    from tuneaccord.cli.session.saving import invoice as run

    run(file, group=group, session=session, replace=replace)


@session_app.command()
def explanation(
    file: Annotated[Path, typer.Argument(help="Write it here.")] = Path("explanation.html"),
    group: GroupOption = None,
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Save what was decided, and why you pay what you pay."""
    from tuneaccord.cli.session.saving import explanation as run

    run(file, group=group, session=session, replace=replace)


@session_app.command()
def settlement(
    file: Annotated[Path, typer.Argument(help="Write it here, as .html or .csv.")] = Path("settlement.html"),
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Provider, auditor: save the settlement with everybody's payments."""
    from tuneaccord.cli.session.saving import settlement as run

    run(file, session=session, replace=replace)


@session_app.command()
def pool(
    file: Annotated[Path, typer.Argument(help="Write it here.")] = Path("pool.json"),
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Save the frozen pool: what there is to choose from."""
    from tuneaccord.cli.session.saving import pool as run

    run(file, session=session, replace=replace)


@session_app.command()
def sheet(
    file: Annotated[Path, typer.Argument(help="Write it here.")] = Path("scores.csv"),
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Save a score sheet to fill in."""
    from tuneaccord.cli.session.saving import sheet as run

    run(file, session=session, replace=replace)


@session_app.command()
def log(
    file: Annotated[Path, typer.Argument(help="Write it here.")] = Path("log.json"),
    session: SessionOption = HERE,
    replace: ReplaceOption = False,
) -> None:
    """Save the public log as it is now."""
    from tuneaccord.cli.session.saving import log as run

    run(file, session=session, replace=replace)
