"""What a group's page knows of its sealed report, without a browser: the log's entries, and a tab's copy."""

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("nicegui", reason="the studio needs the web extra: pip install tuneaccord[web]")

from service_play import play
from session_steps import desk_at

from tuneaccord.service.pages import parts
from tuneaccord.service.pages.sessions import report_sealed
from tuneaccord.service.pages.sessions.report_sealed import Sealed, kept_proof

REPORT = {"size": 2, "scores": [[0.25, 0.5, 1.0]]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = desk_at(tmp_path_factory.mktemp("sealed"))
    yield made
    made.store.close()


@pytest.fixture
def page(desk, monkeypatch):
    """(played session, what legal's page knows, the scripts that its browser got)."""
    played = play(desk, "reporting")
    scripts = []
    client = SimpleNamespace(run_javascript=scripts.append)
    monkeypatch.setattr(report_sealed.ui, "timer", lambda *given, **named: None)  # no browser to ask
    live = SimpleNamespace(view=played.reading.view(played.groups["legal"], played.id), client=client)
    return played, Sealed(live), scripts


def look(played, sealed):
    """What the page does at every change of the session; gives the log entries that it read."""
    read = []

    class Counting:
        def log(self, *given):
            read.extend(found := played.reading.log(*given))
            return found

    caller = played.groups["legal"]
    sealed.follow(Counting(), caller, played.reading.view(caller, played.id))
    return len(read)


def test_the_log_says_which_report_counts(desk, page):
    played, sealed, scripts = page
    assert look(played, sealed) == 0  # nothing is looked for before there is a report
    assert (sealed.number, sealed.proof) == (None, None)
    first = desk.report(played.groups["legal"], played.id, REPORT)
    sealed.keep(first)
    assert look(played, sealed) == played.session.entries
    assert (sealed.number, sealed.times, sealed.proof) == (first["entry"]["number"], 1, first)
    kept = json.loads(scripts[0].partition(sealed.key + '", ')[2].rpartition(");")[0])
    assert kept_proof(kept) == first  # what the tab is given is what it can give back
    assert "localStorage" not in scripts[0]

    desk.report(played.groups["support"], played.id, REPORT)
    assert look(played, sealed) == 1  # only what is new is read
    assert sealed.proof == first
    second = desk.report(played.groups["legal"], played.id, {**REPORT, "size": 3})
    assert look(played, sealed) == 1
    assert (sealed.number, sealed.times, sealed.proof) == (second["entry"]["number"], 2, None)  # sent from elsewhere


def test_a_long_proof_is_not_kept_in_the_tab(desk, page):
    played, sealed, scripts = page
    proof = desk.report(played.groups["legal"], played.id, REPORT)
    sealed.keep({**proof, "report": {**proof["report"], "how": "x" * report_sealed.MOST_KEPT}})
    assert "removeItem" in scripts[-1]
    assert "setItem" not in scripts[-1]


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: None,
        lambda proof: "",
        lambda proof: "[]",
        lambda proof: json.dumps({**proof, "salt": "00"}),
        lambda proof: json.dumps({**proof, "report": {**proof["report"], "size": 9.0}}),
        lambda proof: json.dumps({name: proof[name] for name in proof if name != "entry"}),
        lambda proof: json.dumps({**proof, "report": "<script>", "entry": 1}),
        lambda proof: 7,
    ],
)
def test_what_is_no_proof_is_not_taken(desk, page, change):
    played, _, _ = page
    proof = desk.report(played.groups["legal"], played.id, REPORT)
    assert kept_proof(json.dumps(proof)) == proof
    assert kept_proof(change(proof)) is None


def test_numbers_that_are_written_already_are_set_right():
    shown = parts.table_html(
        "t", ["who", "size", "state"], [["3", "1,200.50", "not yet"], ["b", "\N{MINUS SIGN}2", "in"]]
    )
    assert "<td>1,200.50</td>" in shown
    assert "<td>\N{MINUS SIGN}2</td>" in shown
    assert '<td class="text short">not yet</td>' in shown
    assert '<th scope="col">size</th>' in shown
    assert '<th scope="col" class="text">who</th>' in shown  # a group may be called 3


def test_promises_hold_text_only():
    shown = parts.promises_html([{"name": "<b>", "status": "<i>", "statement": "<script>"}])
    assert shown.count("&lt;") == 3
    assert "<script>" not in shown
