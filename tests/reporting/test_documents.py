import copy
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import yaml
from settled_runs import make_replies, make_run

from tuneaccord.errors import InputError, MissingDependencyError
from tuneaccord.reporting import needs, wording
from tuneaccord.reporting.documents import model_card, report_html
from tuneaccord.reporting.formatting import interval

VOID = {"meta", "path", "use", "rect", "line", "circle", "br", "img", "link", "input", "hr"}
SECTIONS = ["wishes", "chosen", "payments", "lies", "held-out", "replies", "promises", "check", "glossary"]


class Page(HTMLParser):
    """Reads a page strictly: every tag closed, everything seen kept."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.ids = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def having(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def words(self):
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def html(run, replies):
    return report_html(run, replies)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.mark.slow
def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_the_sections_come_in_the_order_of_a_readers_questions(html):
    places = [html.index(f'<h2 id="{name}"') for name in SECTIONS]
    assert places == sorted(places)


def test_nothing_is_fetched_and_nothing_runs(html, page):
    assert not page.having("script")
    assert not page.having("link")
    assert not page.having("img")
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "src", "xlink:href", "action"):
            assert attrs.get(name, "#").startswith("#")
    assert "url(http" not in html
    assert "@import" not in html
    assert re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", html).count("http:") == 0


def test_every_link_inside_the_page_and_its_figures_has_a_target(page):
    for _, attrs in page.tags:
        link = attrs.get("href") or attrs.get("xlink:href")
        assert link is None or link[1:] in page.ids
    for ids in (attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs):
        assert set(ids.split()) <= set(page.ids)


def test_tables_have_captions_and_scopes_and_figures_have_words(html, page):
    assert html.count("<caption>") == html.count("<table") > 5
    assert all("scope" in attrs for attrs in page.having("th"))
    svgs = page.having("svg")
    assert len(svgs) == 2 * 3 + 2
    assert all(attrs["role"] == "img" for attrs in svgs)
    assert len(page.having("desc")) == len(svgs)


def test_every_group_payment_and_invoice_appears(run, page):
    for name in wording.names(run):
        estimate = interval(run["settlement"]["payments"][name])
        assert estimate in page.words
        assert f"{name} pays EUR {run['money']['invoices'][name]}" in page.words
    assert f"EUR {run['money']['total']} in total" in page.words


def test_the_headline_says_what_is_gained_realised_and_recommended(run, page):
    rows = wording.rows_of(run)
    assert f"the chosen policy gains {interval(rows['policy']['gain'], signed=True)} over the base" in page.words
    assert "The adapter realises" in page.words
    assert "Recommended: the chosen policy. It has the highest measured net welfare" in page.words


def test_digests_seeds_and_versions_are_given(run, html, page):
    digests = re.findall(r'"(sha256:[0-9a-f]{64})"', json.dumps(run))
    assert len(digests) >= 9
    assert all(digest in page.words for digest in digests)
    assert "<dt>Seed</dt><dd>1</dd>" in html
    assert run["versions"]["numpy"] in page.words


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_in_another_process(run, replies, html, tmp_path):
    data = tmp_path / "run.json"
    data.write_text(json.dumps([run, replies]))
    code = (
        "import json, sys; from tuneaccord.reporting.documents import report_html;"
        f"sys.stdout.buffer.write(report_html(*json.load(open({str(data)!r}))).encode())"
    )
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert again == html.encode()


HOSTILE = [
    "<script>alert(1)</script>",
    "]]> --> </style></svg><img src=x onerror=alert(1)>",
    "{{ run }} {% raw %}",
    "emoji \N{GRINNING FACE} and " + "x" * 500,
    "line one\nline two\r\n\tline three",
    "\x00\x1b[31m\ud800\ufffe",
    "",
]


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_any_reply_is_shown_as_text(run, replies, text):
    replies = copy.deepcopy(replies)
    replies[0] |= {"prompt": text, "base": text, "policy": text, "adapter": text}
    html = report_html(run, replies)
    page = Page(html)
    assert page.open == []
    assert not page.having("script")
    assert not page.having("img")
    assert html.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", html)
    if text.isprintable() and text:
        assert "".join(page.text).count(text) == 4
    if "line two" in text:
        assert "line one\nline two\n\tline three</p>" in html
    if not text:
        assert page.words.count("(an empty reply)") == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ['"><script>x</script>', "$ x_1 $ \\alpha", "values", "a\nb", "日本語", "n" * 200])
def test_any_group_name_is_shown_as_text(name):
    run = json.loads(json.dumps(make_run(2)).replace('"marketing"', json.dumps(name)))
    page = Page(report_html(run, make_replies(run)))
    assert page.open == []
    assert not page.having("script")
    assert " ".join(name.split()) in page.words
    assert model_card(run)


@pytest.mark.slow
def test_a_run_without_training_says_so_and_how_to_get_an_adapter():
    run = make_run(adapter=False)
    page = Page(report_html(run, make_replies(run)))
    assert "This run trained no adapter. To get one, run tuneaccord tune again" in page.words
    assert "without --no-tune" in page.words
    assert "no adapter, so nothing is promised" in page.words
    with pytest.raises(InputError, match="run tuneaccord tune again"):
        model_card(run)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [1, 8])
def test_few_and_many_groups(groups):
    run = make_run(groups)
    page = Page(report_html(run, make_replies(run)))
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert len(page.having("svg")) == 2 + (1 if groups == 1 else 2 * groups)
    assert all(name in page.words for name in wording.names(run))


@pytest.mark.slow
def test_a_lone_group_is_not_told_about_others():
    run = make_run(1)
    words = Page(report_html(run, [])).words
    assert "one model for 1 group" in words
    assert "for which nobody else asked" in words
    assert "β = " not in words
    assert "No replies were kept" in words


@pytest.mark.slow
def test_runs_without_money_or_a_known_share_are_told_in_units():
    run = make_run()
    run["money"] = None
    wording.rows_of(run)["adapter"]["share"] = None
    words = Page(report_html(run, make_replies(run))).words
    assert "EUR" not in words
    assert "does not realise a known share" in words


def test_the_model_card_begins_with_front_matter_that_is_yaml(run):
    card = model_card(run)
    _, front, text = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["base_model"] == "smollm2-135m-instruct"
    assert facts["library_name"] == "peft"
    assert "license" not in facts
    assert "tuneaccord" in facts["tags"]
    assert text.lstrip().startswith("# assistant")


def test_the_model_card_takes_the_hub_name_and_license_where_known(run):
    run = copy.deepcopy(run)
    run["model"] |= {"hub_name": "owner/model", "license": "apache-2.0"}
    facts = yaml.safe_load(model_card(run).split("---\n")[1])
    assert (facts["base_model"], facts["license"]) == ("owner/model", "apache-2.0")


def test_front_matter_survives_a_hostile_model_name(run):
    run = copy.deepcopy(run)
    run["model"]["name"] = "a: b\n---\n# c 'd\""
    card = model_card(run)
    assert yaml.safe_load(card[4 : card.index("\n---\n\n#")])["base_model"] == run["model"]["name"]


def test_the_model_card_says_first_when_the_adapter_is_not_recommended(run):
    card = model_card(run)
    first = card.split("\n# ", 1)[1].split("\n\n")[1]
    assert first.startswith("**This adapter is not the recommended delivery.** Recommended: the chosen policy.")
    better = copy.deepcopy(run)
    better["held_out"]["recommended"] = "adapter"
    assert "**This adapter is the recommended delivery.**" in model_card(better)


def test_the_model_cards_code_compiles_and_samples_as_it_was_measured(run):
    code = re.search(r"```python\n(.*?)```", model_card(run), re.DOTALL)[1]
    compile(code, "card", "exec")
    assert "PeftModel.from_pretrained" in code
    assert "temperature=0.7, top_k=0, top_p=1.0, max_new_tokens=32" in code


def test_the_model_cards_tables_are_rectangular(run):
    run = json.loads(json.dumps(run).replace('"marketing"', json.dumps("a|b *c*\n`d`")))
    card = model_card(run)
    blocks = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(blocks) == 3
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "a\\|b \\*c\\* \\`d\\`" in card


def test_the_model_card_gives_promises_and_digests(run):
    card = model_card(run)
    assert "**truthful: bounded.**" in card
    for digest in (run["adapter"]["digest"], run["model"]["digest"], run["pool"]["digest"]):
        assert digest in card


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_a_missing_part_is_named_with_the_line_that_installs_it(run, monkeypatch, module):
    def refuse(name):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(name)
        return original(name)

    original = needs.importlib.import_module
    monkeypatch.setattr(needs.importlib, "import_module", refuse)
    with pytest.raises(MissingDependencyError, match=rf"{module}.*pip install 'tuneaccord\[plots\]'"):
        report_html(run, [])


@pytest.mark.slow
def test_the_module_imports_without_drawing_libraries():
    code = "import sys, tuneaccord.reporting.documents; sys.exit({'matplotlib', 'jinja2'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
