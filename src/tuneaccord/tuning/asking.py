"""What is done before anybody reports: draw and publish the frozen pools, and write what groups may fill in.

The pools are the same that a run then uses, from the same stored steps, and no report is read: the files of a group's
report need not exist. What a person has filled in is never overwritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tuneaccord.errors import InputError, nearest
from tuneaccord.files import write_atomically
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.reports.filled import blank_sheet
from tuneaccord.llm.reports.questions import CHECKS, QUESTIONS, questionnaire
from tuneaccord.progress import Progress
from tuneaccord.tuning.job import pools
from tuneaccord.tuning.market import read_market
from tuneaccord.tuning.opening import opened


@dataclass(frozen=True)
class Published:
    """Both pools and the files written."""

    folder: Path
    pool: Pool
    held_out: Pool
    files: tuple[Path, ...]

    def to_dict(self) -> dict:
        """Plain data."""
        digests = {"pool": self.pool.digest, "held_out_pool": self.held_out.digest}
        return {**digests, "files": [str(file) for file in self.files]}


def publish_pools(
    config: Path, out: Path | None = None, workers: int | None = None, progress: Progress | None = None
) -> Published:
    """Draw both pools of a tune file and write them, with an empty score sheet, to ``<out>/pools``.

    ``out`` is the folder of the run (default ``runs/<name>``), which uses them. Raises
    :class:`~tuneaccord.errors.InputError` when a sheet there was filled in, or is about other pools.
    """
    folder, pool, held_out = _drawn(config, out, workers, progress)
    sheet = folder / "sheet.csv"
    _write_new(sheet, blank_sheet(pool, held_out))
    files = {folder / "tune.parquet": pool, folder / "held-out.parquet": held_out}
    for path, one in files.items():
        one.write(path)
    return Published(folder, pool, held_out, (*files, sheet))


def publish_questions(
    config: Path,
    group: str,
    count: int = QUESTIONS,
    checks: int = CHECKS,
    file: Path | None = None,
    out: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Published:
    """Write the questions to one group to ``file`` (default ``<out>/pools/questions-<group>.csv``).

    They depend on the pool and the group's name, and on no report. Raises :class:`~tuneaccord.errors.InputError`
    when there is no such group, the pool is too small, or the file was filled in.
    """
    from tuneaccord.config.tune import load_tune

    names = [one.name for one in load_tune(config).groups]
    if group not in names:
        raise InputError(f"there is no group {group!r} in {config}. {nearest(group, names)}")
    folder, pool, held_out = _drawn(config, out, workers, progress)
    called = re.sub(r"[^\w.-]+", "-", group)
    path = file or folder / f"questions-{called}.csv"
    _write_new(path, questionnaire(pool, group, count, checks))
    return Published(folder, pool, held_out, (path,))


def _drawn(config: Path, out: Path | None, workers: int | None, progress: Progress | None) -> tuple[Path, Pool, Pool]:
    market = read_market(config, progress, reports=False)
    with opened(config, market, out, workers, progress) as (job, folder):
        pool, held_out = pools(job)
    return folder / "pools", pool, held_out


def _write_new(path: Path, content: str) -> None:
    """Write a file to fill in, unless somebody did."""
    if path.exists() and path.read_bytes() != content.encode():
        raise InputError(f"{path} exists and is not the empty one. Move it away, or remove it, to have a new one.")
    write_atomically(path, content)
