"""A session in real browsers: an operator, a provider, three groups and an auditor, from open to three invoices."""

import csv
import itertools
import json
import re
from types import SimpleNamespace

import pytest
from browser_play import EVIL, PATIENCE
from session_steps import in_time
from typer.testing import CliRunner

from tuneaccord import Client
from tuneaccord.cli.app import app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCORES = {"legal": (0.1, 0.9, 0.0), "support": (0.6, 0.5, 0.4), f"mark {EVIL[:40]}": (0.2, 0.0, 1.0)}
SIZES = {"legal": 3, "support": 1, f"mark {EVIL[:40]}": 2}
TEXTS = (
    f"Warm and long. {EVIL}",
    "**Short** and dry. [link](https://example.org)",
    "{{ 7 * 7 }} ${7*7}\n\nTwo paragraphs.",
)


def verified(*arguments):
    """What ``tuneaccord verify`` says of files, and its exit status."""
    done = CliRunner().invoke(app, ["verify", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def party(visitor, serving):
    """The operator creates a session, the provider enters and opens it, and three groups join."""
    _, operator_link = serving
    operator = visitor()
    operator.enter(operator_link)
    operator.shoot("operator", "desktop")
    operator.page.get_by_role("link", name="Create a session").click()
    operator.textbox("Title").fill(f"Assistant {EVIL[:60]}")
    operator.textbox("Description", exact=False).fill(f"For three departments.\n{EVIL}")
    operator.shoot("new")
    operator.press("Create the session")
    link = operator.textbox("Link for the provider").input_value()
    operator.shoot("created", "desktop")

    provider = visitor("dark")
    provider.page.goto(link)
    provider.shoot("enter", "phone")
    provider.page.locator("form[data-enter]").get_by_role("button", name="Enter").click()
    provider.page.wait_for_url("**/sessions/*")
    provider.shoot("provider-draft")
    provider.press("Open the session", "Yes, open")
    provider.textbox("Names of the groups", exact=False).fill("\n".join(SCORES))
    provider.press("Make the links")
    links = {name: provider.textbox(f"Link for {name}").input_value() for name in SCORES}
    return SimpleNamespace(
        operator=operator, provider=provider, links=links, groups={name: visitor() for name in SCORES}
    )


def join(party):
    for name, group in party.groups.items():
        group.page.goto(party.links[name])
        button = group.page.get_by_role("button", name=f"Join as {name}", exact=True)
        button.wait_for()
        if name == "legal":
            group.shoot("join")
            group.page.reload()  # looking at an invitation does not use it
        button.click()
        group.page.wait_for_url("**/sessions/*")


def freeze(party):
    provider = party.provider
    provider.page.get_by_text("3 joined, 0 invited").wait_for()
    for place, words in enumerate(TEXTS, start=1):
        provider.textbox(f"Text of response {place}", exact=False).fill(words)
    provider.shoot("provider-open")
    provider.press("Freeze this pool", "Yes, freeze")
    provider.page.get_by_role("button", name="Begin taking reports").wait_for()
    provider.shoot("provider-frozen", "desktop")
    provider.press("Begin taking reports")


def fill_size(group, size):
    group.textbox("Your size, or your worth").fill(str(size))


def fill(group, size, scores):
    fill_size(group, size)
    for place, score in enumerate(scores, start=1):
        group.page.get_by_label(f"Score of response {place}, as a number").fill(str(score))


def test_whole_session(party, tmp_path):
    join(party)
    legal = party.groups["legal"]
    assert legal.unreachable() == set()
    freeze(party)

    fill(legal, 1, (0.5, 0.5, 0.5))
    assert legal.unreachable() == set()
    legal.shoot("group-report")
    legal.press("Seal and send my report")
    legal.page.get_by_role("heading", name="Your report is sealed").wait_for()
    early = legal.save("Download the proof", tmp_path)
    legal.press("Replace my report")

    proofs = {}
    for number, (name, group) in enumerate(party.groups.items()):
        fill(group, SIZES[name], SCORES[name])
        group.press("Seal and send my report", "Yes, replace it" if name == "legal" else "")
        if name == "legal":
            group.page.get_by_text("only the last counts").wait_for()
            group.shoot("group-sealed")
        folder = tmp_path / str(number)
        folder.mkdir()
        proofs[name] = group.save("Download the proof", folder)
        assert json.loads(proofs[name].read_text())["report"]["scores"] == [list(SCORES[name])]

    provider = party.provider
    provider.page.get_by_text("3 joined, 0 invited, 3 reported").wait_for()
    provider.shoot("provider-reporting", "desktop")
    assert provider.unreachable() == set()
    provider.press("Close now and settle", "Yes, close")
    provider.page.get_by_role("button", name="Publish", exact=True).wait_for()
    provider.page.get_by_role("img", name="Value, payment and utility of each group").wait_for()
    provider.shoot("provider-settled")
    assert legal.page.get_by_text("You pay").count() == 0  # settled is not published
    provider.press("Publish", "Yes, publish")

    invoices = {}
    for number, (name, group) in enumerate(party.groups.items()):
        group.page.get_by_role("heading", name="Would lying have helped you?").wait_for()
        group.page.get_by_role("rowheader", name="had you stayed away").wait_for()
        folder = tmp_path / str(number)
        receipt = group.save("Download receipt.json", folder, "link")
        invoice = group.save("Invoice (CSV)", folder, "link")
        (invoices[name],) = csv.DictReader(invoice.read_text(encoding="utf-8").splitlines())
        status, said = verified(receipt)
        assert status == 0, said
        status, said = verified(proofs[name], "--with", receipt)
        assert status == 0, said
        shown = group.page.get_by_text(re.compile(r"^You (pay|receive) ")).first.inner_text()
        assert invoices[name]["amount"].lstrip("-") in shown.replace(",", "")
    legal.shoot("group-published")
    amounts = [float(one["amount"]) for one in invoices.values()]
    assert len(set(amounts)) == 3  # three different invoices
    assert verified(early, "--with", tmp_path / "0" / "receipt.json")[0] == 1  # a replaced report was not settled

    check_invoice_page(legal)
    check_auditor(party, tmp_path, sum(amounts))
    for one in (party.operator, provider, *party.groups.values()):
        one.check()


def check_invoice_page(group):
    """The invoice opens in a tab of its own, without scripts, and is another's for nobody."""
    with group.page.expect_popup() as opened:
        group.page.get_by_role("link", name="Invoice (to print)").click()
    page = opened.value
    page.wait_for_load_state()
    assert "legal" in page.inner_text("body")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.screenshot(path=group.shots / "sessions-invoice-desktop.png", full_page=True)
    assert page.evaluate("window.hit") is None
    page.goto(page.url + "?group=support")  # a group's own token decides, not the address
    assert "support" not in page.inner_text("body")
    page.close()


def check_auditor(party, folder, total):
    """An auditor enters by a link, reads the log and everything else, and its token can be revoked."""
    provider = party.provider
    provider.textbox("Name of the person").fill("ann")
    provider.press("Make a link")
    link = provider.textbox("Link for the auditor ann, shown only now").input_value()
    auditor = party.operator
    auditor.page.goto(link)
    auditor.page.locator("form[data-enter]").get_by_role("button", name="Enter").click()
    auditor.page.get_by_role("cell", name="published", exact=True).wait_for()
    auditor.shoot("auditor")
    receipt = auditor.save("Download receipt.json", folder, "link")
    status, said = verified(receipt)
    assert status == 0, said
    record = json.loads(receipt.read_text())["record"]
    assert sum(map(float, record["amounts"].values())) == pytest.approx(total, abs=1e-9)  # cents, added as floats

    provider.press("Show all tokens")
    row = provider.page.get_by_role("row").filter(has_text="auditor ann")
    row.get_by_role("button", name="Revoke").click()
    row.get_by_role("button", name="Yes, revoke").click()
    auditor.page.get_by_text("This token was revoked", exact=False).wait_for()  # in the page that is open
    auditor.page.get_by_role("cell", name="published", exact=True).wait_for(state="hidden")


@pytest.fixture
def opened(serving):
    """An open session through the interface: the provider's client, and the address."""
    address, link = serving
    with Client(address, link.partition("#token=")[2]) as operator:
        provider = operator.with_token(operator.create({"title": "ours"})["token"])
        provider.open()
        yield provider, address


def test_report_by_keyboard_alone(opened, visitor):
    """From the invitation to the sealed report without a mouse."""
    provider, address = opened
    page = visitor().page
    page.goto(f"{address}/join/{provider.invite('legal')['invitation']}")
    page.get_by_role("button", name="Join as legal").wait_for()
    _tab_to(page, "Join as legal")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/*")
    provider.freeze({"prompts": [{"id": "p"}], "responses": [[{"id": name} for name in "abc"]]})
    provider.begin()
    page.get_by_role("button", name="Seal and send my report").wait_for()
    _tab_to(page, "Your size, or your worth")
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    _tab_to(page, "Score of a")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    _tab_to(page, "Seal and send my report")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Your report is sealed").wait_for()
    with page.expect_download() as found:
        _tab_to(page, "Download the proof")
        page.keyboard.press("Enter")
    report = json.loads(found.value.path().read_text())["report"]
    assert report["size"] == 7.0
    assert report["scores"] == [[0.01, 0.5, 0.5]]


def _tab_to(page, name):
    for _ in range(80):
        page.keyboard.press("Tab")
        here = page.evaluate(
            "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"
        )
        if here == name:
            return
    raise AssertionError(f"the Tab key does not come to {name!r}")


def test_typing_is_kept_while_others_move(opened, visitor):
    """What somebody types stays when the page is changed by others, and the change is announced."""
    provider, address = opened
    page = visitor().page
    page.goto(f"{address}/enter#token={provider.token}")
    page.locator("form[data-enter]").get_by_role("button", name="Enter").click()
    page.get_by_role("textbox", name="Text of response 1", exact=False).fill("half a sen")
    box = page.get_by_role("textbox", name="Names of the groups", exact=False)
    box.press_sequentially("not yet")
    provider.join(provider.invite("legal")["invitation"])
    page.get_by_text("1 joined, 0 invited").wait_for(timeout=PATIENCE)
    assert box.input_value() == "not yet"
    assert page.get_by_role("textbox", name="Text of response 1", exact=False).input_value() == "half a sen"
    told = page.locator("[aria-live=polite].sr-only").first
    told.and_(page.get_by_text("Joined: legal.", exact=True)).wait_for(state="attached")


def test_files_fill_forms(opened, visitor, tmp_path):
    """A pool and a score sheet come as files; a wrong one is refused in words and changes nothing."""
    provider, address = opened
    invitation = provider.invite("legal")["invitation"]
    leads, group = visitor(), visitor()
    leads.enter(f"{address}/enter#token={provider.token}")
    group.page.goto(f"{address}/join/{invitation}")
    group.press("Join as legal")
    leads.page.get_by_text("1 joined, 0 invited").wait_for()
    leads.page.get_by_label("Where it comes from").select_option("file")
    pool = tmp_path / "pool.csv"
    pool.write_text("prompt_id,prompt,reply\np,what?,a\n")
    leads.page.get_by_label("File with the pool").set_input_files(pool)
    leads.page.get_by_text("has no column", exact=False).wait_for()  # else the first file is still being read
    with pool.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("prompt_id", "prompt", "reply_id", "reply"))
        for row, place in itertools.product(range(9), range(6)):
            writer.writerow((f"p{row}", f"question {row}", f"r{place}", f"{place} {EVIL}"))
    leads.page.get_by_label("File with the pool").set_input_files(pool)
    leads.page.get_by_text("Read: 9 prompts with 6 responses each.", exact=False).wait_for()
    leads.press("Freeze this pool", "Yes, freeze")
    leads.press("Begin taking reports")

    group.page.get_by_text("Other ways").click()
    sheet = group.save("Download the sheet to fill in (CSV)", tmp_path, "link")
    group.textbox("Your size, or your worth").fill("2")
    group.page.get_by_label("Filled-in sheet").set_input_files(sheet)  # no scores in it yet
    group.page.get_by_text("row 2", exact=False).wait_for()
    group.press("Seal and send my report")
    group.page.get_by_text("There are no scores yet", exact=False).wait_for()
    lines = ["prompt_id,reply_id,score", *(f"p{row},r{place},{place / 10}" for row in range(9) for place in range(6))]
    sheet.write_text("\n".join(lines) + "\n")
    group.page.get_by_label("Filled-in sheet").set_input_files(sheet)
    group.page.get_by_text("Scores of 54 choices are taken", exact=False).wait_for()
    group.shoot("group-sheet", "desktop")
    group.press("Seal and send my report")
    proof = json.loads(group.save("Download the proof", tmp_path).read_text())
    assert proof["report"]["scores"] == [[place / 10 for place in range(6)]] * 9
    for one in (leads, group):
        one.faults = [fault for fault in one.faults if "422" not in fault]  # the two refusals
        one.check()


def test_times_are_the_readers_own_and_are_kept(opened, visitor):
    """A deadline is given and shown in each reader's zone; at the deadline the server closes, settles and publishes."""
    provider, address = opened
    group = provider.join(provider.invite("legal")["invitation"])
    provider.freeze({"prompts": [{"id": "p"}], "responses": [[{"id": name} for name in "abc"]]})
    leads, reports = visitor(zone="Asia/Kolkata"), visitor(zone="America/New_York")
    leads.enter(f"{address}/enter#token={provider.token}")
    reports.enter(f"{address}/enter#token={group.token}")
    leads.page.get_by_label("Deadline for reports", exact=False).fill("2035-01-02T03:04")
    leads.page.get_by_label("Publish by itself", exact=False).fill("2035-01-02T03:05")
    leads.page.get_by_text("Asia/Calcutta").or_(leads.page.get_by_text("Asia/Kolkata")).first.wait_for()
    leads.press("Begin taking reports")
    reports.page.get_by_role("timer").get_by_text(" left", exact=False).wait_for()
    assert provider.view()["deadline"] == "2035-01-01T21:34:00.000Z"
    assert re.search(r"Jan 1, 2035, 04:34\s*PM EST", reports.page.locator("time").first.inner_text())
    reports.shoot("group-deadline", "phone")
    fill_size(reports, 2)
    reports.press("Seal and send my report")
    reports.page.get_by_role("heading", name="Your report is sealed").wait_for()
    reports.page.locator("#sealed").locator("..").get_by_text("Jan 1, 2035, 04:34").wait_for()  # the deadline, here too
    in_time(provider.move_deadline)
    leads.press("Publish", "Yes, publish")  # there once the server has closed and settled by itself
    reports.page.get_by_role("heading", name="Would lying have helped you?").wait_for()
    for one in (leads, reports):
        one.check()


def test_a_lost_token_is_replaced(opened, visitor):
    """The old token stops working in the page that is open; the new link stays in sight while others move."""
    provider, address = opened
    old = provider.join(provider.invite("legal")["invitation"])
    support = provider.join(provider.invite("support")["invitation"])
    provider.freeze({"prompts": [{"id": "p"}], "responses": [[{"id": name} for name in "abc"]]})
    provider.begin()
    leads, lost, found = visitor(), visitor(), visitor()
    leads.enter(f"{address}/enter#token={provider.token}")
    lost.enter(f"{address}/enter#token={old.token}")
    lost.page.get_by_role("button", name="Seal and send my report").wait_for()
    row = leads.page.get_by_role("row").filter(has_text="legal")
    row.get_by_role("button", name="Lost token").click()
    row.get_by_role("button", name="Yes, replace").click()
    link = leads.textbox("New link for legal, shown only now")
    link.wait_for()
    support.report(size=1, scores=[[0, 1, 0]])
    leads.page.get_by_text("2 joined, 0 invited, 1 reported").wait_for()
    found.enter(link.input_value())
    found.page.get_by_role("button", name="Seal and send my report").wait_for()
    lost.page.get_by_text("This token was revoked", exact=False).wait_for()
    lost.page.get_by_role("button", name="Seal and send my report").wait_for(state="hidden")
    for one in (leads, lost, found):
        one.check()
