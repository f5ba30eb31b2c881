"""One settled run and its replies, shared by the tests of the documents."""

import pytest
from settled_runs import make_replies, make_run


@pytest.fixture(scope="session")
def run() -> dict:
    return make_run()


@pytest.fixture(scope="session")
def replies(run) -> list[dict]:
    return make_replies(run)
