"""Score sheets: a group's rewards as rows of ``prompt_id, reply_id, score``, in CSV or Parquet.

A sheet names the prompts and replies that it scores, so its rows may come in any order. What counts is
that it has exactly one score for each cell of the market: a cell that is missing, doubled or unknown is
an error, never a zero. Columns with other names are left alone. Rows are counted as a spreadsheet shows
them: in CSV the header is row 1, in Parquet the first score is.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneaccord.errors import InputError, MissingDependencyError, nearest
from tuneaccord.files import read_text

CELL_COLUMNS = ("prompt_id", "reply_id", "score")
SHEET_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Layout:
    """The cells of a market: prompts in order, and each prompt's replies in order."""

    prompts: tuple[str, ...]
    replies: tuple[tuple[str, ...], ...]  #: as many for every prompt

    @property
    def shape(self) -> tuple[int, int]:
        """(prompts, replies)."""
        return len(self.prompts), len(self.replies[0])


@dataclass(frozen=True)
class Cells:
    """One group's scores by (prompt, reply), in the order of the sheet."""

    source: str  #: the sheet, for errors
    scores: dict[tuple[str, str], float]

    def layout(self) -> Layout:
        """The prompts and replies in the order of their first appearance.

        Raises :class:`InputError` when prompts have different numbers of replies.

        >>> Cells("a.csv", {("p1", "x"): 0.1, ("p1", "y"): 0.9}).layout().shape
        (1, 2)
        """
        replies: dict[str, list[str]] = {}
        for prompt, reply in self.scores:
            replies.setdefault(prompt, []).append(reply)
        first, count = next((prompt, len(ours)) for prompt, ours in replies.items())
        for prompt, ours in replies.items():
            if len(ours) != count:
                raise InputError(
                    f"{self.source}: prompt {prompt!r} has {len(ours)} replies but prompt {first!r} has {count}. "
                    "Give every prompt the same number of replies."
                )
        return Layout(tuple(replies), tuple(tuple(ours) for ours in replies.values()))

    def table(self, layout: Layout) -> np.ndarray:
        """The scores as an array of the layout's shape.

        Raises :class:`InputError` that names a missing or an extra cell.

        >>> Cells("a.csv", {("p1", "y"): 0.9, ("p1", "x"): 0.1}).table(Layout(("p1",), (("x", "y"),)))
        array([[0.1, 0.9]])
        """
        expected = {(p, r) for p, ours in zip(layout.prompts, layout.replies, strict=True) for r in ours}
        for prompt, reply in self.scores:
            if (prompt, reply) not in expected:
                raise InputError(
                    f"{self.source}: there is no reply {reply!r} to prompt {prompt!r} in this market. "
                    f"{_known(layout, prompt, reply)}"
                )
        for prompt, ours in zip(layout.prompts, layout.replies, strict=True):
            for reply in ours:
                if (prompt, reply) not in self.scores:
                    raise InputError(
                        f"{self.source}: the score of reply {reply!r} to prompt {prompt!r} is missing. "
                        "Give every reply exactly one score."
                    )
        return np.array(
            [
                [self.scores[prompt, reply] for reply in ours]
                for prompt, ours in zip(layout.prompts, layout.replies, strict=True)
            ]
        )


def read_sheet(path: Path | str) -> Cells:
    """One group's sheet, with the columns ``prompt_id``, ``reply_id`` and ``score``.

    Raises :class:`InputError` on a file that cannot be read, a missing column, a doubled cell, or a score
    that is not a finite number; :class:`MissingDependencyError` on Parquet without pyarrow.
    """
    return _cells(str(path), list(_rows(Path(path), CELL_COLUMNS)))


def read_long_sheet(path: Path | str, by: str = "group") -> dict[str, Cells]:
    """Several groups' scores from one sheet that has a ``group`` column too, in order of first appearance.

    ``by`` names another column than ``group`` that tells the sheets apart. Raises the same errors as
    :func:`read_sheet`.
    """
    rows: dict[str, list[_Row]] = {}
    for row in _rows(Path(path), (by, *CELL_COLUMNS)):
        rows.setdefault(row.texts[0], []).append(_Row(row.number, row.texts[1:], row.score))
    return {name: _cells(f"{path}, {by} {name!r}", ours) for name, ours in rows.items()}


