"""The explorers in a real browser: every slider moves its plots, nothing overlaps, nothing comes from elsewhere."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser_play import PATIENCE
from free_ports import free_port

pytest.importorskip("nicegui", reason="the studio needs the web extra: pip install tuneaccord[web]")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SERVER = """
import sys
from types import SimpleNamespace
import uvicorn
from fastapi import FastAPI
from tuneaccord.service import pages
from tuneaccord.service.api.headers import Outermost
from tuneaccord.service.settings import Settings
app = FastAPI()
app.add_middleware(Outermost, settings=Settings())
pages.mount(app, None, SimpleNamespace(reports=sys.argv[2:]))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""
REPORT = """<!doctype html><title>r</title><p id="shown">shown</p><img src="http://192.0.2.1/x.png">
<script>document.getElementById("shown").textContent = "ran"; top.document.title = "ran";</script>"""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
#: a game whose solutions take seconds
SLOW = (
    "/bargaining?cost=Power,1,2&specialist=Power,2,2:Saturating,1.2,1.5:0.5:0:0:medical"
    "&specialist=Power,1,1.5:Linear,0.8:0.5:0.05:0:legal"
)
#: every plot's curves, as text to compare
PLOTTED = "JSON.stringify([...document.querySelectorAll('.plot')].map(e => (e.data || []).map(t => [t.x, t.y, t.z])))"
MAPPED = "JSON.stringify([...document.querySelectorAll('.plot')].flatMap(e => (e.data || []).map(t => t.z || 0)))"
DRAWN = "[...document.querySelectorAll('.plot')].every(e => e.data && e.data.length && e.querySelector('.xtitle'))"
#: no legend reaches down to where curves are drawn, and every plot is as wide as its place
OFF_THE_CURVES = """[...document.querySelectorAll('.plot')].every(plot => {
  const words = plot.querySelector('.legend').getBoundingClientRect(), frame = plot.getBoundingClientRect();
  return words.bottom <= frame.top + plot._fullLayout._size.t && Math.abs(plot._fullLayout.width - frame.width) < 2;
})"""
#: words of a figure that lie over each other, or reach out of it
TANGLED = """() => {
  const found = [];
  for (const plot of document.querySelectorAll('.plot')) {
    const name = plot.getAttribute('aria-label'), frame = plot.getBoundingClientRect();
    const words = [...plot.querySelectorAll('.xtitle, .ytitle, .legendtext, .xtick text, .ytick text')]
      .map(e => [e.textContent, e.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
    for (const [text, box] of words)
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
          || box.bottom > frame.bottom + 1) found.push([name, 'reaches out', text]);
    for (let i = 0; i < words.length; i++) for (let j = i + 1; j < words.length; j++) {
      const [a, b] = [words[i][1], words[j][1]];
      if (a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
        found.push([name, words[i][0], words[j][0]]);
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A studio of its own: address and process."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "report.html").write_text(REPORT)
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port), str(folder)])
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 300
    while True:
        try:
            urllib.request.urlopen(address, timeout=60).close()
            break
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.25)
    yield address, process.pid
    process.terminate()
    process.wait(120)


@pytest.fixture
def visit(server, chromium):
    """Opens pages; at the end nothing may have come from elsewhere and no script may have failed."""
    contexts, wrong = [], []

    def asked(request):
        if not request.url.startswith((server[0], server[0].replace("http", "ws"), "data:", "blob:")):
            wrong.append(f"outside: {request.url}")

    def opened(path, size=DESKTOP, scheme="light"):
        context = chromium.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", asked)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
        page.goto(server[0] + path)
        if path.startswith(("/mechanism", "/bargaining")):
            page.wait_for_function(DRAWN)
        return page

    opened.wrong = wrong
    yield opened
    for context in contexts:
        context.close()
    assert not wrong


def forgive(visit):
    """The report's script and its picture from elsewhere are refused by the browser, which says so."""
    known = ("Content Security Policy", "sandboxed", "outside: http://192.0.2.1/x.png")
    visit.wrong[:] = [one for one in visit.wrong if not any(words in one for words in known)]


