"""``tuneaccord tune --dry-run``: what a run will cost, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from tuneaccord.cli import render
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import json_text

if TYPE_CHECKING:
    from tuneaccord.tuning.cost import Plan, StepCost

#: what every process does first; no job of a step
GETTING_READY = "getting ready"


def run(
    file: Path, *, out: Path | None, as_json: bool, train: bool, workers: int | None, ways: Sequence[str] = ()
) -> None:
    """Measure this machine for some seconds and print what is left to do, and what it takes; with ``ways``, of each."""
    progress = TerminalProgress()
    from tuneaccord.tuning.cost import plan
    from tuneaccord.tuning.ways import ways as ways_of

    made = plan(file, out, train, workers, progress, ways_of(ways))
    if as_json:
        typer.echo(json_text(made.to_dict()), nl=False)
    else:
        _print(render.console(), made)


def run_ways(file: Path, *, ways: Sequence[str], out: Path | None, as_json: bool, workers: int | None) -> None:
    """The same for the ways of ``tuneaccord compare``; all when none is named."""
    from tuneaccord.tuning.ways import NAMES

    run(file, out=out, as_json=as_json, train=True, workers=workers, ways=ways or NAMES)


def _print(out: Console, made: Plan) -> None:
    left = [step for step in made.steps if step.done < step.jobs]
    if not left:
        render.sentence(out, f"Nothing is left to do for {made.name}: all {len(made.steps)} steps are finished.")
    else:
        workers = "1 worker" if made.workers == 1 else f"{made.workers} workers"
        render.heading(out, f"What {made.name} will cost on this machine: {made.model}, {workers}")
        columns = ["step", "tokens, and rewards", "done", "CPU", "clock", "disk"]
        out.print(render.table(columns, [*map(_row, made.by_part()), ["all", *_amounts(made, "")]], left=2))
        render.sentence(
            out,
            f"Besides, {made.tokens['read']:,} tokens of prompts are read. Memory: about {_size(made.memory)}, "
            f"{_size(made.free_memory)} are free. Tokens are at most these, because replies may end early. Times are "
            "for the machine as busy as it is now; writing the report, at the end, is not in them.",
        )
    for note in made.notes:
        render.sentence(out, f"Note: {note}")
    render.sentence(out, "Nothing was written.")


def _row(step: StepCost) -> list[str]:
    if step.done == step.jobs:
        return [step.name, "", "all", "", "", ""]
    return [step.name, *_amounts(step, "" if step.name == GETTING_READY else f"{step.done} of {step.jobs}")]


def _amounts(cost: Plan | StepCost, done: str) -> list[str]:
    tokens = [f"{cost.tokens[kind]:,} {kind}" for kind in ("sampled", "scored", "trained") if cost.tokens[kind]]
    if cost.rewards:
        tokens.append(f"{cost.rewards:,} rewards")
    return [", ".join(tokens), done, _time(cost.cpu), _time(cost.wall), _size(cost.disk)]


def _time(seconds: float) -> str:
    """
    >>> _time(0.01), _time(75.0), _time(7300.0)
    ('0.0 s', '1:15 min', '2:01 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02} min"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02} h"


def _size(count: int) -> str:
    """
    >>> _size(0), _size(20_000), _size(3 * 10**9)
    ('', '20 kB', '3.0 GB')
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{max(1, round(count / 1000))} kB" if count else ""
