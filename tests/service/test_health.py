"""Alive and ready: what is asked, and what a missing part answers."""

import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tuneaccord.service import health
from tuneaccord.service.health import Health
from tuneaccord.service.times import stamp

Usage = namedtuple("Usage", "total used free")


def beat(desk, seconds_ago=0.0):
    desk.store.seen("a-worker", stamp(datetime.now(UTC) - timedelta(seconds=seconds_ago)))


def failing(answer):
    return [name for name, check in answer["checks"].items() if not check["ok"]]


def test_ready(desk_on, tmp_path):
    beat(desk_on)
    answer = Health(desk_on.store, tmp_path).ready()
    assert answer["ready"], answer
    assert set(answer["checks"]) == {"database", "migrations", "worker", "disk"}
    assert all(check["milliseconds"] >= 0 for check in answer["checks"].values())


@pytest.mark.parametrize(("seconds_ago", "bad"), [(15.0, []), (31.0, ["worker"])])
def test_a_worker_must_have_been_there_lately(desk, tmp_path, seconds_ago, bad):
    beat(desk, seconds_ago)
    assert failing(Health(desk.store, tmp_path).ready()) == bad


def test_no_worker_at_all(desk, tmp_path):
    answer = Health(desk.store, tmp_path).ready()
    assert failing(answer) == ["worker"]
    assert "tuneaccord work" in answer["checks"]["worker"]["problem"]


def test_an_old_database(desk, tmp_path):
    beat(desk)
    with desk.store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    assert failing(Health(desk.store, tmp_path).ready()) == ["migrations"]


def test_a_database_that_cannot_be_written(desk, tmp_path):
    beat(desk)
    checks = Health(desk.store, tmp_path)
    sa.event.listen(desk.store.engine, "checkout", lambda raw, record, proxy: raw.execute("PRAGMA query_only=ON"))
    answer = checks.ready()
    assert failing(answer) == ["database"]
    assert answer["checks"]["database"]["problem"] == "no answer (Unavailable)"


def test_a_full_disk(desk, tmp_path, monkeypatch):
    beat(desk)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**9, 10**9, health.ROOM - 1))
    assert failing(Health(desk.store, tmp_path).ready()) == ["disk"]


def test_a_database_that_went_away_says_so_without_saying_where(desk, tmp_path):
    desk.store.engine.dispose()
    (tmp_path / "tuneaccord.db").unlink()
    shutil.rmtree(tmp_path / "keys")
    checks = Health(desk.store, tmp_path / "keys")  # the folder is gone too
    answer = checks.ready()
    assert failing(answer) == ["database", "migrations", "worker", "disk"]
    assert str(tmp_path) not in str(answer)


def test_asking_often_asks_the_database_once(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "_KEPT", 600.0)
    checks = Health(desk.store, tmp_path)
    first = checks.ready()
    beat(desk)
    assert checks.ready() is first
    monkeypatch.setattr(checks, "_until", 0.0)
    assert checks.ready()["ready"]
