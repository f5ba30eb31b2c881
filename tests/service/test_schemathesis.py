"""Whatever the description allows, and some things that it does not, gets a described answer, and never a 5xx."""

import os
import traceback

import pytest
from service_http import API

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi import checks  # noqa: E402
from service_play import Clock, play  # noqa: E402

from tuneaccord.service.api.app import build  # noqa: E402
from tuneaccord.service.settings import Settings  # noqa: E402

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("TUNEACCORD_FUZZ", "6"))  #: a route and party
DATABASE = os.environ.get("TUNEACCORD_FUZZ_DATABASE", "")  #: empty: SQLite
LONGEST = 600.0  #: seconds for an answer; a busy machine takes more for the first than the ten that are usual
#: what it says of a request's data is only part of what the desk checks, so what must be accepted is not tested here
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(application, desk)."""
    from tuneaccord.service.connect import connect

    limits = {"rate": 10**9, "trials": 10**9, "largest_body": 100_000}
    given = Settings(folder=tmp_path_factory.mktemp("fuzzed"), database=DATABASE, **limits)
    desk = connect(given)
    desk.clock = Clock()
    yield build(desk, given, pages=False), desk
    desk.store.close()


@pytest.fixture(scope="module")
def api_schema(served):
    """The description as it is served."""
    return schemathesis.openapi.from_asgi(f"{API}/openapi.json", served[0], headers={"Host": "127.0.0.1"})


def parties(desk):
    """(session, token) in three states; each operation gets its own, since a fuzzed move is a move."""
    states = {state: play(desk, state) for state in ("open", "reporting", "published")}
    roles = {"open": ("operator", "provider"), "reporting": ("provider", "legal"), "published": ("auditor", "legal")}
    return [(states[state].id, states[state].tokens[who]) for state in states for who in roles[state]]


def fuzz(operation, desk):
    """Try an operation with drawn data as each of the parties."""
    tokens = parties(desk)

    @settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
    @given(case=operation.as_strategy())
    def every_answer_is_as_described(case):
        drawn = dict(case.path_parameters or {})
        for number, (session_id, token) in enumerate(tokens):
            if "session_id" in drawn:
                # a foreign session is refused before anything is looked at, so it is mostly the own one that is tried
                case.path_parameters = {**drawn, "session_id": session_id if number else drawn["session_id"]}
            headers = {"Authorization": f"Bearer {token}", "Host": "127.0.0.1"}
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=LONGEST)

    every_answer_is_as_described()


def test_every_answer_is_as_described(api_schema, served):
    failures = {}
    for operation in (found.ok() for found in api_schema.get_all_operations()):
        try:
            fuzz(operation, served[1])
        except (Exception, BaseExceptionGroup) as error:
            failures[operation.label] = "".join(traceback.format_exception(error))[-1500:]
    assert operation.label
    assert not failures, "\n\n".join(f"{label}: {told}" for label, told in failures.items())
