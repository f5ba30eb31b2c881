"""The studio's frame: readable colours, escaped text, framed reports, and nothing from another server."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("nicegui", reason="the studio needs the web extra: pip install tuneaccord[web]")

from fastapi import FastAPI
from starlette.testclient import TestClient

from tuneaccord.service import pages
from tuneaccord.service.pages import charts, frame, parts, report

CSS = (Path(pages.__file__).parent / "static" / "studio.css").read_text()
MARKUP = "<script>document.title = 'ran'</script><p>report</p>"


@pytest.fixture
def browser(tmp_path):
    """A client of a studio that was started with two folders, one of them a finished run."""
    for name in ("finished", "begun"):
        (tmp_path / name).mkdir()
    (tmp_path / "finished" / "report.html").write_text(MARKUP)
    (tmp_path / "secret.html").write_text("secret")
    app = FastAPI()
    folders = (tmp_path / "finished", tmp_path / "begun", tmp_path / "<b>gone")
    pages.mount(app, None, SimpleNamespace(reports=folders))
    with TestClient(app) as client:
        yield client


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def theme(selector):
    block = re.search(re.escape(selector) + r" \{(.*?)\}", CSS, re.S).group(1)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


@pytest.mark.parametrize("selector", [":root", "body.body--dark"])
def test_text_and_curves_stand_out_from_the_paper(selector):
    colours = theme(selector)
    for ground in ("paper", "panel"):
        for name in ("ink", "soft", "link", "good", "bad", "focus"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)  # WCAG 2.2, text
        for curve in charts.CYCLE:
            assert contrast(curve, colours[ground]) >= 3.0, (curve, ground)  # WCAG 2.2, graphics


def test_a_refusal_is_dark_where_other_pages_are():
    block = re.search(r"prefers-color-scheme: dark\) \{\s*body.alone \{(.*?)\}", CSS, re.S).group(1)
    assert dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) == theme("body.body--dark")


@pytest.mark.slow
def test_the_addresses_answer_and_name_no_other_server(browser):
    for address in ("/", "/mechanism", "/bargaining", "/reports", "/reports/1"):
        answer = browser.get(address)
        assert answer.status_code == 200, address
        hosts = set(re.findall(r"(?:src|href|url\()=?[\"']?(?:https?:)?//([\w.-]+)", answer.text))
        assert not hosts, (address, hosts)
        assert 'lang="en-GB"' in answer.text


def test_an_unknown_page_is_ours(browser):
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


@pytest.mark.parametrize("query", ["base=1&group=1:0,1:a", "specialist=x", "%00&group=", "group=" + "1" * 3000])
def test_a_wrong_address_shows_the_example(browser, query):
    for address in ("/mechanism", "/bargaining"):
        answer = browser.get(f"{address}?{query}")
        assert answer.status_code == 200
        assert "explorer" in answer.text


def test_a_report_is_framed_and_may_do_nothing(browser):
    answer = browser.get("/report-files/1")
    assert answer.text == MARKUP
    policy = answer.headers["content-security-policy"]
    assert {"sandbox", "default-src 'none'", "frame-ancestors 'self'"} <= {one.strip() for one in policy.split(";")}
    assert "script-src" not in policy
    assert "allow-" not in policy
    page = browser.get("/reports/1").text
    assert re.search(r'"sandbox":""', page)
    listing = browser.get("/reports").text
    assert "begun: not finished" in listing
    assert "<b>gone" not in listing


@pytest.mark.parametrize(
    "place",
    [
        "0",
        "2",
        "3",
        "4",
        "-1",
        "1.0",
        "²",
        "99999999",
        "finished",
        "..%2fsecret.html",
        "%2e%2e/secret.html",
        "1/../2",
    ],
)
def test_only_listed_reports_are_served(browser, place):
    for address in ("/report-files/", "/reports/"):
        answer = browser.get(address + place)
        assert answer.status_code == 404
        assert "secret" not in answer.text.replace("secret.html", "")


def test_a_server_may_be_built_again():
    for number in range(2):
        app = FastAPI()
        app.add_api_route("/number", lambda number=number: number)
        pages.mount(app)
        with TestClient(app) as client:
            assert client.get("/number").json() == number
            assert client.get("/").status_code == 200
            assert client.get("/report-files/1").status_code == 404


def test_tables_and_labels_hold_text_only():
    shown = parts.table_html('a "caption"', ["<i>", "n"], [["<script>", 0.5], ["x", 3]], mine=1)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "&quot;caption&quot;" in shown
    assert '<tr class="mine">' in shown
    assert charts.label('<a href="//x">y</a>', 60) == '&lt;a href="//x"&gt;y&lt;/a&gt;'


def test_a_spreadsheet_sees_no_formula():
    written = charts.csv_text(["=a"], [["+b"], ["-c"], ["@d"], [-1.5], ["plain"]])
    assert written.split("\r\n")[:-1] == ["'=a", "'+b", "'-c", "'@d", "-1.5", "plain"]


def test_an_axis_breaks_where_a_phone_has_no_room():
    assert charts.axis("price", "nats")["title"]["text"] == "price (nats)"
    assert charts.axis("change against the truth", "size × reward")["title"]["text"].count("<br>") == 1


def test_reports_are_counted_from_one(tmp_path):
    (tmp_path / report.NAME).write_text("x")
    assert report.report_of([tmp_path], "1") == tmp_path / report.NAME
    assert report.report_of([tmp_path], "0") is None
    assert report.title_of(tmp_path) == tmp_path.name
    assert frame.THEMES["system"] is None
