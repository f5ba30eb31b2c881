"""A pool from a file with one row for each response, or for each candidate model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuneaccord.errors import nearest
from tuneaccord.service.errors import Invalid, TooLarge
from tuneaccord.service.foreign import MOST_COLUMNS
from tuneaccord.service.plain_json import strict_json
from tuneaccord.service.rows import UNPACKED, Row, as_csv, csv_rows, format_of, json_rows
from tuneaccord.service.terms import MOST_CELLS

POOL_FORMATS = ("csv", "parquet", "jsonl", "json")
_RESPONSE_COLUMNS = ("prompt_id", "prompt", "reply_id", "reply", "base", "prompt_weight", "tokens")
_CANDIDATE_COLUMNS = ("candidate", "price", "text", "base")


def pool_from_file(path: Path, name: str, most: int = UNPACKED) -> dict[str, Any]:
    """The pool in a file; ``name`` tells its format, ``most`` is how many bytes Parquet may unpack to.

    Raises :class:`Invalid` that names the row, :class:`TooLarge`.
    """
    kind = format_of(name, POOL_FORMATS)
    if kind == "json":
        data = strict_json(Path(path).read_bytes(), "the pool")
        if not isinstance(data, dict):
            raise Invalid("the pool must be a mapping with the key 'prompts' or 'candidates'.")
        return data
    with tempfile.TemporaryDirectory() as folder:
        rows = json_rows(path) if kind == "jsonl" else csv_rows(as_csv(path, kind, folder, MOST_CELLS, most))
        first = next(rows, None)
        if first is None:
            raise Invalid("the file has no rows. Write one for each response, or for each candidate model.")
        build = _candidates if "candidate" in first[1] else _responses
        return build(first, rows)


def _responses(first: Row, rest: Iterator[Row]) -> dict[str, Any]:
    _check_columns(first[1], _RESPONSE_COLUMNS, ("prompt_id", "reply_id"))
    has_base, has_weight = "base" in first[1], "prompt_weight" in first[1]
    prompts: dict[str, dict[str, Any]] = {}
    responses: dict[str, list[dict[str, str]]] = {}
    base: dict[str, list[float]] = {}
    weights: dict[str, float] = {}
    for number, row in _chained(first, rest):
        prompt = _named(row, "prompt_id", number)
        text = _text(row, "prompt", number)
        prompts.setdefault(prompt, {"id": prompt, "text": text})
        if text not in ("", prompts[prompt]["text"]):
            raise Invalid(f"row {number}: prompt {prompt!r} has another text than before.")
        responses.setdefault(prompt, []).append(
            {"id": _named(row, "reply_id", number), "text": _text(row, "reply", number)}
        )
        if has_base:
            base.setdefault(prompt, []).append(_number(row, "base", number))
        if has_weight and weights.setdefault(prompt, _number(row, "prompt_weight", number)) != _number(
            row, "prompt_weight", number
        ):
            raise Invalid(f"row {number}: prompt {prompt!r} has another prompt_weight than before.")
    pool = {"kind": "responses", "prompts": list(prompts.values()), "responses": [responses[one] for one in prompts]}
    return {
        **pool,
        **({"base": [base[one] for one in prompts]} if has_base else {}),
        **({"prompt_weights": [weights[one] for one in prompts]} if has_weight else {}),
    }


def _candidates(first: Row, rest: Iterator[Row]) -> dict[str, Any]:
    _check_columns(first[1], _CANDIDATE_COLUMNS, ("candidate",))
    candidates, base = [], None
    for number, row in _chained(first, rest):
        name = _named(row, "candidate", number)
        price = _number(row, "price", number) if "price" in first[1] else 0.0
        candidates.append({"name": name, "price": price, "text": _text(row, "text", number)})
        marked = str(row.get("base") or "").strip().lower()
        if marked in ("1", "1.0", "true", "yes"):
            if base is not None:
                raise Invalid(f"row {number}: {base!r} is marked as the base model already.")
            base = name
        elif marked not in ("", "0", "0.0", "false", "no"):
            raise Invalid(f"row {number}: base must be 1 for the base model and 0 or nothing for others.")
    return {"kind": "candidates", "candidates": candidates, "base": base}


def _chained(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    for count, row in enumerate(rest, start=2):
        if count > MOST_CELLS:
            raise TooLarge(f"the file has more than {MOST_CELLS:,} rows.")
        yield row


def _check_columns(row: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]) -> None:
    for column in needed:
        if column not in row:
            raise Invalid(f"the file has no column {column!r}. {nearest(column, list(row)[:MOST_COLUMNS])}"[:400])
    for column in row:
        if column not in known:
            raise Invalid(f"the file has the unknown column {column!r:.60}. {nearest(column[:60], known)}")


def _named(row: Mapping[str, Any], column: str, number: int) -> str:
    given = row.get(column)
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not given.strip():
        raise Invalid(f"row {number}: {column} must be a text that is not empty, got {given!r:.40}.")
    return given


def _text(row: Mapping[str, Any], column: str, number: int) -> str:
    given = row.get(column)
    if given is not None and not isinstance(given, str):
        raise Invalid(f"row {number}: {column} must be a text, got {given!r:.40}.")
    return given or ""


def _number(row: Mapping[str, Any], column: str, number: int) -> float:
    given = row.get(column)
    try:
        if isinstance(given, bool) or given is None or "_" in str(given):
            raise ValueError
        return float(given)
    except (ValueError, TypeError):
        raise Invalid(f"row {number}: {column} must be a number, got {given!r:.40}.") from None
