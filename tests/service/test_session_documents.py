"""The documents of a session: what is in them, who is not in them, and that people's texts stay text."""

import csv
import io
import json
import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from service_play import POOL, REPORTS, TERMS, Clock
from settled_session import published

from tuneaccord.reporting import session_documents as documents
from tuneaccord.reporting import session_words
from tuneaccord.service.connect import connect
from tuneaccord.service.settings import Settings

MARKUP = '<img src=x onerror="alert(1)">'
TEXTS = {
    "prompts": [{"id": "p", "text": "<script>alert(2)</script> {{7*7}} What now?"}],
    "responses": [[{"id": "a", "text": "</td><b>bold</b>"}, {"id": "b", "text": "Wait."}, {"id": "c", "text": "Pay."}]],
    "base": [[0.4, 0.3, 0.3]],
}
CANARY = 0.123456789
SESSIONS = {
    "markup": {
        "pool": TEXTS,
        "terms": {
            **TERMS,
            "title": MARKUP,
            "money": {"currency": "<i>EUR</i>", "rate": 100},
            "payment": {"kind": "Free"},
        },
        "reports": {MARKUP: REPORTS["legal"], "=cmd()": REPORTS["support"], "marketing": REPORTS["marketing"]},
    },
    "plain": {
        "reports": {**REPORTS, "support": {"size": CANARY, "scores": [[CANARY, 0.5, 0.4]]}},
    },
    "candidates": {
        "pool": {
            "kind": "candidates",
            "candidates": [{"name": "base"}, {"name": "<u>soup</u>", "price": 0.3}, {"name": "other", "price": 0.9}],
            "base": "base",
        },
    },
    "balanced": {
        "terms": {
            **TERMS,
            "divergence": {"kind": "ChiSquared", "strength": 9.0},
            "payment": {"kind": "BalancedBudget", "largest_sizes": 6.0},
        }
    },
}


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = connect(Settings(folder=tmp_path_factory.mktemp("server")))
    desk.clock = Clock()
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def sessions(desk):
    return {name: published(desk, replaced=None, **given) for name, given in SESSIONS.items()}


MADE = {}  #: drawing takes most of the time here, so each document is made once


def of_group(played, name):
    if (played.id, name) not in MADE:
        MADE[played.id, name] = made_for_group(played, name)
    return MADE[played.id, name]


def of_provider(played):
    if played.id not in MADE:
        MADE[played.id] = made_for_provider(played)
    return MADE[played.id]


def made_for_group(played, name):
    caller, reading = played.groups[name], played.reading
    data = reading.share(caller, played.id, name), reading.outcome(caller, played.id), reading.view(caller, played.id)
    return {
        "invoice": documents.invoice_html(*data),
        "explanation": documents.explanation_html(*data, reading.pool(caller, played.id)),
        "csv": documents.invoice_csv(*data),
    }


def made_for_provider(played):
    caller, reading = played.provider, played.reading
    data = reading.record(caller, played.id), reading.outcome(caller, played.id), reading.view(caller, played.id)
    return {"settlement": documents.settlement_html(*data), "csv": documents.settlement_csv(*data)}


def pages(sessions):
    for session, played in sessions.items():
        for name in played.groups:
            for kind, text in of_group(played, name).items():
                yield f"{session} {kind} of {name}", text
        for kind, text in of_provider(played).items():
            yield f"{session} {kind}", text


@pytest.mark.slow
def test_no_page_runs_or_fetches_anything_or_takes_text_for_markup(sessions):
    for what, html in pages(sessions):
        if "csv" in what:
            continue
        page = Page(html)
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "button", "i", "u", "b"}, what
        for _, attributes in page.tags:
            assert not [key for key in attributes if key.startswith("on")], what
            assert all(attributes.get(key, "#").startswith("#") for key in ("href", "xlink:href", "src")), what
        assert not re.findall(r"url\((?!#)", html), what
        assert "default-src 'none'" in html, what
        assert 'name="viewport"' in html, what
        assert "@page" in html, what
        assert "prefers-color-scheme: dark" in html, what


