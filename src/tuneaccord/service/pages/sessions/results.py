"""What came out: for the provider and auditors everything, for a group its own part, for observers the public part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nicegui import ui

from tuneaccord.reporting import session_words
from tuneaccord.reporting.formatting import number, size
from tuneaccord.reporting.session_absence import away_words, value_without, values_without
from tuneaccord.reporting.session_documents import settlement_rows, total_amount
from tuneaccord.service.pages.charts import axis, bars, figure, label
from tuneaccord.service.pages.parts import folded, heading, plot, promises_html, table_html, text
from tuneaccord.service.pages.sessions.live import Part
from tuneaccord.service.pages.sessions.parts import link_button, panel
from tuneaccord.service.pages.sessions.pool_view import base_chance
from tuneaccord.service.reading import Reading
from tuneaccord.service.tokens import Caller

MOST_DRAWN = 30  #: groups or responses in a figure
MOST_PROMPTS = 500  #: that are looked through for the responses that change most


def record_part() -> Part:
    """The whole settlement, for the provider and auditors."""

    def reached(view: dict) -> bool:
        return view["state"] in ("settled", "published")

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if not reached(view):
            return None
        record, outcome = reading.record(caller, view["id"]), reading.outcome(caller, view["id"])
        pool = reading.pool(caller, view["id"])
        return record, outcome, pool, values_without(record, outcome, view["terms"], pool)

    def build(view: dict, loaded: Any) -> None:
        if loaded is None:
            return
        record, outcome, pool, away = loaded
        with panel("The settlement"):
            _summary(record, outcome, view)
            _broken(record)
            rows = [{**row, "away": away[row["group"]]} for row in settlement_rows(record, outcome)]
            groups_plots(rows, outcome)
            model_plot(pool, outcome["model"])
            guarantees(outcome)
            _audit(record)
            _record_links(view, outcome)

    return Part(reached, build, load)


def _summary(record: dict, outcome: dict, view: dict) -> None:
    results = record["results"]
    total = session_words.money(total_amount(record), outcome["currency"])
    text(f"The rule chose {session_words.chosen(view['terms'])}.")
    facts(
        ("all payments together", total),
        ("welfare (size × value)", number(results["welfare"])),
        ("price of leaving the base", number(outcome["price"])),
        ("net welfare", number(results["net_welfare"])),
    )


def facts(*pairs: tuple[str, str]) -> None:
    """A few numbers, large, with their names."""
    with ui.element("dl").classes("facts"):
        for name, value in pairs:
            with ui.element("div"):
                text(name, "dt")
                text(value, "dd", "big")


def _broken(record: dict) -> None:
    for sentence in record.get("broken_promises") or ():
        text(f"A promise failed its recheck: {sentence}", "p", "notice").props["role"] = "alert"


def groups_plots(rows: list[dict], outcome: dict) -> None:
    """Value, payment and utility of each group, as bars and as a table."""
    drawn = sorted(rows, key=lambda row: -abs(row["payment"]))[:MOST_DRAWN]
    drawn = [row for row in rows if row in drawn]
    names = [label(row["group"]) for row in drawn]
    traces = [
        bars(name, [str(place) for place in range(len(drawn))], [row[key] for row in drawn], kind)
        for kind, (name, key) in enumerate((("value", "group_value"), ("payment", "payment"), ("utility", "utility")))
    ]
    across = axis(
        "group", tickmode="array", tickvals=[str(place) for place in range(len(drawn))], ticktext=names, type="category"
    )
    drawing = figure(traces, across, axis("size × value", "units"), barmode="group")
    plot(drawing, "Value, payment and utility of each group", "middle")
    if len(rows) > len(drawn):
        text(f"The {len(drawn)} groups with the largest payments of {len(rows)}.", "p", "soft small")
    known = all(row["away"] is not None for row in rows)
    columns = ["group", "size", "value a member", "group value", "payment", "utility", outcome["currency"]]
    columns += ["utility, had it stayed away"] if known else []
    table = [
        [
            row["group"],
            size(row["size"]),
            row["value"],
            row["group_value"],
            row["payment"],
            row["utility"],
            session_words.grouped(row["amount"]),
            *([row["size"] * row["away"]] if known else []),
        ]
        for row in rows
    ]
    ui.html(table_html("Every group, in units of size × value, and what it pays", columns, table), sanitize=False)


def model_plot(pool: dict, model: Any, scores: list[list[float]] | None = None) -> None:
    """What the base and the chosen model do."""
    heading("The chosen model", 3)
    if pool["kind"] == "candidates":
        chosen = next((one for one in pool["candidates"] if one["name"] == model), None)
        text(f"The model “{model}”" + (f", at a price of {number(chosen['price'])}." if chosen else "."))
        if chosen and chosen["text"]:
            text(chosen["text"], "div", "reply")
        return
    rows = list(_chances(pool, model, scores))
    drawn = sorted(range(len(rows)), key=lambda place: -abs(rows[place][2] - rows[place][1]))[:MOST_DRAWN]
    drawn.sort()
    places = [str(place) for place in range(len(drawn))]
    names = [label(rows[place][0]) for place in drawn]
    traces = [
        bars("base model", places, [rows[place][1] for place in drawn], 4),
        bars("chosen model", places, [rows[place][2] for place in drawn], 0),
    ]
    across = axis("response", tickmode="array", tickvals=places, ticktext=names, type="category")
    drawing = figure(traces, across, axis("chance of the response", "0 to 1", rangemode="tozero"), barmode="group")
    plot(drawing, "Chance of each response under the base and the chosen model", "middle")
    if len(rows) > len(drawn):
        text(f"The {len(drawn)} responses that change most, of {len(rows)}.", "p", "soft small")
    columns = ["response", "base", "chosen", *(["your score"] if scores else [])]
    with folded("The same as a table"):
        shown = [list(rows[place][: 4 if scores else 3]) for place in drawn]
        ui.html(table_html("Chance of each response", columns, shown), sanitize=False)


def _chances(pool: dict, model: Any, scores: list[list[float]] | None) -> Iterator[tuple]:
    """For each response its name, its chance before and after, and the score if there is one."""
    several = len(pool["prompts"]) > 1
    for row, prompt in enumerate(pool["prompts"][:MOST_PROMPTS]):
        for column, one in enumerate(pool["responses"][row]):
            name = f"{prompt['id']}: {one['id']}" if several else one["id"]
            score = scores[row][column] if scores else None
            yield name, base_chance(pool, row, column), model[row][column], score


def guarantees(outcome: dict) -> None:
    """What is promised, and on which conditions."""
    with folded("What this settlement promises, and on which conditions"):
        ui.html(promises_html(outcome["guarantees"]), sanitize=False)


def _audit(record: dict) -> None:
    audit = record.get("audit")
    if audit is None:
        return
    heading("Audit: can a lie pay?", 3)
    if "skipped" in audit:
        text(audit["skipped"])
        return
    for sentence in audit.get("verdicts", ()):
        text(sentence)


def _record_links(view: dict, outcome: dict) -> None:
    address = f"/sessions/{view['id']}/documents"
    heading("Documents", 3)
    with ui.element("div").classes("rows"):
        link_button("Settlement and audit (to print)", f"{address}/settlement.html", new=True)
        link_button("Settlement (CSV)", f"{address}/settlement.csv").props["download"] = "settlement.csv"
    with folded("Each group's invoice"), ui.element("ul"):
        for name in outcome["groups"][:200]:
            with ui.element("li"):
                link = text(name, "a")
                link.props.update(href=f"{address}/invoice.html?{_query(name)}", target="_blank", rel="noopener")


def _query(name: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"group": name})


def outcome_part() -> Part:
    """The public part of the settlement."""

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return reading.outcome(caller, view["id"]) if view["state"] == "published" else None

    def build(view: dict, outcome: dict | None) -> None:
        if outcome is None:
            return
        with panel("The settlement"):
            text(f"The rule chose {session_words.chosen(view['terms'])}.")
            if isinstance(outcome["model"], str):
                text(f"It is the candidate “{outcome['model']}”.")
            facts(("price of leaving the base", number(outcome["price"])), ("groups", str(len(outcome["groups"]))))
            guarantees(outcome)

    return Part(lambda view: view["state"] == "published", build, load)


def share_part() -> Part:
    """A group's own part: what it gets, what it pays and why, and what lying would have done."""

    def mine(view: dict) -> bool:
        you = view["you"]["name"]
        return view["state"] == "published" and any(one["name"] == you and one["reported"] for one in view["groups"])

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        if not mine(view):
            return None
        share, outcome = reading.share(caller, view["id"], caller.name), reading.outcome(caller, view["id"])
        pool = reading.pool(caller, view["id"])
        return share, outcome, pool, value_without(share, outcome, view["terms"], pool)

    def build(view: dict, loaded: Any) -> None:
        if loaded is None:
            return
        share, outcome, pool, away = loaded
        currency = outcome["currency"]
        with panel("Your part"):
            if warning := session_words.recheck_note(outcome):
                text(warning, "p", "notice").props["role"] = "alert"
            text(session_words.bill(share["amount"], currency), "p", "big")
            text(session_words.value_change(share))
            text(session_words.what_it_adds_up_to(share, outcome["rate"], currency))
            _away(share, away, view["terms"], pool)
            text(session_words.reason(view["terms"]))
            if note := session_words.interval_note(share):
                text(note)
            _share_links(view)
        with panel("Would lying have helped you?"):
            text(session_words.lies_note(share))
            if found := session_words.audit_note(share):
                text(found)
            if share["what_if"]:
                _lies(share)
        with panel("What was decided"):
            model_plot(pool, outcome["model"], share["report"]["scores"])
            guarantees(outcome)

    return Part(mine, build, load)


