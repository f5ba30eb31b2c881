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
from collections.abc import Awaitable, Callable
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


class Line:
    """One party's connection. Next to nothing besides sending and reading, so that the server is what is measured."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, token: str | None, body: Any) -> Reply:
        """Send one request, on a new connection the first time, and read the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address.netloc}\r\nContent-Length: {len(content)}\r\n"
        head += "Content-Type: application/json\r\n" if content else ""
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        if self._streams is None or self._streams[0].at_eof():  # the server hangs up on who says nothing for long
            self._streams = await asyncio.open_connection(self._address.hostname, self._address.port, limit=2**24)
        reader, writer = self._streams
        writer.write(f"{head}\r\n".encode() + content)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        answer = Reply(int(lines[0].split()[1]), await reader.readexactly(int(headers["content-length"])))
        if headers.get("connection") == "close":
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

    async def ask(self, method: str, path: str, token: str | None = None, body: Any = None, line: str = "") -> Any:
        """One request by the provider, or on the line of a group; raises on a refusal."""
        answer = await asyncio.wait_for(self._lines[line].ask(method, f"/api/v1{path}", token, body), _PATIENCE)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return json.loads(answer.body) if answer.body[:1] in b"{[" else answer.body.decode()

    async def open(self, cells: tuple[int, int]) -> None:
        """A session with an invitation for each group."""
        terms = {"title": "load", "money": {"currency": "EUR", "rate": 100}}
        begun = await self.ask("POST", "/sessions", self.server.operator, {"terms": terms})
        self.provider, self.id, self.cells = begun["token"], begun["session_id"], cells
        self.path = f"/sessions/{self.id}"
        await self.ask("POST", f"{self.path}/open", self.provider)

        async def invite(group: str) -> None:
            answer = await self.ask("POST", f"{self.path}/invitations", self.provider, {"group": group}, group)
            self.invitations[group] = answer["invitation"]

        await self._all(invite, 16)

    async def all_join(self, at_once: int) -> Times:
        """Each group uses its invitation."""

        async def join(group: str) -> None:
            answer = await self.ask("POST", "/join", None, {"invitation": self.invitations[group]}, group)
            self.tokens[group] = answer["token"]

        return await self._all(join, at_once)

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

        async def look(group: str) -> None:
            await self.ask("GET", self.path, self.tokens[group], None, group)

        return await self._all(look, at_once)

    async def all_report(self, at_once: int) -> Times:
        """Each group reports a size and a table of scores."""
        generator = np.random.default_rng(0)
        reports = {
            group: {"size": int(generator.integers(1, 11)), "scores": generator.random(self.cells).round(4).tolist()}
            for group in self.groups
        }

        async def report(group: str) -> None:
            self.proofs[group] = await self.ask("PUT", f"{self.path}/report", self.tokens[group], reports[group], group)

        return await self._all(report, at_once)

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

        async def share(group: str) -> None:
            told = await self.ask("GET", f"{self.path}/shares/{quote(group)}", self.tokens[group], None, group)
            self.readable += told["group"] == group and told["report"] == self.proofs[group]["report"]

        async def invoice(group: str) -> None:
            page = await self.ask("GET", f"{self.path}/invoices/{quote(group)}", self.tokens[group], None, group)
            if group not in page:
                raise RuntimeError(f"the invoice of {group} is not its own")

        return await self._all(share, at_once), await self._all(invoice, at_once, self.groups[:200])

    async def _all(self, act: Callable[[str], Awaitable[None]], at_once: int, groups: list[str] | None = None) -> Times:
        """``act`` for each group, so many at the same time; a request's time begins when it is sent."""
        times, free = Times(), asyncio.Semaphore(at_once)

        async def one(group: str) -> None:
            async with free:
                began = time.perf_counter()
                await act(group)
                times.each.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(one(group) for group in groups or self.groups))
        times.together = time.perf_counter() - began
        return times