def press(page, name, key="ArrowRight", times=1):
    """Move a slider with the keyboard, and wait until some plot is another one."""
    before = page.evaluate(PLOTTED)
    place = page.get_by_role("slider", name=name, exact=True)
    place.focus()
    for _ in range(times):
        place.press(key)
    page.wait_for_function(f"before => {PLOTTED} !== before", arg=before)


def at_last(page, found, expected):
    """What is found on the page once everything is drawn."""
    for _ in range(100):
        if page.evaluate(found) == expected:
            return
        page.wait_for_timeout(100)
    assert page.evaluate(found) == expected, page.url


def solved(page):
    """Wait for the last solution's row."""
    page.get_by_role("rowheader", name="maximal performance").wait_for()


def sliders(page):
    """The names of all sliders in sight."""
    return [one.get_attribute("aria-label") for one in page.get_by_role("slider").all()]


def test_every_slider_of_the_mechanism_explorer_moves_a_plot(visit):
    page = visit("/mechanism")
    names = sliders(page)
    assert len(names) == 6  # alpha, beta, three sizes, strength
    for name in names:
        press(page, name, "ArrowLeft" if "α" in name else "ArrowRight")
    page.get_by_label("How it bends its rewards").select_option("spread")
    press(page, "ε (0 is the truth)")
    before = page.evaluate(PLOTTED)
    page.get_by_label("Divergence").select_option("ChiSquared")
    page.wait_for_function(f"before => {PLOTTED} !== before", arg=before)
    for paid in ("Free", "CostShare", "Shapley"):
        before = page.evaluate(PLOTTED)
        page.get_by_label("Each group pays").select_option(paid)
        page.wait_for_function(f"before => {PLOTTED} !== before", arg=before)
        page.wait_for_function(f"location.search.includes('payment={paid}')")
    assert "would have" in page.locator(".words").first.inner_text() + page.locator(".words").nth(1).inner_text()


def test_the_address_holds_what_is_shown(visit):
    page = visit("/mechanism")
    press(page, "size of clinic")
    page.wait_for_function("location.search.includes('3.1%3A')")
    address = page.evaluate("location.pathname + location.search")
    assert page.get_by_role("link", name="Link to this market").get_attribute("href") == address
    again = visit(address)
    wait_until(lambda: page.evaluate(PLOTTED) == again.evaluate(PLOTTED))


