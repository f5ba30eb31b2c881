"""The figures of a bargain: utilities over the share, the Pareto set, and the solutions side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from tuneaccord.reporting.bargain_words import GENERALIST, solution_name
from tuneaccord.reporting.formatting import number, short
from tuneaccord.reporting.pictures import MARKERS, Picture, colour_of, grouped, label_ends, spread
from tuneaccord.reporting.svg import COLOURS

PANELS = 6  #: specialists with a panel of their own
REGIME_COLOURS = {"contributes": COLOURS["value"], "free-rides": COLOURS["payment"], "abstains": COLOURS["base"]}
_SAME = 4e-3  #: of the axis: solutions this close share a label


def share_picture(data: dict) -> Picture:
    """Everybody's utility as one share moves: with one specialist marked with all solutions, else a panel each."""
    names = list(data["share_curves"])[:PANELS]
    if len(data["players"]) == 2:
        return Picture(6.8, 4.9, lambda figure: _one_share(figure, data, names[0]), *_share_words(data, names))
    rows = (len(names) + 1) // 2

    def paint(figure):
        panels = figure.subplots(rows, 2, squeeze=False).ravel()
        for panel, name in zip(panels, names, strict=False):
            curve = data["share_curves"][name]
            _utilities(panel, curve, [GENERALIST, name], data["players"])
            share = data["agreement"]["shares"][name]
            panel.axvline(share, color=COLOURS["ink"], linewidth=1.0, linestyle=":", zorder=0)
            panel.set_title(f"{short(name)}: the others' shares as agreed", fontsize=9)
            panel.set_xlabel(f"generalist's share of {short(name)}; dotted: agreed")
        for panel in panels[len(names) :]:
            panel.set_axis_off()

    return Picture(8.2, 2.75 * rows, paint, *_share_words(data, names))


def _share_words(data: dict, names: list[str]) -> tuple[str, str]:
    told = []
    for name in names:
        curve, share = data["share_curves"][name], data["agreement"]["shares"][name]
        best = {who: max(curve["utilities"][who]) for who in (GENERALIST, name)}
        peaks = ", ".join(f"{who} at most {number(best[who])}" for who in best)
        told.append(f"{name}: agreed share {number(share)}; {peaks}.")
    return "Utilities as the generalist's share moves", " ".join(told)


def _utilities(panel, curve: dict, shown: list[str], players: list[str]) -> None:
    at, ends = curve["share"], {}
    for name in shown:
        colour = colour_of(players.index(name))
        for stretch in _stretches(curve):
            part = slice(stretch[0], stretch[1])
            panel.plot(at[part], curve["utilities"][name][part], color=colour, linewidth=1.7)
        ends[name] = (curve["utilities"][name][-1], colour)
    total = [sum(values) for values in zip(*curve["utilities"].values(), strict=True)]
    for start, end in _stretches(curve):
        panel.plot(at[start:end], total[start:end], color=COLOURS["ink"], linewidth=1.0, linestyle="--")
    ends["everybody"] = (total[-1], COLOURS["ink"])
    panel.set_xlim(0, 1)
    panel.set_ylabel("utility (units of money)")
    label_ends(panel, 1.0, ends, gap=0.09)


def _stretches(curve: dict) -> list[tuple[int, int]]:
    """Parts of the curve between jumps of somebody's utility, which no line should bridge."""
    cuts = {0, len(curve["share"])}
    for values in curve["utilities"].values():
        least = 0.05 * (max(values) - min(values))
        steps = [0.0, *(abs(b - a) for a, b in itertools.pairwise(values)), 0.0]
        # a steep stretch has steep neighbours, a jump has not
        cuts |= {i for i, step in enumerate(steps) if step > least and step > 4 * max(steps[i - 1], steps[i + 1])}
    return list(itertools.pairwise(sorted(cuts)))


