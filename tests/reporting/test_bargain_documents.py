"""The term sheet and the report of a bargain: what they say, that nothing runs in them, that no name breaks them."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess

import pytest
from bargain_runs import HOSTILE, game_file, given, one, quadratic, settled
from test_documents import Page

import tuneaccord as ta
from tuneaccord.reporting import bargain_words as words
from tuneaccord.reporting.bargain_report import bargain_pictures, bargain_report
from tuneaccord.reporting.bargain_rows import moving_rows, party_rows
from tuneaccord.reporting.term_sheet import NAME, PARTIES, term_sheet_html, term_sheet_markdown


@pytest.fixture(scope="module")
def hostile() -> dict:
    file = game_file(quadratic([(1.0, 1.0)] * len(HOSTILE), HOSTILE), solutions=(), title=HOSTILE[1], units=HOSTILE[2])
    return settled(game_file(file.game, shares=dict.fromkeys(HOSTILE, 0.3), solutions=(), title=HOSTILE[1]))


@pytest.fixture(scope="module")
def no_trade() -> dict:
    specialist = ta.Specialist("medical", ta.Power(2.0, 2), ta.Linear(1.0), entry_cost=9.0)
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [specialist])
    return settled(game_file(game, solutions=(ta.Nash(),)))


@pytest.mark.parametrize("make", [term_sheet_html, bargain_report])
@pytest.mark.parametrize(
    "which", ["given", *(pytest.param(name, marks=pytest.mark.slow) for name in ("one", "hostile", "no_trade"))]
)
def test_pages_are_well_formed_fetch_nothing_and_run_nothing(make, which, request):
    data = {"one": one, "given": given}[which]() if which in ("one", "given") else request.getfixturevalue(which)
    text = make(data)
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert not any(page.having(tag) for tag in ("script", "link", "img", "iframe"))
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "src", "xlink:href"):
            assert attrs.get(name, "#").startswith("#")
            assert name == "src" or attrs.get(name, "#")[1:] in {*page.ids, ""}
    assert "@import" not in text
    assert "url(http" not in text


@pytest.mark.slow
def test_names_are_said_as_they_are(hostile):
    shown = HOSTILE[: PARTIES - 1]  # and the generalist: the sheet has no room for more
    for make, names, room in ((term_sheet_html, shown, NAME - 1), (bargain_report, HOSTILE, 99)):
        page = Page(make(hostile))
        for name in names:
            assert " ".join(name.replace("\x1b", "�").split())[:room] in page.words
    text = term_sheet_markdown(hostile)
    assert "<script>" not in text
    assert "\n# d" not in text
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "contributes" in line]
    assert len(rows) == len(shown)
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1  # no name made a column


def test_the_term_sheet_has_the_terms():
    data = one()
    for text in (Page(term_sheet_html(data)).words, term_sheet_markdown(data)):
        for told in ("62.28%", "EUR", "155,710", "contributes", "57.7%", "69.9%", "33.3%", "a^2", "indifferent"):
            assert told in text, told
        for row in moving_rows(data, 5):
            assert row["parameter"].replace("_", "") in text.replace("\\_", "").replace("_", "")
        for line in words.certainty(data):
            assert line.split(".")[0] in text.replace("\\", "")


def test_the_markdown_is_a_table_where_it_should_be():
    lines = term_sheet_markdown(given()).splitlines()
    for header, rule in [(lines[i - 1], line) for i, line in enumerate(lines) if line.startswith("|---")]:
        assert header.count("|") == rule.count("|")
        assert lines[lines.index(header) - 1] == ""  # a table needs an empty line before it


@pytest.mark.slow
def test_the_report_shows_every_part_that_the_data_have(no_trade):
    page = Page(bargain_report(one()))
    for part in ("utilities", "solutions", "pareto", "map", "sensitivity", "uncertainty", "assumed", "data"):
        assert part in page.ids
    assert len(page.having("svg")) == len(bargain_pictures(one())) == 6
    assert all(attrs["role"] == "img" for attrs in page.having("svg"))
    page = Page(bargain_report(no_trade))
    assert "there is no trade" in page.words
    assert "sensitivity" not in page.ids


@pytest.mark.slow
def test_the_game_in_the_report_can_be_read_back():
    found = re.search(r"<pre>(.*?)</pre>", bargain_report(one()), re.DOTALL)[1].replace("&#34;", '"')
    assert ta.FineTuningGame.from_dict(json.loads(found)).names == ("medical",)


@pytest.mark.slow
def test_the_same_data_give_the_same_bytes_also_after_json():
    again = json.loads(json.dumps(one()))
    assert bargain_report(again) == bargain_report(one())
    assert term_sheet_html(again) == term_sheet_html(one())


def test_parties_get_all_of_the_revenue():
    for data in (one(), given()):
        rows = party_rows(data)
        parts, revenues = sum(row["part"] for row in rows), sum(row["revenue"] for row in rows[1:])
        assert parts == pytest.approx(revenues, rel=1e-12)
        for row in rows:
            assert row["part"] - row["cost"] == pytest.approx(row["utility"], abs=1e-9)


def test_the_sensitivities_are_sorted_by_the_largest_move_of_any_share():
    rows = moving_rows(one(), 99)
    assert [row["size"] for row in rows] == sorted((row["size"] for row in rows), reverse=True)
    assert rows[0]["parameter"] == "medical.cost.exponent"
    assert all(row["parameter"] != "medical.revenue.rate" for row in rows)  # it scales both sides alike


def test_a_play_without_an_agreement_is_told_as_one():
    data = given()
    assert words.headline(data).startswith("At the given shares the generalist gets 40% of the d0 revenue")
    assert words.name_of(data) == "shares as given"


def test_extrapolation_is_told_when_given():
    data = copy.deepcopy(one())
    data["extrapolation"] = ["medical: 0.41 is beyond the measured scores."]
    assert "beyond the measured scores" in term_sheet_markdown(data)


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser that prints")
@pytest.mark.parametrize("paper", ["A4", "letter"])
def test_the_term_sheet_is_one_printed_page(tmp_path, paper):
    names = [f"department of everything number {i} and more" for i in range(12)]
    game = quadratic([(1.0 + i / 10, 1.0) for i in range(12)], names)
    crowd = settled(game_file(game, shares=dict.fromkeys(names, 0.3), solutions=(), title="A long title " * 8))
    for place, data in enumerate((one(), crowd)):
        sheet, printed = tmp_path / f"{place}.html", tmp_path / f"{place}.pdf"
        sheet.write_text(term_sheet_html(data).replace("@page {", f"@page {{ size: {paper};"))
        command = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--print-to-pdf={printed}",
            f"file://{sheet}",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 1


@pytest.mark.slow
def test_long_names_are_cut_and_told_apart_and_short_ones_are_not():
    names = [f"department of everything number {i}" for i in range(3)] + ["legal"]
    data = settled(game_file(quadratic([(1.0, 1.0)] * 4, names), shares=dict.fromkeys(names, 0.5), solutions=()))
    rows = [row.split("|")[1] for row in term_sheet_markdown(data).splitlines() if "contributes |" in row]
    assert len(set(rows)) == 4
    assert rows[-1].strip() == "legal"
    assert max(map(len, rows)) <= NAME + 2
