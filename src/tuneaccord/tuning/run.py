"""One tuning run, step by step, from a configuration to the files in ``runs/<name>/``.

Every step is stored under the digest of what went into it, so a run that was stopped, by whatever means,
continues with the first step that is missing and ends with the same settlement. What depends on the
machine or the clock (timings, paths) is kept out of ``settlement.json`` and goes to ``run.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, StorageError
from tuneaccord.execution import Executor, default_workers, executor_for
from tuneaccord.files import remove_partial, storage_error
from tuneaccord.llm import hf
from tuneaccord.llm.adapters import Lora
from tuneaccord.llm.distil import Distilled, Training, distil, training_prompts
from tuneaccord.llm.measure import Measured, measure, pool_log_ratios
from tuneaccord.llm.pool import HELD_OUT, TUNE, Pool, sample_pool
from tuneaccord.llm.scoring import ScoreSheet, score_pool
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.progress import Progress, Silent
from tuneaccord.specs import to_data
from tuneaccord.tuning.comparison import adapter_row, pool_rows, weighted_row
from tuneaccord.tuning.market import Market, read_market
from tuneaccord.tuning.outputs import Outcome, write_about, write_outputs
from tuneaccord.tuning.policy import ReplyPolicy, settle_replies
from tuneaccord.tuning.record import NUMERIC, package_versions, run_record, side_by_side


def run(
    config: Path,
    out: Path | None = None,
    train: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run the whole job of a tune file and write its files to ``out`` (default ``runs/<name>``).

    ``train=False`` leaves the adapter out. Called again with the same file it continues, or reads back what
    is finished. Raises :class:`~tuneaccord.errors.TuneaccordError` on bad input, a failing reward model, or
    when another run uses the folder.
    """
    progress = progress or Silent()
    market = read_market(config, progress)
    if train:
        training_prompts(len(market.prompts), market.settings.adapter.validation_prompts)
    out = Path(out) if out is not None else Path("runs") / market.settings.name
    with _locked(out), executor_for(workers or default_workers(_gigabytes_each(market.ref))) as executor:
        _check_same_run(out, Path(config))
        job = _Job(market, Store(out / "steps", package_versions(NUMERIC)), executor, progress)
        outcome = _compute(job, out, train)
        write_about(Path(config), outcome)
    return outcome


def _check_same_run(out: Path, config: Path) -> None:
    """A finished run is a record with invoices: another file's run must not take its place unasked."""
    try:
        earlier = _read_json(out, "run.json", "config")["config"]
    except InputError:
        return  # nothing finished here
    if Path(earlier) != config.resolve():
        raise InputError(
            f"{out} holds the finished run of {earlier}, and this is {config.resolve()}. Give the new run another "
            f"'name' or another folder with --out, or remove {out} first."
        )


def _gigabytes_each(ref: hf.ModelRef) -> float:
    """What a worker that trains holds: the model, its copy with the adapter, and a block's activations."""
    weights = sum(file.stat().st_size for file in Path(ref.folder).glob("*.safetensors")) / 2**30
    return 2 * weights + 2.5


@dataclass
class _Job:
    """What the steps share."""

    market: Market
    store: Store
    executor: Executor
    progress: Progress
    timings: dict = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings[step] = round(time.perf_counter() - start, 2)


def _compute(job: _Job, out: Path, train: bool) -> Outcome:
    market = job.market
    pool, held_out = _pools(job)
    with job.timed("scoring"):
        sheet = score_pool(pool, market.groups, job.store, job.progress, "scoring")
        held_out_sheet = score_pool(held_out, market.groups, job.store, job.progress, "scoring, held out")
    with job.timed("settling"):
        settlement = _settle(market, sheet)
        base, policy, weights = pool_rows(held_out_sheet, market.sizes, market.settings.divergence)
    rows, sheets = [base, policy], {"": sheet, "-held-out": held_out_sheet}
    distilled, adapter_sheet, weighted = None, None, None
    if train:
        distilled = _tune(job, pool, sheet)
        measured, adapter_sheet, log_ratios = _measure(job, distilled, held_out)
        rows.append(adapter_row(adapter_sheet, measured, held_out_sheet))
        weighted = weighted_row(held_out_sheet, log_ratios, measured)
        sheets["-adapter"] = adapter_sheet
    with job.timed("reporting"):
        record = run_record(market, settlement, sheet, held_out_sheet, rows, weighted, distilled)
        replies = side_by_side(market, held_out_sheet, weights, adapter_sheet)
        outcome = Outcome(out, record, replies, settlement, job.timings)
        write_outputs(market, outcome, sheets, distilled, job.progress)
    return outcome


