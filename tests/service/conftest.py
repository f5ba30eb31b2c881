"""Desks on throw-away databases."""

import os

import pytest

pytest.importorskip("sqlalchemy", reason="the service needs the web extra: pip install tuneaccord[web]")

import service_postgres
import sqlalchemy as sa
from service_play import Clock

from tuneaccord.service.connect import connect
from tuneaccord.service.settings import Settings


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a server on which databases can be created: $TUNEACCORD_TEST_POSTGRES, or one of our own."""
    if os.environ.get(service_postgres.SERVER):
        yield os.environ[service_postgres.SERVER]
        return
    need_postgres()
    with service_postgres.own_server() as server:
        yield server.url()


def need_postgres():
    """Skip, or fail where everything is to be tested, unless PostgreSQL is installed."""
    if service_postgres.programs() is None:
        missing = "no PostgreSQL is installed here (Debian: apt-get install postgresql)"
        (pytest.fail if os.environ.get(service_postgres.EVERYTHING) == "1" else pytest.skip)(missing)


@pytest.fixture
def restartable_postgres():
    """A server of its own for a test that stops or restarts it: ``url()``, ``stop()``, ``start()``, ``restart()``."""
    need_postgres()
    with service_postgres.own_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server):
    """A fresh database."""
    with service_postgres.own_database(postgres_server, f"tuneaccord_{os.urandom(6).hex()}") as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.slow])])
def database_url(request, tmp_path):
    """A fresh database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tuneaccord.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def clock():
    """The time of ``desk`` and ``desk_on``."""
    return Clock()


@pytest.fixture
def connected(tmp_path, clock):
    """``connected(url="", folder=tmp_path)``: a desk of its own on that database, closed at the end."""
    desks = []

    def make(url="", folder=tmp_path, **settings):
        desk = connect(Settings(folder=folder, database=url, **settings))
        desk.clock = clock
        if desk.store.sqlite:
            _do_not_wait_for_the_disk(desk.store)
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.store.close()


def _do_not_wait_for_the_disk(store):
    """Most of a test's time would be that; no machine loses its power here."""
    store.engine.dispose()
    sa.event.listen(store.engine, "connect", lambda connection, record: connection.execute("PRAGMA synchronous=OFF"))


@pytest.fixture
def desk(connected):
    """A desk on SQLite."""
    return connected()


@pytest.fixture
def desk_on(connected, database_url):
    """A desk on SQLite, and one on PostgreSQL."""
    return connected(database_url)
