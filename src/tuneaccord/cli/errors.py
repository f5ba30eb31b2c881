"""One line and an exit status for everything that a user can mend; a traceback for everything else."""

from __future__ import annotations

import errno
import sys
from typing import NoReturn

import typer
from typer.core import TyperGroup

from tuneaccord.errors import TuneaccordError

PROMISE_FAILED = 1
MISTAKE = 2
STOPPED = 130
KEEPING = ("tune", "compare", "demo", "pool", "questions")  #: commands that continue where they were stopped
ASKING = "session"  #: commands that a server may have done although they were stopped

_UsageError = typer.BadParameter.__base__  # typer does not export it by name


class Commands(TyperGroup):
    """The group of all commands, with this module's way to fail."""

    def invoke(self, ctx):
        """Run the command; turn what a user can mend into one line."""
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
            return status
        except TuneaccordError as error:
            _stop(str(error))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            sys.stdout = None  # or the interpreter tries to write the rest once more when it ends
            _stop("no room on disk for the output. Free some space and try again.")
        except (KeyboardInterrupt, typer.Abort):
            typer.echo(f"stopped; {_then(ctx)}", err=True)
            raise typer.Exit(STOPPED) from None

    def main(self, *args, standalone_mode: bool = True, **options):
        """Parse and run; a mistake in the arguments is one line too."""
        try:
            status = super().main(*args, standalone_mode=False, **options)
        except _UsageError as error:
            typer.echo(error_line(error.format_message()), err=True)
            sys.exit(MISTAKE)
        sys.exit(status if isinstance(status, int) else 0)


def error_line(message: str) -> str:
    """``error:`` and the message in one line that a terminal can show.

    >>> error_line("scores must be\\n numbers, got [0]")
    'error: scores must be numbers, got [0]'
    """
    return f"error: {printable(' '.join(message.split()))}"


def printable(text: str) -> str:
    """``text`` with control characters spelt out, so that a name cannot steer the terminal.

    >>> printable("a\\tb")
    'a\\\\tb'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _then(ctx) -> str:
    """Only some commands keep finished steps; of the others, those that ask a server may have been heard."""
    if ctx.invoked_subcommand == ASKING:
        return (
            "the server may have done it. Look with tuneaccord session status; report again with --replace; "
            "for a seat or token that did not arrive, the provider gives another with replace-token"
        )
    return f"run the same command again{' to continue' if ctx.invoked_subcommand in KEEPING else ''}"


def _stop(message: str) -> NoReturn:
    typer.echo(error_line(message), err=True)
    raise typer.Exit(MISTAKE) from None
