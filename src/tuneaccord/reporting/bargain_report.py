"""The report of a bargain: one self-contained HTML page that opens offline, from the bargain's plain data.

Nothing is fetched and no script runs; all text is escaped, figures are inline SVG that follow light and dark.
"""

from __future__ import annotations

import json

from tuneaccord.reporting import bargain_words as words
from tuneaccord.reporting import pages
from tuneaccord.reporting.bargain_figures import pareto_picture, share_picture, solutions_picture
from tuneaccord.reporting.bargain_maps import intervals_picture, map_picture, tornado_picture
from tuneaccord.reporting.bargain_rows import moving_rows, party_rows, refusals, solution_rows
from tuneaccord.reporting.formatting import number
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.pictures import Picture
from tuneaccord.reporting.svg import inline
from tuneaccord.reporting.term_sheet import percent

NAMES = ("shares", "pareto", "solutions", "map", "tornado", "intervals")  #: of the figures
MOVING = 12  #: parameters in the table of sensitivities


def bargain_pictures(data: dict) -> dict[str, Picture]:
    """Every figure that the data have something for, by name."""
    found = {}
    agreed = data["agreement"]["status"] != "no trade"
    if data.get("share_curves") and agreed:
        found["shares"] = share_picture(data)
    if data.get("frontier") and data["frontier"]["points"]:
        sweep = next(iter(data["share_curves"].values()), None)
        found["pareto"] = pareto_picture(data["frontier"], data["players"], data["solutions"], sweep)
    if sum(row.get("status") == "agreed" for row in data["solutions"]) > 1:
        found["solutions"] = solutions_picture(data)
    if data.get("map"):
        found["map"] = map_picture(data["map"])
    rows = moving_rows(data, 1)
    if rows:
        found["tornado"] = tornado_picture(data["sensitivity"], main_output(data))
    if data.get("uncertainty") and agreed:
        found["intervals"] = intervals_picture(data["uncertainty"])
    return found


def main_output(data: dict) -> str:
    """The output whose sensitivities are drawn: what the most effective parameter moves most."""
    kind = "utility." if data["agreement"]["solution"] is None else "share."
    return kind + moving_rows(data, 1)[0]["output"]


def bargain_report(data: dict) -> str:
    """The report as one HTML file. Raises :class:`MissingDependencyError` without the plotting extra.

    >>> bargain_report.__name__
    'bargain_report'
    """
    templates = pages.templates(html=True)
    safe = need("markupsafe").Markup
    pictures = bargain_pictures(data)
    return templates.get_template("bargain_report.html").render(
        style=pages.style_sheet(templates),
        figure=dict.fromkeys(NAMES) | {name: safe(inline(picture.svg(name))) for name, picture in pictures.items()},
        alt={name: picture.title for name, picture in pictures.items()},
        data=data,
        words=words,
        agreed=data["agreement"]["status"] != "no trade",
        rows=party_rows(data),
        solutions=solution_rows(data),
        refusals=refusals(data),
        moving=moving_rows(data, MOVING),
        specialists=data["players"][1:],
        copy=json.dumps(data["game"], indent=2, sort_keys=True, allow_nan=False),
        currency=data["money"]["currency"],
        money=lambda amount, signed=False: "" if amount is None else words.money_text(amount, data["money"], signed),
        percent=percent,
        value=lambda amount: "" if amount is None else number(amount),
    )
