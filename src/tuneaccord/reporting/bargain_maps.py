"""What moves a bargain: the regime map over two parameters, the tornado of sensitivities, and intervals."""

from __future__ import annotations

import itertools
from typing import Any

from tuneaccord.reporting.bargain_figures import REGIME_COLOURS
from tuneaccord.reporting.formatting import number, short
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.pictures import Picture
from tuneaccord.reporting.svg import COLOURS

BARS = 10  #: parameters in the tornado
PANELS = 6  #: specialists with a map of their own


def map_figure(regimes: Any):
    """A Matplotlib figure of what :func:`tuneaccord.regime_map` found; needs the ``plots`` extra."""
    return map_picture(_laid_out(regimes.to_dict())).figure()


def _laid_out(found: dict) -> dict:
    """The map with ascending values; one of a single parameter as a band."""
    values, regimes = found["values"], found["regimes"]
    if len(values) == 1:
        values, regimes = [*values, [0.5]], {name: [[one] for one in row] for name, row in regimes.items()}
    orders = [sorted(range(len(axis)), key=axis.__getitem__) for axis in values]
    return {
        "parameters": [*found["parameters"], ""][:2],
        "values": [[axis[i] for i in order] for axis, order in zip(values, orders, strict=True)],
        "regimes": {name: [[grid[i][j] for j in orders[1]] for i in orders[0]] for name, grid in regimes.items()},
    }


def map_picture(found: dict) -> Picture:
    """Who contributes, free-rides or abstains: one panel a specialist, each region labelled."""
    names = list(found["regimes"])[:PANELS]
    columns = min(2, len(names))
    rows = -(-len(names) // columns)

    def paint(figure):
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for panel, name in zip(panels, names, strict=False):
            _regions(panel, found["values"], found["regimes"][name])
            panel.set_title(short(name), fontsize=9.5)
            if not found["parameters"][1]:
                panel.set_yticks([])
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        figure.supxlabel(found["parameters"][0], fontsize=9, color=COLOURS["ink"])
        figure.supylabel(found["parameters"][1], fontsize=9, color=COLOURS["ink"])

    told = []
    for name in names:
        cells = [regime for row in found["regimes"][name] for regime in row]
        counts = {regime: cells.count(regime) for regime in REGIME_COLOURS if regime in cells}
        told.append(f"{name}: " + ", ".join(f"{regime} in {count} of {len(cells)}" for regime, count in counts.items()))
    width = 5.4 if columns == 1 else 7.6
    height = 1.1 if not found["parameters"][1] else 3.4 if columns == 1 else 2.7
    return Picture(width, 0.6 + height * rows, paint, "Who does what", "; ".join(told) + ".")


def _regions(panel, values: list[list[float]], regimes: list[list[str]]) -> None:
    across, up = (_edges(one) for one in values)
    path = need("matplotlib.path").Path
    patch = need("matplotlib.patches").PathPatch
    for regime, colour in REGIME_COLOURS.items():
        corners, codes = [], []
        for i, column in enumerate(regimes):
            for low, high in _runs(column, regime):
                box = [(across[i], up[low]), (across[i + 1], up[low]), (across[i + 1], up[high]), (across[i], up[high])]
                corners += [*box, box[0]]
                codes += [path.MOVETO, path.LINETO, path.LINETO, path.LINETO, path.CLOSEPOLY]
        if corners:
            panel.add_patch(patch(path(corners, codes), facecolor=colour, alpha=0.4, linewidth=0))
            panel.annotate(regime, _middle(values, regimes, regime), ha="center", va="center", fontsize=9)
    panel.set_xlim(across[0], across[-1])
    panel.set_ylim(up[0], up[-1])


def _edges(values: list[float]) -> list[float]:
    if len(values) == 1:
        return [values[0] - 0.5, values[0] + 0.5]
    inner = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    return [2 * values[0] - inner[0], *inner, 2 * values[-1] - inner[-1]]


def _runs(column: list[str], regime: str) -> list[tuple[int, int]]:
    found, start = [], None
    for i, one in enumerate([*column, None]):
        if one == regime and start is None:
            start = i
        elif one != regime and start is not None:
            found.append((start, i))
            start = None
    return found


def _middle(values: list[list[float]], regimes: list[list[str]], regime: str) -> tuple[float, float]:
    """The cell of the region that is farthest from its border, for the label; counted in cells, wide ones preferred."""
    wide, high = len(regimes), len(regimes[0])
    best, spot = -1.0, (0, 0)
    for i in range(wide):
        for j in range(high):
            if regimes[i][j] == regime:
                room = _room(regimes, i, j, regime)
                if room > best:
                    best, spot = room, (i, j)
    return values[0][spot[0]], values[1][spot[1]]


def _room(regimes: list[list[str]], i: int, j: int, regime: str) -> float:
    def reach(di: int, dj: int) -> int:
        steps, a, b = 0, i, j
        while 0 <= a < len(regimes) and 0 <= b < len(regimes[0]) and regimes[a][b] == regime:
            steps, a, b = steps + 1, a + di, b + dj
        return steps

    across = min(reach(1, 0), reach(-1, 0)) / len(regimes)
    return min(across / 2.5, min(reach(0, 1), reach(0, -1)) / len(regimes[0]))


def tornado_picture(found: dict, output: str) -> Picture:
    """By how much one output moves when one parameter at a time goes down or up; the largest effects first."""
    effects = ranked(found, output)[:BARS]
    now, percent = found["now"][output], f"{100 * found['change']:g}%"

    def paint(figure):
        panel = figure.subplots()
        for place, effect in enumerate(effects):
            down, up = moves(effect, output)
            for move, colour, height in ((down, COLOURS["payment"], 0.17), (up, COLOURS["value"], -0.17)):
                if move is not None:
                    panel.barh(place - height, move, 0.32, now, color=colour, alpha=0.85)
        panel.axvline(now, color=COLOURS["ink"], linewidth=0.9)
        panel.set_yticks(range(len(effects)), [_row_label(effect) for effect in effects])
        panel.set_ylim(len(effects) - 0.45, -0.55)
        panel.margins(x=0.08)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color=COLOURS["grid"], linewidth=0.5, alpha=0.5)
        panel.set_axisbelow(True)
        switch = "; ! somebody's regime changes" if any(effect["switches"] for effect in effects) else ""
        panel.set_xlabel(f"{output} (now {number(now)}){switch}")
        figure.text(0.01, 0.995, f"parameter down {percent}", color=COLOURS["payment"], va="top", fontsize=9)
        figure.text(0.31, 0.995, f"parameter up {percent}", color=COLOURS["value"], va="top", fontsize=9)
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.93))

    told = []
    for effect in effects:
        down, up = moves(effect, output)
        told.append(f"{effect['parameter']}: down {number(down, signed=True)}, up {number(up, signed=True)}.")
    return Picture(6.8, 1.2 + 0.36 * max(len(effects), 2), paint, f"What moves {output}", " ".join(told))


