"""The command line, one file a verb. Exit status: 0 done, 1 a promise failed its recheck, 2 a mistake to mend."""


def main() -> None:
    """Run the command line with the arguments of this process."""
    import sys

    from tuneaccord.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show must not stop the command
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="tuneaccord")
