"""``tuneaccord bargain``: a fine-tuning game in, the agreed shares and what is then played out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import typer
import yaml

from tuneaccord.bargaining.rules import Rule, check_players
from tuneaccord.cli import bargain_files, render
from tuneaccord.cli.bargain_data import collect, replaced
from tuneaccord.cli.bargain_tables import show
from tuneaccord.cli.named import named_numbers
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import json_text
from tuneaccord.config.game import check_shares, read_game
from tuneaccord.config.game_fields import read_rule
from tuneaccord.errors import InputError
from tuneaccord.progress import Silent


def run(
    file: Path,
    *,
    solution: str | None,
    shares: Iterable[str],
    as_json: bool,
    out: Path | None,
    report: Path | None,
    compare: bool,
) -> None:
    """Bargain, write, print."""
    given = parse_shares(shares)
    asked = read_game(file)
    rule = None if solution is None else parse_solution(solution)
    if rule is not None:
        check_players(rule, asked.game.players)
    if given:
        check_shares(given, asked.game)
    asked = replaced(asked, rule, given or None, compare)
    everything = out is not None or report is not None
    shown = everything or sys.stderr.isatty()  # several specialists may take a minute; a pipe gets the table only
    try:
        data = collect(asked, TerminalProgress() if shown else Silent(), everything=everything)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    written = bargain_files.write(data, out, report)
    if as_json:
        typer.echo(json_text(data), nl=False)
    else:
        show(render.console(), data, written)


def parse_shares(given: Iterable[str]) -> dict[str, float]:
    """``NAME=SHARE`` options as the generalist's shares by name.

    >>> parse_shares(["medical=0.4"])
    {'medical': 0.4}
    """
    return named_numbers(given, "--shares", "SHARE", "medical=0.4", "specialist")


def parse_solution(text: str) -> Rule:
    """A solution as on the command line: its name, or a mapping as in a game file.

    >>> parse_solution("Nash"), parse_solution("{kind: NashInNash, power: 0.3}")
    (Nash(power=None), NashInNash(power=0.3))
    """
    try:
        return read_rule(yaml.safe_load(text))
    except yaml.YAMLError:
        raise InputError(
            f"--solution must be a name such as Nash, or {{kind: Nash, power: [2, 1]}}, got {text!r:.60}."
        ) from None
    except InputError as error:
        raise InputError(f"--solution: {error}") from None
