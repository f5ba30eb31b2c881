"""A PostgreSQL server of our own for tests: made in a temporary folder, on a free loopback port, thrown away."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
from free_ports import free_port

SERVER = "TUNEACCORD_TEST_POSTGRES"  #: URL of a server to use instead, as a user that may create databases
EVERYTHING = "TUNEACCORD_ALL_TESTS"  #: 1 where a missing program fails the tests instead of skipping them


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest one's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).parent if on_path else None


class Server:
    """A running server: ``url(name)`` of one of its databases, ``restart()``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.port = folder, programs(), free_port()

    def create(self) -> None:
        """Make the files of the server. No file is forced to disk: they are thrown away."""
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._as_owner("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync")
        with open(self.folder / "data" / "postgresql.conf", "a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.folder}'\n"
                "fsync = off\nmax_connections = 200\nshared_buffers = 32MB\n"
            )

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._control("-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop; ``immediate`` as in a crash."""
        self._control("-m", mode, "stop")

    def restart(self, mode: str = "immediate") -> None:
        """Stop as in a crash, and start again."""
        self.stop(mode)
        self.start()

    def url(self, name: str = "postgres") -> str:
        """The URL of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _control(self, *arguments: str) -> None:
        self._as_owner("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "300", *arguments)

    def _as_owner(self, program: str, *arguments: str) -> None:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(
            [str(self.bin / program), *arguments], check=True, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, **user,
        )  # fmt: skip


@contextmanager
def own_server():
    """A server for one test that stops or restarts it."""
    folder = Path(tempfile.mkdtemp(prefix="tuneaccord-postgres-"))
    server = Server(folder)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_database(server_url: str, name: str):
    """A fresh database of a server; its URL."""
    _on(server_url, f'CREATE DATABASE "{name}"')
    try:
        head, _, query = server_url.partition("?")
        yield f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    finally:
        _on(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