def _away(share: dict, value: float | None, terms: dict, pool: dict) -> None:
    """The group's amounts beside those that it would have had by staying away, where it may know them."""
    if value is not None:
        away = share["report"]["size"] * value
        rows = [
            ["you took part", share["value"], share["group_value"], share["payment"], share["utility"]],
            ["had you stayed away", value, away, 0.0, away],
        ]
        columns = ["", "value a member", "group value", "payment", "utility"]
        ui.html(table_html("Taking part, and staying away", columns, rows, 0), sanitize=False)
    text(away_words(share, value, terms, pool))


def _share_links(view: dict) -> None:
    address = f"/sessions/{view['id']}/documents"
    with ui.element("div").classes("rows"):
        link_button("Invoice (to print)", f"{address}/invoice.html", new=True)
        link_button("Invoice (CSV)", f"{address}/invoice.csv").props["download"] = "invoice.csv"
        link_button("Explanation (to print)", f"{address}/explanation.html", new=True)


def _lies(share: dict) -> None:
    lies = share["what_if"]
    names = ["the truth as you reported it", *(session_words.misreport(one["misreport"]) for one in lies)]
    rows = [
        [name, one["group_value"], one["payment"], one["utility"], one["utility"] - share["utility"]]
        for name, one in zip(names, [share, *lies], strict=True)
    ]
    columns = ["had you …", "group value", "payment", "utility", "gain over your report"]
    ui.html(
        table_html("Other reports, all others' unchanged, in units of size × value", columns, rows, 0), sanitize=False
    )