def test_markup_is_shown_as_text(sessions):
    played = sessions["markup"]
    text = Page(of_group(played, MARKUP)["explanation"]).text
    for said in (MARKUP, "<script>alert(2)</script> {{7*7}}", "</td><b>bold</b>", "<i>EUR</i>"):
        assert said in text
    assert MARKUP in Page(of_provider(played)["settlement"]).text
    assert "<u>soup</u>" in Page(of_group(sessions["candidates"], "legal")["explanation"]).text


def test_cells_of_csv_are_never_formulas(sessions):
    for what, text in pages(sessions):
        if "csv" not in what:
            continue
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (what, cell)
    assert "'=cmd()" in of_provider(sessions["markup"])["csv"]


def test_a_groups_documents_say_nothing_of_others(sessions):
    played = sessions["plain"]
    secrets = [str(CANARY), "0.1234", "support", "marketing"]
    for kind, text in of_group(played, "legal").items():
        for secret in secrets:
            assert secret not in text, (kind, secret)
        assert "legal" in text
    reading, caller = played.reading, played.groups["legal"]
    others = played.reading.record(played.provider, played.id)["amounts"]
    text = Page(documents.invoice_html(*_data(played, reading, caller, "legal"))).text
    assert others["legal"] in text
    assert others["marketing"] not in text


def _data(played, reading, caller, name):
    return reading.share(caller, played.id, name), reading.outcome(caller, played.id), reading.view(caller, played.id)


def test_an_invoice_has_its_amount_its_units_and_its_date(sessions):
    played = sessions["plain"]
    share, outcome, view = _data(played, played.reading, played.groups["legal"], "legal")
    text = Page(documents.invoice_html(share, outcome, view)).text
    assert f"You pay EUR {share['amount']}." in text
    assert f"{share['payment']:.6f}" in text
    assert view["settled_at"][:10] in text
    assert f"{played.id}-1" in text
    assert played.session.settlement in text
    row = next(csv.DictReader(io.StringIO(documents.invoice_csv(share, outcome, view))))
    assert (row["amount"], row["currency"], row["group"]) == (share["amount"], "EUR", "legal")
    assert float(row["group_value"]) - float(row["payment"]) == pytest.approx(float(row["utility"]), abs=1e-12)


def test_the_settlement_adds_up_in_every_form(sessions):
    for session, played in sessions.items():
        table = list(csv.DictReader(io.StringIO(of_provider(played)["csv"])))
        *groups, total = table
        assert sum(Decimal(row["amount"]) for row in groups) == Decimal(total["amount"])
        assert sum(float(row["payment"]) for row in groups) == pytest.approx(float(total["payment"]), abs=1e-12)
        assert len(groups) == len(played.groups), session
        invoices = [next(csv.DictReader(io.StringIO(of_group(played, name)["csv"]))) for name in played.groups]
        assert [row["amount"] for row in invoices] == [row["amount"] for row in groups]
        shown = f"{abs(Decimal(total['amount'])):,.2f}"
        assert shown in Page(of_provider(played)["settlement"]).text


def test_who_receives_money_is_told_so(sessions):
    played = sessions["balanced"]
    told = []
    for name in played.groups:
        share = played.reading.share(played.groups[name], played.id, name)
        text = Page(of_group(played, name)["invoice"]).text
        verb = "You receive EUR" if Decimal(share["amount"]) < 0 else "You pay EUR"
        assert f"{verb} {abs(Decimal(share['amount']))}." in text
        told.append(verb)
    assert set(told) == {"You receive EUR", "You pay EUR"}
    assert "You pay nothing." in Page(of_group(sessions["markup"], MARKUP)["invoice"]).text


def test_where_lies_pay_the_group_is_told(sessions):
    text = Page(of_group(sessions["markup"], MARKUP)["explanation"]).text
    assert "Yes: to report twice your size would have gained you" in text
    assert "A search over your whole report found a false one that gains" in text
    text = Page(of_group(sessions["plain"], "legal")["explanation"]).text
    assert "No: none of the false reports below would have left you more" in text
    assert "it is certified that at the others' reports no report could have gained you more than rounding" in text