def test_the_market_can_be_edited_and_taken_away(visit, tmp_path):
    page = visit("/mechanism")
    page.get_by_text("Change the market").click()
    before = page.evaluate(PLOTTED)
    page.get_by_label("clinic, response 1", exact=True).fill("0.7")
    page.keyboard.press("Enter")
    page.wait_for_function(f"before => {PLOTTED} !== before", arg=before)
    page.get_by_label("clinic, response 1", exact=True).fill("7")
    page.keyboard.press("Enter")
    page.get_by_text("a reward of 'clinic' must be between 0 and 1").wait_for()
    page.get_by_role("button", name="Add a group").click()
    page.get_by_label("name of group 1", exact=True).fill("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    page.get_by_role("slider", name="size of <img src=x onerror=alert(1)>").wait_for()
    page.wait_for_timeout(300)
    assert page.locator("img[src=x]").count() == 0
    with page.expect_download() as file:
        page.get_by_role("button", name="Market for tuneaccord settle (YAML)").click()
    file.value.save_as(tmp_path / "market.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "tuneaccord", "settle", str(tmp_path / "market.yaml"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "onerror" in done.stdout


def test_every_slider_of_the_bargaining_explorer_moves_a_plot(visit):
    page = visit("/bargaining")
    solved(page)
    page.locator("summary", has_text="generalist").click()
    names = sliders(page)
    assert len(names) == 9  # a share, two curves with two numbers and one with one, two outside options, an entry cost
    for name in names:
        press(page, name)
    page.get_by_label("revenue of medical", exact=True).select_option("Saturating")
    page.get_by_role("slider", name="revenue of medical: cap").wait_for()
    press(page, "revenue of medical: cap")
    before = page.evaluate(PLOTTED)
    page.get_by_label("Upwards").select_option("medical.cost.scale")
    page.wait_for_function(f"before => {PLOTTED} !== before", arg=before)
    page.get_by_label("Across").select_option("medical.outside")
    page.get_by_text("Drawn at a generalist's share of").wait_for()
    mapped = page.evaluate(MAPPED)
    place = page.get_by_role("slider", name="generalist's share of medical", exact=True)
    place.focus()
    for _ in range(20):
        place.press("PageDown")
    page.wait_for_function(f"before => {MAPPED} !== before", arg=mapped)  # the map too, at the share as it is now


def solvers(server):
    """Processes that the server started and that still run."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found += parent == server[1] and b"bargaining_solver" in (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
    return found


def wait_until(true, seconds=PATIENCE / 1000):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_slow_game_shows_progress_and_gives_way_to_a_newer_one(visit, server):
    page = visit(SLOW)
    page.get_by_text("Solving:").wait_for()
    wait_until(lambda: solvers(server) == 1)
    page.get_by_role("button", name="One specialist, quadratic costs").click()
    solved(page)
    wait_until(lambda: solvers(server) == 0)
    page.get_by_role("button", name="Three domains on one model").click()
    wait_until(lambda: solvers(server) == 1)
    page.context.close()
    wait_until(lambda: solvers(server) == 0)


def test_the_theme_follows_the_system_until_one_is_chosen(visit):
    page = visit("/", scheme="dark")
    page.wait_for_function("document.body.classList.contains('body--dark')")
    page.get_by_label("Theme").select_option("light")
    page.wait_for_function("!document.body.classList.contains('body--dark')")
    page.reload()
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_function("!document.body.classList.contains('body--dark')")
    assert page.get_by_label("Theme").input_value() == "light"


def test_a_keyboard_reaches_the_content_first(visit):
    page = visit("/mechanism")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'content'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#content') !== null")


def test_a_window_that_grows_keeps_legends_off_the_curves(visit):
    page = visit("/mechanism", PHONE)
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        page.wait_for_function(OFF_THE_CURVES)
        page.wait_for_timeout(500)
        assert page.evaluate(OFF_THE_CURVES)


def test_a_report_runs_nothing(visit):
    page = visit("/reports")
    page.get_by_role("link", name="run0").click()
    shown = page.frame_locator("iframe").locator("#shown")
    shown.wait_for()
    assert shown.inner_text() == "shown"
    assert page.title().startswith("Report of")
    assert len([one for one in visit.wrong if "sandboxed" in one]) == 1  # the script
    assert len([one for one in visit.wrong if one.startswith("Loading the image")]) == 1
    forgive(visit)


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_nothing_overlaps_and_every_axis_has_a_name(visit, shots, size, scheme):
    for path in ("/", "/mechanism", "/bargaining", "/reports", "/reports/1"):
        page = visit(path, size, scheme)
        page.get_by_role("heading", level=1).wait_for()
        if path == "/bargaining":
            solved(page)
        page.wait_for_timeout(400)
        at_last(page, "document.documentElement.scrollWidth <= innerWidth", True)
        at_last(page, TANGLED, [])
        if path in ("/mechanism", "/bargaining"):
            titles = page.evaluate("[...document.querySelectorAll('.xtitle, .ytitle')].map(e => e.textContent)")
            assert len(titles) == 2 * page.locator(".plot").count()
            assert all(titles)
        name = f"{path.strip('/').replace('/', '-') or 'home'}-{'phone' if size is PHONE else 'desktop'}-{scheme}"
        page.screenshot(path=Path(shots) / f"{name}-window.png")
        page.add_style_tag(content=".controls { position: static !important; max-height: none !important; }")
        page.screenshot(path=Path(shots) / f"{name}.png", full_page=True)
        page.context.close()
    forgive(visit)
