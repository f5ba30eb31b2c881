"""The plots of the bargaining explorer, as plain data for Plotly, and the tables that say the same."""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.plays import REGIMES
from tuneaccord.reporting.bargain_figures import REGIME_COLOURS
from tuneaccord.reporting.formatting import listing, number
from tuneaccord.reporting.pictures import grouped
from tuneaccord.reporting.svg import COLOURS
from tuneaccord.service.pages.bargaining_state import Deal
from tuneaccord.service.pages.bargaining_words import path_words
from tuneaccord.service.pages.charts import CYCLE, axis, curve, figure, label, marks, upright

MONEY = "units of money"
_ROOM = 4  #: cells from a border to the place of a region's name
_SAME = 4e-3  #: of the largest utility: solutions this close share a mark
_MARKS = ("circle", "square", "diamond", "triangle-up", "star", "cross", "triangle-down", "hexagon", "pentagon", "x")


def cost_figure(found: dict) -> dict:
    """What investing costs each party; marks show what is played."""
    return _curves(found["curves"]["at"], found["curves"]["costs"], "investment", "units of performance", "cost", 0)


def revenue_figure(found: dict) -> dict:
    """What each domain earns with the performance that it reaches; marks show what is played."""
    lines = found["curves"]["revenues"]
    return _curves(found["curves"]["at"], lines, "performance", "units of performance", "revenue", 1)


def _curves(at: list[float], lines: dict, across: str, unit: str, upwards: str, first: int) -> dict:
    traces = []
    for place, (name, line) in enumerate(lines.items(), start=first):
        traces.append(curve(name, at, line["heights"], place))
        traces.append(marks(f"{name}, here", [line["here"]], [line["height"]], place, showlegend=False))
    return figure(traces, axis(across, unit, rangemode="tozero"), axis(upwards, MONEY, rangemode="tozero"))


def share_figure(found: dict) -> dict:
    """Everybody's utility as one share moves; shaded by what the specialist does, dotted where you are."""
    deal: Deal = found["deal"]
    sweep, here = found["sweep"], deal.shares[deal.moved]
    place_here = sweep["share"].index(here)
    traces = []
    for place, (name, heights) in enumerate(sweep["utilities"].items()):
        traces.append(curve(name, sweep["share"], heights, place))
        traces.append(marks(f"{name}, here", [here], [heights[place_here]], place, showlegend=False))
    traces += [_patch(regime) for regime in REGIME_COLOURS if regime in sweep["regime"]]
    across = axis(f"generalist's share of {label(deal.mover)}", "part of the revenue", range=[0, 1])
    return figure(traces, across, axis("utility", MONEY), shapes=[*_bands(sweep), upright(here)])


def _patch(regime: str) -> dict:
    """A row of the legend for a shaded region."""
    marker = {"color": REGIME_COLOURS[regime], "symbol": "square", "size": 14, "opacity": 0.4}
    return {"type": "scatter", "mode": "markers", "name": regime, "x": [None], "y": [None], "marker": marker}


def _bands(sweep: dict) -> list[dict]:
    bands, start = [], 0
    shares, regimes = sweep["share"], [*sweep["regime"], None]
    for i in range(1, len(regimes)):
        if regimes[i] != regimes[start]:
            left = shares[start] if start == 0 else (shares[start - 1] + shares[start]) / 2
            right = shares[-1] if i == len(shares) else (shares[i - 1] + shares[i]) / 2
            bands.append(_band(left, right, REGIME_COLOURS[regimes[start]]))
            start = i
    return bands


def _band(left: float, right: float, colour: str) -> dict:
    return {
        "type": "rect", "xref": "x", "yref": "paper", "x0": left, "x1": right, "y0": 0, "y1": 1, "layer": "below",
        "fillcolor": colour, "opacity": 0.18, "line": {"width": 0},
    }  # fmt: skip


