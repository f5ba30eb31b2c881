"""The documents of a settled session, as text: an invoice and an explanation for a group, the settlement for all.

Each is a pure function of the plain data that its reader may see: a group's own ``share``, the public ``outcome``, and
for the provider and auditors the ``record``; ``view`` says which session it is. The HTML is one file that opens
offline, runs no script and prints on A4; all text of people's is escaped. Amounts are those of the settlement, which
were rounded in one place so that they add up to the rounded total.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from tuneaccord.reporting import pages, session_figures, session_words
from tuneaccord.reporting.formatting import number
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.session_absence import away_words, value_without
from tuneaccord.reporting.svg import inline

MANY_GROUPS = 40  #: figures show at most as many groups
MANY_PROMPTS = 4  #: of the pool, shown with the chances before and after
MANY_RESPONSES = 12

Data = Mapping[str, Any]


def invoice_html(share: Data, outcome: Data, view: Data) -> str:
    """A group's invoice as one HTML file; the browser's print command makes the PDF.

    >>> invoice_html.__name__
    'invoice_html'
    """
    return _page("session_invoice.html", share=share, outcome=outcome, view=view, number_of=invoice_number(share, view))


def invoice_csv(share: Data, outcome: Data, view: Data) -> str:
    """The same invoice as one line of CSV.

    Raises :class:`MissingDependencyError` without the plotting extra.

    >>> share = {"group": "=legal", "report": {"size": 3.0}, "value": 0.5, "group_value": 1.5, "payment": 0.25,
    ...          "utility": 1.25, "amount": "25.00"}
    >>> view = {"id": "ab12", "title": "ours", "at": "2026-01-02T00:00:00.000Z"}
    >>> print(invoice_csv(share, {"rate": 100.0, "currency": "EUR"}, view).splitlines()[1])
    ab12,ours,'=legal,2026-01-02,3.0,0.5,1.5,0.25,1.25,100.0,25.00,EUR
    """
    words = session_words.defused
    columns = ("session", "title", "group", "date", *_AMOUNTS, "rate", "amount", "currency")
    row = [
        *(view["id"], words(view["title"]), words(share["group"]), day(view)),
        *(share["report"]["size"], share["value"], share["group_value"], share["payment"], share["utility"]),
        *(outcome["rate"], share["amount"], words(outcome["currency"])),
    ]
    return _csv([columns, row])


def explanation_html(share: Data, outcome: Data, view: Data, pool: Data | None = None) -> str:
    """What a group is told: what was decided, what it has and pays and why, what a lie would have done.

    With the ``pool``, also what the base and the chosen model do, beside the group's own scores, and what staying away
    would have brought it, where that follows from what the group has.

    >>> explanation_html.__name__
    'explanation_html'
    """
    chances, away, told = None, None, ""
    if pool is not None:
        chances = _before_and_after(pool, outcome["model"], share["report"]["scores"])
        away = value_without(share, outcome, view["terms"], pool)
        told = away_words(share, away, view["terms"], pool)
    data = {"share": share, "outcome": outcome, "view": view, "chances": chances}
    return _page("session_explanation.html", **data, away=away, away_words=told)


def settlement_html(record: Data, outcome: Data, view: Data) -> str:
    """The whole settlement with its audit, for the provider and auditors.

    >>> settlement_html.__name__
    'settlement_html'
    """
    rows = settlement_rows(record, outcome)
    safe = need("markupsafe").Markup
    shown = sorted(rows, key=lambda row: -abs(row["payment"]))[:MANY_GROUPS]
    drawn = [row for row in rows if row in shown]
    figures = {
        "payments": safe(inline(session_figures.payments_figure(drawn, outcome["currency"]).svg("payments"))),
        "values": safe(inline(session_figures.values_figure(drawn).svg("values"))),
    }
    return _page(
        "session_settlement.html",
        record=record,
        outcome=outcome,
        view=view,
        rows=rows,
        drawn=len(drawn),
        figures=figures,
        total=total_amount(record),
        silent=[one["name"] for one in view.get("groups", []) if not one["reported"]],
        paid=_total([row["payment"] for row in rows]),
    )


def settlement_csv(record: Data, outcome: Data, view: Data) -> str:
    """One line a group and a total, as CSV; the amounts add up to the total's.

    >>> settlement_csv.__name__
    'settlement_csv'
    """
    words = session_words.defused
    columns = ("group", "base_value", *_AMOUNTS, "rate", "amount", "currency")
    lines: list[Sequence[Any]] = [columns]
    for row in settlement_rows(record, outcome):
        base = "" if row["base_value"] is None else row["base_value"]
        amounts = (row[key] for key in _AMOUNTS)
        lines.append([words(row["group"]), base, *amounts, outcome["rate"], row["amount"], words(outcome["currency"])])
    results = record["results"]
    paid = _total(results["payments"].values())
    utility = math.fsum(results["utilities"].values())
    whole = ["total", "", "", "", results["welfare"], paid, utility]
    return _csv([*lines, [*whole, outcome["rate"], total_amount(record), words(outcome["currency"])]])


_AMOUNTS = ("size", "value", "group_value", "payment", "utility")


def settlement_rows(record: Data, outcome: Data) -> list[dict[str, Any]]:
    """One row a group, in the order in which they joined: size, values before and after, payment, utility, amount."""
    results = record["results"]
    return [
        {
            "group": name,
            "size": record["reports"][name]["size"],
            "base_value": record["base_values"][name],
            "value": results["values"][name],
            "group_value": results["group_values"][name],
            "payment": results["payments"][name],
            "utility": results["utilities"][name],
            "amount": record["amounts"][name],
        }
        for name in outcome["groups"]
    ]


def _total(payments: Iterable[float]) -> float:
    """The sum; exactly 0 for a budget that balances up to rounding."""
    given = list(payments)
    paid = math.fsum(given)
    return 0.0 if abs(paid) <= 1e-12 * math.fsum(map(abs, given)) else paid


def total_amount(record: Data) -> str:
    """The sum of the groups' amounts, exact."""
    return str(sum(map(Decimal, record["amounts"].values()), Decimal("0.00")))


