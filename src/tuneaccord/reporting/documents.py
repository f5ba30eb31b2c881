"""The documents of a run, as text: one self-contained HTML report, and the adapter's model card.

Both are made from the run's plain data (the content of ``settlement.json``), so they can be made again from
the file at any time, with the same bytes. Writing them is left to the caller.
"""

from __future__ import annotations

from tuneaccord.errors import InputError
from tuneaccord.reporting import figures, pages, wording
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.svg import inline


def report_html(run: dict, replies: list[dict]) -> str:
    """The report of a run as one HTML file that opens offline; ``replies`` are shown side by side.

    Nothing is fetched and no script runs; all text, replies included, is escaped. Raises
    :class:`MissingDependencyError` without the plotting extra.

    >>> report_html.__name__
    'report_html'
    """
    templates = pages.templates(html=True)
    safe = need("markupsafe").Markup
    figure = {name: safe(inline(svg)) for name, svg in _figures(run).items()}
    style = pages.style_sheet(templates)
    page = templates.get_template("report.html")
    return page.render(run=run, replies=replies, figure=figure, style=style, **_shared(run))


def model_card(run: dict) -> str:
    """The adapter's ``README.md``: YAML front matter, how to load it, what it was measured to do.

    Raises :class:`InputError` when the run trained no adapter.

    >>> model_card.__name__
    'model_card'
    """
    if run.get("adapter") is None or "adapter" not in wording.rows_of(run):
        raise InputError(f"there is no adapter to describe. {wording.HOW_TO_TRAIN}")
    page = pages.templates(html=False).get_template("model_card.md.jinja")
    text = page.render(run=run, front_matter=_front_matter(run), base_python=repr(_base(run)), **_shared(run))
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _front_matter(run: dict) -> str:
    facts = {"base_model": _base(run), "library_name": "peft"}
    if run["model"].get("license"):
        facts["license"] = run["model"]["license"]
    facts["pipeline_tag"] = "text-generation"
    facts["tags"] = ["tuneaccord", "lora", "mechanism-design", "multiple-rewards"]
    return need("yaml").safe_dump(facts, sort_keys=False, allow_unicode=True)


def _base(run: dict) -> str:
    return run["model"].get("hub_name") or run["model"]["name"]


def _figures(run: dict) -> dict[str, str]:
    drawn = {"payments": figures.payments_figure(run), "values": figures.values_figure(run)}
    for i, group in enumerate(wording.names(run)):
        for kind in wording.kinds_of(run):
            drawn[f"{kind}-{i}"] = figures.misreport_figure(run, [group], [kind], key=f"{kind}-{i}")
    return drawn


def _shared(run: dict) -> dict:
    """What both templates read."""
    rows = wording.rows_of(run)
    return {
        "words": wording,
        "names": wording.names(run),
        "rows": rows,
        "money": run.get("money"),
        "shown": [name for name in wording.DELIVERY if name in rows],
        "recommended": run["held_out"]["recommended"],
        "level": f"{100 * run['settlement']['net_welfare']['level']:g}%",
        "lies": _lies_table(run),
    }


_SYMBOLS = {"size": "size ×", "shift": "β ="}


def _lies_table(run: dict) -> dict[str, list[tuple[str, dict, float]]]:
    """For each group the reports in words, their outcomes, and the change of utility against the truth."""
    table = {}
    for group in wording.names(run):
        outcomes = run["misreports"][group]
        truth = outcomes["truth"]
        entries = [("truth", truth)]
        for kind in wording.kinds_of(run):
            points = figures.misreport_points(outcomes, kind)
            entries += [(f"{_SYMBOLS[kind]} {place:g}", row) for place, row in points if row is not truth]
        table[group] = [(words, row, row["utility"] - truth["utility"]) for words, row in entries]
    return table
