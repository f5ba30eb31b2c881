"""Where pools and reports come from, besides plain data: files, preference pairs, published criteria.

The name of an uploaded file tells its format and is used for nothing else. A pool is a file with one row for each
response (``prompt_id, prompt, reply_id, reply, base, prompt_weight``; all but the two names may be left out) or for
each candidate model (``candidate, price, text, base``). A report is a score sheet with ``prompt_id, reply_id, score``,
in any order; for candidate models the prompt's name is ``candidates``. All functions here block, some for seconds.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuneaccord.errors import InputError
from tuneaccord.llm.criteria import CRITERIA
from tuneaccord.service.errors import Invalid, TooLarge
from tuneaccord.service.foreign import in_a_child
from tuneaccord.service.pool_files import POOL_FORMATS, pool_from_file
from tuneaccord.service.rows import UNPACKED, as_csv, csv_rows, format_of, json_rows
from tuneaccord.service.terms import CandidatePool, ResponsePool, pool_of, terms_of
from tuneaccord.sheets import CELL_COLUMNS, Layout, read_sheet

__all__ = [
    "CRITERIA_WORDS",
    "POOL_FORMATS",
    "SHEET_FORMATS",
    "market_from_file",
    "pool_from_file",
    "report_from_criteria",
    "report_from_pairs",
    "report_from_sheet",
    "sheet_template",
]

#: the published criteria: name -> what it measures
CRITERIA_WORDS = {name: criterion.description for name, criterion in CRITERIA.items()}
SHEET_FORMATS = ("csv", "parquet")
CANDIDATES = "candidates"  #: stands for the prompt in a sheet of candidate models
MOST_TEXTS = 20_000  #: replies of a pool that criteria and fits are computed for
MOST_PAIRS = 5_000
MARKET_SECONDS = 10  #: for a market file, which has no business being large
_RISKY = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes what begins like this for a formula


def sheet_template(pool: Mapping[str, Any]) -> str:
    """A score sheet for the pool as CSV, with texts to read and the scores to be filled in.

    Names and texts that a spreadsheet would take for formulas have an apostrophe in front; reading takes it off again.

    >>> print(sheet_template({"prompts": [{"id": "p"}], "responses": [[{"id": "a", "text": "=1+1"}]]}), end="")
    prompt_id,reply_id,score,prompt,reply
    p,a,,,'=1+1
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["prompt_id", "reply_id", "score", "prompt", "reply"])
    for prompt_id, reply_id, prompt, reply in _cells(pool_of(pool)):
        writer.writerow([*map(_defused, (prompt_id, reply_id)), "", *map(_defused, (prompt, reply))])
    return out.getvalue()


def report_from_sheet(path: Path, name: str, pool: Mapping[str, Any], most: int = UNPACKED) -> dict[str, Any]:
    """The scores of a sheet in the order of the pool.

    Raises :class:`Invalid` that names a missing, doubled or unknown cell or the row of a score that is no number.
    """
    kind, layout = format_of(name, SHEET_FORMATS), _layout(pool_of(pool))
    cells = layout.shape[0] * layout.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "sheet.csv"
        _write_cells(as_csv(path, kind, folder, cells, most), sheet, layout)
        try:
            scores = read_sheet(sheet).table(layout)
        except InputError as error:
            raise Invalid(f"score {str(error).replace(str(sheet), 'sheet').removeprefix('score ')}") from None
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"scores": scores.tolist(), "how": f"score sheet (sha256 {digest[:16]})"}


def _write_cells(source: Path, target: Path, layout: Layout) -> None:
    """Only the three columns that count, names as the pool has them, and no more rows than it can have."""
    prompts = set(layout.prompts)
    replies = {reply for ours in layout.replies for reply in ours}
    most, columns = layout.shape[0] * layout.shape[1], CELL_COLUMNS
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    for count, (number, row) in enumerate(csv_rows(source), start=1):
        for column in columns if count == 1 else ():
            if column not in row:
                apart = " Separate columns by commas." if any(";" in name or "\t" in name for name in row) else ""
                raise Invalid(f"the sheet has no column {column!r}; it has: {', '.join(row)}."[:400] + apart)
        if count > most:
            raise Invalid(f"row {number}: the sheet has more rows than the pool has responses ({most:,}).")
        names = _fused(row["prompt_id"], prompts), _fused(row["reply_id"], replies)
        writer.writerow([*names, row["score"]])
    target.write_text(content.getvalue(), encoding="utf-8")


def report_from_pairs(path: Path, pool: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
    """Scores from a reward fitted to preference pairs: JSON Lines of ``prompt``, ``chosen``, ``rejected``.

    The prompts must be those of the pool. What comes back has the fit's estimated ``error`` too, which is not part of
    a report. Raises :class:`Invalid` that names the line.
    """
    for _ in json_rows(path):
        pass  # each line is looked at here, where nothing can grow out of it
    prompts, replies = _texts(pool)
    return in_a_child("pairs", path=str(path), prompts=prompts, replies=replies, scale=_scale(terms), most=MOST_PAIRS)


def report_from_criteria(
    weights: Mapping[str, float], pool: Mapping[str, Any], terms: Mapping[str, Any]
) -> dict[str, Any]:
    """Scores by a mix of published criteria, whose weights sum to one.

    Raises :class:`Invalid` on an unknown criterion or other weights.
    """
    prompts, replies = _texts(pool)
    return in_a_child("criteria", weights=dict(weights), prompts=prompts, replies=replies, scale=_scale(terms))


def market_from_file(path: Path, name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a market file says of the terms, and its pool if it has one; ``name`` is for errors.

    Its groups are left out, since each reports for itself. Raises :class:`Invalid` that names the line.
    """
    format_of(name, ("yaml", "yml", "json"))
    try:
        found = in_a_child("market", seconds=MARKET_SECONDS, path=str(path))
    except Invalid as error:
        raise Invalid(str(error).replace(str(path), "the market file")) from None
    return found["terms"], found["pool"]


def _texts(pool: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    checked = pool_of(pool)
    if isinstance(checked, CandidatePool):
        raise Invalid("candidate models have no replies that could be scored here. Report scores or a sheet.")
    count = len(checked.prompts) * len(checked.responses[0])
    if count > MOST_TEXTS:
        raise TooLarge(f"the pool has {count:,} replies; at most {MOST_TEXTS:,} are scored here. Report a sheet.")
    if not any(reply.text for row in checked.responses for reply in row):
        raise Invalid("the pool has no texts that could be scored. Report scores or a sheet.")
    return [one.text for one in checked.prompts], [[one.text for one in row] for row in checked.responses]


def _scale(terms: Mapping[str, Any]) -> list[float]:
    scores = terms_of(terms).scores
    return [scores.lowest, scores.highest]


def _layout(pool: ResponsePool | CandidatePool) -> Layout:
    if isinstance(pool, CandidatePool):
        return Layout((CANDIDATES,), (tuple(one.name for one in pool.candidates),))
    replies = tuple(tuple(one.id for one in row) for row in pool.responses)
    return Layout(tuple(one.id for one in pool.prompts), replies)


def _cells(pool: ResponsePool | CandidatePool) -> Iterator[tuple[str, str, str, str]]:
    if isinstance(pool, CandidatePool):
        yield from ((CANDIDATES, one.name, "", one.text) for one in pool.candidates)
        return
    for prompt, row in zip(pool.prompts, pool.responses, strict=True):
        yield from ((prompt.id, one.id, prompt.text, one.text) for one in row)


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(_RISKY) else text


def _fused(name: str, known: set[str]) -> str:
    return name[1:] if name not in known and name[1:] in known and name.startswith("'") else name