def frontier_figure(front: dict | None, rows: list[dict], found: dict) -> dict:
    """The Pareto set, every solution that is known so far, and the shares where you are.

    Across is the generalist's utility, upwards the specialist's, or the sum of theirs if there are several.
    """
    players = list(found["play"]["utilities"])
    traces = []
    if len(players) == 2:
        sweep = list(found["sweep"]["utilities"].values())
        line = {"color": COLOURS["grid"], "dash": "dot", "width": 1.5}
        traces.append(curve("all shares", sweep[0], sweep[1], 4, line=line))
    for place, piece in enumerate(front["pieces"] if front else []):
        traces.append(_piece([_spot(point["utilities"]) for point in piece], len(players) > 2, place == 0))
    here = _spot(found["play"]["utilities"])
    traces += [_mark(at, names, place) for place, (names, at) in enumerate(_solution_spots(rows))]
    ring = {"color": "rgba(0,0,0,0)", "size": 18, "line": {"color": CYCLE[1], "width": 3}}
    traces.append(marks("your shares", [here[0]], [here[1]], 1, marker=ring))
    other = f"utility of {label(players[1])}" if len(players) == 2 else "sum of the specialists' utilities"
    return figure(traces, axis("utility of the generalist", MONEY), axis(other, MONEY))


def _piece(points: list[tuple[float, float]], scattered: bool, first: bool) -> dict:
    points = points if scattered else sorted(points)
    look = (
        {"mode": "markers", "marker": {"color": COLOURS["adapter"], "size": 4, "opacity": 0.5}}
        if scattered
        else {"mode": "lines", "line": {"color": COLOURS["adapter"], "width": 5}}
    )
    across, heights = zip(*points, strict=True)
    return {"type": "scatter", "name": "Pareto set", "x": across, "y": heights, "showlegend": first, **look}


def _mark(at: tuple[float, ...], names: str, place: int) -> dict:
    marker = {"color": CYCLE[(0, 2, 4)[place % 3]], "symbol": _MARKS[place % len(_MARKS)], "size": 12}
    marker["line"] = {"width": 1.5, "color": "#ffffff"}
    return marks(names, [at[0]], [at[1]], 0, marker=marker) | {"name": label(names, 60)}


def _spot(utilities: dict) -> tuple[float, float]:
    return utilities[GENERALIST], sum(amount for name, amount in utilities.items() if name != GENERALIST)


def _solution_spots(rows: list[dict]) -> list[tuple[str, tuple]]:
    kept = [row for row in rows if row.get("agreement", {}).get("status") == "agreed"]
    spots = [_spot(row["agreement"]["play"]["utilities"]) for row in kept]
    size = max((abs(one) for spot in spots for one in spot), default=0.0)
    return grouped([row["name"] for row in kept], spots, _SAME * size)


def map_figure(found: dict, specialist: str) -> dict:
    """What one specialist does over the map's two sides; each region is named, a ring is where you are."""
    codes = np.array(found["codes"][specialist])
    across, upwards = found["values"]
    shades = [REGIME_COLOURS[name] for name in REGIMES]
    steps = [(place / 3, shade) for place, shade in enumerate(shades)]
    scale = [[end, shade] for start, shade in steps for end in (start, start + 1 / 3)]
    traces = [
        {
            "type": "heatmap", "x": across, "y": upwards, "z": codes.T.tolist(), "zmin": -0.5, "zmax": 2.5,
            "colorscale": scale, "showscale": False, "opacity": 0.55,
            "customdata": np.array(REGIMES)[codes.T].tolist(), "hovertemplate": "%{customdata}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "markers", "x": [found["here"][0]], "y": [found["here"][1]],
            "name": "where you are",
            "marker": {"color": "rgba(0,0,0,0)", "size": 16, "line": {"color": CYCLE[1], "width": 3}},
        },
    ]  # fmt: skip
    traces += [_patch(regime) for code, regime in enumerate(REGIMES) if (codes == code).any()]
    names = [_named(codes, code, across, upwards) for code in range(len(REGIMES))]
    sides = [axis(_side(path), _unit(path), zeroline=False) for path in found["paths"]]
    return figure(traces, *sides, annotations=[name for name in names if name])


def _side(path: str) -> str:
    return label(path_words(path), 48)


def _unit(path: str) -> str:
    if path.startswith("share."):
        return "part of the revenue"
    field = path.rsplit(".", 1)[-1]
    if field == "exponent":
        return "no unit"
    if field in ("limit", "midpoint", "width"):
        return "units of performance"
    return MONEY if field in ("entry_cost", "outside", "amount", "cap") else f"{MONEY}, as the curve has it"


