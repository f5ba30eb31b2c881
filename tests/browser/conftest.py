"""A server in a process of its own and Debian's Chromium, for tests in a real browser."""

import os
from pathlib import Path

import pytest
from browser_play import CHROMIUM, Visitor, served, shots_folder

pytest.importorskip("nicegui", reason="the studio needs the web extra: pip install tuneaccord[web]")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="browser tests need playwright: pip install tuneaccord[dev]"
)


@pytest.fixture(scope="module")  # while Playwright runs, this thread has a running event loop, which other tests refuse
def chromium():
    """The browser; skipped where it is not installed, unless everything is to be tested."""
    if not Path(CHROMIUM).exists():
        missing = "no Chromium is installed here (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("TUNEACCORD_ALL_TESTS") == "1" else pytest.skip)(missing)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    """Where the server keeps its data, and its ``log``."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def serving(server_folder):
    """A server with real jobs: (address, operator's link)."""
    with served(server_folder) as found:
        yield found


@pytest.fixture(scope="session")
def shots(tmp_path_factory):
    """Where screenshots go."""
    return shots_folder(tmp_path_factory.mktemp("shots"))


@pytest.fixture
def visitor(chromium, serving, shots):
    """Makes visitors; at the end each is asked whether anything happened that must not."""
    made = []

    def make(scheme="light", zone="UTC"):
        made.append(Visitor(chromium, serving[0], shots, scheme, zone))
        return made[-1]

    yield make
    for one in made:
        one.context.close()