def ranked(found: dict, output: str) -> list[dict]:
    """The effects by their size on ``output``, those without any left out."""
    sizes = [
        max((abs(move) for move in moves(effect, output) if move is not None), default=0.0)
        for effect in found["effects"]
    ]
    least = 1e-6 * max(abs(found["now"][output]), 1e-12)
    order = sorted(range(len(sizes)), key=lambda i: -float(f"{sizes[i]:.5e}"))
    least = max(least, 3e-3 * max(sizes, default=0.0))  # a bar that nobody could see
    return [found["effects"][i] for i in order if sizes[i] > least or found["effects"][i]["switches"]]


def moves(effect: dict, output: str) -> tuple[float | None, float | None]:
    """The change of ``output`` with the parameter down, and up; None where there is no such game."""
    low = None if effect["low"] is None else effect["low"]["changes"].get(output)
    return low, effect["high"]["changes"].get(output)


def _row_label(effect: dict) -> str:
    return f"{short(effect['parameter'], 34)} = {effect['value']:.4g}{' !' if effect['switches'] else ''}"


def intervals_picture(found: dict) -> Picture:
    """Where the shares and utilities lie when the game is uncertain: median and interval of each."""
    rows = [row for row in found["outputs"] if row["output"].startswith(("share.", "utility."))][: 2 * BARS]
    kinds = [kind for kind in ("share.", "utility.") if any(row["output"].startswith(kind) for row in rows)]
    level = f"{100 * rows[0]['level']:g}%" if rows else ""

    def paint(figure):
        panels = figure.subplots(1, len(kinds), squeeze=False)[0]
        for panel, kind in zip(panels, kinds, strict=True):
            own = [row for row in rows if row["output"].startswith(kind)]
            for place, row in enumerate(own):
                panel.plot([row["low"], row["high"]], [place, place], color=COLOURS["value"], linewidth=3, alpha=0.6)
                panel.plot(row["median"], place, "o", color=COLOURS["value"], markersize=6)
            panel.set_yticks(range(len(own)), [short(row["output"].removeprefix(kind)) for row in own])
            panel.set_ylim(len(own) - 0.4, -0.6)
            panel.margins(x=0.1)
            panel.tick_params(axis="y", length=0)
            panel.grid(axis="x", color=COLOURS["grid"], linewidth=0.5, alpha=0.5)
            unit = "generalist's share" if kind == "share." else "utility (units of money)"
            panel.set_xlabel(f"{unit}: median, middle {level}")

    told = [
        f"{row['output']}: median {number(row['median'])}, {number(row['low'])} to {number(row['high'])}."
        for row in rows
    ]
    most = max((sum(row["output"].startswith(kind) for row in rows) for kind in kinds), default=1)
    return Picture(7.4, 1.0 + 0.36 * max(most, 2), paint, "Intervals under uncertainty", " ".join(told))
