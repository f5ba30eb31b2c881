"""The term sheet of the deal on the page, made from the same plain data as that of ``tuneaccord bargain``."""

from __future__ import annotations

from typing import Any

from tuneaccord.bargaining.studies.sensitivity import sensitivities
from tuneaccord.errors import InputError
from tuneaccord.reporting.term_sheet import term_sheet_html
from tuneaccord.service.pages.bargaining_state import Deal
from tuneaccord.service.pages.charts import finite
from tuneaccord.specs import to_data

SWING = 0.1  #: by how much a parameter is moved in the sensitivities


def term_sheet(deal: Deal, rows: list[dict]) -> str:
    """The sheet as HTML; ``rows`` are all solutions' rows. Raises :class:`InputError` where there is no agreement."""
    return term_sheet_html(sheet_data(deal, rows))


def sheet_data(deal: Deal, rows: list[dict]) -> dict[str, Any]:
    """What the sheet is made of."""
    game = deal.game()
    chosen = next((row for row in rows if row["name"] == deal.solution), None)
    if chosen is None:
        raise InputError(f"the solution {deal.solution} is not known yet. Wait until all are there, then try again.")
    if "refused" in chosen:
        raise InputError(f"the solution {deal.solution} has no agreement: {chosen['refused']}")
    data = {
        "title": "Fine-tuning agreement",
        "units": "performance",
        "money": {"currency": "units", "rate": 1.0},
        "game": game.to_dict(),
        "players": list(game.players),
        "outside": dict(zip(game.players, game.outside.tolist(), strict=True)),
        "agreement": chosen["agreement"],
        "solutions": [_row(row, row is chosen, rule) for row, rule in zip(rows, deal.rules(), strict=True)],
        "extrapolation": [],
    }
    if chosen["agreement"]["status"] == "agreed" and len(game.specialists) == 1:
        data["sensitivity"] = sensitivities(game, deal.rule(), change=SWING, step=None).to_dict()
    return finite(data)


def _row(row: dict, chosen: bool, rule: Any) -> dict[str, Any]:
    if "refused" in row:
        return {"solution": to_data(rule), "refused": row["refused"], "chosen": chosen}
    agreement = row["agreement"]
    play = agreement["play"]
    kept = {name: agreement[name] for name in ("solution", "status", "shares", "gains", "reason")}
    played = {name: play[name] for name in ("utilities", "base_performance", "performance", "regimes")}
    return {**kept, **played, "chosen": chosen}