def day(view: Data) -> str:
    """The date of the settlement.

    >>> day({"settled_at": "2026-01-02T03:04:05.678Z", "at": "2026-01-03T00:00:00.000Z"})
    '2026-01-02'
    """
    return str(view.get("settled_at") or view["at"])[:10]


def invoice_number(share: Data, view: Data) -> str:
    """A number that no other invoice of the server has: the session's beginning, and the group's place.

    >>> invoice_number({"group": "b"}, {"id": "0123456789abcdef", "groups": [{"name": "a"}, {"name": "b"}]})
    '0123456789abcdef-2'
    """
    names = [one["name"] for one in view.get("groups", [])]
    place = names.index(share["group"]) + 1 if share["group"] in names else 0
    return f"{view['id']}-{place}"


def _before_and_after(pool: Data, model: Any, scores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """What the base and the chosen model do, for the first prompts and the likeliest responses."""
    if pool["kind"] == "candidates":
        rows = [
            {**one, "score": score, "chosen": one["name"] == model, "base": one["name"] == pool.get("base")}
            for one, score in zip(pool["candidates"], scores[0], strict=True)
        ]
        shown = sorted(rows, key=lambda row: (not row["chosen"], not row["base"]))[:MANY_RESPONSES]
        return {"candidates": shown, "hidden": len(rows) - len(shown)}
    chosen = model if isinstance(model[0], list) else [model]
    prompts = []
    for place, prompt in enumerate(pool["prompts"][:MANY_PROMPTS]):
        responses = pool["responses"][place]
        base = pool["base"][place] if pool.get("base") is not None else [1 / len(responses)] * len(responses)
        columns = zip(responses, base, chosen[place], scores[place], strict=True)
        rows = [{**one, "before": before, "after": after, "score": score} for one, before, after, score in columns]
        kept = sorted(rows, key=lambda row: -row["after"])[:MANY_RESPONSES]
        prompts.append({**prompt, "rows": kept, "hidden": len(rows) - len(kept)})
    return {"prompts": prompts, "hidden": len(pool["prompts"]) - len(prompts)}


@cache
def _templates() -> Any:
    """Made once: to compile a template takes longer than to fill it in."""
    templates = pages.templates(html=True)
    templates.filters["chance"] = chance
    return templates


def _page(template: str, **data: Any) -> str:
    templates = _templates()
    style = pages.style_sheet(templates, "report.css") + pages.style_sheet(templates, "session.css")
    view = data["view"]
    page = templates.get_template(template)
    return page.render(words=session_words, style=style, day=day(view), terms=view["terms"], **data)


def chance(share: float) -> str:
    """A chance in per cent.

    >>> chance(0.123), chance(0.00001), chance(1.0)
    ('12.3%', '0.001%', '100.0%')
    """
    return number(100 * share, 1 if share >= 0.001 or share == 0 else 3) + "%"


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
