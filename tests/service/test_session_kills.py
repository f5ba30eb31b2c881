"""A session over HTTP while server, worker and database are killed at random moments: nothing lost, nothing twice.

Pauses and victims are drawn with a seed. A quarter of the kills strike while the groups join, a third after the close,
and the others while everybody reports; only a process that was at work is struck. Their number can be set by the
environment variable ``TUNEACCORD_KILLS``.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import numpy as np
import pytest
from free_ports import free_port
from session_steps import in_seconds

from tuneaccord.service.chain import first_fault
from tuneaccord.service.connect import connect
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.reading import Reading
from tuneaccord.service.settings import Settings
from tuneaccord.service.settling import settle_data

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("TUNEACCORD_KILLS", "3"))
NAMES, REPORTS_EACH = ("legal", "support", "marketing"), 3
SEED = 6
LONGEST_PAUSE = 0.6  #: seconds from when a process is at work until it is killed
PATIENCE = 300 + 60 * KILLS  #: seconds for the whole session; a server needs several to start
_PROMPTS, _RESPONSES = 60, 6  #: enough for settling and its audit to be struck


class Processes:
    """The server and one more worker: killed without a word, and started again."""

    def __init__(self, folder, database):
        self.port = free_port()
        self.environment = {
            **os.environ, "TUNEACCORD_FOLDER": str(folder), "TUNEACCORD_DATABASE": database, "TUNEACCORD_SILENCE": "2",
            "TUNEACCORD_RATE": "100000", "TUNEACCORD_TRIALS": "10000", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        self.commands = {"server": ("serve", "--port", str(self.port)), "worker": ("work",)}
        self.running, self.log = {}, (folder / "processes.log").open("ab")

    def start(self, name):
        command = [sys.executable, "-m", "tuneaccord", *self.commands[name]]
        self.running[name] = subprocess.Popen(
            command, env=self.environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )

    def kill(self, name):
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()

    def answers(self):
        """Whether the server takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def signed(self, desk):
        """Whether the worker has begun to work."""
        try:
            return any(f"-{self.running['worker'].pid}-" in name for name in desk.store.workers())
        except Unavailable:
            return False

    def check(self):
        """Fail when a process ended by itself."""
        for name, process in list(self.running.items()):
            assert process.poll() in (None, -signal.SIGKILL), f"the {name} ended with status {process.poll()}"

    def end(self):
        for name in self.running:
            self.kill(name)
        self.log.close()


@dataclass
class Party:
    """Somebody who asks again until there is an answer."""

    client: httpx.Client
    token: str
    until: float
    server: Processes

    def ask(self, method, path, body=None, refusable=False):
        """The answer; None where an earlier attempt, whose answer was lost, seems to have had its effect."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        attempts = 0
        while time.monotonic() < self.until:
            attempts += 1
            try:
                data = body() if callable(body) else body
                answer = self.client.request(method, path, json=data, headers=headers)
            except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException):
                self.server.check()
                time.sleep(0.1)
                continue
            if answer.status_code < 400:
                return answer.json()
            if answer.status_code in (401, 409, 422) and (attempts > 1 or refusable):
                return None
            assert answer.status_code in (429, 503), f"{method} {path}: {answer.status_code} {answer.text}"
            time.sleep(0.1)
        pytest.fail(f"{method} {path}: no answer in time")


class Killer:
    """Kills ``victims`` (name -> (whether it is at work, kill it)) in rounds of random order, after random pauses."""

    def __init__(self, victims, seed, where):
        self.victims, self.random, self.where, self.struck = victims, random.Random(seed), where, []
        self.over, self.round = threading.Event(), []

    def begin(self, count, after=lambda: True):
        """Strike so often once ``after()`` holds; the thread that does."""
        thread = threading.Thread(target=self._strike, args=(count, after))
        thread.start()
        return thread

    def _strike(self, count, after):
        while not after():
            if self.over.wait(0.01):
                return
        for _ in range(count):
            self.round = self.round or self.random.sample(list(self.victims), len(self.victims))
            pause, name = self.random.uniform(0.0, LONGEST_PAUSE), self.round.pop()
            at_work, kill = self.victims[name]
            while not at_work():
                if self.over.wait(0.05):
                    return
            self.over.wait(pause)
            self.struck.append((name, self.where()))
            kill()


def pool():
    return {
        "prompts": [{"id": f"p{row}"} for row in range(_PROMPTS)],
        "responses": [[{"id": f"r{column}"} for column in range(_RESPONSES)] for _ in range(_PROMPTS)],
    }


def report(name, number):
    scores = np.random.default_rng([NAMES.index(name), number]).random((_PROMPTS, _RESPONSES))
    return {"size": 1 + number, "scores": scores.round(4).tolist()}


def play(client, desk, processes, killer, named):
    """The whole session; (its id, the commitments that were acknowledged by group)."""
    until = time.monotonic() + PATIENCE
    operator = Party(client, desk.operator(), until, processes)
    made = operator.ask("POST", "/sessions", {"terms": {"title": "three departments"}})
    provider, path = Party(client, made["token"], until, processes), f"/sessions/{made['session_id']}"
    named(made["session_id"])
    joining, closing = KILLS // 4, KILLS // 3
    first = killer.begin(joining)
    provider.ask("POST", f"{path}/open")
    groups = {}
    for name in NAMES:
        groups[name] = join(provider, path, name)
        time.sleep(0.3 if first.is_alive() else 0.0)
    provider.ask("PUT", f"{path}/pool", pool())
    provider.ask("POST", f"{path}/begin", {"deadline": (late := in_seconds(36_000))})
    first.join(PATIENCE)
    second = killer.begin(KILLS - joining - closing)
    acknowledged = {name: [] for name in NAMES}

    def tell(name):
        while len(acknowledged[name]) < REPORTS_EACH or second.is_alive():
            proof = groups[name].ask("PUT", f"{path}/report", report(name, len(acknowledged[name])))
            acknowledged[name].append(proof["commitment"])
            time.sleep(0.05)

    with ThreadPoolExecutor(len(NAMES)) as threads:
        list(threads.map(tell, NAMES))
    third = killer.begin(closing, lambda: killer.where() not in ("reporting", "nowhere"))
    while provider.ask("GET", path)["deadline"] == late:  # again, where the new one had passed before it was heard of
        provider.ask("PATCH", f"{path}/deadline", lambda: {"deadline": in_seconds(1.0)}, refusable=True)
    while provider.ask("GET", path)["state"] != "settled":
        assert time.monotonic() < until, "the session was not settled in time"
        time.sleep(0.1)
    third.join(PATIENCE)
    provider.ask("POST", f"{path}/publish")
    return made["session_id"], acknowledged


def join(provider, path, name):
    """The group's seat. Where the answer with its token was lost, the provider asks for another one."""
    invited = provider.ask("POST", f"{path}/invitations", {"group": name})
    group = replace(provider, token="")
    joined = group.ask("POST", "/join", {"invitation": invited["invitation"]})
    if joined is None:
        joined = provider.ask("POST", f"{path}/groups/token", {"group": name})
    group.token = joined["token"]
    return group