def test_a_failed_promise_is_said_first_in_every_document_and_who_stayed_silent_to_the_provider(sessions):
    played = sessions["plain"]
    share, outcome, view = _data(played, played.reading, played.groups["legal"], "legal")
    record = {**played.reading.record(played.provider, played.id), "broken_promises": ["truthful: too much"]}
    audited = {**outcome, "audit": {"promise_broken": True}}
    wrong = {**outcome, "recheck": {"broken": ["truthful"]}}
    late = {**view, "groups": [*view["groups"], {"name": "<em>late</em>", "reported": False}]}
    settlement = documents.settlement_html(record, wrong, late)
    for html in (
        documents.invoice_html(share, wrong, view),
        documents.invoice_html(share, audited, view),
        documents.explanation_html(share, wrong, view),
        settlement,
    ):
        assert "fails its own recheck (truthful" in Page(html).text
        assert 'role="alert"' in html
    assert "truthful: too much" in settlement
    assert "because they did not report: <em>late</em>." in Page(settlement).text
    assert "fails its own recheck" not in documents.invoice_html(share, outcome, view)


def test_before_publication_a_document_says_that_it_is_a_draft(sessions):
    share, outcome, view = _data(sessions["plain"], (one := sessions["plain"]).reading, one.groups["legal"], "legal")
    assert "Not published yet: the session is settled." in documents.invoice_html(
        share, outcome, {**view, "state": "settled"}
    )
    assert "Not published yet" not in documents.invoice_html(share, outcome, view)


def test_an_interval_is_explained(sessions):
    played = sessions["plain"]
    share, outcome, view = _data(played, played.reading, played.groups["legal"], "legal")
    interval = {"estimate": share["payment"], "low": 0.1, "high": 0.9, "level": 0.95}
    text = Page(documents.explanation_html({**share, "payment_interval": interval}, outcome, view)).text
    assert "with a 95% interval over prompts" in text
    assert "95%" not in Page(documents.explanation_html(share, outcome, view)).text


def test_large_pools_and_many_groups_are_cut_and_say_so(sessions):
    played = sessions["plain"]
    share, outcome, view = _data(played, played.reading, played.groups["legal"], "legal")
    names = [str(place) for place in range(30)]
    pool = {
        "kind": "responses",
        "prompts": [{"id": name, "text": ""} for name in names],
        "responses": [[{"id": name, "text": ""} for name in names]] * 30,
        "base": None,
    }
    rows = [[1 / 30] * 30] * 30
    share, outcome = {**share, "report": {**share["report"], "scores": rows}}, {**outcome, "model": rows}
    text = Page(documents.explanation_html(share, outcome, view, pool)).text
    assert "… and 18 less likely responses." in text
    assert "… and 26 more prompts of the pool." in text


def test_every_shipped_rule_and_payment_has_a_sentence():
    import tuneaccord
    from tuneaccord.mechanism.payments import PaymentRule
    from tuneaccord.mechanism.rules import TrainingRule

    shipped = [getattr(tuneaccord, name) for name in tuneaccord.__all__]
    for kind, sentences in ((PaymentRule, session_words.REASONS), (TrainingRule, session_words.RULES)):
        names = {one.__name__ for one in shipped if isinstance(one, type) and issubclass(one, kind)} - {kind.__name__}
        assert set(sentences) == names


def test_public_weights_and_boosts_are_said():
    terms = {"payment": {"kind": "Externality"}, "rule": {"kind": "Welfare", "weights": [1.0, 2.0], "boosts": None}}
    assert "divided by yours" in session_words.reason(terms)
    assert "boosts" not in session_words.reason(terms)
    terms["rule"] = {"kind": "Welfare", "weights": None, "boosts": [0.0, 1.0]}
    assert "boosts of the models" in session_words.reason(terms)


def test_the_same_data_give_the_same_bytes(sessions):
    played = sessions["plain"]
    assert made_for_provider(played) == of_provider(played)
    assert made_for_group(played, "legal") == of_group(played, "legal")


def test_documents_need_only_plain_data(sessions):
    played = sessions["plain"]
    data = json.loads(json.dumps(_data(played, played.reading, played.groups["legal"], "legal")))
    assert documents.invoice_html(*data) == of_group(played, "legal")["invoice"]
    assert POOL["base"] == [[0.4, 0.3, 0.3]]  # nothing was changed in passing
