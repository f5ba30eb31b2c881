"""The comparison of ways to obtain the model: a figure, an HTML page, a Markdown table, and a short model card.

All are made from the comparison's plain data (``comparison.json``, ``costs.json``).
"""

from __future__ import annotations

from tuneaccord.reporting import pages, wording
from tuneaccord.reporting.formatting import interval, listing, number, percent
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.pictures import Picture, colour_of
from tuneaccord.reporting.svg import COLOURS, inline

#: what a reader calls each way
LABELS = {
    "reply": "reply policy",
    "adapter": "adapter",
    "leave-one-out": "n + 1 adapters",
    "soups": "soups",
    "mixing": "decoding-time mixing",
    "rl": "reinforcement learning",
    "checkpoints": "checkpoints",
    "early-stopped": "early-stopped runs",
}


def ways_picture(record: dict) -> Picture:
    """Left: net welfare over the base with its interval. Right: what each group would pay."""
    ways, groups = record["ways"], [group["name"] for group in record["groups"]]
    places = list(range(len(ways)))[::-1]

    def paint(figure):
        gain, money = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.15])
        for place, way in zip(places, ways, strict=True):
            _whisker(gain, way["gain"], place, COLOURS["value"], "o")
            for index, group in enumerate(groups):
                shift = 0.5 * ((len(groups) - 1) / 2 - index) / max(len(groups), 2)
                label = group if way is ways[0] else None
                paid, colour = way["payments"][group], colour_of(index)
                _whisker(money, paid, place + shift, colour, "so D^v".replace(" ", "")[index % 5], label)
        for panel in (gain, money):
            panel.axvline(0, color=COLOURS["ink"], linewidth=0.9, linestyle=":", zorder=0)
        gain.set_ylim(-0.6, len(ways) - 0.4)  # also with one way, whose groups are above and below its place
        gain.set_yticks(places, [LABELS.get(way["name"], way["name"]) for way in ways])
        gain.set_xlabel("net welfare over the base (held out)")
        money.set_xlabel("payment, by group")
        money.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(groups))

    words = "; ".join(f"{LABELS.get(w['name'], w['name'])} {interval(w['gain'], signed=True)}" for w in ways)
    title = "Net welfare and payments by way"
    return Picture(8.6, 1.5 + 0.5 * len(ways), paint, title, f"Net welfare over the base: {words}.")


def _whisker(panel, data: dict, place: float, colour: str, marker: str, label: str | None = None) -> None:
    panel.plot([data["low"], data["high"]], [place, place], color=colour, linewidth=1.6)
    panel.plot([data["estimate"]], [place], marker, color=colour, markersize=5, label=label)


def ways_figure(record: dict) -> str:
    """The figure as SVG text."""
    return ways_picture(record).svg("ways")


def ways_html(record: dict, costs: dict[str, float]) -> str:
    """One HTML file that opens offline. Raises :class:`MissingDependencyError` without the plotting extra."""
    templates = pages.templates(html=True)
    return templates.get_template("ways.html").render(
        run=record,
        costs=costs,
        labels=LABELS,
        words=wording,
        recommended=None,
        groups=[group["name"] for group in record["groups"]],
        headline=headline(record),
        settling=settling_sentence(record),
        figure=need("markupsafe").Markup(inline(ways_figure(record))),
        style=pages.style_sheet(templates),
    )


def headline(record: dict) -> list[str]:
    """The comparison in a few sentences."""
    ways = record["ways"]
    best = max(ways, key=lambda way: way["net_welfare"]["estimate"])
    charged = [LABELS.get(way["name"], way["name"]) for way in ways if way["chargeable"]]
    sentences = [
        f"On {record['prompts']['held_out']} held-out prompts the {LABELS.get(best['name'], best['name'])} has the "
        f"largest net welfare: {interval(best['gain'], signed=True)} over the base."
        if best["gain"]["estimate"] > 0
        else "Nothing measured here beats the base model."
    ]
    sentences.append(
        f"Payments that may be charged as they are: {listing(charged)}." if charged else "No payments may be charged."
    )
    return sentences


def ways_markdown(record: dict, costs: dict[str, float]) -> str:
    """Two Markdown tables: what each way delivers and costs, and what each group would pay."""
    groups = [group["name"] for group in record["groups"]]
    lines = [
        "| way | welfare | KL, nats | net welfare over the base | share of the reply policy's gain | CPU-s | "
        "tokens generated | tokens trained on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way in record["ways"]:
        share = "" if way["share"] is None else percent(way["share"])
        spent = number(costs[way["name"]], 0) if way["name"] in costs else ""
        cells = [
            LABELS.get(way["name"], way["name"]), interval(way["welfare"]), interval(way["kl"]),
            interval(way["gain"], signed=True), share, spent, f"{way['generated']:,}", f"{way['trained']:,}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    pool = record["pool"]["tokens"]
    drawn = f" and {number(costs['pools'], 0)} CPU-s" if "pools" in costs else ""
    lines += [
        "",
        f"All ways share the frozen pools: {pool['tune']:,} + {pool['held_out']:,} tokens{drawn}. "
        + settling_sentence(record),
        "",
        f"| way | {' | '.join(pages.cell(group) for group in groups)} | may be charged | why |",
        f"|---|{'---|' * len(groups)}---|---|",
    ]
    for way in record["ways"]:
        paid = [interval(way["payments"][group]) for group in groups]
        told = ["yes" if way["chargeable"] else "no", pages.cell(way["why"])]
        lines.append(f"| {LABELS.get(way['name'], way['name'])} | {' | '.join([*paid, *told])} |")
    return "\n".join(lines)


#: ways that deliver what another one delivers, and generate or train more for the money alone
_SAME_DELIVERY = {"leave-one-out": "adapter", "early-stopped": "rl"}


def settling_sentence(record: dict) -> str:
    """How many tokens it takes to deliver and settle, as a multiple of delivering alone; pools included."""
    pool = record["pool"]["tokens"]["tune"]
    tokens = {way["name"]: pool + way["generated"] + way["trained"] for way in record["ways"]}
    alone_for_reply = tokens.get("reply", pool) / pool
    ratios = [
        f"{LABELS[name]} {tokens[name] / tokens[alone]:.2f}"
        for name, alone in _SAME_DELIVERY.items()
        if name in tokens and alone in tokens
    ]
    others = f"; {listing(ratios)}" if ratios else ""
    return (
        "Tokens generated and trained on to deliver and settle, as a multiple of delivering alone: reply mode "
        f"{alone_for_reply:.2f}, because the pool that is drawn anyway holds every leave-one-out problem{others}."
    )


def way_card(facts: dict, guarantees: list[dict]) -> str:
    """The model card of an adapter that one way made: where it is from, what is promised with it."""
    lines = [
        f"# {pages.cell(facts['name'])}: adapter for {pages.cell(facts['model'])}",
        "",
        f"Made by the way `{facts['way']}`; the folder's `comparison.json` has what it was measured to do.",
        "",
        "| fact | |",
        "|---|---|",
        *(f"| {pages.cell(key)} | {pages.cell(value)} |" for key, value in facts["about"].items()),
        "",
        "## What is promised",
        "",
        *(f"- **{pages.cell(g['name'])}**: {g['status']}. {pages.cell(g['statement'])}" for g in guarantees),
    ]
    return "\n".join(lines) + "\n"
