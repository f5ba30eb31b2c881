"""A class in real browsers: a projector, three phones and bots, two rounds, from the code to the reveal."""

import csv
import json
import re
from pathlib import Path

import pytest
from browser_play import EVIL, PHONE, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REFUSED = re.compile("status of 401")  #: what a browser notes of a form that was refused


class Window(Visitor):
    """A visitor whose page keeps its size."""

    def shot(self, name):
        self.page.wait_for_timeout(250)
        self.page.screenshot(path=self.shots / f"classroom-{name}.png", full_page=True)
        self.fits(name)

    def landed(self):
        """Forget the pages that were left: the browser gives their content no more."""
        self._answers[:] = [one for one in self._answers if one.url == self.page.url and one.status == 200][-1:]

    def see(self, words):
        self.page.get_by_text(words).first.wait_for()


def _slide(page, name, value):
    """Move a slider to a value as a person does with keys at the end."""
    page.get_by_label(name, exact=True).evaluate(
        "(one, value) => { one.value = value; one.dispatchEvent(new Event('input', {bubbles: true})); "
        "one.dispatchEvent(new Event('change', {bubbles: true})); }",
        value,
    )


def _join(window, code, name):
    window.page.goto(f"{window.base}/class#{code}")
    field = window.page.get_by_label("Code on the board")
    field.wait_for()
    window.page.wait_for_function("document.querySelector('input[name=code]').value.length > 0")
    window.page.get_by_label("Your name").fill(name)
    window.press("Join")
    window.see("You are in. Wait until everybody has joined.")
    window.landed()


def _amount(window, name):
    """The amount of a fact on a player's page."""
    row = window.page.locator("dl.facts > div", has_text=name).locator("dd").inner_text()
    return float(re.sub(r"[^0-9.\-]", "", row.replace("\N{MINUS SIGN}", "-")))


def test_a_class_of_three_phones_lies_loses_and_sees_why(chromium, serving, shots):
    base, link = serving
    teacher = Window(chromium, base, shots)
    phones = {name: Window(chromium, base, shots) for name in ("Ada", "Ben", EVIL[:80])}
    for phone in phones.values():
        phone.page.set_viewport_size(PHONE)
    try:
        _first_round(teacher, phones, link)
        _second_round(teacher, phones)
        for window in (teacher, *phones.values()):
            window.faults = [fault for fault in window.faults if not REFUSED.search(fault)]
            window.check()
    finally:
        for window in (teacher, *phones.values()):
            window.context.close()


def _first_round(teacher, phones, link):
    page = teacher.page
    teacher.enter(link)
    page.goto(f"{teacher.base}/class")
    teacher.shot("entrance-projector")
    page.get_by_role("link", name="Start a class").click()
    page.get_by_label("Seats, yours not counted").fill("5")
    page.get_by_label("The server plays empty seats").select_option("exaggerating")
    teacher.shot("new-projector")
    teacher.press("Start the class")
    code = "".join(page.locator(".joining .code").inner_text().split())
    assert re.fullmatch("[a-z0-9]{8}", code)
    page.reload()
    assert "".join(page.locator(".joining .code").inner_text().split()) == code
    teacher.landed()
    for place, (name, phone) in enumerate(phones.items()):
        if place == 0:
            phone.page.goto(f"{phone.base}/class")
            phone.page.get_by_label("Code on the board").fill("aaaa bbbb")
            phone.page.get_by_label("Your name").fill(name)
            phone.shot("entrance-phone")
            phone.press("Join")
            phone.see("This code is not known here")
        _join(phone, code, name)
        teacher.see("3 of 5 seats are taken" if place == 2 else f"{place + 1} of 5 seats are taken")
    teacher.shot("open-projector")
    phones["Ada"].shot("open-phone")

    teacher.press("Everybody is in: show the wishes")
    for phone in phones.values():
        phone.see("What you truly want")
    bodies = {name: phone.page.locator(".bar .value").all_inner_texts() for name, phone in phones.items()}
    assert len({tuple(one) for one in bodies.values()}) == 3  # each has wishes of its own
    teacher.see("Everybody sees on their own screen")
    teacher.shot("frozen-projector")
    phones["Ada"].shot("wishes-phone")

    teacher.press("Take reports")
    for phone in phones.values():
        phone.see("The sliders stand at the truth")
    ada, ben, evil = phones.values()
    _slide(ada.page, "Your size, as you report it", "20")
    ada.press("Send my report")
    ada.see("Sent (size 20, not the truth)")
    teacher.see("3 of 5 have reported")  # two bots and Ada
    ben.press("Send my report")
    ben.see("Sent (the truth)")
    _slide(ada.page, "Your size, as you report it", "15")
    ada.press("Send my report")
    ada.see("number 2 from this page")
    ada.shot("report-phone")
    assert ada.unreachable() == set()
    _reloaded(ada)
    teacher.shot("reporting-projector")
    for phone in phones.values():  # nothing of a result may be told before the reveal
        assert phone.page.locator("text=/would have|utility/i").count() == 0

    teacher.press("Take no more reports")  # the third player has not reported
    teacher.press("End it")
    page.get_by_role("button", name="Reveal").wait_for()
    teacher.shot("settled-projector")
    _nothing_of_others(teacher, phones)
    teacher.press("Reveal")
    teacher.see("Leaderboard")
    for phone in phones.values():
        phone.see("Your result")
    page.wait_for_timeout(1500)  # plots draw
    teacher.shot("results-free-projector")
    ada.shot("result-free-phone")
    ada.see("Without payments nobody is charged")
    assert _amount(ada, "You paid") == 0
    assert _amount(ada, "You have") >= _amount(ada, "The truth would have brought")  # shown with one digit
    ben.see("You told the truth where nobody pays")
    evil.see("You did not report")
    assert EVIL[:80] in page.locator(".board").first.inner_text()


