"""The files of a comparison: one record and page for all ways, and a folder for what each way delivers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tuneaccord.files import write_atomically
from tuneaccord.llm.adapters import Adapter, save
from tuneaccord.mechanism.money import invoices_csv
from tuneaccord.tuning.outputs import write_json

if TYPE_CHECKING:
    from tuneaccord.tuning.compare import Comparison
    from tuneaccord.tuning.job import Frozen
    from tuneaccord.tuning.market import Market
    from tuneaccord.tuning.ways.way import WayResult


def write_comparison(market: Market, drawn: Frozen, comparison: Comparison) -> None:
    """The frozen pools and score sheets, ``ways/<name>/`` for each way, then the comparison's page and record."""
    from tuneaccord.reporting.ways_report import ways_figure, ways_html

    folder, record, costs = comparison.folder, comparison.record, comparison.costs
    (folder / "comparison.json").unlink(missing_ok=True)
    for suffix, sheet in (("", drawn.sheet), ("-held-out", drawn.held_out)):
        sheet.pool.write(folder / f"pool{suffix}.parquet")
        sheet.write(folder / f"scores{suffix}.parquet")
    for result in comparison.results:
        _write_way(market, result, folder / "ways" / result.name)
    write_json(folder / "costs.json", {label: round(cpu, 1) for label, cpu in costs.items()})
    write_atomically(folder / "comparison.svg", ways_figure(record))
    write_atomically(folder / "comparison.html", ways_html(record, costs))
    write_json(folder / "comparison.json", record)


def _write_way(market: Market, result: WayResult, folder: Path) -> None:
    """The settlement, invoices where they may be charged, and the adapter if there is one.

    What an earlier comparison left there goes: it may not be charged, or delivered, any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("settlement.json", "invoices.csv"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "adapter", ignore_errors=True)
    money = market.settings.money
    if result.settlement is not None:
        write_json(folder / "settlement.json", result.settlement.to_dict())
    if result.settlement is not None and result.chargeable:
        sizes = {group.name: group.size for group in market.groups}
        settled = result.settlement
        invoices = invoices_csv(sizes, settled.values, settled.payments, money.currency, money.rate)
        write_atomically(folder / "invoices.csv", invoices)
    if isinstance(result.delivered, Adapter):
        save(market.ref, result.delivered, folder / "adapter", _card(market, result))


def _card(market: Market, result: WayResult) -> str:
    from tuneaccord.reporting.ways_report import way_card

    facts = {"way": result.name, "name": market.settings.name, "model": market.ref.name, "about": result.about}
    return way_card(facts, [guarantee.to_dict() for guarantee in result.guarantees])
