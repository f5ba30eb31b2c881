"""The examples that come with the package: inside it when installed, beside its sources in a checkout."""

from __future__ import annotations

from pathlib import Path

from tuneaccord.errors import InputError


def example(name: str) -> Path:
    """The path of a shipped example file.

    Raises :class:`InputError` when the installation has no examples.

    >>> example("market/market.yaml").name
    'market.yaml'
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"the example {name} is not installed. Install tuneaccord again, or give your own file.")
