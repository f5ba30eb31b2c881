"""The server that is measured, and the groups that use it all at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import service_postgres

_PATIENCE = 120.0


class Server:
    """A server in a process of its own; ``url`` gives the database, empty for SQLite."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.database = folder, url

    def __enter__(self) -> Server:
        ready = self.folder / "ready.json"
        command = [sys.executable, "-m", "tuneaccord", "serve", "--folder", str(self.folder), "--port", "0"]
        environment = {
            **os.environ,
            "TUNEACCORD_DATABASE": self.database,
            "TUNEACCORD_RATE": "1000000",  # all groups come from one address here
            "TUNEACCORD_LOG": "json",
        }
        with open(self.folder / "server.log", "wb") as log:
            self._process = subprocess.Popen(
                [*command, "--ready-file", str(ready)], env=environment, stdout=log, stderr=log
            )
        until = time.monotonic() + 60
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start: {(self.folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)
        self.url = json.loads(ready.read_text())["url"]
        self.operator = urlsplit((self.folder / "operator-link").read_text().strip()).fragment.removeprefix("token=")
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        if status != 0 and error[0] is None:
            raise RuntimeError(f"the server ended with status {status}")

    def cpu(self) -> float:
        """Seconds of processor time that the server has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """The most memory that the server had, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1000


@contextmanager
def postgres():
    """A throw-away PostgreSQL server that forces what is committed to disk; its URL."""
    folder = Path(tempfile.mkdtemp(prefix="tuneaccord-postgres-"))
    server = service_postgres.Server(folder)
    try:
        server.create()
        with open(folder / "data" / "postgresql.conf", "a") as file:
            file.write("fsync = on\n")
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()
    finally:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Times:
    """How long each of many requests took, in seconds, and all of them together."""

    each: list[float] = field(default_factory=list)
    together: float = 0.0

    def summary(self) -> dict[str, float]:
        """Percentiles in milliseconds, and requests a second."""
        parts = np.percentile(1000 * np.array(self.each), [50, 95, 99, 100])
        return {
            **dict(zip(("p50_ms", "p95_ms", "p99_ms", "most_ms"), map(float, parts), strict=True)),
            "a_second": len(self.each) / self.together,
        }


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    body: bytes

    def read(self, to: str) -> Any:
        """The answer as data, or as text where it is a page; raises on a refusal."""
        if self.status >= 400:
            raise RuntimeError(f"{to}: {self.status} {self.body[:300]!r}")
        return json.loads(self.body) if self.body[:1] in b"{[" else self.body.decode()


@dataclass(frozen=True)
class Request:
    """What is sent: written before its time begins, so that the server is what is measured."""

    method: str
    path: str
    token: str | None = None
    body: Any = None

    def written(self, host: str) -> bytes:
        """As it goes over the line."""
        content = b"" if self.body is None else json.dumps(self.body).encode()
        head = f"{self.method} /api/v1{self.path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n"
        head += "Content-Type: application/json\r\n" if content else ""
        head += f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        return f"{head}\r\n".encode() + content


class Line:
    """One party's connection. Next to nothing besides sending and reading."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, written: bytes) -> Reply:
        """Send one request, on a new connection the first time, and read the whole answer."""
        if self._streams is None or self._streams[0].at_eof():  # the server hangs up on who says nothing for long
            self._streams = await asyncio.open_connection(self.address.hostname, self.address.port, limit=2**24)
        reader, writer = self._streams
        writer.write(written)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        answer = Reply(int(head.split(b" ", 2)[1]), await reader.readexactly(length))
        if b"connection: close" in head:
            self.close()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Party:
    """A provider and many groups, each with its own token, using one session by HTTP."""

    def __init__(self, server: Server, groups: int) -> None:
        self.server, self.groups = server, [f"group {number}" for number in range(groups)]
        self.invitations: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.proofs: dict[str, dict] = {}
        self.readable = 0

    async def __aenter__(self) -> Party:
        self._lines = {name: Line(self.server.url) for name in ("", *self.groups)}
        return self

    async def __aexit__(self, *error: object) -> None:
        for line in self._lines.values():
            line.close()

    async def ask(self, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """One request by the provider; raises on a refusal."""
        request, line = Request(method, path, token, body), self._lines[""]
        answer = await asyncio.wait_for(line.ask(request.written(line.address.netloc)), _PATIENCE)
        return answer.read(f"{method} {path}")

    async def open(self, cells: tuple[int, int]) -> None:
        """A session with an invitation for each group."""
        terms = {"title": "load", "money": {"currency": "EUR", "rate": 100}}
        begun = await self.ask("POST", "/sessions", self.server.operator, {"terms": terms})
        self.provider, self.id, self.cells = begun["token"], begun["session_id"], cells
        self.path = f"/sessions/{self.id}"
        await self.ask("POST", f"{self.path}/open", self.provider)

        def invite(group: str) -> Request:
            return Request("POST", f"{self.path}/invitations", self.provider, {"group": group})

        def invited(group: str, answer: dict) -> None:
            self.invitations[group] = answer["invitation"]

        await self._all(invite, invited, 16)

    async def all_join(self, at_once: int) -> Times:
        """Each group uses its invitation."""

        def join(group: str) -> Request:
            return Request("POST", "/join", None, {"invitation": self.invitations[group]})

        def joined(group: str, answer: dict) -> None:
            self.tokens[group] = answer["token"]

        return await self._all(join, joined, at_once)

    async def begin(self) -> None:
        """Freeze a pool of (prompts, replies) and take reports."""
        prompts, replies = self.cells
        pool = {
            "prompts": [{"id": f"p{number}"} for number in range(prompts)],
            "responses": [[{"id": f"r{number}"} for number in range(replies)] for _ in range(prompts)],
        }
        await self.ask("PUT", f"{self.path}/pool", self.provider, pool)
        await self.ask("POST", f"{self.path}/begin", self.provider)

    async def all_look(self, at_once: int) -> Times:
        """Each group asks how the session stands."""

        def looked(group: str, answer: dict) -> None:
            if answer["you"]["name"] != group:
                raise RuntimeError(f"{group} was taken for {answer['you']}")

        return await self._all(lambda group: Request("GET", self.path, self.tokens[group]), looked, at_once)

    async def all_report(self, at_once: int) -> Times:
        """Each group reports a size and a table of scores."""
        generator = np.random.default_rng(0)
        reports = {
            group: {"size": int(generator.integers(1, 11)), "scores": generator.random(self.cells).round(4).tolist()}
            for group in self.groups
        }

        def report(group: str) -> Request:
            return Request("PUT", f"{self.path}/report", self.tokens[group], reports[group])

        return await self._all(report, self.proofs.__setitem__, at_once)

    async def log(self) -> list[dict]:
        """The session's log."""
        return (await self.ask("GET", f"{self.path}/log", self.provider))["entries"]

    async def settle(self) -> float:
        """Close, wait until it is settled, publish; seconds from the close to the settlement by the log."""
        await self.ask("POST", f"{self.path}/close", self.provider)
        until = time.monotonic() + 5 * _PATIENCE
        while (state := (await self.ask("GET", self.path, self.provider))["state"]) != "settled":
            if state == "failed" or time.monotonic() > until:
                raise RuntimeError(f"the session is {state}")
            await asyncio.sleep(0.25)
        at = {entry["kind"]: datetime.fromisoformat(entry["at"]) for entry in await self.log()}
        await self.ask("POST", f"{self.path}/publish", self.provider)
        return (at["settled"] - at["closed"]).total_seconds()

    async def all_invoices(self, at_once: int) -> tuple[Times, Times]:
        """Each group reads its share, and the first two hundred their invoice as a page."""

        def share(group: str) -> Request:
            return Request("GET", f"{self.path}/shares/{quote(group)}", self.tokens[group])

        def told(group: str, answer: dict) -> None:
            self.readable += answer["group"] == group and answer["report"] == self.proofs[group]["report"]

        def invoice(group: str) -> Request:
            return Request("GET", f"{self.path}/invoices/{quote(group)}", self.tokens[group])

        def invoiced(group: str, page: str) -> None:
            if group not in page:
                raise RuntimeError(f"the invoice of {group} is not its own")

        shares = await self._all(share, told, at_once)
        return shares, await self._all(invoice, invoiced, at_once, self.groups[:200])

    async def _all(
        self,
        request: Callable[[str], Request],
        keep: Callable[[str, Any], None],
        at_once: int,
        groups: list[str] | None = None,
    ) -> Times:
        """A request of each group, so many at the same time, each timed from its sending to the end of its answer.

        What was answered is looked at afterwards.
        """
        groups, times, free = groups or self.groups, Times(), asyncio.Semaphore(at_once)
        written = {group: request(group).written(self._lines[group].address.netloc) for group in groups}
        answers: dict[str, Reply] = {}

        async def one(group: str) -> None:
            async with free:
                began = time.perf_counter()
                answers[group] = await asyncio.wait_for(self._lines[group].ask(written[group]), _PATIENCE)
                times.each.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(one(group) for group in groups))
        times.together = time.perf_counter() - began
        for group, answer in answers.items():
            keep(group, answer.read(f"the request of {group}"))
        return times
