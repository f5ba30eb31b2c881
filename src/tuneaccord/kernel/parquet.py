"""Reward tables in Parquet, a piece at a time: long (one row a reward) or wide (one column a group).

A piece holds whole replies, so that its scores can be summed over groups at once. In the wide format a prompt may
go on in the next piece; in the long format the rows of a prompt must follow one another, and a piece holds
whole prompts. Memory is one batch, or in the long format the largest prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneaccord.errors import InputError, MissingDependencyError, nearest
from tuneaccord.progress import Progress

#: columns of a long table; groups may have these names too
_LONG = {"prompt_id", "reply_id", "group", "score", "base"}


@dataclass(frozen=True, eq=False)
class Piece:
    """Replies in the order of the file: ``runs`` says which of them belong to which prompt."""

    runs: list[tuple[str, int, int]]  #: prompt, first reply, the one after the last
    scores: np.ndarray  #: (groups, replies)
    base: np.ndarray | None  #: (replies,)


@dataclass(frozen=True)
class RewardTable:
    """One or several Parquet files with the rewards of ``groups``, read as one table from top to bottom."""

    paths: tuple[Path, ...]
    groups: tuple[str, ...]
    batch: int
    progress: Progress

    def pieces(self) -> Iterator[Piece]:
        """The table once. Raises :class:`InputError` on a missing column or a number that is not finite."""
        with self.progress.task("reading rewards", self._row_groups()) as advance:
            for path in self.paths:
                with _opened(path) as file:
                    names = file.schema_arrow.names
                    wide = set(self.groups) <= set(names) - _LONG or not {"group", "score"} <= set(names)
                    batches = self._batches(path, file, advance, *self._columns(path, names, wide))
                    yield from map(self._wide, batches) if wide else _gathered(self._long(path, batches), self.batch)

    def _row_groups(self) -> int:
        total, with_base = 0, set()
        for path in self.paths:
            with _opened(path) as file:
                total += file.num_row_groups
                with_base.add("base" in file.schema_arrow.names)
        if len(with_base) > 1:
            raise InputError("some of the files have a column 'base' and some do not. Give it to all or to none.")
        return total

    def _columns(self, path, names, wide) -> tuple[list[str], set[str]]:
        """The columns to read, and which of them are numbers; a long table's groups are not columns."""
        needed = ["prompt_id", *self.groups] if wide else ["prompt_id", "reply_id", "group", "score"]
        for column in needed:
            if column not in names:
                raise InputError(
                    f"{path} has no column {column!r}. {nearest(column, names)} A reward table has either prompt_id, "
                    "reply_id, group and score, or prompt_id, reply_id and one column a group."
                )
        with_base = ["base"] * ("base" in names and "base" not in needed)
        return needed + with_base, {*(self.groups if wide else ["score"]), *with_base}

    def _batches(self, path, file, advance, columns, numeric):
        readers = {name: _finite if name in numeric else _texts for name in columns}
        for row_group in range(file.num_row_groups):
            for batch in file.iter_batches(self.batch, row_groups=[row_group], columns=columns):
                if not batch.num_rows:
                    continue
                for name in columns:
                    if batch.column(name).null_count:
                        raise InputError(f"{path}: column {name!r} has an empty cell. Every reply needs every score.")
                yield {name: read(path, name, batch.column(name)) for name, read in readers.items()}
            advance()

    def _wide(self, batch) -> Piece:
        scores = np.stack([batch[group] for group in self.groups])
        return Piece(_runs(batch["prompt_id"]), scores, None if "base" in self.groups else batch.get("base"))

    def _long(self, path, batches) -> Iterator[Piece]:
        held: list[dict] = []
        finished: set[str] = set()
        for batch in batches:
            for prompt, start, stop in _runs(batch["prompt_id"]):
                if held and held[0]["prompt_id"][0] != prompt:
                    finished.add(held[0]["prompt_id"][0])
                    yield self._pivot(path, held)
                    held = []
                if prompt in finished:
                    raise InputError(
                        f"{path}: the rows of prompt {prompt!r} do not follow one another. Sort the table by "
                        "prompt_id, or write it with one column a group."
                    )
                held.append({name: column[start:stop] for name, column in batch.items()})
        if held:
            yield self._pivot(path, held)

    def _pivot(self, path, held) -> Piece:
        rows = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
        prompt, group = rows["prompt_id"][0], rows["group"]
        known = {name: place for place, name in enumerate(self.groups)}
        kept = np.isin(group, list(known))
        replies, first, reply = np.unique(rows["reply_id"], return_index=True, return_inverse=True)
        where = np.array([known.get(name, 0) for name in group]), reply
        count = np.zeros((len(self.groups), len(replies)), int)
        np.add.at(count, tuple(part[kept] for part in where), 1)
        if (count != 1).any():
            i, j = (int(place) for place in np.argwhere(count != 1)[0])
            raise InputError(
                f"{path}: reply {replies[j]!r} to prompt {prompt!r} has {count[i, j]} scores of group "
                f"{self.groups[i]!r}. Give every reply exactly one score of every group."
            )
        scores = np.empty(count.shape)
        scores[tuple(part[kept] for part in where)] = rows["score"][kept]
        base = None
        if "base" in rows:
            base = rows["base"][first]
            if (rows["base"] != base[reply]).any():
                raise InputError(f"{path}: a reply to prompt {prompt!r} has more than one base probability.")
        return Piece([(str(prompt), 0, len(replies))], scores, base)


