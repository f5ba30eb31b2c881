"""``tuneaccord pool`` and ``tuneaccord questions``: what is done before anybody reports."""

from __future__ import annotations

from pathlib import Path

import typer

from tuneaccord.cli import render
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import json_text


def pool(file: Path, *, out: Path | None, as_json: bool, workers: int | None) -> None:
    """Draw both pools and say what to do with them."""
    from tuneaccord.tuning.asking import publish_pools

    published = publish_pools(file, out, workers, TerminalProgress())
    if as_json:
        typer.echo(json_text(published.to_dict()), nl=False)
        return
    console = render.console()
    render.heading(console, "The frozen pools, drawn before any report")
    for name, one in (("settled on", published.pool), ("held out", published.held_out)):
        render.sentence(console, f"{name}: {one.shape[0]} prompts x {one.shape[1]} replies, {one.digest}")
    render.sentence(
        console, f"A group that keeps its reward to itself fills in the column score of {published.files[-1]}"
    )
    render.sentence(console, "and reports it in the tune file with: reward: {sheet: FILE}")


def questions(
    file: Path, *, group: str, count: int, checks: int, to: Path | None, out: Path | None, workers: int | None
) -> None:
    """Write the questions to one group and say what to do with them."""
    from tuneaccord.tuning.asking import publish_questions

    published = publish_questions(file, group, count, checks, to, out, workers, TerminalProgress())
    console = render.console()
    render.heading(console, f"{count} questions to {group}, and {checks} more that check the fit")
    render.sentence(console, f"Fill in the column score of {published.files[0]} on the group's scale")
    render.sentence(console, "and report it in the tune file with: reward: {answers: FILE}")
