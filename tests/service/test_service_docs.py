"""The pages about sessions and servers say what the code does."""

import re
import threading
from pathlib import Path

import pytest
import uvicorn

import tuneaccord
from tuneaccord.service import reading
from tuneaccord.service.api.app import build
from tuneaccord.service.jobs import Jobs, Pace
from tuneaccord.service.running import bound
from tuneaccord.service.session import MOVES, STATES
from tuneaccord.service.settings import Settings
from tuneaccord.service.times import utc_now

DOCS = Path(__file__).parents[2] / "docs"
SERVICE, RUNNING = (DOCS / "service.md").read_text(), (DOCS / "running.md").read_text()


def rows(text, first):
    """The cells of each row of the table whose heading begins with ``first``."""
    table = text[text.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_moves_are_those_of_the_code():
    told = {
        kind.strip("`"): (roles.replace("server", "clock"), states, leads_to)
        for kind, roles, states, leads_to, _ in rows(SERVICE, "entry in the log")
    }
    assert told == {
        kind: (", ".join(move.roles), ", ".join(move.states), move.leads_to or "") for kind, move in MOVES.items()
    }
    assert all(f"`{state}`" in SERVICE for state in STATES)


def test_who_sees_what_is_as_the_code_says():
    assert "\n".join(line for line in reading.__doc__.splitlines() if line.startswith("|")) in SERVICE


def test_linked_pages_and_parts_exist():
    for page in (SERVICE, RUNNING):
        for target, part in re.findall(r"\]\(([a-z-]*(?:\.md)?)(?:#([a-z-]+))?\)", page):
            text = (DOCS / target).read_text() if target else page
            headings = {
                re.sub(r"[^a-z -]", "", line.lower()).strip().replace(" ", "-")
                for line in re.findall(r"^#+ (.*)", text, re.MULTILINE)
            }
            assert not part or part in headings, (target, part)


def test_every_figure_is_explained(desk):
    from tuneaccord.service.metrics import Metrics

    metrics = Metrics(desk.store, lambda: {"workers": 1})
    metrics.answered("GET", "/", 200, 0.1)
    names = set(re.findall(r"^# TYPE (\w+)", metrics.text().decode(), re.MULTILINE))
    assert names == {re.match(r"`(\w+)", name)[1] for name, *_ in rows(RUNNING, "figure")}


def test_every_check_is_explained(desk, tmp_path):
    from tuneaccord.service.health import ROOM, SILENCE

    told = next(what for address, what, _ in rows(RUNNING, "address") if address == "`/readyz`")
    for words in ("database can be written", "tables", "worker", f"{SILENCE:.0f} seconds", f"{ROOM // 10**6} MB"):
        assert words in told


@pytest.mark.slow
def test_the_lines_of_python_give_three_different_invoices(connected, tmp_path):
    desk = connected()
    desk.clock = utc_now
    settings, jobs = Settings(folder=tmp_path), Jobs(desk, pace=Pace(grace=5.0))
    listening = bound("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(build(desk, settings, jobs, pages=False), log_config=None, access_log=False))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    jobs.start()
    serving.start()
    try:
        known = {"url": f"http://127.0.0.1:{listening.getsockname()[1]}", "token": desk.operator()}
        exec(re.search(r"```python\n(.*?)```", SERVICE, re.DOTALL)[1], known)
        known["operator"].shut()
    finally:
        server.should_exit = True
        serving.join()
        jobs.stop()
    assert isinstance(known["operator"], tuneaccord.Client)
    assert len(set(known["amounts"].values())) == 3
    assert known["receipt"]["share"]["report"]["scores"] == [[0.1, 0.1, 1.0]]  # the report that replaced the first
    assert known["receipt"]["share"]["report_salt"] == known["proofs"]["legal"]["salt"]