def _named(codes: np.ndarray, code: int, across: list[float], upwards: list[float]) -> dict | None:
    """The region's name at its cell that is farthest from its border; None where there is no room for it."""
    from scipy.ndimage import distance_transform_cdt

    depth = distance_transform_cdt(np.pad(codes == code, 1), metric="chessboard")[1:-1, 1:-1]
    if depth.max() < _ROOM:
        return None
    i, j = np.unravel_index(depth.argmax(), depth.shape)
    return {"x": across[i], "y": upwards[j], "text": REGIMES[code], "showarrow": False, "font": {"size": 13}}


def party_table(found: dict) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: what each party does at these shares, and why."""
    play = found["play"]
    columns = ["party", "does", "invests", "at a cost", "reaches", "revenue", "utility", "why"]
    rows = []
    for name in play["utilities"]:
        base = name == GENERALIST
        does = (
            ("builds the base" if play["base_performance"] > 0 else "builds nothing") if base else play["regimes"][name]
        )
        invests = play["base_performance"] if base else play["improvements"][name]
        reaches = play["base_performance"] if base else play["performance"][name]
        revenue = "" if base else play["revenues"][name]
        cost, utility = play["costs"][name], play["utilities"][name]
        rows.append([name, does, invests, cost, reaches, revenue, utility, play["reasons"].get(name, "")])
    return columns, rows


def solution_table(rows: list[dict], names: tuple[str, ...]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: the shares, utilities and regimes of every solution that is known so far."""
    players = [GENERALIST, *names]
    columns = ["solution", *(f"share of {name}" for name in names), *(f"utility of {name}" for name in players)]
    columns += ["what they do", "why these shares"]
    found = []
    for row in rows:
        agreement = row.get("agreement")
        if agreement is None:
            found.append([row["name"], *[""] * (2 * len(names) + 2), row["refused"]])
            continue
        play = agreement["play"]
        shares = [_share(agreement, name) for name in names]
        does = ", ".join(f"{name} {play['regimes'][name]}" for name in names)
        utilities = [play["utilities"][name] for name in players]
        found.append([row["name"], *shares, *utilities, does, agreement["reason"]])
    return columns, found


def _share(agreement: dict, name: str) -> object:
    share = agreement["shares"][name]
    return share if agreement["status"] == "agreed" and share is not None and share == share else "no trade"


def share_table(found: dict, most: int = 21) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: utilities and regime along the share, every few points."""
    sweep = found["sweep"]
    columns = ["share", *(f"utility of {name}" for name in sweep["utilities"]), "base", "performance", "regime"]
    step = max(1, len(sweep["share"]) // (most - 1))
    rows = []
    for i in range(0, len(sweep["share"]), step):
        amounts = [heights[i] for heights in sweep["utilities"].values()]
        rows.append(
            [f"{sweep['share'][i]:.3g}", *amounts, sweep["base"][i], sweep["performance"][i], sweep["regime"][i]]
        )
    return columns, rows


def pareto_table(front: dict) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: the pieces of the Pareto set and why they end."""
    columns = ["piece", "from the shares", "because", "to the shares", "because of"]
    return columns, [
        [str(place), _shares(piece["low"]), piece["low_reason"], _shares(piece["high"]), piece["high_reason"]]
        for place, piece in enumerate(front["ends"], start=1)
    ]


def _shares(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {number(share)}" for name, share in shares.items())


def map_words(found: dict) -> str:
    """At which shares the map is drawn, and in how many of its cells each specialist does what."""
    told = []
    for name, cells in found["codes"].items():
        codes = np.array(cells).ravel()
        counts = [
            f"{regime} in {int((codes == code).sum())}" for code, regime in enumerate(REGIMES) if (codes == code).any()
        ]
        told.append(f"{name}: {', '.join(counts)} of {codes.size} cells")
    at = [f"{100 * share:.4g}% of the {name} revenue" for name, share in found["shares"].items()]
    drawn = f"Drawn at a generalist's share of {listing(at)}, as the sliders stand. " if at else ""
    return drawn + "; ".join(told) + "."
