"""What a group's browser receives during a whole session has nothing in it of what another group reports and pays."""

import json

import pytest

from tuneaccord import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: numbers that come about by chance nowhere else
SIZE, SCORES = 7.31414, (0.31415926, 0.27182818, 0.14142135)
TERMS = {"title": "secrets", "money": {"currency": "EUR", "rate": 1_000_000}}
POOL = {"prompts": [{"id": "p"}], "responses": [[{"id": name} for name in "abc"]], "base": [[0.5, 0.25, 0.25]]}


def spellings(number):
    """A number as any page could write it, with at least six digits."""
    exact = repr(float(number))
    return {exact, exact.removeprefix("0"), exact[: exact.index(".") + 7]} if "e" not in exact else {exact[:8]}


def told(text, secrets):
    """Which of the secrets occur in the text."""
    return {one for one in secrets if one in text}


@pytest.fixture
def rooms(serving, visitor):
    """A session that takes reports: its provider through the interface, two groups and the provider in browsers."""
    address, link = serving
    with Client(address, link.partition("#token=")[2]) as operator:
        created = operator.create(TERMS)
        provider = operator.with_token(created["token"])
        provider.open()
        pages, clients = {"provider": visitor()}, {"provider": provider}
        pages["provider"].enter(f"{address}/enter#token={created['token']}")
        for name in ("ours", "theirs"):
            clients[name] = provider.join(provider.invite(name)["invitation"])
            pages[name] = visitor()
            pages[name].enter(f"{address}/enter#token={clients[name].token}")
        provider.freeze(POOL)
        provider.begin()
        yield pages, clients


def test_other_groups_stay_secret(rooms, serving):
    pages, clients = rooms
    ours, theirs, provider = pages["ours"], pages["theirs"], pages["provider"]
    theirs.press("Show the log")
    proof = send(ours)
    send(theirs, size=2, scores=(0.9, 0.1, 0.5))
    theirs.page.get_by_text("2 joined, 2 reported").wait_for()
    provider.page.get_by_text("2 joined, 0 invited, 2 reported").wait_for()

    secrets = {proof["salt"], *spellings(SIZE), *(one for score in SCORES for one in spellings(score))}
    assert told(ours.received(), secrets) >= {proof["salt"]}  # what we look for is found where it may be
    assert told(theirs.received(), secrets) == set()
    assert told(provider.received(), secrets) == set()  # nor does the provider see reports before the close

    provider.press("Close now and settle", "Yes, close")
    provider.page.get_by_role("button", name="Publish", exact=True).wait_for()
    provider.page.get_by_role("img", name="Value, payment and utility of each group").wait_for()
    clients["provider"].wait("settled")
    ours.page.wait_for_timeout(3000)  # two looks for news
    share = clients["provider"].share("ours")
    results = {one for key in ("value", "group_value", "payment", "utility") for one in spellings(share[key])}
    amount = share["amount"]
    results |= {amount, f"{float(amount):,.2f}"}
    assert told(ours.received() + theirs.received(), results) == set()  # settled is not published
    assert told(provider.received(), results)

    provider.press("Publish", "Yes, publish")
    for page in (ours, theirs):
        page.page.get_by_role("heading", name="Would lying have helped you?").wait_for()
        for summary in page.page.locator("summary").all():
            summary.click()
        read_documents(page)
    assert told(ours.received(), {f"{float(amount):,.2f}"})
    assert told(theirs.received(), secrets | results) == set()
    for one in pages.values():
        one.faults = [
            fault for fault in one.faults if "409" not in fault and "403" not in fault
        ]  # refusals, as they must
        one.check()


def send(group, size=SIZE, scores=SCORES):
    """Report by the page; gives the proof."""
    group.page.get_by_role("button", name="Seal and send my report").wait_for()
    group.textbox("Your size, or your worth").fill(str(size))
    for place, score in zip("abc", scores, strict=True):
        group.page.get_by_label(f"Score of {place}, as a number").fill(str(score))
    group.press("Seal and send my report")
    with group.page.expect_download() as found:
        group.page.get_by_role("button", name="Download the proof").click()
    return json.loads(found.value.path().read_text())


def read_documents(group):
    """Ask for every document as a group would, and for the other group's."""
    address = group.page.url.rstrip("/") + "/documents/"
    names = ("invoice.html", "invoice.csv", "explanation.html", "receipt.json", "settlement.html", "settlement.csv")
    for name in names:
        for query in ("", "?group=ours", "?group=theirs"):
            group.frames.append(
                group.page.evaluate("(where) => fetch(where).then((found) => found.text())", f"{address}{name}{query}")
            )
