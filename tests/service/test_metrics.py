"""Figures for Prometheus, read back by Prometheus' own parser."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_play import REPORTS, play

from tuneaccord.service.metrics import Metrics
from tuneaccord.service.session import STATES


def read(metrics):
    """``{(name, labels): value}`` of all samples."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_requests_and_their_times(desk):
    metrics = Metrics(desk.store)
    for seconds in (0.004, 0.2, 0.2):
        metrics.answered("GET", "/api/v1/sessions/{session_id}", 200, seconds)
    metrics.answered("BREW", "/x", 405, 0.1)
    found = read(metrics)
    route = ("route", "/api/v1/sessions/{session_id}")
    assert found["tuneaccord_requests_total", (("method", "GET"), route, ("status", "200"))] == 3
    assert found["tuneaccord_request_seconds_bucket", (("le", "0.005"), ("method", "GET"), route)] == 1
    assert found["tuneaccord_request_seconds_bucket", (("le", "0.25"), ("method", "GET"), route)] == 3
    assert found["tuneaccord_request_seconds_sum", (("method", "GET"), route)] == pytest.approx(0.404, abs=1e-12)
    assert found["tuneaccord_requests_total", (("method", "other"), ("route", "/x"), ("status", "405"))] == 1


def test_sessions_reports_and_jobs_of_all_processes(desk_on):
    play(desk_on, "reporting")
    play(desk_on, "closed")
    found = read(Metrics(desk_on.store, lambda: {"workers": 2, "running": 1}))
    by_state = {state: found["tuneaccord_sessions", (("state", state),)] for state in STATES}
    assert by_state == {state: float(state in ("reporting", "closed")) for state in STATES}
    assert found["tuneaccord_reports", ()] == len(REPORTS)
    assert found["tuneaccord_jobs", (("state", "workers"),)] == 2
    assert found["tuneaccord_jobs", (("state", "running"),)] == 1


def test_failed_jobs_are_counted_from_the_logs_of_all_processes(desk_on):
    one, two = (
        play(desk_on, "closed"),
        play(desk_on, "open", terms={"title": "ours", "sampling": {"prompts": ["Why?"]}}),
    )
    metrics, kinds = Metrics(desk_on.store), ("settle", "sample")

    def failed():
        found = read(Metrics(desk_on.store))
        return {kind: found["tuneaccord_jobs_failed_total", (("kind", kind),)] for kind in kinds}

    assert failed() == {"settle": 0, "sample": 0}
    for _ in range(2):
        one.server.begin_settling(one.id)
        one.server.fail(one.id, "the disk was full")
        desk_on.try_again(one.provider, one.id)
    desk_on.sample(two.provider, two.id)
    two.server.sampling_failed(two.id, "no such model")
    assert failed() == {"settle": 2, "sample": 1}
    assert "# TYPE tuneaccord_jobs_failed_total counter" in metrics.text().decode()


def test_times_of_the_database(desk):
    metrics = Metrics(desk.store)
    before = read(metrics)
    play(desk, "draft")
    after = read(metrics)
    for kind in ("read", "write"):
        name = ("tuneaccord_database_seconds_count", (("kind", kind),))
        assert after[name] > before[name]


def test_labels_name_nobody(desk):
    metrics = Metrics(desk.store)
    played = play(desk)
    text = metrics.text().decode()
    for secret in (played.id, *played.tokens.values(), *REPORTS):
        assert secret not in text
    assert set(re.findall(r'[{,](\w+)="', text)) <= {"state", "kind", "le", "method", "route", "status"}


def test_a_database_that_is_away_leaves_its_figures_out(connected, tmp_path):
    desk = connected(folder=tmp_path / "gone")
    metrics = Metrics(desk.store, lambda: 1 / 0)
    desk.store.engine.dispose()
    (tmp_path / "gone" / "tuneaccord.db").unlink()
    found = {name for name, _ in read(metrics)}
    assert "tuneaccord_sessions" not in found
    assert "tuneaccord_websockets" in found


def test_figures_are_kept_for_a_moment(desk, monkeypatch):
    monkeypatch.setattr("tuneaccord.service.metrics._KEPT", 600.0)
    asked = []
    metrics = Metrics(desk.store, lambda: asked.append(1) or {"running": 0})
    metrics.text()
    metrics.text()
    assert len(asked) == 1
