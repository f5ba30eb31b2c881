"""A sealed report cannot be replaced by accident, and the page says what it can: after a reload, and elsewhere."""

import json

import pytest

from tuneaccord import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]

POOL = {"prompts": [{"id": "p"}], "responses": [[{"id": name} for name in "abc"]]}
KEPT = "[sessionStorage, localStorage].map((one) => Object.keys(one).filter((key) => key.startsWith('tuneaccord')))"
SCORES = ["0.1", "0.9", "0.25"]


@pytest.fixture
def room(serving):
    """A session that takes reports: (address, provider's client, group's client)."""
    address, link = serving
    with Client(address, link.partition("#token=")[2]) as operator:
        provider = operator.with_token(operator.create({"title": "ours"})["token"])
        provider.open()
        group = provider.join(provider.invite("legal")["invitation"])
        provider.freeze(POOL)
        provider.begin()
        yield address, provider, group


def reported(provider):
    """The commitments of all reports in the log, the last one last."""
    return [entry["data"]["commitment"] for entry in provider.log() if entry["kind"] == "reported"]


def shown(page):
    """The numbers that the form shows: the size, and the scores."""
    scores = [page.get_by_label(f"Score of {name}, as a number").input_value() for name in "abc"]
    return page.get_by_role("textbox", name="Your size, or your worth").input_value(), scores


def entered(visitor, address, token):
    one = visitor()
    one.enter(f"{address}/enter#token={token}")
    return one


def sealed(one):
    one.page.get_by_role("heading", name="Your report is sealed").wait_for()
    one.page.get_by_role("button", name="Seal and send my report").wait_for(state="hidden")


def send(one, size, scores=SCORES):
    one.textbox("Your size, or your worth").fill(size)
    for name, score in zip("abc", scores, strict=True):
        one.page.get_by_label(f"Score of {name}, as a number").fill(score)
    one.press("Seal and send my report")
    one.page.get_by_role("heading", name="Your report is sealed").wait_for()


def test_an_untouched_form_is_not_sent(room, visitor):
    address, provider, group = room
    one = entered(visitor, address, group.token)
    one.press("Seal and send my report")
    one.page.get_by_text("Nothing was changed: the form still", exact=False).wait_for()
    assert reported(provider) == []
    one.textbox("Your size, or your worth").press("Control+A")
    one.page.keyboard.type("1")  # what stood there before: somebody looked at it, and it is right as it stands
    one.press("Seal and send my report")
    sealed(one)
    assert len(reported(provider)) == 1
    one.check()


def test_a_tab_remembers_what_was_sent_from_it(room, visitor, tmp_path):
    """A reload shows the seal first; the form begins at what was sent, and is not sent as it is."""
    address, provider, group = room
    one = entered(visitor, address, group.token)
    send(one, "7")
    sealed(one)
    assert one.page.evaluate("document.activeElement.id") == "sealed"
    assert one.unreachable() == set()
    proof = json.loads(one.save("Download the proof", tmp_path).read_text())
    one.page.reload()
    sealed(one)
    one.page.get_by_text("until the provider closes the reports").wait_for()
    assert json.loads(one.save("Download the proof", tmp_path).read_text()) == proof
    one.page.get_by_text("What you reported", exact=False).click()
    one.page.get_by_role("row", name="b 0.9").wait_for()
    one.shoot("group-reloaded")
    assert one.page.evaluate(KEPT)[1] == []  # nothing beyond the tab

    one.press("Replace my report")
    assert shown(one.page) == ("7", SCORES)
    one.shoot("group-replacing")
    assert one.unreachable() == set()
    one.press("Seal and send my report")
    one.page.get_by_text("Nothing was changed: this is the report that is sealed already.").wait_for()
    one.press("Keep the sealed report")
    sealed(one)
    one.press("Replace my report")
    one.textbox("Your size, or your worth").fill("8")
    one.press("Seal and send my report", "No")
    assert len(reported(provider)) == 1
    one.press("Seal and send my report", "Yes, replace it")
    one.page.get_by_text("number 2 of your reports").wait_for()
    assert len(reported(provider)) == 2

    one.page.get_by_text("What you reported", exact=False).click()
    one.press("Forget it now")
    one.page.get_by_text("this browser tab has no copy", exact=False).wait_for()
    assert one.page.evaluate(KEPT) == [[], []]
    one.check()


def test_elsewhere_the_page_says_that_it_does_not_know(room, visitor):
    """Another browser, or a report sent by a program: only the seal is shown, and a form with its usual values."""
    address, provider, group = room
    one, other = entered(visitor, address, group.token), entered(visitor, address, group.token)
    send(one, "7")
    sealed(other)  # without a reload
    other.page.get_by_text("this browser tab has no copy", exact=False).wait_for()
    assert other.page.evaluate(KEPT) == [[], []]
    other.shoot("group-sealed-elsewhere")
    other.press("Replace my report")
    assert shown(other.page) == ("1", ["0.5", "0.5", "0.5"])
    other.press("Seal and send my report")
    other.page.get_by_text("Nothing was changed: the form still", exact=False).wait_for()
    assert len(reported(provider)) == 1

    group.report(size=2, scores=[[0, 1, 0]])
    one.page.get_by_text("number 2 of your reports").wait_for()
    one.page.get_by_text("this browser tab has no copy", exact=False).wait_for()
    code = reported(provider)[1].removeprefix("sha256:")[:8]
    assert code in one.page.locator("#sealed").locator("..").inner_text()
    one.press("Leave on this browser")
    one.page.get_by_role("heading", name="Sessions").wait_for()
    assert one.page.evaluate(KEPT) == [[], []]  # what was sent goes with the token
    for visit in (one, other):
        visit.check()


def test_a_changed_copy_is_not_believed(room, visitor):
    address, _, group = room
    one = entered(visitor, address, group.token)
    send(one, "7")
    sealed(one)
    one.page.evaluate(
        "for (const key of Object.keys(sessionStorage)) "
        "sessionStorage.setItem(key, sessionStorage.getItem(key).replace('0.9', '0.8'))"
    )
    one.page.reload()
    sealed(one)
    one.page.wait_for_timeout(1500)  # the tab was asked for its copy meanwhile
    assert one.page.get_by_role("button", name="Download the proof").count() == 0
    one.check()
