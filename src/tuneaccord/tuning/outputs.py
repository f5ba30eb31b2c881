"""The files of a finished run, written together at the end.

An earlier settlement is taken away first and the new one written last, so a settlement never stands beside files
that it does not describe.
"""

from __future__ import annotations

import contextlib
import json
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tuneaccord import __version__
from tuneaccord.files import write_atomically
from tuneaccord.llm.adapters import save
from tuneaccord.mechanism.money import invoices_csv

if TYPE_CHECKING:
    from tuneaccord.llm.distil import Distilled
    from tuneaccord.llm.scoring import ScoreSheet
    from tuneaccord.mechanism.settlement import Settlement
    from tuneaccord.progress import Progress
    from tuneaccord.tuning.market import Market


@dataclass(frozen=True)
class Outcome:
    """A finished run: its settlement record and where everything is."""

    folder: Path
    record: dict
    replies: list[dict]
    settlement: Settlement
    timings: dict = field(default_factory=dict)


def write_outputs(
    market: Market,
    outcome: Outcome,
    sheets: dict[str, ScoreSheet],
    distilled: Distilled | None,
    progress: Progress,
) -> None:
    """Pools and score sheets by their suffix, invoices, adapter with model card, report, settlement."""
    from tuneaccord.reporting.documents import model_card, report_html

    folder, record, settled = outcome.folder, outcome.record, outcome.settlement
    report = report_html(record, outcome.replies)
    card = model_card(record) if distilled else ""
    _remove(folder, ["run.json", "settlement.json"])
    for suffix, sheet in sheets.items():
        sheet.pool.write(folder / f"pool{suffix}.parquet")
        sheet.write(folder / f"scores{suffix}.parquet")
    _remove(folder, [] if "-adapter" in sheets else ["pool-adapter.parquet", "scores-adapter.parquet"])
    sizes = {group.name: group.size for group in market.groups}
    money = market.settings.money
    invoices = invoices_csv(sizes, settled.values, settled.payments, money.currency, money.rate)
    write_atomically(folder / "invoices.csv", invoices)
    if distilled is None:
        _remove_adapter(folder / "adapter", progress)
    else:
        save(market.ref, distilled.adapter, folder / "adapter", card)
    write_json(folder / "replies.json", outcome.replies)
    write_atomically(folder / "report.html", report)
    write_json(folder / "settlement.json", record)


def write_about(config: Path, outcome: Outcome) -> None:
    """``run.json``: what depends on the machine and the clock."""
    about = {
        "config": str(config.resolve()),
        "seconds": outcome.timings,
        "machine": {"system": platform.platform(), "python": platform.python_version()},
        "tuneaccord": __version__,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_json(outcome.folder / "run.json", about)


def write_json(path: Path, data: object) -> None:
    """Readable JSON, the same bytes for the same data."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n")


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _remove_adapter(folder: Path, progress: Progress) -> None:
    """An adapter of an earlier run is not what this one describes; what else is in its folder stays."""
    if (folder / "adapter_config.json").is_file():
        progress.note("the adapter of an earlier run is taken away; run again with --tune to read it back")
        _remove(folder, ["adapter_config.json", "adapter_model.safetensors", "README.md"])
        with contextlib.suppress(OSError):
            folder.rmdir()
