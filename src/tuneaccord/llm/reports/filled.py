"""A score sheet that the group filled in itself, so that it need not show what it scores with.

The frozen pools are drawn and published before anybody reports, each reply with an empty cell. A sheet has one row
for each reply of both pools: ``pool, prompt_id, reply_id, score``, as CSV or Parquet. ``pool`` is the short name of
the pool that the score is about, made of its digest; a sheet of another pool is refused. A sheet scores these replies
and nothing else, so what needs other replies (fresh ones of an adapter, a new prompt) cannot be had with it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.llm.reports.reward import Form, GroupReward, PoolReport
from tuneaccord.sheets import SHEET_SUFFIXES, Cells, Layout, read_long_sheet

if TYPE_CHECKING:
    from tuneaccord.llm.pool import Pool

#: columns of a sheet to fill in; the texts are for people and are not read back
COLUMNS = ("pool", "prompt_id", "reply_id", "prompt", "reply", "score")


def short_name(digest: str) -> str:
    """What a sheet calls the pool of this digest.

    >>> short_name("sha256:" + "0123456789abcdef" * 4)
    '0123456789abcdef'
    """
    return digest.removeprefix("sha256:")[:16]


def blank(rows: Iterable[tuple[Pool, int, int]], columns: tuple[str, ...] = COLUMNS, **more: Iterable[str]) -> str:
    """CSV with one row for each (pool, prompt index, reply index), ``score`` empty; ``more`` fills other columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    extra = zip(*more.values(), strict=True) if more else None
    for pool, prompt, reply in rows:
        row = {
            "pool": short_name(pool.digest),
            "prompt_id": pool.prompts[prompt].id,
            "reply_id": reply,
            "prompt": pool.prompts[prompt].text,
            "reply": pool.texts[prompt][reply],
        }
        writer.writerow({**row, **(dict(zip(more, next(extra), strict=True)) if extra else {})})
    return text.getvalue()


def blank_sheet(*pools: Pool) -> str:
    """The sheet of these pools, to be filled in."""
    return blank((pool, i, k) for pool in pools for i in range(pool.shape[0]) for k in range(pool.shape[1]))


def layout_of(pool: Pool) -> Layout:
    """The cells of a pool."""
    replies = tuple(str(k) for k in range(pool.shape[1]))
    return Layout(tuple(prompt.id for prompt in pool.prompts), (replies,) * pool.shape[0])


@dataclass(frozen=True)
class Sheet(Form):
    """A score sheet in a file, CSV or Parquet."""

    path: Path

    def read(self, name, size, folder, scale, seconds):
        path = (folder / self.path).resolve()
        if path.suffix.lower() not in SHEET_SUFFIXES:
            raise InputError(f"group {name!r}: a score sheet must be .csv or .parquet, got {path.name}.")
        with naming(name):
            sheets = read_long_sheet(path, by="pool")
            source = hashlib.sha256(path.read_bytes()).hexdigest()
        scale = scale or (0.0, 1.0)
        _check_scale(name, path, sheets, scale)
        identity = {"sheet": path.name, "source": source}
        described = f"the score sheet {path.name}, filled in by the group"
        pending = FilledIn(path, tuple(sheets.items()))
        return GroupReward(name, size, path.name, described, scale, None, identity, seconds, pending)


@dataclass(frozen=True)
class FilledIn(PoolReport):
    """The scores in a sheet, by the short names of pools."""

    path: Path
    sheets: tuple[tuple[str, Cells], ...]

    new_texts = False
    fitted = False

    def on(self, group: GroupReward, pool: Pool, held_out: Pool) -> GroupReward:
        """The group with its scores of both pools."""
        with naming(group.name):
            tables = tables_of(self.path, dict(self.sheets), pool, held_out)
        return replace(group, sheets=tables, pending=None)


def tables_of(path: Path, sheets: dict[str, Cells], *pools: Pool) -> dict[str, np.ndarray]:
    """The scores of each pool, (prompts, replies), by its digest.

    Raises :class:`InputError` when a pool's scores are missing, incomplete, or those of another pool.
    """
    known = {short_name(pool.digest): pool for pool in pools}
    for given in sheets:
        if given not in known:
            raise InputError(
                f"{path} scores the pool {given!r}, and the pools of this run are {' and '.join(map(repr, known))}. "
                "Model, prompts, sampling or seed have changed since: write new sheets with tuneaccord pool."
            )
    for short in known:
        if short not in sheets:
            raise InputError(f"{path} has no score of the pool {short!r}. Score the replies of both pools.")
    return {pool.digest: sheets[short].table(layout_of(pool)) for short, pool in known.items()}


@contextmanager
def naming(group: str) -> Iterator[None]:
    """Every :class:`InputError` of the block names the group."""
    try:
        yield
    except InputError as error:
        raise InputError(f"group {group!r}: {error}") from None


def _check_scale(group: str, path: Path, sheets: dict[str, Cells], scale: tuple[float, float]) -> None:
    low, high = scale
    for cells in sheets.values():
        for (prompt, reply), score in cells.scores.items():
            if not low <= score <= high:
                raise InputError(
                    f"group {group!r}: {path.name} gives {score:g} to reply {reply!r} to prompt {prompt!r}, outside "
                    f"its scale [{low:g}, {high:g}]. Mend the score, or publish another 'scale' for the group."
                )
