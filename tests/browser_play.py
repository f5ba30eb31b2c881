"""Visitors with browsers of their own, and what they are watched for."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = "/usr/bin/chromium"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE = 90_000  #: milliseconds that anything may take on a machine that others use too
EVIL = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>{{7*7}}[a](javascript:window.hit=3)'

_CONTROLS = """() => [...document.querySelectorAll(
  'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  .filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility() && !one.closest('[inert]'))
  .map((one) => { one.dataset.place ??= String(Math.random()); return one.dataset.place; })"""
_NAMELESS = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea')]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))
  .map((one) => one.outerHTML.slice(0, 200))"""


@contextmanager
def served(folder, **variables):
    """``tuneaccord serve`` in a process of its own on a free port; gives (address, operator's link)."""
    ready, log = folder / "ready.json", folder / "log"
    command = [sys.executable, "-m", "tuneaccord", "serve", "--folder", str(folder / "data"), "--port", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)], stdout=stream, stderr=stream, env={**os.environ, **variables}
        )
    try:
        end = time.monotonic() + 300
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield json.loads(ready.read_text())["url"], (folder / "data" / "operator-link").read_text().strip()
    finally:
        process.terminate()
        process.wait(120)


def shots_folder(default: Path) -> Path:
    """Where screenshots go: $TUNEACCORD_SHOTS, or ``default``."""
    folder = Path(os.environ.get("TUNEACCORD_SHOTS") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Visitor:
    """A browser context with one page: everything that it received, and everything that must not happen in it."""

    def __init__(self, browser, base: str, shots: Path, scheme: str = "light", zone: str = "UTC") -> None:
        self.base, self.shots, self.faults = base, shots, []
        self._answers, self.frames = [], []
        self.context = browser.new_context(viewport=DESKTOP, color_scheme=scheme, timezone_id=zone)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error in the page: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", lambda answer: self._answers.append(answer))
        self.page.on("websocket", self._websocket)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type} in the console: {message.text}")

    def _request(self, request) -> None:
        ours = (self.base, self.base.replace("http", "ws", 1), "data:", "blob:")
        if not request.url.startswith(ours):
            self.faults.append(f"request to elsewhere: {request.url}")

    def _websocket(self, socket) -> None:
        self._request(socket)
        socket.on("framereceived", lambda payload: self.frames.append(_text(payload)))

    def received(self) -> str:
        """All that came so far: pages, data and everything through websockets."""
        kinds = ("text/html", "application/json", "text/plain", "text/csv")
        for answer in self._answers:
            if answer.headers.get("content-type", "").startswith(kinds) and answer.status < 300:
                self.frames.append(answer.text())
        self._answers.clear()
        return "\n".join(self.frames)

    def enter(self, link: str) -> None:
        """Come in by a link with a token."""
        self.page.goto(link)
        self.received()  # a page's content cannot be had any more once the browser has gone on
        self.page.locator("form[data-enter]").get_by_role("button", name="Enter").click()
        self.page.wait_for_url("**/sessions**")

    def shoot(self, name: str, *sizes: str) -> None:
        """Screenshots of the whole page; nothing may stick out to the side."""
        for size in sizes or ("desktop", "phone"):
            self.page.set_viewport_size(DESKTOP if size == "desktop" else PHONE)
            self.page.wait_for_timeout(150)  # plots are drawn again for the new width
            self.page.screenshot(path=self.shots / f"sessions-{name}-{size}.png", full_page=True)
            self.fits(f"{name} on {size}")
        self.page.set_viewport_size(DESKTOP)

    def fits(self, name: str) -> None:
        """Fail where something sticks out to the side; what is being drawn anew may do so for a moment."""
        for _ in range(100):
            width, room = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            if width <= room:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{name} is {width} wide, there is room for {room}")

    def check(self) -> None:
        """Nothing happened that must not."""
        assert self.faults == []
        assert self.page.evaluate("window.hit") is None

    def unreachable(self) -> set[str]:
        """The visible controls that the Tab key does not reach, and those without a name."""
        for _ in range(4):  # again, where the page changed meanwhile
            if not (missed := self._missed()):
                break
        return missed

    def _missed(self) -> set[str]:
        page = self.page
        wanted = set(page.evaluate(_CONTROLS))
        page.evaluate("document.activeElement?.blur(); window.scrollTo(0, 0)")
        reached = set()
        for _ in range(6 * len(wanted) + 20):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement?.dataset.place ?? ''"))
            if wanted <= reached:
                break
        left = "(left) => left.map((one) => document.querySelector(`[data-place='${one}']`)?.outerHTML.slice(0, 200))"
        return {*page.evaluate(left, sorted(wanted - reached)), *page.evaluate(_NAMELESS)}

    def press(self, name: str, sure: str = "") -> None:
        """Press a button, and the one that asks again."""
        self.page.get_by_role("button", name=name, exact=True).click()
        if sure:
            self.page.get_by_role("button", name=sure, exact=True).click()

    def textbox(self, name: str, exact: bool = True):
        """The field with this name."""
        return self.page.get_by_role("textbox", name=name, exact=exact)

    def save(self, name: str, folder: Path, kind: str = "button") -> Path:
        """What a button or link with this name downloads."""
        with self.page.expect_download() as found:
            self.page.get_by_role(kind, name=name, exact=True).click()
        path = folder / found.value.suggested_filename
        found.value.save_as(path)
        return path


def _text(payload) -> str:
    return payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
