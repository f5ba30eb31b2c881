"""One tuning run, step by step, from a configuration to the files in ``runs/<name>/``.

Every step is stored under the digest of what went into it, so a run that was stopped, by whatever means,
continues with the first step that is missing and ends with the same settlement. What depends on the
machine or the clock (timings, paths) is kept out of ``settlement.json`` and goes to ``run.json``.
"""

from __future__ import annotations

from pathlib import Path

from tuneaccord.errors import InputError
from tuneaccord.llm.distil import training_prompts
from tuneaccord.llm.pool import read_pool
from tuneaccord.progress import Progress
from tuneaccord.specs import to_data
from tuneaccord.tuning.comparison import adapter_row, pool_rows, weighted_row
from tuneaccord.tuning.job import Job, frozen
from tuneaccord.tuning.market import Market, read_market
from tuneaccord.tuning.opening import opened, read_json
from tuneaccord.tuning.outputs import Outcome, write_about, write_outputs
from tuneaccord.tuning.policy import ReplyPolicy
from tuneaccord.tuning.record import run_record, side_by_side
from tuneaccord.tuning.steps import measure_adapter, settle_pool, tune_adapter


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
    market = read_market(config, progress)
    if train:
        training_prompts(len(market.prompts), market.settings.adapter.validation_prompts)
    with opened(config, market, out, workers, progress) as (job, folder):
        outcome = _compute(job, folder, train)
        write_about(Path(config), outcome)
    return outcome


def _compute(job: Job, out: Path, train: bool) -> Outcome:
    with job.counted("pools") as counted:  # tuneaccord compare goes on in this folder and says what it all cost
        drawn = frozen(counted)
    job = job.ready(drawn)
    market = job.market
    sheet, held_out_sheet = drawn.sheet, drawn.held_out
    with job.timed("settling"):
        settlement = settle_pool(market, sheet)
        base, policy, weights = pool_rows(held_out_sheet, market.sizes, market.settings.divergence)
    rows, sheets = [base, policy], {"": sheet, "-held-out": held_out_sheet}
    distilled, adapter_sheet, weighted = None, None, None
    if train:
        with job.counted("adapter") as counted:
            distilled = tune_adapter(counted, sheet, market.sizes)
            measured, adapter_sheet, log_ratios = measure_adapter(counted, distilled, held_out_sheet.pool)
        weighted = weighted_row(held_out_sheet, log_ratios, measured)
        if adapter_sheet is None:
            rows.append(weighted[0])
        else:
            rows.append(adapter_row(adapter_sheet, measured, held_out_sheet))
            sheets["-adapter"] = adapter_sheet
    with job.timed("reporting"):
        record = run_record(market, settlement, sheet, held_out_sheet, rows, weighted, distilled)
        replies = side_by_side(market, held_out_sheet, weights, adapter_sheet)
        outcome = Outcome(out, record, replies, settlement, job.timings)
        write_outputs(market, outcome, sheets, distilled, job.progress)
    return outcome


def policy_of(folder: Path) -> ReplyPolicy:
    """The chosen policy of a finished run, ready to reply.

    Raises :class:`InputError` when the folder is not a finished run or its configuration has changed.
    """
    about = read_json(folder, "run.json", "config")
    record = read_json(folder, "settlement.json", "groups", "model", "divergence", "pool")
    market = read_market(Path(about["config"]))
    _check_new_texts(folder, market)
    changed = _changed(market, record)
    if changed:
        raise InputError(
            f"{folder} was settled with other {', '.join(changed)} than {about['config']} gives on this machine now. "
            f"Settle it again with: tuneaccord tune {about['config']} --out {folder}"
        )
    if any(group.pending for group in market.groups):
        market = market.on(read_pool(folder / "pool.parquet"), read_pool(folder / "pool-held-out.parquet"))
    return ReplyPolicy(market.ref, market.groups, market.settings.divergence, record["pool"]["replies"], market.how)


def _check_new_texts(folder: Path, market: Market) -> None:
    for group in market.groups:
        if not group.new_texts:
            raise InputError(
                f"{folder}: group {group.name!r} filled in a score sheet, which scores the frozen replies and no new "
                "one, so the policy cannot choose among replies to a new prompt. The settlement and the adapter stand."
            )


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
