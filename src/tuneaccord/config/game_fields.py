"""What stands at one key of a game file: a curve, a solution, or how uncertain a number is."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

from tuneaccord.bargaining import BargainingSolution, NashInNash, ShareRule
from tuneaccord.bargaining.curves import Curve
from tuneaccord.bargaining.rules import Rule
from tuneaccord.bargaining.studies.distributions import Distribution, LogNormal, Uniform
from tuneaccord.errors import InputError, nearest
from tuneaccord.files import read_text
from tuneaccord.specs import from_data

RULES = (BargainingSolution, ShareRule, NashInNash)  #: what may stand under ``solution``
CURVE_EXAMPLE = "{kind: Power, scale: 1.0, exponent: 2}"


def read_curve(given: Any, info: ValidationInfo) -> Curve:
    """A curve written by its kind; ``Tabulated`` may name a ``file`` with its ``x`` and ``y`` columns."""
    if isinstance(given, Curve):
        return given
    if not isinstance(given, dict) or not isinstance(given.get("kind"), str):
        raise InputError(f"a curve is a mapping with a kind, such as {CURVE_EXAMPLE}, got {given!r:.60}.")
    return from_data(_with_file(given, Path((info.context or {}).get("folder", "."))), Curve)


def read_rule(given: Any) -> Rule:
    """A solution by its name, ``Nash``, or with its parameters, ``{kind: Nash, power: [2, 1]}``."""
    if isinstance(given, RULES):
        return given
    if isinstance(given, list) or not isinstance(given, (str, dict)):
        raise InputError(f"a solution is a name such as Nash, or {{kind: Nash, power: [2, 1]}}, got {given!r:.60}.")
    return from_data(given, RULES)


def read_spread(given: Any) -> float | list[float] | Distribution:
    """How uncertain one parameter is: a relative standard deviation, ``[low, high]``, or a distribution by its kind."""
    if isinstance(given, Distribution):
        return given
    if isinstance(given, dict):
        return from_data(given, Distribution)
    numbers = given if isinstance(given, list) else [given]
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in numbers):
        expected = "a relative standard deviation such as 0.2, or a range [low, high]"
        raise InputError(f"expected {expected}, got {given!r:.40}.")
    if isinstance(given, list) and (len(given) != 2 or not given[0] < given[1]):
        raise InputError(f"a range must be [low, high] with low < high, got {given}.")
    if not isinstance(given, list) and not 0 < given < 5:
        raise InputError(f"a relative standard deviation must be between 0 and 5, got {given:g}. 0.2 is about 20%.")
    return given


def as_distribution(given: float | list[float] | Distribution) -> Distribution:
    """Lognormal for a relative standard deviation, uniform for a range."""
    if isinstance(given, list):
        return Uniform(*given)
    return LogNormal(float(given)) if isinstance(given, (int, float)) else given


def _with_file(given: dict, folder: Path) -> dict:
    """The curve's data with every ``file`` of points read."""
    given = {key: _with_file(value, folder) if isinstance(value, dict) else value for key, value in given.items()}
    if given.get("kind") != "Tabulated" or "file" not in given:
        return given
    if not isinstance(given["file"], str):
        raise InputError(f"Tabulated: file must be the path of a CSV file, got {given['file']!r:.60}.")
    columns = [given.get(axis, axis) for axis in ("x", "y")]
    if not all(isinstance(column, str) for column in columns):
        raise InputError("Tabulated: with a file, x and y are the names of its columns, such as x: spend, y: score.")
    points = _points(folder / given["file"], columns)
    return {key: value for key, value in given.items() if key != "file"} | points


def _points(path: Path, columns: list[str]) -> dict[str, list[float]]:
    rows = list(csv.reader(read_text(path, "CSV file").splitlines()))
    header = [name.strip() for name in rows[0]] if rows else []
    for column in columns:
        if column not in header:
            raise InputError(
                f"{path} has no column {column!r}. {nearest(column, header) if header else 'It is empty.'}"
            )
    found: dict[str, list[float]] = {"x": [], "y": []}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        for axis, column in zip("xy", columns, strict=True):
            place = header.index(column)
            text = row[place] if place < len(row) else ""
            try:
                found[axis].append(float(text))
            except ValueError:
                raise InputError(f"{path}, line {number}: {column} must be a number, got {text!r:.40}.") from None
    order = sorted(range(len(found["x"])), key=found["x"].__getitem__)
    return {axis: [values[i] for i in order] for axis, values in found.items()}


CurveField = Annotated[Curve, PlainValidator(read_curve)]
RuleField = Annotated[Any, PlainValidator(read_rule)]
SpreadField = Annotated[Any, PlainValidator(read_spread)]