def _gathered(pieces: Iterator[Piece], enough: int) -> Iterator[Piece]:
    """The same prompts in fewer pieces, of about ``enough`` replies."""
    held: list[Piece] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.scores.shape[1]
        if count >= enough:
            yield _joined(held)
            held, count = [], 0
    if held:
        yield _joined(held)


def _joined(held: list[Piece]) -> Piece:
    starts = np.cumsum([0, *(piece.scores.shape[1] for piece in held)]).tolist()
    runs = [
        (prompt, start + a, start + b)
        for start, piece in zip(starts, held, strict=False)
        for prompt, a, b in piece.runs
    ]
    base = None if held[0].base is None else np.concatenate([piece.base for piece in held])
    return Piece(runs, np.concatenate([piece.scores for piece in held], axis=1), base)


def table_of(paths, groups: Sequence[str], batch: int, progress: Progress) -> RewardTable:
    """The table in ``paths``, one file or several; checks that they are there."""
    try:
        files = tuple(Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths))
    except TypeError:
        raise InputError(f"paths must be the path of a Parquet file or a list of them, got {paths!r:.80}.") from None
    if not files:
        raise InputError("give at least one Parquet file.")
    for path in files:
        if not path.is_file():
            raise InputError(
                f"reward table {path} {'is a folder, expected a file' if path.is_dir() else 'does not exist'}."
            )
    return RewardTable(files, tuple(groups), batch, progress)


@contextmanager
def _opened(path):
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingDependencyError(f"reading {path} needs pyarrow. Run: pip install 'tuneaccord[llm]'.") from None
    try:
        file = parquet.ParquetFile(path, pre_buffer=False)
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"cannot read {path} as Parquet: {str(error).splitlines()[0]}") from None
    try:
        yield file
    except arrow.ArrowException as error:
        raise InputError(f"cannot read {path} as Parquet: {str(error).splitlines()[0]}") from None
    finally:
        file.close()


def _finite(path, name, column) -> np.ndarray:
    numbers = column.to_numpy(zero_copy_only=False)
    if numbers.dtype.kind not in "iuf":
        raise InputError(f"{path}: column {name!r} must be numbers, got {column.type}.")
    numbers = numbers.astype(float)
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: column {name!r} has a number that is not finite. Leave out replies without scores.")
    if name == "base" and (numbers < 0).any():
        raise InputError(f"{path}: column 'base' must not be negative, because it is a probability of each reply.")
    return numbers


def _texts(_path, _name, column) -> np.ndarray:
    encoded = column.dictionary_encode()
    words = np.array([str(word) for word in encoded.dictionary.to_pylist()], dtype=object)
    return words[encoded.indices.to_numpy(zero_copy_only=False)]


def _runs(prompts: np.ndarray) -> list[tuple[str, int, int]]:
    starts = np.flatnonzero(np.concatenate([[True], prompts[1:] != prompts[:-1]]))
    stops = [*starts[1:].tolist(), len(prompts)]
    return [(prompts[start], start, stop) for start, stop in zip(starts.tolist(), stops, strict=True)]
