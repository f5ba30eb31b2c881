"""Open the folder of a run: one run at a time, never another file's, with its store, workers and ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, StorageError
from tuneaccord.execution import Executor, default_workers, executor_for
from tuneaccord.files import remove_partial, storage_error
from tuneaccord.llm import hf
from tuneaccord.llm.backend import devices
from tuneaccord.progress import Progress, Silent
from tuneaccord.tuning.job import Job
from tuneaccord.tuning.ledger import Ledger
from tuneaccord.tuning.market import Market
from tuneaccord.tuning.record import NUMERIC, package_versions


@contextmanager
def opened(
    config: Path, market: Market, out: Path | None, workers: int | None, progress: Progress | None
) -> Iterator[tuple[Job, Path]]:
    """The job of a tune file in its folder (default ``runs/<name>``), locked while the block runs.

    Raises :class:`StorageError` when another run uses the folder or it cannot be written, and :class:`InputError`
    when it holds the finished run of another file.
    """
    folder = folder_of(market, out)
    with _locked(folder), workers_for(market.ref, workers, progress or Silent()) as executor:
        check_same_run(folder, Path(config))
        store = Store(folder / "steps", package_versions(NUMERIC))
        yield Job(market, store, executor, progress or Silent(), Ledger(folder / "steps" / "costs.jsonl")), folder


def folder_of(market: Market, out: Path | None) -> Path:
    """Where a run's files go."""
    return Path(out) if out is not None else Path("runs") / market.settings.name


def check_same_run(out: Path, config: Path) -> None:
    """A finished run is a record with invoices: another file's run must not take its place unasked.

    A run that was moved with its file goes on: a file of the same name is the same one where the earlier is gone.
    Raises :class:`InputError` when the folder holds the run of another file.
    """
    try:
        earlier = Path(read_json(out, "run.json", "config")["config"])
    except InputError:
        return  # nothing finished here
    moved = earlier.name == config.name and not earlier.exists()
    if earlier != config.resolve() and not moved:
        raise InputError(
            f"{out} holds the finished run of {earlier}, and this is {config.resolve()}. Give the new run another "
            f"'name' or another folder with --out, or remove {out} first."
        )


def workers_for(ref: hf.ModelRef, workers: int | None, progress: Progress) -> Executor:
    """So many workers, or as many as this machine can feed, one for each GPU; what they say goes to ``progress``."""
    gpus = devices(ref.device)
    executor = executor_for(workers or default_workers(gigabytes_each(ref), gpus), gpus=ref.device == "cuda")
    executor.note = progress.note
    return executor


def gigabytes_each(ref: hf.ModelRef) -> float:
    """What a worker that trains holds: the model, its copy with the adapter, and a block's activations."""
    weights = sum(file.stat().st_size for file in Path(ref.folder).glob("*.safetensors")) / 2**30
    return 2 * weights + 2.5


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One run a folder at a time; the lock goes with the process, however it ends."""
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise StorageError(f"another run is working in {out}. Wait for it, or use another folder with --out.") from None
    except OSError as error:
        raise storage_error(out, error) from error
    try:
        remove_partial(out, out / "steps")
        yield
    finally:
        lock.release()


def read_json(folder: Path, name: str, *keys: str) -> dict:
    """These keys of a file that a finished run left.

    Raises :class:`InputError` when the folder is not that of a finished run.
    """
    try:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        return {key: data[key] for key in keys}
    except (OSError, ValueError, LookupError, TypeError):
        raise InputError(
            f"{folder} is not the folder of a finished run ({name} is missing or damaged). "
            "Finish one with: tuneaccord tune FILE"
        ) from None
