"""``tuneaccord session report``: look at what would be sent, seal it, and keep the proof."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from pydantic import Field

from tuneaccord.cli import render
from tuneaccord.cli.errors import error_line
from tuneaccord.cli.named import named_numbers
from tuneaccord.cli.session.access import as_json, client_of, has_reported, say, who
from tuneaccord.cli.session.keeping import claimed, free_name
from tuneaccord.config.loading import Section, load_yaml
from tuneaccord.errors import InputError, StorageError
from tuneaccord.service.client import Client
from tuneaccord.service.refusals import stands
from tuneaccord.service.session import GROUP

SHEETS, PAIRS, WHOLE = (".csv", ".parquet"), (".jsonl",), (".yaml", ".yml", ".json")
SHOWN = 60  #: scores that a dry run lists one by one


class ReportFile(Section):
    """A whole report in a file: a size or a worth, with scores in the order of the pool or weights of criteria."""

    size: float | None = Field(None, gt=0, examples=[3])
    worth: float | None = Field(None, gt=0, examples=[120])
    scores: list[list[float]] | None = Field(None, min_length=1, examples=["[[0.1, 0.9, 0.0]]"])
    criteria: dict[str, float] | None = Field(None, min_length=1, examples=["{calm: 0.5, easy: 0.5}"])


@dataclass(frozen=True)
class Given:
    """What a group wants to report: the keywords of :meth:`tuneaccord.Client.report`."""

    sizes: Mapping[str, float]
    scores: list[list[float]] | None = None
    criteria: Mapping[str, float] | None = None
    sheet: Path | None = None
    preferences: Path | None = None

    def seal(self, client: Client) -> dict[str, Any]:
        """Send it; the proof comes back."""
        return client.report(
            self.scores, criteria=self.criteria, sheet=self.sheet, preferences=self.preferences, **self.sizes
        )

    def as_sealed(self, pool: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
        """The report that the server would make of it and seal, computed here."""
        from tuneaccord.service import sources
        from tuneaccord.service.terms import pool_of, report_data, terms_of

        if self.sheet is not None:
            found = sources.report_from_sheet(self.sheet, self.sheet.name, pool)
        elif self.preferences is not None:
            fitted = sources.report_from_pairs(self.preferences, pool, terms)
            found = {"scores": fitted["scores"], "how": fitted["how"]}
        elif self.criteria is not None:
            found = sources.report_from_criteria(self.criteria, pool, terms)
        else:
            found = {"scores": self.scores}
        return report_data({**found, **self.sizes}, pool_of(pool), terms_of(terms))


def run(
    file: Path | None,
    *,
    size: float | None,
    worth: float | None,
    criteria: Sequence[str],
    dry_run: bool,
    replace: bool,
    proof: Path | None,
    session: Path,
    json: bool,
) -> None:
    """Seal the report, or only show it."""
    given = _given(file, {"size": size, "worth": worth}, criteria)
    with client_of(session) as client:
        if client.me()["role"] != GROUP:
            raise InputError(f"groups report, and {session} is that of the {who(client)}. Name another with --session.")
        view = client.view()
        if dry_run:
            _show(given.as_sealed(client.pool(), view["terms"]), client, view, json)
            return
        if not replace and has_reported(client, view):
            raise InputError("your report is sealed already. Add --replace to send this one in its place.")
        to = proof or free_name(session.with_name(f"{session.stem}-proof.json"))
        with claimed(to, replace and proof is not None) as keep:
            sealed = given.seal(client)
            _keep(keep, sealed, to)
    if json:
        typer.echo(as_json({"commitment": sealed["commitment"], "entry": sealed["entry"]["number"], "proof": str(to)}))
    else:
        _say_sealed(sealed, view, to)


def _given(file: Path | None, sizes: Mapping[str, float | None], criteria: Sequence[str]) -> Given:
    """What the options and the file amount to. Raises :class:`InputError` when they say too little or too much."""
    told = {name: value for name, value in sizes.items() if value is not None}
    mixed = named_numbers(criteria, "--criterion", "W", "calm=0.5", "the criterion")
    if (file is None) == (not mixed):
        raise InputError("give one file with your scores, or mix criteria with --criterion NAME=W.")
    if file is None:
        return Given(_one_size(told), criteria=mixed)
    if not file.is_file():
        raise InputError(f"there is no file {file}; looked for {file.resolve()}.")
    suffix = file.suffix.lower()
    if suffix in SHEETS:
        return Given(_one_size(told), sheet=file)
    if suffix in PAIRS:
        return Given(_one_size(told), preferences=file)
    if suffix not in WHOLE:
        raise InputError(
            f"the name of {file} does not tell what it is. A score sheet ends in {' or '.join(SHEETS)}, preference "
            f"pairs in {PAIRS[0]}, a whole report in {WHOLE[0]} or {WHOLE[2]}."
        )
    whole = load_yaml(file, ReportFile)  # JSON is YAML too
    if (whole.scores is None) == (whole.criteria is None):
        raise InputError(f"{file}: write either scores or criteria.")
    written = {name: value for name in sizes if (value := getattr(whole, name)) is not None}
    if written and told:
        raise InputError(f"{file} has a {next(iter(written))} already. Leave --{next(iter(told))} out.")
    return Given(_one_size({**written, **told}), scores=whole.scores, criteria=whole.criteria)


def _one_size(sizes: Mapping[str, float]) -> Mapping[str, float]:
    if len(sizes) != 1:
        raise InputError("give either --size N, or --worth N: what you would pay at most for your best model.")
    for name, value in sizes.items():
        if not 0 < value < float("inf"):
            raise InputError(f"--{name} must be a number above zero, got {value:g}.")
    return sizes


def _keep(keep: Any, sealed: dict[str, Any], to: Path) -> None:
    """A proof is shown only once, so where it cannot be written it is printed."""
    text = as_json(sealed) + "\n"
    try:
        keep(text)
    except StorageError as error:
        typer.echo(text, nl=False)
        raise StorageError(f"the report is sealed, but {error} Its proof is printed above: keep it.") from None


def _say_sealed(sealed: Mapping[str, Any], view: Mapping[str, Any], to: Path) -> None:
    entry, report = sealed["entry"], sealed["report"]
    until = f"until {view['deadline']}" if view["deadline"] else "until the provider closes"
    say(f"Sealed at {entry['at']}: size {render.size(report['size'])}, {_counted(report)}.")
    say(f"Its commitment, log entry {entry['number']}: {sealed['commitment']}")
    say(f"The proof is in {to}. It has your report in it: keep it, and keep it secret.")
    say(f"You can replace the report {until} (--replace).")


def _counted(report: Mapping[str, Any]) -> str:
    return f"{sum(map(len, report['scores']))} scores, {report['how']}"


# A look without sending


def _show(report: dict[str, Any], client: Client, view: Mapping[str, Any], json: bool) -> None:
    if json:
        typer.echo(json_format.dumps(report, sort_keys=True, allow_nan=False))
        return
    out, scores = render.console(), np.array(report["scores"])
    render.heading(out, f"Not sent: what {who(client)} would report to {view['title']}")
    say(f"size {render.size(report['size'])}, {_counted(report)}")
    say(f"lowest {scores.min():g}, mean {scores.mean():g}, highest {scores.max():g}")
    if scores.size <= SHOWN:
        out.print(render.table(("prompt", "reply", "score"), list(_cells(report["scores"], client.pool())), left=2))
    if "reported" not in view["moves"]:
        typer.echo(error_line(f"{stands(view['state'])}: no reports are taken now."), err=True)


def _cells(scores: Sequence[Sequence[float]], pool: Mapping[str, Any]) -> Any:
    if pool["kind"] == "candidates":
        names = [("candidates", one["name"]) for one in pool["candidates"]]
    else:
        names = [
            (prompt["id"], reply["id"])
            for prompt, replies in zip(pool["prompts"], pool["responses"], strict=True)
            for reply in replies
        ]
    for (prompt, reply), score in zip(names, (score for row in scores for score in row), strict=True):
        yield prompt, reply, f"{score:g}"
