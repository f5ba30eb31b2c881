"""One server on a database, workers beside it, and nothing under a restore; the locks go with their process."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from session_steps import until
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.errors import InputError
from tuneaccord.service.connect import connect
from tuneaccord.service.holding import hold_to_restore, hold_to_serve, hold_to_work
from tuneaccord.service.running import Running
from tuneaccord.service.settings import Settings


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("tuneaccord.service.holding._PATIENCE", 0.1)


def test_one_server_and_any_number_of_workers(tmp_path):
    settings = Settings(folder=tmp_path)
    with hold_to_serve(settings), hold_to_work(settings), hold_to_work(settings):
        with pytest.raises(InputError, match=rf"tuneaccord.db is in use by a server \(process {os.getpid()}\)\. Stop"):
            hold_to_serve(settings)
        with pytest.raises(InputError, match="would mix two histories"):
            hold_to_restore(settings)
    with hold_to_serve(settings):
        pass


def test_a_worker_keeps_a_restore_away_and_a_restore_everybody(tmp_path):
    settings = Settings(folder=tmp_path)
    with hold_to_work(settings), pytest.raises(InputError, match="Stop all workers first"):
        hold_to_restore(settings)
    with hold_to_restore(settings):
        for hold, told in (
            (hold_to_serve, "a restore"),
            (hold_to_restore, "a restore"),
            (hold_to_work, "being restored"),
        ):
            with pytest.raises(InputError, match=told):
                hold(settings)
    with hold_to_serve(settings):
        pass


@pytest.mark.parametrize("database", ["", "postgresql://us:hidden@host/sessions"])
def test_it_is_the_folder_that_counts_and_for_sqlite_the_file(tmp_path, database):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with hold_to_serve(Settings(folder=tmp_path, database=database)):
        with pytest.raises(InputError, match="is in use by") as told:
            hold_to_serve(Settings(folder=tmp_path / "link", database=database))
        assert "hidden" not in str(told.value)
        with hold_to_serve(Settings(folder=tmp_path / "other", database=database)):
            pass
        one_file = Settings(folder=tmp_path / "other", database=f"sqlite:///{tmp_path / 'tuneaccord.db'}")
        with contextlib.nullcontext() if database else pytest.raises(InputError, match="is in use by"):
            hold_to_serve(one_file).release()


def test_a_server_that_cannot_start_holds_nothing(tmp_path):
    settings = Settings(folder=tmp_path, port=0, database="postgresql://us@127.0.0.1:1/none", worker=False)
    for _ in range(2):
        with pytest.raises(Exception, match="does not answer"):
            Running(settings)
    with hold_to_serve(settings):
        pass


# Processes


@contextlib.contextmanager
def running(folder, *arguments):
    """``tuneaccord ... --folder`` as a process, killed at the end."""
    with open(folder / "said", "ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuneaccord", *arguments, "--folder", str(folder)], stdout=said, stderr=said
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def told(status, *arguments):
    """What a command says that ends with this status."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == status, done.output
    return done.stderr


@pytest.mark.slow
def test_the_commands_beside_a_running_server(tmp_path):
    backup, ready = tmp_path / "a.backup", tmp_path / "ready.json"
    folder = ("--folder", tmp_path)
    with running(tmp_path, "serve", "--port", "0", "--ready-file", str(ready)) as server:
        until(lambda: ready.exists() or server.poll() is not None, 60)
        in_use = f"tuneaccord.db is in use by a server (process {server.pid}). Stop that first"
        assert in_use in told(2, "serve", *folder, "--port", 0)
        told(0, "backup", backup, *folder)  # this may
        told(0, "serve", *folder, "--new-operator-token")  # and this
        assert in_use in told(2, "restore", backup, *folder)
        assert in_use in told(2, "restore", backup, *folder, "--replace")
    with running(tmp_path, "work") as worker:  # the server was killed
        desk = connect(Settings(folder=tmp_path))
        until(lambda: any(f"-{worker.pid}-" in name for name in desk.store.workers()), 60)
        desk.store.close()
        hold_to_serve(Settings(folder=tmp_path)).release()
        assert "Stop all workers first" in told(2, "restore", backup, *folder, "--replace")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
    told(0, "restore", backup, *folder, "--replace")
