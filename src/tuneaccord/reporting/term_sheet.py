"""The term sheet of a bargain: one page, as Markdown or HTML, from the bargain's plain data.

It says what the parties' own curves imply: who gets which share, what everybody is then expected to invest and earn,
what would move it, and what was assumed. It is a basis for a contract, not one.
"""

from __future__ import annotations

from tuneaccord.reporting import bargain_words as words
from tuneaccord.reporting import pages
from tuneaccord.reporting.bargain_rows import moving_rows, party_rows, solution_rows
from tuneaccord.reporting.formatting import number, short

PARTIES = 6  #: in each table, so that it stays one page; the data have all
MOVING = 5  #: parameters in the sensitivity
LONG = 330  #: characters of a reason
CROWDED = 4  #: with more parties, the type is smaller and reasons are at most half as long
NAME = 24  #: columns of a party's name; the data have it whole


def term_sheet_markdown(data: dict) -> str:
    """The term sheet as Markdown; text from files is escaped.

    >>> term_sheet_markdown.__name__
    'term_sheet_markdown'
    """
    text = pages.templates(html=False).get_template("term_sheet.md.jinja").render(**_view(data))
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def term_sheet_html(data: dict) -> str:
    """The term sheet as one HTML file that opens offline and prints on one A4 or Letter page.

    >>> term_sheet_html.__name__
    'term_sheet_html'
    """
    templates = pages.templates(html=True)
    style = pages.style_sheet(templates, "term_sheet.css")
    return templates.get_template("term_sheet.html").render(style=style, **_view(data))


def _view(data: dict) -> dict:
    data = _with_short_names(data)
    rows = party_rows(data)
    crowded = len(rows) > CROWDED
    agreed = data["agreement"]["status"] != "no trade"
    others = [row for row in solution_rows(data) if not row["chosen"]]
    if len(rows) > 2:  # no room for each specialist's own dictate
        others = [row for row in others if not row["solution"].get("name")]
    return {
        "data": data,
        "words": words,
        "agreed": agreed,
        "rows": rows[:PARTIES],
        "hidden": len(rows) - PARTIES,
        "specialists": [row["party"] for row in rows[1:PARTIES]],
        "others": others,
        "moving": moving_rows(data, MOVING) if agreed else [],
        "swing": f"{100 * data['sensitivity']['change']:g}%" if data.get("sensitivity") else "",
        "zero": " (an amount that is 0: by as much of its party's utility)" if data.get("sensitivity") else "",
        "crowded": crowded,
        "reasons": _reasons(data, rows, LONG // 2 if crowded else LONG),
        "curves": words.curves_in_words(data)[:PARTIES],
        "currency": data["money"]["currency"],
        "money": lambda amount: "" if amount is None else words.money_text(amount, data["money"]),
        "percent": percent,
        "rough": rough,
        "value": lambda amount: "" if amount is None else number(amount),
        "uncertain": {row["output"]: row for row in data.get("uncertainty", {}).get("outputs", [])},
    }


def percent(share: float | None) -> str:
    """A share in per cent, with two decimals.

    >>> percent(0.62284), percent(1.0), percent(None)
    ('62.28%', '100.00%', '–')
    """
    return _per_cent(share, 2)


def rough(share: float | None) -> str:
    """The same with one decimal, where there is little room."""
    return _per_cent(share, 1)


def _per_cent(share: float | None, decimals: int) -> str:
    return "–" if share is None else f"{100 * share:.{decimals}f}%"


def _reasons(data: dict, rows: list[dict], most: int) -> list[tuple[str, str, str]]:
    told = words.reasons(data)
    found = []
    for row in rows[:PARTIES]:
        found.append((row["party"], row["regime"], _cut(told.get(row["party"], ""), most)))
    return found


def _cut(text: str, most: int) -> str:
    """At most ``most`` characters: whole sentences if there is one that fits."""
    if len(text) <= most:
        return text
    whole = text[:most].rfind(". ")
    return text[: whole + 1] if whole > most // 3 else f"{text[: most - 1].rstrip()}…"


def _with_short_names(data: dict) -> dict:
    """The data with long names of parties cut, everywhere they are said, and still told apart."""
    new: dict[str, str] = {}
    for place, name in enumerate(data["players"]):
        cut = short(name, NAME)
        if cut != name:
            new[name] = cut if cut not in {*new.values(), *data["players"]} else f"{short(name, NAME - 4)} {place}"

    def renamed(value):
        if isinstance(value, dict):
            return {renamed(key): renamed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [renamed(one) for one in value]
        if isinstance(value, str):
            for name, cut in new.items():
                value = value.replace(name, cut)
        return value

    if not new:
        return data
    bulky = ("frontier", "share_curves", "map")  # the sheet does not show them
    return {key: value if key in bulky else renamed(value) for key, value in data.items()}
