"""Play a small session on a server of its own and keep pictures of it in docs/figures.

``python tools/session_pictures.py`` or ``make pictures``; needs Debian's chromium. The session is the market of the
README: three groups, three responses.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tuneaccord import Client

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
CHROMIUM = "/usr/bin/chromium"
TERMS = {
    "title": "One assistant for three groups",
    "divergence": {"kind": "KL", "strength": 1.0},
    "money": {"currency": "EUR", "rate": 100.0},
}
TEXTS = {"brief": "Take two tablets.", "careful": "Ask a doctor first.", "playful": "Two tablets, captain!"}
POOL = {
    "prompts": [{"id": "dose", "text": "How many tablets may I take?"}],
    "responses": [[{"id": name, "text": text} for name, text in TEXTS.items()]],
    "base": [[0.4, 0.3, 0.3]],
}
REPORTS = {"clinic": (3, [0.1, 0.9, 0.0]), "school": (1, [0.6, 0.5, 0.4]), "arcade": (2, [0.2, 0.0, 1.0])}
SIZE = {"width": 1100, "height": 900}


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, str]]:
    """A server in a process of its own: its address and an operator's token."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "tuneaccord", "serve", "--folder", str(folder / "data"), "--port", "0"]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
    try:
        while not ready.exists():
            if process.poll() is not None:
                sys.exit("the server did not start; see its message above")
            time.sleep(0.1)
        link = (folder / "data" / "operator-link").read_text().strip()
        yield json.loads(ready.read_text())["url"], link.partition("#token=")[2]
    finally:
        process.terminate()
        process.wait(30)


def played(url: str, operator: str) -> Client:
    """A published session, as the clinic sees it."""
    made = Client(url, operator).create(TERMS, provider="platform team")
    provider = Client(url, made["token"])
    provider.open()
    groups = {name: Client(url).join(provider.invite(name)["invitation"]) for name in REPORTS}
    provider.freeze(POOL)
    provider.begin()
    for name, (size, scores) in REPORTS.items():
        groups[name].report(size=size, scores=[scores])
    provider.close()
    provider.wait("settled", timeout=120)
    provider.publish()
    return groups["clinic"]


def picture(page: Page, name: str) -> None:
    """What stands in the window now."""
    page.wait_for_timeout(3000)  # plots are drawn after the page
    page.screenshot(path=FIGURES / name)


def main() -> None:
    """Play, look, keep."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder)) as (url, operator),
        sync_playwright() as browsers,
    ):
        group = played(url, operator)
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(f"{url}/enter#token={group.token}")
        page.get_by_role("button", name="Enter").first.click()
        page.wait_for_url("**/sessions/*")
        picture(page, "session-group.png")
        page.goto(f"{url}/mechanism")
        picture(page, "mechanism-explorer.png")
        browser.close()


if __name__ == "__main__":
    main()
