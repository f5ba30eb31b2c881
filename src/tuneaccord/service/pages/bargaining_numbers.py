"""What the bargaining explorer computes from a deal: the play, the curves, the Pareto set, the map, the solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuneaccord.bargaining import FineTuningGame
from tuneaccord.bargaining.curves import Curve
from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.plays import REGIMES
from tuneaccord.bargaining.rules import Rule
from tuneaccord.bargaining.several.quadratic import quadratic
from tuneaccord.bargaining.studies.regime_map import regime_map
from tuneaccord.errors import InputError
from tuneaccord.service.pages.bargaining_state import Deal, ends_of, rule_name

STEPS = 151  #: shares in the plot of utilities
POINTS = 400  #: of the Pareto set, at most
CELLS = (41, 31)  #: of the regime map, across and upwards
_CURVE_POINTS = 81


def played(deal: Deal) -> dict[str, Any]:
    """What is played at the deal's shares, and what would be as one share moves; curves as far as they are used."""
    game = deal.game()
    play = game.play(deal.by_name).to_dict()
    sweep = _sweep(game, deal)
    reach = max(0.2, 1.3 * max(max(sweep["base"]), max(sweep["performance"]), *play["performance"].values()))
    return {"deal": deal, "play": play, "sweep": sweep, "curves": _curves(game, play, float(reach))}


def _sweep(game: FineTuningGame, deal: Deal) -> dict[str, Any]:
    shares = np.union1d(np.linspace(0.0, 1.0, STEPS), deal.shares[deal.moved])
    rows = np.tile(deal.shares, (len(shares), 1))
    rows[:, deal.moved] = shares
    plays = game.play_many(rows)
    return {
        "share": shares.tolist(),
        "base": plays.base.tolist(),
        "performance": plays.performance[:, deal.moved].tolist(),
        "regime": [REGIMES[code] for code in plays.regime[:, deal.moved]],
        "utilities": {name: plays.utilities[:, i].tolist() for i, name in enumerate(game.players)},
    }


def _curves(game: FineTuningGame, play: dict, reach: float) -> dict[str, Any]:
    at = np.linspace(0.0, reach, _CURVE_POINTS)
    base = play["base_performance"]
    costs = {GENERALIST: _line(game.generalist.cost, at, base)}
    revenues = {}
    for one in game.specialists:
        costs[one.name] = _line(one.cost.at(base), at, play["improvements"][one.name])
        revenues[one.name] = _line(one.revenue, at, play["performance"][one.name])
    return {"at": at.tolist(), "costs": costs, "revenues": revenues}


def _line(curve: Curve, at: np.ndarray, here: float) -> dict[str, Any]:
    heights = np.asarray(curve.value(at), float)
    return {"heights": heights.tolist(), "here": here, "height": float(curve.value(here))}


def pareto(deal: Deal) -> dict[str, Any]:
    """The Pareto set, thinned to what a plot can show; its pieces by the numbers of their points."""
    game = deal.game()
    found = game.frontier()
    points = found.points
    step = max(1, -(-len(points) // POINTS))
    pieces = []
    for piece in found.pieces:
        kept = sorted({*piece.points[::step], piece.points[-1]})
        pieces.append([points[i] for i in kept])
    return {
        "players": list(game.players),
        "pieces": pieces,
        "ends": [_piece_row(piece) for piece in found.pieces],
        "method": found.method,
    }


def _piece_row(piece) -> dict[str, Any]:
    return {"low": piece.low, "high": piece.high, "low_reason": piece.low_reason, "high_reason": piece.high_reason}


def mapped(deal: Deal) -> dict[str, Any]:
    """Who contributes, free-rides or abstains over the map's two sides, at the deal's shares otherwise."""
    axes = {
        path: np.linspace(*ends_of(deal, path), count)
        for path, count in zip((deal.across, deal.upwards), CELLS, strict=True)
    }
    fixed = {name: share for name, share in deal.by_name.items() if f"share.{name}" not in axes}
    found = regime_map(deal.game(), axes, shares=fixed)
    here = {**deal.game().parameters(), **{f"share.{name}": share for name, share in deal.by_name.items()}}
    return {
        "paths": [deal.across, deal.upwards],
        "values": [values.tolist() for values in found.values],
        "codes": {name: codes.tolist() for name, codes in found.regimes.items()},
        "here": [here[deal.across], here[deal.upwards]],
        "shares": fixed,
    }


def solved(game: FineTuningGame, rule: Rule) -> dict[str, Any]:
    """One solution's row: its agreement as plain data, or why there is none."""
    try:
        found = game.bargain(rule).to_dict()
    except InputError as error:
        return {"name": rule_name(rule), "refused": str(error)}
    return {"name": rule_name(rule), "agreement": found}


def is_quick(game: FineTuningGame) -> bool:
    """Whether its solutions take milliseconds: one specialist, or quadratic costs with linear revenues."""
    return len(game.specialists) == 1 or quadratic(game) is not None
