"""``tuneaccord calibrate``: measured runs and prices in, fitted cost and revenue curves with their errors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
import yaml
from rich.console import Console

from tuneaccord.bargaining.calibration import Fit, LogOdds, ScoreTransform, Shift, Turned, fit_cost, fit_revenue
from tuneaccord.bargaining.calibration.measurements import column
from tuneaccord.cli import render
from tuneaccord.cli.settle import json_text
from tuneaccord.config.runs import parse_where, read_columns
from tuneaccord.errors import InputError, nearest
from tuneaccord.files import write_atomically
from tuneaccord.specs import to_data

TRANSFORMS = {"shift": Shift, "turned": Turned, "log-odds": LogOdds}
LEVEL = 0.9  #: of all intervals
_BEYOND = 1.15  #: the curves are drawn to so many times the largest performance measured


@dataclass(frozen=True)
class Sheet:
    """One CSV file: which of its columns are what, and which rows count."""

    path: Path
    numbers: tuple[str, str]
    run: str | None
    where: Sequence[str]

    def read(self) -> tuple[list[float], list[float], list[str] | None]:
        """The two columns of numbers, and the runs' names if there is such a column."""
        names = () if self.run is None else (self.run,)
        found = read_columns(self.path, self.numbers, names, parse_where(self.where))
        return found[self.numbers[0]], found[self.numbers[1]], None if self.run is None else found[self.run]


def run(
    *,
    cost: Sheet | None,
    revenue: Sheet | None,
    cost_kind: str,
    revenue_kind: str,
    transform: str,
    start: float | None,
    unit: float,
    price: float,
    draws: int,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Fit, write, print."""
    if cost is None and revenue is None:
        raise InputError("nothing to fit. Give --cost runs.csv, --revenue prices.csv, or both.")
    turned = read_transform(transform, start, unit)
    fits: list[Fit] = []
    if cost is not None:
        spend, score, runs = cost.read()
        fits.append(_fitted(cost, lambda: fit_cost(
            column("spend", spend) * _price(price), score, kind=cost_kind, transform=turned, run=runs, draws=draws,
            seed=seed,
        )))  # fmt: skip
    if revenue is not None:
        score, earned, runs = revenue.read()
        if fits:
            turned = fits[0].transform
        elif start is None:
            raise InputError("which score counts as performance 0? Give --start, or --cost with rows of spend 0.")
        fits.append(_fitted(revenue, lambda: fit_revenue(
            score, earned, transform=turned, kind=revenue_kind, run=runs, draws=draws, seed=seed
        )))  # fmt: skip
    data = {"level": LEVEL, "price": price, "fits": [document(fit) for fit in fits]}
    written = _write(out, data, fits) if out is not None else []
    if as_json:
        typer.echo(json_text(data), nl=False)
    else:
        _print(render.console(), fits, written)


def read_transform(name: str, start: float | None, unit: float) -> ScoreTransform:
    """The transform called ``name``.

    >>> read_transform("turned", None, 1.0)
    Turned(start=None, unit=1.0)
    """
    if name not in TRANSFORMS:
        raise InputError(
            f"--transform must be shift, turned or log-odds, got {name!r:.40}. {nearest(name, TRANSFORMS)}"
        )
    return TRANSFORMS[name](start, unit)


def document(fit: Fit) -> dict:
    """The fit as plain data, with the points of its curve and band that a figure draws."""
    x = np.linspace(0.0, _BEYOND * fit.range[1], 161)
    low, high = fit.band(x, LEVEL)
    drawn = {"performance": x, "money": fit.curve.value(x), "low": low, "high": high}
    return fit.to_dict() | {"drawn": {name: values.tolist() for name, values in drawn.items()}}


def _fitted(sheet: Sheet, fit) -> Fit:
    try:
        return fit()
    except InputError as error:
        message = str(error)
        for name, kind in TRANSFORMS.items():  # the library names the class, the command line its option
            message = message.replace(f"transform={kind.__name__}()", f"--transform {name}")
            message = message.replace(f"{kind.__name__}()", f"--transform {name}")
        raise InputError(f"{sheet.path}: {message}") from None


def _price(price: float) -> float:
    if not np.isfinite(price) or price <= 0:
        raise InputError(f"--price must be the money for one unit of spending, a positive number, got {price:g}.")
    return price


def snippet(fits: Sequence[Fit]) -> str:
    """The curves as lines of a game file."""
    lines = ["# Paste under a party of a game file for: tuneaccord bargain"]
    for fit in fits:
        curve = {key: list(value) if isinstance(value, tuple) else value for key, value in to_data(fit.curve).items()}
        written = yaml.safe_dump(curve, default_flow_style=True, sort_keys=False, width=10_000).strip()
        lines.append(f"{fit.role}: {written}")
    ranges = ", ".join(f"NAME.{fit.role}: [{fit.range[0]:.6g}, {fit.range[1]:.6g}]" for fit in fits)
    lines += ["# and at the top of the file, so that play beyond the data is flagged:", f"# measured: {{{ranges}}}"]
    return "\n".join(lines) + "\n"


def _write(folder: Path, data: dict, fits: Sequence[Fit]) -> list[str]:
    from tuneaccord.reporting.calibration_figures import calibration_picture

    contents = {
        "fits.json": json_text(data),
        "curves.yaml": snippet(fits),
        "calibration.svg": calibration_picture(data).svg("calibration"),
    }
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [str(folder), *contents]


def _print(out: Console, fits: Sequence[Fit], written: Sequence[str]) -> None:
    for fit in fits:
        what = "money against performance" if fit.role == "revenue" else "spending against performance"
        render.heading(out, f"{fit.role.capitalize()}: {fit.kind} ({what})")
        _print_parameters(out, fit)
        low, high = fit.range
        span = f"{render.number(low)} to {render.number(high)}"
        render.sentence(out, f"{len(fit.money)} points, performance {span}; R2 {fit.r_squared:.3f}")
        render.sentence(out, f"Performance of a score: {fit.transform}")
        for note in fit.notes:
            render.sentence(out, f"Note: {note}.")
        _print_kinds(out, fit)
    if written:
        render.sentence(out, "")
        render.sentence(out, f"Written to {written[0]}: {', '.join(written[1:])}")


def _print_parameters(out: Console, fit: Fit) -> None:
    if not fit.parameters:
        points = ", ".join(f"({x:.4g}, {y:.4g})" for x, y in zip(fit.curve.x, fit.curve.y, strict=True))
        render.sentence(out, f"through {points}")
        return
    intervals, errors = fit.intervals(LEVEL), fit.standard_errors
    rows = [
        (
            name,
            f"{value:.5g}",
            f"{errors[name]:.2g}" if errors else "",
            f"{intervals[name][0]:.4g} to {intervals[name][1]:.4g}" if intervals else "",
        )
        for name, value in fit.parameters.items()
    ]
    out.print(
        render.table(["parameter", "value", "standard error", f"{LEVEL:.0%} of {len(fit.draws)} resamples"], rows)
    )


def _print_kinds(out: Console, fit: Fit) -> None:
    unit = "performance" if fit.role == "cost" else "money"
    rows = [
        (f"{kind} *" if kind == fit.kind else kind, f"{error:.4g}" if isinstance(error, float) else f"({error})")
        for kind, error in fit.left_out.items()
    ]
    out.print(render.table(["kind", f"error at points left out ({unit})"], rows))