def check(desk, name, acknowledged):
    """One settlement of everybody's last report, and a log without fault."""
    with desk.store.reading() as connection:
        log = desk.store.entries(connection, name)
    assert first_fault(name, [entry.to_dict() for entry in log]) is None
    count = Counter(entry.kind for entry in log)
    for kind in ("opened", "frozen", "reporting", "closed", "settling", "settled", "published"):
        assert count[kind] == 1, f"{kind} is in the log {count[kind]} times"
    assert count["joined"] == len(NAMES)
    assert count["failed"] == 0
    assert set(desk.store.documents(name, "work/")) == {"work/1/outcome", "work/1/audit"}
    session = desk.session(name)
    for group, commitments in acknowledged.items():
        logged = [entry.data["commitment"] for entry in log if entry.kind == "reported" and entry.by["name"] == group]
        assert len(commitments) >= REPORTS_EACH
        assert set(commitments) <= set(logged), "a report that was acknowledged is not in the log"
        assert logged[-1] == commitments[-1] == session.seats[group].commitment
    record = Reading(desk)._server.document(name, "settlement/record")
    last = {group: report(group, len(commitments) - 1) for group, commitments in acknowledged.items()}
    assert {group: told["scores"] for group, told in record["reports"].items()} == {
        group: told["scores"] for group, told in last.items()
    }
    again = settle_data(session.terms, pool(), last)
    assert {group: share["amount"] for group, share in again.shares.items()} == record["amounts"]


def survive(folder, url="", restart=None):
    """Play a session while processes are killed; (victim, state of the session) for each kill."""
    desk = connect(Settings(folder=folder, database=url))
    processes, known = Processes(folder, url), []

    def where():
        try:
            return desk.session(known[0]).state if known else "nowhere"
        except Unavailable:
            return "nowhere"

    def again(name):
        processes.kill(name)
        processes.start(name)

    victims = {
        "server": (processes.answers, lambda: again("server")),
        "worker": (lambda: processes.signed(desk), lambda: again("worker")),
        **({"database": (lambda: True, restart)} if restart else {}),
    }
    killer = Killer(victims, SEED, where)
    try:
        processes.start("server")
        processes.start("worker")
        with httpx.Client(base_url=processes.url, timeout=60, trust_env=False) as client:
            name, acknowledged = play(client, desk, processes, killer, known.append)
        check(desk, name, acknowledged)
    except BaseException:
        print(f"{killer.struck}\n{(folder / 'processes.log').read_text(errors='replace')[-6000:]}")
        raise
    finally:
        killer.over.set()
        processes.end()
        desk.store.close()
    print(f"{len(killer.struck)} kills: {killer.struck}")
    return killer.struck


def test_kills_on_sqlite(tmp_path):
    assert len(survive(tmp_path)) == KILLS


@pytest.mark.postgres
def test_kills_on_postgresql(tmp_path, restartable_postgres):
    assert len(survive(tmp_path, restartable_postgres.url(), restartable_postgres.restart)) == KILLS