def _reloaded(phone):
    """A page that is loaded again says that a report is sealed; it is not replaced by a form that nobody touched."""
    phone.received()
    phone.page.reload()
    phone.see("Your report is in (size 15, not the truth)")  # this tab remembers
    assert phone.page.get_by_label("Your size, as you report it").input_value() == "15"
    phone.press("Send my report")
    phone.see("Nothing was changed: your report is in already")
    phone.page.evaluate("sessionStorage.clear()")
    phone.received()
    phone.page.reload()
    phone.page.get_by_role("heading", name="Your report is sealed").wait_for()
    phone.page.wait_for_timeout(1000)  # the tab was asked for its copy meanwhile
    assert phone.page.get_by_role("button", name="Send my report").count() == 0
    phone.shot("reloaded-phone")
    assert phone.unreachable() == set()
    phone.press("Change my report")
    phone.see("A report of yours is sealed")
    phone.press("Send my report")
    phone.see("Nothing was changed: the report that is sealed still counts")


def _nothing_of_others(teacher, phones):
    """Before the reveal a phone has received its own wishes only, and the projector nobody's."""
    wishes = {name: set(re.findall(r"data-true\W+([0-9.]+)", phone.received())) for name, phone in phones.items()}
    for name, phone in phones.items():
        shown = phone.page.locator(".bar .value").all_inner_texts()
        size = phone.page.locator(".panel .big").first.inner_text()
        assert {float(one) for one in wishes[name]} == {float(size), *map(float, shown)}
    assert "data-true" not in teacher.received()
    assert "truth_utility" not in teacher.received()


def _second_round(teacher, phones):
    page, (ada, ben, evil) = teacher.page, phones.values()
    teacher.press("Open the next round")
    page.locator(".joining .code").wait_for()
    for name, phone in phones.items():
        phone.press(f"Play on as {name}")
        phone.see("You are in. Wait until everybody has joined.")
    teacher.press("Everybody is in: show the wishes")
    teacher.press("Take reports")
    for phone in phones.values():
        phone.see("The sliders stand at the truth")
    _slide(ada.page, "Your size, as you report it", "20")
    _slide(evil.page, "Your score for brief", "1")
    for phone in phones.values():
        phone.press("Send my report")
        phone.see("Sent (")
    teacher.see("All players have reported.")
    teacher.press("Take no more reports")
    teacher.press("Reveal")
    teacher.see("Leaderboard")
    ada.see("Your result")
    ben.see("You told the truth, and nothing else would have brought you more")
    page.wait_for_timeout(1500)
    teacher.shot("results-paid-projector")
    assert teacher.unreachable() == set()
    ada.shot("result-paid-phone")
    page.emulate_media(color_scheme="dark")
    teacher.shot("results-paid-projector-dark")
    ada.page.emulate_media(color_scheme="dark")
    ada.shot("result-paid-phone-dark")
    assert _amount(ada, "You have") <= _amount(ada, "The truth would have brought")  # now it costs
    assert ada.page.locator(".js-plotly-plot .xtitle").text_content() == "reported size over true size"
    _files(page, set(phones))


def _files(page, names):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download everything (JSON)").click()
    found = json.loads(Path(waiting.value.path()).read_text())
    assert names < {row["name"] for row in found["players"]}
    assert all(row["gain"] <= 1e-9 for row in found["players"])
    ada = next(row for row in found["players"] if row["name"] == "Ada")
    assert ada["gain"] < 0 < ada["gain_free"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download everything (CSV)").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert [row["name"] for row in rows] == [row["name"] for row in found["players"]]
    for row, one in zip(rows, found["players"], strict=True):
        assert float(row["utility (points)"]) == pytest.approx(10 * one["utility"], rel=1e-12)