def _one_share(figure, data: dict, name: str) -> None:
    panel, strip = figure.subplots(2, 1, sharex=True, height_ratios=[14, 1])
    curve = data["share_curves"][name]
    _utilities(panel, curve, [GENERALIST, name], data["players"])
    rows = [row for row in data["solutions"] if row.get("status") == "agreed"]
    labels = [solution_name(row["solution"]) + (" *" if row["chosen"] else "") for row in rows]
    marks = grouped(labels, [(row["shares"][name],) for row in rows], _SAME)
    if data["agreement"]["solution"] is None:
        marks.append(("as given", (data["agreement"]["shares"][name],)))
    tops = spread([share for _, (share,) in marks], 0.05, 0.0, 1.0)
    for (label, (share,)), top in zip(marks, tops, strict=True):
        chosen = "*" in label or label == "as given"
        panel.axvline(
            share, color=COLOURS["ink"] if chosen else COLOURS["grid"], linewidth=1.4 if chosen else 0.8, zorder=0
        )
        line = {"arrowstyle": "-", "color": COLOURS["grid"], "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
        panel.annotate(
            label.replace(", ", ",\n"), (share, 1.0), (top, 1.06), "axes fraction", "axes fraction", rotation=38,
            fontsize=8.5, ha="left", va="bottom", rotation_mode="anchor", arrowprops=line, annotation_clip=False,
            color=COLOURS["value"] if chosen else COLOURS["ink"],
        )  # fmt: skip
    for piece in data["frontier"]["pieces"]:
        ends = [piece["low"][name], piece["high"][name]]
        panel.plot(ends, [0.012, 0.012], color=COLOURS["adapter"], linewidth=4, solid_capstyle="butt",
                   transform=panel.get_xaxis_transform())  # fmt: skip
    spot = (_widest(data["frontier"]["pieces"], [share for _, (share,) in marks], name), 0.012)
    panel.annotate("Pareto set", spot, (0, 5), panel.get_xaxis_transform(), "offset points", ha="center",
                   fontsize=8.5, color=COLOURS["adapter"])  # fmt: skip
    _regime_strip(strip, curve)
    strip.set_xlabel(f"generalist's share of the {short(name)} revenue (0 to 1); below: what {short(name)} does")


def _widest(pieces: list[dict], marks: list[float], name: str) -> float:
    """The middle of the longest stretch of the set that no mark crosses, for its label."""
    longest = max(pieces, key=lambda piece: piece["high"][name] - piece["low"][name])
    low, high = longest["low"][name], longest["high"][name]
    cuts = sorted({low, high, *(mark for mark in marks if low < mark < high)})
    if len(cuts) < 2:
        return low
    return max(((b - a, (a + b) / 2) for a, b in itertools.pairwise(cuts)))[1]


def _regime_strip(panel, curve: dict) -> None:
    share, regime, start = curve["share"], curve["regime"], 0
    for i in range(1, len(regime) + 1):
        if i == len(regime) or regime[i] != regime[start]:
            low = share[start] if start == 0 else (share[start] + share[start - 1]) / 2
            high = share[i - 1] if i == len(regime) else (share[i - 1] + share[i]) / 2
            panel.barh(0, high - low, 0.9, low, color=REGIME_COLOURS[regime[start]], alpha=0.35)
            if high - low > 0.12:
                panel.annotate(regime[start], ((low + high) / 2, 0), ha="center", va="center", fontsize=8.5)
            start = i
    panel.set_yticks([])
    panel.set_ylim(-0.5, 0.5)
    panel.spines["left"].set_visible(False)


def pareto_picture(
    frontier: dict, players: list[str], solutions: Sequence[dict] = (), sweep: dict | None = None
) -> Picture:
    """The Pareto set in utilities: generalist against specialist, or against the sum of several specialists.

    ``solutions`` are marked; ``sweep``, the curve of all shares, is drawn faintly behind with one specialist.
    """
    several = len(players) > 2
    other = "sum of the specialists' utilities" if several else f"utility of {short(players[1])}"

    def spot(utilities: dict) -> tuple[float, float]:
        return utilities[GENERALIST], sum(utilities[name] for name in players[1:])

    points = [spot(point["utilities"]) for point in frontier["points"]]
    rows = [row for row in solutions if row.get("status") == "agreed"]
    marked = [solution_name(row["solution"]) + (" *" if row["chosen"] else "") for row in rows]
    size = max([1e-12, *(abs(value) for point in points for value in point)])
    marks = grouped(marked, [spot(row["utilities"]) for row in rows], _SAME * size)

    def paint(figure):
        panel = figure.subplots()
        if sweep is not None and not several:
            behind = zip(sweep["utilities"][players[0]], sweep["utilities"][players[1]], strict=True)
            panel.plot(*zip(*behind, strict=True), color=COLOURS["grid"], linewidth=1.0, linestyle=":")
        for piece in frontier["pieces"]:
            inside = [points[i] for i in piece["points"]]
            if several:
                panel.plot(*zip(*inside, strict=True), "o", color=COLOURS["adapter"], markersize=2.2, alpha=0.3)
            else:
                panel.plot(*zip(*sorted(inside), strict=True), color=COLOURS["adapter"], linewidth=2.6)
        panel.margins(0.06)
        _leaders(panel, marks)
        panel.set_xlabel("utility of the generalist (units of money)")
        panel.set_ylabel(f"{other}\n(units of money)")

    pieces = len(frontier["pieces"])
    title = f"Pareto set: {pieces} piece{'s' if pieces != 1 else ''}"
    words = "; ".join(f"{label}: generalist {number(x)}, others {number(y)}" for label, (x, y) in marks)
    return Picture(6.8, 4.2, paint, title, f"{len(points)} points, {frontier['method']}. {words}")


def _leaders(panel, marks: list[tuple[str, tuple]]) -> None:
    """Mark the spots, and write their labels in a column at the right, each with a line to its spot."""
    if not marks:
        return
    for label, (x, y) in marks:
        panel.plot(x, y, "o", color=COLOURS["value" if "*" in label else "ink"], markersize=6, zorder=5)
    low, high = panel.get_ylim()
    heights = spread([(y - low) / (high - low) for _, (_, y) in marks], 0.075)
    for (label, place), height in zip(marks, heights, strict=True):
        line = {"arrowstyle": "-", "color": COLOURS["grid"], "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3}
        colour = COLOURS["value"] if "*" in label else COLOURS["ink"]
        panel.annotate(
            _folded(label), place, (1.02, height), "data", "axes fraction", fontsize=8.5, va="center", color=colour,
            arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def _folded(label: str) -> str:
    parts = label.split(", ")
    return ",\n".join(", ".join(parts[i : i + 2]) for i in range(0, len(parts), 2))


def frontier_figure(front: Any):
    """A Matplotlib figure of a :class:`tuneaccord.bargaining.frontier.Frontier`; needs the ``plots`` extra."""
    return pareto_picture(front.to_dict(), list(front.players)).figure()


def solutions_picture(data: dict) -> Picture:
    """Under each solution: the share of every specialist, and everybody's utility."""
    rows = [row for row in data["solutions"] if row.get("status") == "agreed"]
    players = data["players"][: len(MARKERS)]

    def paint(figure):
        left, right = figure.subplots(1, 2, sharey=True)
        for place, name in enumerate(players):
            style = {"color": colour_of(place), "marker": MARKERS[place], "linestyle": "none", "markersize": 5.5}
            heights = [i + 0.12 * (place - len(players) / 2) for i in range(len(rows))]
            right.plot([row["utilities"][name] for row in rows], heights, label=short(name), **style)
            if place:
                left.plot([row["shares"][name] for row in rows], heights, **style)
        labels = [solution_name(row["solution"]) + (" *" if row["chosen"] else "") for row in rows]
        left.set_yticks(range(len(rows)), labels)
        left.set_ylim(len(rows) - 0.4, -0.6)
        left.set_xlim(-0.04, 1.04)
        left.set_xlabel("generalist's share of each revenue")
        right.set_xlabel("utility (units of money)")
        right.axvline(0, color=COLOURS["grid"], linewidth=0.8, zorder=0)
        for panel in (left, right):
            panel.grid(color=COLOURS["grid"], linewidth=0.5, alpha=0.5)
            panel.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=len(players), frameon=False, borderaxespad=0.2)

    words = "; ".join(
        f"{solution_name(row['solution'])}: "
        + ", ".join(f"{name} {number(share)}" for name, share in row["shares"].items())
        for row in rows
    )
    return Picture(7.4, 1.3 + 0.34 * max(len(rows), 2), paint, "The solutions side by side", words)