@dataclass(frozen=True)
class _Row:
    number: int
    texts: tuple[str, ...]
    score: float


def _cells(source: str, rows: list[_Row]) -> Cells:
    scores: dict[tuple[str, str], float] = {}
    numbers: dict[tuple[str, str], int] = {}
    for row in rows:
        prompt, reply = row.texts
        if (prompt, reply) in scores:
            raise InputError(
                f"{source}: reply {reply!r} to prompt {prompt!r} is scored twice, in rows "
                f"{numbers[prompt, reply]} and {row.number}. Keep one of them."
            )
        scores[prompt, reply] = row.score
        numbers[prompt, reply] = row.number
    return Cells(source, scores)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    """The named columns of a sheet, checked; ``score`` is the last of them."""
    records = list(
        _parquet_records(path, columns) if path.suffix.lower() == ".parquet" else _csv_records(path, columns)
    )
    if not records:
        raise InputError(f"{path} has no scores. Write one row for each reply: {', '.join(columns)}.")
    for number, record in records:
        texts = tuple(_identifier(path, number, *pair) for pair in zip(columns[:-1], record[:-1], strict=True))
        yield _Row(number, texts, _score(path, number, record[-1]))


def _csv_records(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(read_text(path, "score sheet"), newline=""), strict=True)
    number = 1
    try:
        header = next(reader, [])
        places = _places(path, header, columns)
        for number, record in enumerate(reader, start=2):
            if not record:
                continue
            if len(record) != len(header):
                raise InputError(f"{path}, row {number}: expected {len(header)} columns, got {len(record)}.")
            yield number, [record[place] for place in places]
    except csv.Error as error:
        raise InputError(f"{path}, near row {number + 1}: this is not CSV ({error}).") from None


def _parquet_records(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list]]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingDependencyError(
            f"reading {path} needs pyarrow. Run: pip install 'tuneaccord[llm]', or save the sheet as CSV."
        ) from None
    if not path.is_file():
        raise InputError(f"score sheet {path} {'is a folder, expected a file' if path.is_dir() else 'does not exist'}.")
    try:
        with path.open("rb") as file:
            table = parquet.ParquetFile(file)
            _places(path, table.schema_arrow.names, columns)
            records = table.read(columns=list(columns)).select(list(columns)).to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"cannot read {path} as Parquet: {str(error).splitlines()[0]}") from None
    yield from ((number, list(record.values())) for number, record in enumerate(records, start=1))


def _places(path: Path, header: list[str], columns: tuple[str, ...]) -> list[int]:
    if not header:
        raise InputError(f"{path} is empty. Its first row must be: {', '.join(columns)}.")
    for column in columns:
        if header.count(column) > 1:
            raise InputError(f"{path} has the column {column!r} twice. Keep one of them.")
        if column not in header:
            separator = " Separate columns by commas." if len(header) == 1 else ""
            raise InputError(f"{path} has no column {column!r}. {_misspelt(column, header)}{separator}")
    return [header.index(column) for column in columns]


def _misspelt(column: str, header: list[str]) -> str:
    close = nearest(column, header)
    return f"Its columns are: {', '.join(header)}." if close.startswith("Valid") else close


def _identifier(path: Path, number: int, column: str, given: object) -> str:
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not given.strip():
        raise InputError(f"{path}, row {number}: {column} must be a text that is not empty, got {given!r:.40}.")
    return given


def _score(path: Path, number: int, given: object) -> float:
    try:
        score = math.nan if isinstance(given, bool) or "_" in str(given) else float(given)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise InputError(
            f"{path}, row {number}: the score must be a finite number, got {given!r:.40}. Every row needs one."
        )
    return score


def _known(layout: Layout, prompt: str, reply: str) -> str:
    if prompt not in layout.prompts:
        return _few("prompt", prompt, layout.prompts)
    return _few("reply", reply, layout.replies[layout.prompts.index(prompt)])


def _few(what: str, name: str, known: tuple[str, ...]) -> str:
    close = nearest(name, known)
    if close.startswith("Did"):
        return close
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    names = ", ".join(repr(one) for one in known[:5])
    return f"It has the {'prompts' if what == 'prompt' else 'replies'} {names}{more}."