def _pools(job: _Job) -> tuple[Pool, Pool]:
    market, settings = job.market, job.market.settings
    model = hf.load(market.ref)
    pools = []
    for prompts, label in ((market.prompts, TUNE), (market.held_out, HELD_OUT)):
        encoded = hf.encode_all(model, {prompt.id: prompt.text for prompt in prompts}, settings.pool.new_tokens)
        with job.timed(label):
            pools.append(
                sample_pool(
                    market.ref, prompts, encoded, settings.pool.replies, market.how, settings.seed,
                    job.store, job.executor, job.progress, label,
                )
            )  # fmt: skip
    return pools[0], pools[1]


def _settle(market: Market, sheet: ScoreSheet) -> Settlement:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        result = settle_replies(sheet.scores, market.groups, market.settings.divergence)
    if not np.isfinite([*result.payments.values(), result.net_welfare, result.gap]).all():
        raise InputError("sizes, scales and strength are too far apart for floating point. Choose smaller sizes.")
    return result


def _tune(job: _Job, pool: Pool, sheet: ScoreSheet) -> Distilled:
    market, settings = job.market, job.market.settings
    wanted = settings.adapter
    targets = wanted.targets if isinstance(wanted.targets, str) else tuple(wanted.targets)
    lora = Lora(wanted.rank, wanted.alpha, targets, settings.seed)
    training = Training(
        wanted.learning_rate,
        wanted.blocks_per_step,
        wanted.block,
        wanted.passes,
        wanted.validation_prompts,
        settings.seed,
    )
    with job.timed("tuning"):
        return distil(
            market.ref, pool, sheet.scores @ market.sizes / market.strength, market.how.temperature,
            lora, training, job.store, job.executor, job.progress,
        )  # fmt: skip


def _measure(job: _Job, distilled: Distilled, held_out: Pool) -> tuple[Measured, ScoreSheet, np.ndarray]:
    market, settings = job.market, job.market.settings
    made = market.ref, distilled.lora, distilled.state, held_out
    tools = job.store, job.executor, job.progress
    with job.timed("measuring"):
        measured = measure(*made, settings.measure.replies, market.how, settings.seed, *tools)
        sheet = score_pool(measured.pool, market.groups, job.store, job.progress, "scoring the adapter")
        log_ratios = pool_log_ratios(*made, settings.adapter.block, market.how.temperature, *tools)
    return measured, sheet, log_ratios


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


def policy_of(folder: Path) -> ReplyPolicy:
    """The chosen policy of a finished run, ready to reply.

    Raises :class:`InputError` when the folder is not a finished run or its configuration has changed.
    """
    about = _read_json(folder, "run.json", "config")
    record = _read_json(folder, "settlement.json", "groups", "model", "divergence", "pool")
    market = read_market(Path(about["config"]))
    changed = _changed(market, record)
    if changed:
        raise InputError(
            f"{folder} was settled with other {', '.join(changed)} than {about['config']} gives on this machine now. "
            f"Settle it again with: tuneaccord tune {about['config']} --out {folder}"
        )
    return ReplyPolicy(market.ref, market.groups, market.settings.divergence, record["pool"]["replies"], market.how)


def _changed(market: Market, record: dict) -> list[str]:
    """The keys of the configuration that decide a reply and are not what they were when it was settled."""
    settings, pool = market.settings, record["pool"]
    keys = ("name", "size", "reward", "scale", "identity")
    groups = [[g.name, g.size, g.reward, list(g.scale), g.identity] for g in market.groups]
    identity = market.ref.identity()
    same = {
        "groups or rewards": groups == [[group[key] for key in keys] for group in record["groups"]],
        "model files or number type": identity == {key: record["model"].get(key) for key in identity},
        "divergence settings": to_data(settings.divergence) == record["divergence"],
        "pool settings": settings.pool.model_dump() == {key: pool[key] for key in settings.pool.model_dump()},
    }
    return [name for name, unchanged in same.items() if not unchanged]


def _read_json(folder: Path, name: str, *keys: str) -> dict:
    try:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        return {key: data[key] for key in keys}
    except (OSError, ValueError, LookupError, TypeError):
        raise InputError(
            f"{folder} is not the folder of a finished run ({name} is missing or damaged). "
            "Finish one with: tuneaccord tune FILE"
        ) from None
