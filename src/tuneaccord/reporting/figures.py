"""The figures of a tuning run, each a function from the run's plain data to SVG text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuneaccord.reporting.formatting import interval, listing, number, short
from tuneaccord.reporting.svg import COLOURS, draw

CURVES = {"value": ("group_value", "o", "-"), "payment": ("payment", "s", "--"), "utility": ("utility", "D", "-")}
DELIVERIES = {"base": ("base model", "o"), "policy": ("chosen policy", "s"), "adapter": ("adapter", "D")}
KINDS = {
    "size": ("factor", "size", "reported size ÷ true size (factor α, log scale)"),
    "shift": ("shift", "reward", "reward shift β (no unit; 1 is the truth)"),
}
_NOTHING = 1e-9  #: of a group's largest amount; smaller changes are rounding
CHANGE = "change against truth\n(units of size × reward)"


def misreport_figure(
    run: dict, groups: Sequence[str] | None = None, kinds: Sequence[str] = ("size", "shift"), key: str = "misreports"
) -> str:
    """What lying would have done: value, payment and utility of each group, as changes against the truth.

    One row a group, one column a kind of misreport (``"size"``, ``"shift"``). A curve that rises means that
    the lie buys value; utility is value minus payment, judged with the true reward and size.

    >>> misreport_figure.__name__
    'misreport_figure'
    """
    groups = [group["name"] for group in run["groups"]] if groups is None else list(groups)

    def paint(figure):
        figure.get_layout_engine().set(h_pad=0.1)
        axes = figure.subplots(len(groups), len(kinds), squeeze=False)
        for row, group in zip(axes, groups, strict=True):
            for panel, kind in zip(row, kinds, strict=True):
                _misreport_panel(panel, group, kind, run["misreports"][group])

    title = f"What lying would have done: {listing(groups)}"
    description = " ".join(_lie_in_words(run["misreports"][group], group, kind) for group in groups for kind in kinds)
    return draw(3.7 * len(kinds), 2.7 * len(groups), paint, title, description, key)


def misreport_points(outcomes: dict, kind: str) -> list[tuple[float, dict]]:
    """The misreports of one kind in order of their factor or shift, with the truth at 1."""
    field = KINDS[kind][0]
    points = {float(row[field]): row for row in outcomes[kind]}
    points[1.0] = outcomes["truth"]
    return sorted(points.items())


def _misreport_panel(panel, group: str, kind: str, outcomes: dict) -> None:
    points = misreport_points(outcomes, kind)
    at = [place for place, _ in points]
    ends = {}
    for name, (field, marker, line) in CURVES.items():
        heights = [row[field] - outcomes["truth"][field] for _, row in points]
        panel.plot(at, heights, line, marker=marker, markersize=3.5, linewidth=1.6, color=COLOURS[name])
        ends[name] = heights[-1]
    if kind == "size":
        _log_axis(panel, at)
    panel.axhline(0, color=COLOURS["grid"], linewidth=0.8, zorder=0)
    panel.axvline(1, color=COLOURS["ink"], linewidth=1.0, linestyle=":", zorder=0)
    pairs = [(row[field], outcomes["truth"][field]) for _, row in points for field, _, _ in CURVES.values()]
    if max(abs(lie - truth) for lie, truth in pairs) <= _NOTHING * max(abs(lie) for lie, _ in pairs):
        panel.set_ylim(-1, 1)  # rounding is no curve
    panel.annotate("truth", (1, 1), (3, 0), ("data", "axes fraction"), "offset points", va="top")
    _label_ends(panel, at[-1], ends)
    panel.set_title(f"{short(group)}: false {KINDS[kind][1]}", fontsize=9.5)
    panel.set_xlabel(KINDS[kind][2])
    panel.set_ylabel(CHANGE)


def _log_axis(panel, at: list[float]) -> None:
    panel.set_xscale("log", base=2)
    powers = [place for place in at if math.log2(place).is_integer()]
    panel.set_xticks(at if len(at) <= 5 or len(powers) < 2 else powers)
    panel.set_xticks([], minor=True)
    panel.xaxis.set_major_formatter(lambda x, _: f"{x:g}")


def _label_ends(panel, x: float, ends: dict[str, float]) -> None:
    low, high = panel.get_ylim()
    places = _spread({name: (y - low) / (high - low) for name, y in ends.items()}, gap=0.1)
    for name, place in places.items():
        panel.annotate(
            name,
            (x, place),
            (7, 0),
            ("data", "axes fraction"),
            "offset points",
            va="center",
            color=COLOURS[name],
            annotation_clip=False,
        )


def _spread(places: dict[str, float], gap: float) -> dict[str, float]:
    """The same places moved apart to at least ``gap`` (order kept, centre of the crowd kept)."""
    names = sorted(places, key=lambda name: places[name])
    spread = [places[name] for name in names]
    for _ in range(50):
        for i in range(len(spread) - 1):
            missing = gap - (spread[i + 1] - spread[i])
            if missing > 0:
                spread[i] -= missing / 2
                spread[i + 1] += missing / 2
    return dict(zip(names, spread, strict=True))


def _lie_in_words(outcomes: dict, group: str, kind: str) -> str:
    place, row = misreport_points(outcomes, kind)[-1]
    value, payment, utility = (row[field] - outcomes["truth"][field] for field, _, _ in CURVES.values())
    return (
        f"{group}, {KINDS[kind][0]} {place:g}: value {number(value, signed=True)}, "
        f"payment {number(payment, signed=True)}, utility {number(utility, signed=True)}."
    )


def payments_figure(run: dict, key: str = "payments") -> str:
    """Bars of each group's payment beside its utility, with intervals.

    >>> payments_figure.__name__
    'payments_figure'
    """
    groups = [group["name"] for group in run["groups"]]
    bars = {name: [run["settlement"][field][group] for group in groups] for name, field in _BARS.items()}

    def paint(figure):
        panel = figure.subplots()
        for shift, (name, data) in zip((-0.2, 0.2), bars.items(), strict=True):
            at = [row + shift for row in range(len(groups))]
            panel.barh(at, [one["estimate"] for one in data], 0.36, color=COLOURS[name], alpha=0.8, label=name)
            _whiskers(panel, data, at, COLOURS["ink"], "none")
            for place, one in zip(at, data, strict=True):
                end = (max(one["high"], one["estimate"], 0.0), place)
                panel.annotate(
                    number(one["estimate"]), end, (5, 0), textcoords="offset points", va="center", fontsize=8
                )
        panel.axvline(0, color=COLOURS["ink"], linewidth=0.8)
        panel.margins(x=0.15)
        _group_axis(panel, groups)
        panel.set_xlabel("payment and utility\n(units of size × reward)")
        _legend(figure, panel)

    words = (
        f"{group}: pays {interval(p)}, utility {interval(u)}."
        for group, p, u in zip(groups, *bars.values(), strict=True)
    )
    return draw(4.3, 1.25 + 0.52 * len(groups), paint, "Payment and utility of each group", " ".join(words), key)


_BARS = {"payment": "payments", "utility": "utilities"}


def values_figure(run: dict, key: str = "values") -> str:
    """What base model, chosen policy and adapter are worth to one member of each group on held-out prompts.

    >>> values_figure.__name__
    'values_figure'
    """
    groups = [group["name"] for group in run["groups"]]
    rows = run["held_out"]["rows"]
    shifts = [0.24 * (i - (len(rows) - 1) / 2) for i in range(len(rows))]

    def paint(figure):
        panel = figure.subplots()
        for shift, row in zip(shifts, rows, strict=True):
            label, marker = DELIVERIES[row["name"]]
            data = [row["values"][group] for group in groups]
            at = [place + shift for place in range(len(groups))]
            _whiskers(panel, data, at, COLOURS[row["name"]], marker, label)
        _group_axis(panel, groups)
        panel.set_xlabel("value of one member on held-out prompts\n(units of the group's own reward)")
        _legend(figure, panel)

    words = (
        f"{group}: " + ", ".join(f"{DELIVERIES[row['name']][0]} {interval(row['values'][group])}" for row in rows) + "."
        for group in groups
    )
    return draw(4.3, 1.2 + 0.6 * len(groups), paint, "Value per group on held-out prompts", " ".join(words), key)


def _whiskers(panel, data: list[dict], at: list[float], colour: str, marker: str, label: str | None = None) -> None:
    estimates = [one["estimate"] for one in data]
    # a percentile interval may lie to one side of its estimate; a whisker has no negative length
    below = [max(0.0, one["estimate"] - one["low"]) for one in data]
    above = [max(0.0, one["high"] - one["estimate"]) for one in data]
    panel.errorbar(
        estimates,
        at,
        xerr=[below, above],
        fmt=marker,
        color=colour,
        ecolor=colour,
        markersize=5,
        elinewidth=1.3,
        capsize=2.5,
        label=label,
    )


def _group_axis(panel, groups: list[str]) -> None:
    panel.set_yticks(range(len(groups)), [short(group) for group in groups])
    panel.set_ylim(len(groups) - 0.45, -0.55)
    panel.set_ylabel("group (name)")
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color=COLOURS["grid"], linewidth=0.5, alpha=0.5)
    panel.set_axisbelow(True)


def _legend(figure, panel) -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, borderaxespad=0.2)
