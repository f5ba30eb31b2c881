"""All ways to obtain the shared model, side by side on one market and the same held-out prompts.

Every way starts from the same frozen pools. What a way delivers is measured as the run's table does it
(``tuneaccord.tuning.comparison``); what it would charge is put beside the payments of reply mode on the same held-out
prompts, and the difference is taken apart: ``payment_i = h_i - [others' net welfare at the delivered model]``, so it
is that of the ``h_i`` (what the others could have without the group, in this way's set of models) plus that of the
others' welfare as delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.llm import embedded
from tuneaccord.mechanism.uncertainty import interval
from tuneaccord.progress import Progress
from tuneaccord.specs import to_data
from tuneaccord.tuning.comparison import Row, compare, pool_rows
from tuneaccord.tuning.job import Frozen, frozen
from tuneaccord.tuning.market import Market, read_market
from tuneaccord.tuning.opening import opened, read_json
from tuneaccord.tuning.ways import NAMES, Way, WayResult, ways
from tuneaccord.tuning.ways.measured import base_row, tokens_of
from tuneaccord.tuning.ways.outputs import write_comparison
from tuneaccord.tuning.ways.presence import gap_of, others_by_group, pool_charges


@dataclass(frozen=True, eq=False)
class Comparison:
    """The finished comparison: its record, what it cost here, each way's result, and where the files are."""

    folder: Path
    record: dict
    costs: dict[str, float]
    results: tuple[WayResult, ...]


def compare_ways(
    config: Path,
    names: Sequence[str] = NAMES,
    out: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Obtain the model of a tune file in each of these ways and write the comparison to ``out``.

    The folder is that of ``tuneaccord tune`` (default ``runs/<name>``), whose finished steps are used. Stopped at
    any moment, the same call continues. Raises :class:`~tuneaccord.errors.TuneaccordError` on bad input.
    """
    chosen = ways(names)
    market = read_market(config, progress)
    _check_new_texts(market, chosen)
    for one in chosen:
        one.check(market)
    with opened(config, market, out, workers, progress) as (job, folder):
        with job.counted("pools") as counted:
            drawn = frozen(counted)
        _check_settled(folder, config, drawn)
        job = job.ready(drawn)
        market = job.market
        results = []
        for one in chosen:
            job.progress.note(f"{one.name}: {one.description}")
            with job.counted(one.name) as counted:
                results.append(one.run(counted, drawn))
        record = comparison_record(market, drawn, tuple(results))
        comparison = Comparison(folder, record, _costs(chosen, job.ledger.totals()), tuple(results))
        write_comparison(market, drawn, comparison)
    return comparison


def _check_new_texts(market: Market, chosen: Sequence[Way]) -> None:
    """Every way but reply mode is measured on replies that nobody has seen before."""
    silent = [group.name for group in market.groups if not group.new_texts]
    trained = [one.name for one in chosen if one.name != "reply"]
    if silent and trained:
        raise InputError(
            f"group {silent[0]!r} reports by a score sheet, which says nothing about new replies, and {trained[0]!r} "
            "is measured on them. Use --ways reply, or tuneaccord tune, which measures its adapter on the sheet."
        )


def _check_settled(folder: Path, config: Path, drawn: Frozen) -> None:
    """A settlement must not stand beside pools that it is not about."""
    try:
        record = read_json(folder, "settlement.json", "pool", "held_out_pool")
    except InputError:
        return  # nothing settled here
    settled = [record[key].get("digest") for key in ("pool", "held_out_pool")]
    if settled != [drawn.sheet.pool.digest, drawn.held_out.pool.digest]:
        raise InputError(
            f"{folder} holds a settlement on other pools than {config} gives now. Settle it again first with "
            f"tuneaccord tune {config}, or compare in another folder with --out."
        )


def _costs(chosen: Sequence[Way], spent: dict[str, float]) -> dict[str, float]:
    """CPU-seconds of the pools and of each way, with those of the ways and shared steps that it builds on."""
    costs = {one.name: sum(spent.get(name, 0.0) for name in (one.name, *one.builds_on)) for one in chosen}
    return {"pools": spent.get("pools", 0.0), **costs}


def comparison_record(market: Market, drawn: Frozen, results: tuple[WayResult, ...]) -> dict:
    """Plain data, the same bytes for the same file and seed on one machine."""
    settings = market.settings
    base, policy = base_row(drawn), pool_rows(drawn.held_out, market.sizes, settings.divergence)[1]
    rows = [base, policy, *(replace(result.row, name=result.name) for result in results if result.name != "reply")]
    table = compare(rows, market.names, market.sizes, market.strength, settings.seed)
    measured = {row["name"]: row for row in table["rows"]}
    reference = pool_charges(market, drawn, policy)  # reply mode's payments on the held-out pool
    pools = {key: tokens_of(sheet.pool) for key, sheet in (("tune", drawn.sheet), ("held_out", drawn.held_out))}
    return {
        "kind": "WayComparison",
        "format": 1,
        "name": settings.name,
        "seed": settings.seed,
        "model": {**market.ref.identity(), **embedded.about(market.ref.name)},
        "divergence": to_data(settings.divergence),
        "groups": [{"name": g.name, "size": g.size, "reward": g.reward} for g in market.groups],
        "prompts": {"tune": len(market.prompts), "held_out": len(market.held_out)},
        "pool": {"digest": drawn.sheet.pool.digest, "replies": settings.pool.replies, "tokens": pools},
        "base": measured["base"],
        "ways": [_way(result, measured, market, drawn, policy, reference) for result in results],
    }


def _way(result: WayResult, measured: dict, market: Market, drawn: Frozen, policy: Row, reference: np.ndarray) -> dict:
    row = measured["policy" if result.name == "reply" else result.name]
    return {
        **{key: row[key] for key in ("values", "welfare", "kl", "price", "net_welfare", "gain", "share")},
        "name": result.name,
        "replies_per_prompt": row["replies_per_prompt"],
        "optimality_gap": gap_of(market, drawn, result.row).to_dict(),
        "payments": {name: paid.to_dict() for name, paid in result.payments.items()},
        "against_reply": _against_reply(result, market, policy, reference),
        "chargeable": result.chargeable,
        "why": result.why,
        "guarantees": [guarantee.to_dict() for guarantee in result.guarantees],
        "generated": result.generated,
        "trained": result.trained,
        "chosen": None if result.table is None else result.row.name,
        "about": result.about,
    }


def _against_reply(result: WayResult, market: Market, policy: Row, reference: np.ndarray) -> dict:
    """For each group: reply mode's payment on the held-out prompts, the difference, and its two parts.

    Where payments are made of a frozen table, what the others have is that of its row, not of the measurement after.
    """
    charged = result.row
    if result.table is not None and result.settlement is not None:
        charged = result.table.rows[result.table.names.index(result.settlement.model)]
    seed, lost = market.settings.seed, others_by_group(policy, market) - others_by_group(charged, market)
    parts = {}
    for index, (name, paid) in enumerate(result.payments.items()):
        expected = interval(reference[:, index], seed)
        delivered = interval(lost[:, index], seed)
        if result.name == "reply":  # its own payments are on the prompts that were settled
            parts[name] = {"reply": expected.to_dict(), "difference": paid.estimate - expected.estimate}
            continue
        difference = paid.estimate - expected.estimate
        parts[name] = {
            "reply": expected.to_dict(),
            "difference": difference,
            "lost_by_others": delivered.to_dict(),
            "smaller_set": difference - delivered.estimate,
        }
    return parts
